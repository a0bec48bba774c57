"""Text files as Hive's input formats read them: decompressed by their name, and split into lines."""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from sandbox.aws.errors import UnsupportedSqlError

_CODECS = {"gz": "gzip", "bz2": "bz2", "zst": "zstd", "lz4": "lz4"}
_UNREADABLE = {"snappy", "deflate", "lzo"}
# What DuckDB's reader of CSV files would take otherwise than Hive: empty lines, and a carriage return of its own.
_AWKWARD = re.compile(rb"\A\r?\n|\n\r?\n|\r(?!\n)|\x00")


def decompressed(path: Path, key: str) -> Path:
    """Return a staged text file without its compression, which the end of the object's key names.

    Raises:
        UnsupportedSqlError: The sandbox cannot decompress it.
    """
    ending = key.rpartition(".")[2].lower()
    if ending in _UNREADABLE:
        raise UnsupportedSqlError(f"text compressed as .{ending}")
    if ending not in _CODECS:
        return path
    target = path.with_name(f"{path.name}.text")
    if not target.exists():
        partial = path.with_name(f"{path.name}.{id(target)}.partial")
        with pa.input_stream(str(path), compression=_CODECS[ending]) as source, partial.open("wb") as sink:
            while chunk := source.read(1 << 20):
                sink.write(chunk)
        partial.replace(target)
    return target


@lru_cache(maxsize=4096)
def is_plain(path: Path, marks: str) -> bool:
    """Return whether lines and fields are simply what is between their separators: none of `marks` occurs."""
    body = path.read_bytes()
    return not _AWKWARD.search(body) and not any(mark.encode() in body for mark in marks)


def lines(body: bytes, skip: int) -> Iterator[str]:
    """Yield the lines of a text after the first `skip`; each of CR, LF and CR LF ends a line."""
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace")
    found = re.split(r"\r\n|\n|\r", text)
    if found and not found[-1]:
        found.pop()
    yield from found[skip:]
