"""S3 operations of a request, derived from its method, query and headers."""

import re
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import unescape

from sandbox.aws.calls.resources import Call

# The first match decides; a marker is a name in the query.
_OF_BUCKET = {
    "GET": (
        ("location", "GetBucketLocation"),
        ("versions", "ListObjectVersions"),
        ("uploads", "ListMultipartUploads"),
        ("versioning", "GetBucketVersioning"),
        ("", "ListObjectsV2"),
    ),
    "HEAD": (("", "HeadBucket"),),
    "PUT": (("", "CreateBucket"),),
    "DELETE": (("", "DeleteBucket"),),
    "POST": (("delete", "DeleteObjects"),),
}
_OF_OBJECT = {
    "GET": (
        ("uploadId", "ListParts"),
        ("tagging", "GetObjectTagging"),
        ("versionId", "GetObjectVersion"),
        ("", "GetObject"),
    ),
    "HEAD": (("versionId", "HeadObjectVersion"), ("", "HeadObject")),
    "PUT": (("partNumber", "UploadPart"), ("tagging", "PutObjectTagging"), ("", "PutObject")),
    "POST": (("uploads", "CreateMultipartUpload"), ("uploadId", "CompleteMultipartUpload")),
    "DELETE": (
        ("uploadId", "AbortMultipartUpload"),
        ("versionId", "DeleteObjectVersion"),
        ("", "DeleteObject"),
    ),
}
_KEYS = re.compile(r"<Key>(.*?)</Key>", re.DOTALL)


def calls(request: Any, resource: str) -> list[Call]:  # noqa: ANN401 - moto's response class
    """Return the calls of a request: one, or more if it copies or deletes several objects.

    Args:
        request: Moto's S3 response, before it acts.
        resource: ARN of the bucket or object.
    """
    operation = _operation(request.method, "/" in resource, request.parsed_url.query)
    if operation == "DeleteObjects":
        keys = _KEYS.findall(_text(request.raw_body))
        return [Call("DeleteObject", f"{resource}/{unescape(key)}") for key in keys]
    source = request.headers.get("x-amz-copy-source")
    copied = [Call("GetObject", _source(resource, source))] if source else []
    return [Call(operation, resource), *copied]


def _operation(method: str, of_object: bool, query: str) -> str:
    names = {part.partition("=")[0] for part in query.split("&")}
    choices = (_OF_OBJECT if of_object else _OF_BUCKET).get(method, ())
    # An unknown request gets a name that no policy grants, so that the tests notice it.
    return next((name for marker, name in choices if not marker or marker in names), f"{method}?{query}")


def _source(resource: str, source: str) -> str:
    partition = resource.split(":s3:", 1)[0]
    return f"{partition}:s3:::{unquote(source).lstrip('/').partition('?')[0]}"


def _text(body: bytes | str) -> str:
    return body.decode() if isinstance(body, bytes) else body
