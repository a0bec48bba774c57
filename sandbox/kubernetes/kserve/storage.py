"""KServe's storage initializer: copies a model from S3 by plain prefix before its container starts."""

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws.roles import credentials


class StorageError(RuntimeError):
    """The model could not be fetched."""


def download(uri: str, folder: Path, *, role: str | None = None) -> int:
    """Copy all objects under `s3://bucket/prefix` into an empty `folder`; return their number.

    The prefix is plain, as in KServe: `…/v1` also matches `…/v10`, so end it with `/`.

    Args:
        uri: Location of the model.
        folder: Where to copy it.
        role: The role whose permissions are used.

    Raises:
        StorageError: The address is not S3, it holds no objects, or S3 refuses.
    """
    parsed = urlparse(uri)
    if parsed.scheme != "s3" or not parsed.netloc:
        raise StorageError(f"Cannot recognize storage type for {uri}: s3://bucket/prefix/ is expected")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        count = _copy(_client(role), parsed.netloc, parsed.path.lstrip("/"), folder)
    except (BotoCoreError, ClientError) as error:
        raise StorageError(f"Failed to fetch model from {uri}: {error}") from error
    if count == 0:
        raise StorageError(f"Failed to fetch model. No model found in {parsed.path.lstrip('/')}.")
    return count


def _client(role: str | None) -> Any:  # noqa: ANN401 - boto3 clients are untyped
    settings = Config(retries={"max_attempts": 3}, connect_timeout=5, read_timeout=60)
    keys = credentials(role)
    session = boto3.session.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
    return session.client("s3", config=settings)


def _copy(s3: Any, bucket: str, prefix: str, folder: Path) -> int:  # noqa: ANN401 - boto3 clients are untyped
    count = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            if entry["Key"].endswith("/"):
                continue
            target = folder / _relative(entry["Key"], prefix)
            if not target.resolve().is_relative_to(folder.resolve()):
                raise StorageError(f"key {entry['Key']!r} leaves the model folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, entry["Key"], str(target))
            count += 1
    return count


def _relative(key: str, prefix: str) -> str:
    """Return a key relative to the prefix; if the prefix is itself the key, its file name."""
    return key.rsplit("/", 1)[-1] if key == prefix else key.removeprefix(prefix).lstrip("/")
