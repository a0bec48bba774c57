"""Splits input objects into the requests of a batch transform."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.aws.errors import JobError
from sandbox.aws.storage import Location, Object, Storage


@dataclass(frozen=True)
class Batch:
    """One request: its body and its records (none if the object is sent whole)."""

    body: bytes
    lines: list[bytes]


def missing(uri: str, region: str, role: str | None) -> str:
    """Return SageMaker's message about a prefix without objects."""
    bucket = Location.parse(uri).bucket
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists in '
        f"the selected region ({region}), that objects exist under that S3 prefix, and that the role "
        f'"{role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )


def inputs(storage: Storage, kind: str, uri: str) -> list[tuple[Object, str]]:
    """List the input objects, each with its key relative to the prefix or manifest root.

    Raises:
        JobError: There are no objects, or the manifest cannot be read.
    """
    if kind == "ManifestFile":
        return list(_manifest(storage, uri))
    prefix = Location.parse(uri)
    start = prefix.key.rfind("/") + 1
    found = [
        (item, item.place.key[start:])
        for item in storage.objects(prefix)
        if not item.place.key.endswith("/") and item.size
    ]
    if not found:
        raise JobError(f"ClientError: No S3 objects found under S3 URL {uri!r} given in input data source.")
    return found


def _manifest(storage: Storage, uri: str) -> Iterator[tuple[Object, str]]:
    try:
        entries = json.loads(storage.read(Location.parse(uri)))
        root = Location.parse(entries[0]["prefix"])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise JobError(f"ClientError: manifest {uri} is not a list that starts with a prefix: {error!r}") from error
    for name in entries[1:]:
        place = Location(root.bucket, root.key + name)
        item = next((found for found in storage.objects(place) if found.place == place), None)
        if item is None:
            raise JobError(f"ClientError: manifest {uri} names {place}, which does not exist")
        yield item, name


def decompress(data: bytes, kind: str, name: str) -> bytes:
    """Return an object's content, unpacked if the job's `CompressionType` is `Gzip`.

    Raises:
        JobError: It is not gzip.
    """
    if kind != "Gzip":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError) as error:
        raise JobError(f"ClientError: {name} cannot be unpacked as gzip: {error}") from error


def cut(data: bytes, *, split: str, strategy: str, limit: int | None, name: str) -> Iterator[Batch]:
    r"""Split an object into batches of at most `limit` bytes.

    Args:
        data: The object's bytes.
        split: `None` for the whole object, or `Line`: a record ends at a line feed and nowhere else.
        strategy: `SingleRecord` or `MultiRecord`.
        limit: MaxPayloadInMB, in bytes; None for no limit.
        name: Name of the object for messages.

    Raises:
        JobError: A record exceeds the limit, or the sandbox does not support the split type.

    Example:
        >>> [part.body for part in cut(b"1\n2\n", split="Line", strategy="SingleRecord", limit=9, name="a.csv")]
        [b'1\n', b'2\n']
    """
    if split == "None":
        _fits(len(data), limit, name)
        yield Batch(data, [])
        return
    if split != "Line":
        raise JobError(f"ClientError: SplitType {split} (the sandbox splits by Line or not at all)")
    pending: list[bytes] = []
    size = 0
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        length = len(line) + 1
        _fits(length, limit, name)
        if pending and (strategy == "SingleRecord" or (limit is not None and size + length > limit)):
            yield _batch(pending)
            pending, size = [], 0
        pending.append(line)
        size += length
    if pending:
        yield _batch(pending)


def _batch(lines: list[bytes]) -> Batch:
    return Batch(b"\n".join(lines) + b"\n", lines)


def _fits(size: int, limit: int | None, name: str) -> None:
    if limit is not None and size > limit:
        raise JobError(
            f"ClientError: {name}: a record of {size} bytes is over MaxPayloadInMB ({limit / 2**20:g} MB); "
            "split the input or raise the limit"
        )
