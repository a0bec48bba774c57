"""Access to the sandbox's own S3: locations, listings, and a local cache of objects by ETag."""

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.aws.errors import SandboxAwsError


@dataclass(frozen=True)
class Location:
    """A location in S3: `bucket` and `key`, or a key prefix, which may be empty."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> "Location":
        """Parse `s3://bucket/key`.

        Raises:
            SandboxAwsError: It is not an S3 URI.

        Example:
            >>> Location.parse("s3://bucket/a/b").folder
            Location(bucket='bucket', key='a/b/')
        """
        for scheme in ("s3://", "s3a://", "s3n://"):
            if uri.startswith(scheme):
                bucket, _, key = uri[len(scheme) :].partition("/")
                return cls(bucket, key)
        raise SandboxAwsError(f"{uri!r} is not an S3 location; write s3://bucket/key")

    @property
    def folder(self) -> "Location":
        """The same location with exactly one trailing slash (none for a whole bucket)."""
        return Location(self.bucket, self.key.rstrip("/") + "/" if self.key.strip("/") else "")

    def __truediv__(self, name: str) -> "Location":
        return Location(self.bucket, f"{self.folder.key}{name}")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Object:
    """One object in an S3 listing; `size` in bytes, `modified` in UTC as `2024-02-03 04:05:06`."""

    place: Location
    etag: str
    size: int
    modified: str = ""


class Storage:
    """The sandbox's S3 through a boto3 client; downloads are cached under `cache` by bucket, key and ETag."""

    def __init__(self, client: Any, cache: Path) -> None:  # noqa: ANN401 - boto3 clients are untyped
        self._client = client
        self._cache = cache

    def objects(self, prefix: Location) -> Iterator[Object]:
        """Yield all objects whose key starts with `prefix.key`, in key order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
        for page in pages:
            for item in page.get("Contents", []):
                modified = f"{item['LastModified']:%Y-%m-%d %H:%M:%S}"
                yield Object(Location(prefix.bucket, item["Key"]), item["ETag"].strip('"'), item["Size"], modified)

    def stage(self, item: Object) -> Path:
        """Return a local copy of an object; each ETag is downloaded at most once."""
        identity = f"{item.place}#{item.etag}#{item.size}".encode()
        target = self._cache / hashlib.sha256(identity).hexdigest()
        if not target.exists():
            self._cache.mkdir(parents=True, exist_ok=True)
            partial = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
            self.download(item.place, partial)
            partial.replace(target)
        return target

    def download(self, place: Location, target: Path) -> None:
        """Download an object to a local file, creating its folder."""
        target.parent.mkdir(parents=True, exist_ok=True)
        body = self._client.get_object(Bucket=place.bucket, Key=place.key)["Body"]
        with target.open("wb") as file:
            for chunk in body.iter_chunks(1 << 20):
                file.write(chunk)

    def read(self, place: Location) -> bytes:
        """Return an object's bytes."""
        body: bytes = self._client.get_object(Bucket=place.bucket, Key=place.key)["Body"].read()
        return body

    def write(self, place: Location, body: bytes | Path, *, content_type: str = "application/octet-stream") -> None:
        """Write bytes, or a file's bytes, as one object."""
        data = body.read_bytes() if isinstance(body, Path) else body
        self._client.put_object(Bucket=place.bucket, Key=place.key, Body=data, ContentType=content_type)

    def delete(self, places: list[Location]) -> None:
        """Delete objects one by one; missing ones are ignored."""
        for place in places:
            self._client.delete_object(Bucket=place.bucket, Key=place.key)
