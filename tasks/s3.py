"""Small objects in S3: JSON documents, digests and folders, over boto3."""

import hashlib
import json
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError


@lru_cache(maxsize=1)
def client() -> Any:  # noqa: ANN401 - boto3 builds its clients at run time
    """Return this process's S3 client."""
    return boto3.client("s3")


def split(uri: str) -> tuple[str, str]:
    """Split `s3://bucket/key` into bucket and key.

    >>> split("s3://lake/landing/case/x.csv")
    ('lake', 'landing/case/x.csv')
    """
    if not uri.startswith("s3://"):
        raise ValueError(f"{uri!r} is not an S3 address; it must start with s3://")
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def digest(*parts: object, length: int = 16) -> str:
    """Return the first `length` hex digits of the SHA-256 of the parts in canonical JSON.

    >>> digest("case", ["2026-10"], length=8)
    '13e19b71'
    """
    text = json.dumps(parts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def read_json(uri: str) -> dict[str, Any] | None:
    """Return the JSON document at `uri`, None if there is none."""
    found = read_tagged(uri)
    return found[0] if found else None


def read_tagged(uri: str) -> tuple[dict[str, Any], str] | None:
    """Return the JSON document at `uri` and its entity tag, None if there is none."""
    bucket, key = split(uri)
    try:
        found = client().get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise
    return json.loads(found["Body"].read()), found["ETag"]


def write_json(uri: str, document: dict[str, Any]) -> None:
    """Write a JSON document, keys sorted."""
    write_bytes(uri, json.dumps(document, indent=1, sort_keys=True, default=str).encode())


def create_json(uri: str, document: dict[str, Any]) -> bool:
    """Write a JSON document only if there is none yet; return whether this call wrote it."""
    return _write_if(uri, document, IfNoneMatch="*")


def replace_json(uri: str, document: dict[str, Any], tag: str) -> bool:
    """Write a JSON document only over the one with that entity tag; return whether this call wrote it."""
    return _write_if(uri, document, IfMatch=tag)


def _write_if(uri: str, document: dict[str, Any], **condition: str) -> bool:
    bucket, key = split(uri)
    body = json.dumps(document, indent=1, sort_keys=True, default=str).encode()
    try:
        client().put_object(Bucket=bucket, Key=key, Body=body, **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"):
            return False
        raise
    return True


def write_bytes(uri: str, body: bytes) -> None:
    """Write one object."""
    bucket, key = split(uri)
    client().put_object(Bucket=bucket, Key=key, Body=body)


def list_keys(prefix_uri: str) -> list[str]:
    """Return the addresses of all objects under a prefix, sorted."""
    return sorted(sizes(prefix_uri))


def written(uri: str) -> datetime:
    """Return when the object at `uri` was last written."""
    bucket, key = split(uri)
    moment: datetime = client().head_object(Bucket=bucket, Key=key)["LastModified"]
    return moment


def written_since(prefix_uri: str, moment: datetime) -> list[str]:
    """Return the addresses of objects under a prefix written at or after `moment`."""
    bucket, prefix = split(prefix_uri)
    pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    found = (item for page in pages for item in page.get("Contents", []))
    return [f"s3://{bucket}/{item['Key']}" for item in found if item["LastModified"] >= moment]


def sizes(prefix_uri: str) -> dict[str, int]:
    """Return the size in bytes of every object under a prefix, by address."""
    bucket, prefix = split(prefix_uri)
    pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {f"s3://{bucket}/{item['Key']}": item["Size"] for page in pages for item in page.get("Contents", [])}


def delete(uris: list[str]) -> None:
    """Delete objects, all of one bucket."""
    for start in range(0, len(uris), 1000):
        chunk = [split(uri) for uri in uris[start : start + 1000]]
        client().delete_objects(Bucket=chunk[0][0], Delete={"Objects": [{"Key": key} for _, key in chunk]})


def version(version_id: str | None) -> dict[str, str]:
    """Return the request argument for an object's version, empty for the latest.

    >>> version("3f1c"), version(None)
    ({'VersionId': '3f1c'}, {})
    """
    return {"VersionId": version_id} if version_id and version_id != "null" else {}


def download(uri: str, path: Path, version_id: str | None = None) -> Path:
    """Download one object to `path`, creating its folder."""
    bucket, key = split(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    client().download_file(bucket, key, str(path), ExtraArgs=version(version_id))
    return path


def download_folder(prefix_uri: str, folder: Path) -> list[Path]:
    """Download every object under a prefix, keeping relative names."""
    uris = list_keys(prefix_uri)
    return [download(uri, folder / uri.removeprefix(prefix_uri).lstrip("/")) for uri in uris]


def upload_folder(folder: Path, prefix_uri: str) -> None:
    """Upload every file of a folder under a prefix that ends in `/`."""
    bucket, prefix = split(prefix_uri)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        client().upload_file(str(path), bucket, f"{prefix}{path.relative_to(folder).as_posix()}")
