"""The XML and JSON documents in requests to S3, checked against its model and its own rules."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any
from xml.etree import ElementTree

from botocore.model import OperationNotFoundError

from sandbox.aws.strict import models
from sandbox.aws.strict.constraints import WrongTypeError, compile_shape, violations
from sandbox.aws.strict.refusals import Refusal
from sandbox.aws.strict.requests import Environ, read_body

_MALFORMED = Refusal(
    "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"
)
# What the query of a request names, and the operation whose document is checked.
_OPERATIONS = {
    ("PUT", "tagging", True): "PutObjectTagging",
    ("PUT", "tagging", False): "PutBucketTagging",
    ("PUT", "versioning", False): "PutBucketVersioning",
    ("PUT", "lifecycle", False): "PutBucketLifecycleConfiguration",
    ("PUT", "cors", False): "PutBucketCors",
    ("PUT", "encryption", False): "PutBucketEncryption",
    ("PUT", "notification", False): "PutBucketNotificationConfiguration",
    ("PUT", "publicAccessBlock", False): "PutPublicAccessBlock",
    ("POST", "delete", False): "DeleteObjects",
    ("POST", "restore", True): "RestoreObject",
}
_MOST_OBJECTS, _MOST_KEY, _MOST_VALUE = 1000, 128, 256


def refuse_document(environ: Environ) -> Refusal | None:
    """Return S3's refusal of the document in a request; None if it has none or it is valid."""
    method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
    if method not in ("PUT", "POST") or not query:
        return None
    of_object = "/" in str(environ.get("PATH_INFO", "/"))[1:].rstrip("/")
    markers = [part.partition("=")[0] for part in query.split("&")]
    if method == "PUT" and "policy" in markers:
        return _policy(read_body(environ))
    operation = next((name for mark in markers if (name := _OPERATIONS.get((method, mark, of_object)))), None)
    return _document(operation, read_body(environ)) if operation else None


def _policy(body: bytes) -> Refusal | None:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return Refusal("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")
    return None if found.get("Statement") else Refusal("MalformedPolicy", "Missing required field Statement")


def _document(operation: str, body: bytes) -> Refusal | None:
    shape = _shape(operation)
    if shape is None or not body:
        return None
    try:
        document = _read(ElementTree.fromstring(body), shape)  # noqa: S314 - the client is this machine
        wrong = violations(compile_shape(shape), document)
    except (ElementTree.ParseError, WrongTypeError, ValueError):
        return _MALFORMED
    return _MALFORMED if wrong else _own_rule(operation, document)


def _own_rule(operation: str, document: dict[str, Any]) -> Refusal | None:
    rule = _RULES.get(operation)
    return rule(document) if rule else None


@cache
def _shape(operation: str) -> Any:  # noqa: ANN401 - botocore's shapes
    try:
        found = models.service("s3").operation_model(operation).input_shape
    except OperationNotFoundError:
        return None
    return found.members.get(found.serialization.get("payload"))


def _read(node: ElementTree.Element, shape: Any) -> Any:  # noqa: ANN401 - botocore's shapes and JSON
    """Return an element as JSON by its shape.

    Raises:
        ValueError: A number or a truth value is something else.
    """
    if shape.type_name == "structure":
        return _structure(node, shape)
    if shape.type_name == "list":
        return [_read(child, shape.member) for child in node]
    text = node.text or ""
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name == "boolean":
        return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else int(text)
    return text


def _structure(node: ElementTree.Element, shape: Any) -> dict[str, Any]:  # noqa: ANN401 - botocore's shapes
    found: dict[str, Any] = {}
    members = {of.serialization.get("name", name): (name, of) for name, of in shape.members.items()}
    for child in node:
        name, of = members.get(child.tag.rpartition("}")[2], (None, None))
        if name is None:
            continue
        if of.type_name == "list" and of.serialization.get("flattened"):
            found.setdefault(name, []).append(_read(child, of.member))
        else:
            found[name] = _read(child, of)
    return found


def _versioning(document: dict[str, Any]) -> Refusal | None:
    if document.get("Status"):
        return None
    return Refusal("IllegalVersioningConfigurationException", "The Versioning element must be specified")


def _deletion(document: dict[str, Any]) -> Refusal | None:
    return None if 0 < len(document.get("Objects") or []) <= _MOST_OBJECTS else _MALFORMED


def _tags(document: dict[str, Any]) -> Refusal | None:
    tags = document.get("TagSet") or []
    keys = [tag["Key"] for tag in tags]
    if len(set(keys)) < len(keys):
        return Refusal("InvalidTag", "Cannot provide multiple Tags with the same key")
    if any(not 0 < len(key) <= _MOST_KEY for key in keys):
        return Refusal("InvalidTag", "The TagKey you have provided is invalid")
    if any(len(tag["Value"]) > _MOST_VALUE for tag in tags):
        return Refusal("InvalidTag", "The TagValue you have provided is invalid")
    return None


_RULES: dict[str, Callable[[dict[str, Any]], Refusal | None]] = {
    "PutBucketVersioning": _versioning,
    "DeleteObjects": _deletion,
    "PutObjectTagging": _tags,
    "PutBucketTagging": _tags,
}
