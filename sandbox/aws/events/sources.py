"""Events that AWS services emit themselves: S3's object events in EventBridge's form."""

import secrets
import time
import uuid
from datetime import UTC, datetime
from typing import Any

Event = dict[str, Any]
_CREATED = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
}
_DELETED = {
    "s3:ObjectRemoved:Delete": "Permanently Deleted",
    "s3:ObjectRemoved:DeleteMarkerCreated": "Delete Marker Created",
}


def event(*, kind: str, source: str, account: str, region: str, resources: list[str], detail: dict[str, Any]) -> Event:
    """Return an event envelope, with its fields in the service's order."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": account,
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": resources,
        "detail": detail,
    }


def object_event(account: str, bucket: Any, name: str, key: Any) -> Event | None:  # noqa: ANN401 - moto's models
    """Return S3's event for a created or deleted object; None for events that S3 does not forward.

    Args:
        account: Account of the bucket.
        bucket: Moto's bucket.
        name: For example `s3:ObjectCreated:Put`.
        key: Moto's object.
    """
    if name not in _CREATED and name not in _DELETED:
        return None
    described: dict[str, Any] = {"key": key.name}
    detail: dict[str, Any] = {"version": "0", "bucket": {"name": bucket.name}, "object": described}
    if name in _CREATED:
        described |= {"size": key.size, "etag": key.etag.strip('"')}
    if bucket.is_versioned and key.version_id:
        described["version-id"] = str(key.version_id)
    described["sequencer"] = f"{time.time_ns():018X}"
    detail |= {
        "request-id": secrets.token_hex(8).upper(),
        "requester": account,
        "source-ip-address": "127.0.0.1",
        "reason": _CREATED.get(name, "DeleteObject"),
    }
    if name in _DELETED:
        detail["deletion-type"] = _DELETED[name]
    kind = "Object Created" if name in _CREATED else "Object Deleted"
    return event(
        kind=kind,
        source="aws.s3",
        account=account,
        region=bucket.region_name,
        resources=[f"arn:aws:s3:::{bucket.name}"],
        detail=detail,
    )
