"""KServe's storage initializer: copies a model from S3 by plain prefix before its container starts."""

import shutil
from pathlib import Path
from urllib.parse import urlparse

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


class StorageError(RuntimeError):
    """The model could not be fetched."""


def download(uri: str, folder: Path) -> int:
    """Copy every object under `s3://bucket/prefix` into an empty `folder`; return how many there were.

    The prefix is plain, as in KServe: `…/v1` also matches `…/v10`, so end it with `/`.

    Raises:
        StorageError: the address is not S3, nothing is there, or S3 refuses.
    """
    parsed = urlparse(uri)
    if parsed.scheme != "s3" or not parsed.netloc:
        raise StorageError(f"Cannot recognize storage type for {uri}: s3://bucket/prefix/ is expected")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        count = _copy(parsed.netloc, parsed.path.lstrip("/"), folder)
    except (BotoCoreError, ClientError) as error:
        raise StorageError(f"Failed to fetch model from {uri}: {error}") from error
    if count == 0:
        raise StorageError(f"Failed to fetch model. No model found in {parsed.path.lstrip('/')}.")
    return count


def _copy(bucket: str, prefix: str, folder: Path) -> int:
    settings = Config(retries={"max_attempts": 3}, connect_timeout=5, read_timeout=60)
    s3 = boto3.session.Session().client("s3", config=settings)
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
    """A prefix that is itself an object keeps its file name."""
    return key.rsplit("/", 1)[-1] if key == prefix else key.removeprefix(prefix).lstrip("/")
