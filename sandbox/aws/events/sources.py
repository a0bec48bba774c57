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

# The events without a reason; recorded in localstack's `test_s3_notifications_eventbridge`.
_OTHER = {
    "s3:ObjectTagging:Put": "Object Tags Added",
    "s3:ObjectTagging:Delete": "Object Tags Deleted",
    "s3:ObjectAcl:Put": "Object ACL Updated",
    "s3:ObjectRestore:Post": "Object Restore Initiated",
    "s3:ObjectRestore:Completed": "Object Restore Completed",
}
_SIZED = {"Object Created", "Object Restore Initiated", "Object Restore Completed"}


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
    """Return S3's event for a change of an object; None for events that S3 does not forward.

    Args:
        account: Account of the bucket.
        bucket: Moto's bucket.
        name: For example `s3:ObjectCreated:Put`.
        key: Moto's object.
    """
    kind = _kind(name)
    if kind is None:
        return None
    detail = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": _described(bucket, key, kind),
        "request-id": secrets.token_hex(8).upper(),
        "requester": account,
        "source-ip-address": "127.0.0.1",
        **_more(name, key),
    }
    return event(
        kind=kind,
        source="aws.s3",
        account=account,
        region=bucket.region_name,
        resources=[f"arn:aws:s3:::{bucket.name}"],
        detail=detail,
    )


def _kind(name: str) -> str | None:
    if name in _CREATED:
        return "Object Created"
    return "Object Deleted" if name in _DELETED else _OTHER.get(name)


def _described(bucket: Any, key: Any, kind: str) -> dict[str, Any]:  # noqa: ANN401 - moto's models
    found: dict[str, Any] = {"key": key.name}
    if kind in _SIZED:
        found["size"] = key.size
    if kind != "Object Deleted":
        found["etag"] = key.etag.strip('"')
    if bucket.is_versioned and key.version_id:
        found["version-id"] = str(key.version_id)
    if kind in ("Object Created", "Object Deleted"):
        found["sequencer"] = f"{time.time_ns():018X}"
    return found


def _more(name: str, key: Any) -> dict[str, Any]:  # noqa: ANN401 - moto's models
    """Return the fields that only some events have."""
    if name in _CREATED:
        return {"reason": _CREATED[name]}
    if name in _DELETED:
        return {"reason": "DeleteObject", "deletion-type": _DELETED[name]}
    if not name.startswith("s3:ObjectRestore"):
        return {}
    found: dict[str, Any] = {"source-storage-class": key.storage_class}
    if name == "s3:ObjectRestore:Completed" and getattr(key, "expiry_date", None):
        found["restore-expiry-time"] = f"{key.expiry_date:%Y-%m-%dT%H:%M:%SZ}"
    return found
