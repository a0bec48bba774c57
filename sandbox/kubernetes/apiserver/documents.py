"""JSON documents of the API: their types, patches and time format."""

from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

import jsonpatch

from sandbox.kubernetes.apiserver.errors import BadRequestError, InvalidError

Json: TypeAlias = Any
Object: TypeAlias = dict[str, Any]
Document = TypeVar("Document")

# All that the API server says of a JSON patch that does not apply.
REJECTED = "the server rejected our request due to an error in our request"


def now() -> str:
    """Return the current time in Kubernetes' format, in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def copied(value: Document) -> Document:
    """Return a copy of a document that shares no object or list with it, several times as fast as `copy.deepcopy`.

    >>> document = {"a": [1]}
    >>> copied(document) == document and copied(document)["a"] is not document["a"]
    True
    """
    copy: Json = value
    if isinstance(value, dict):
        copy = {key: copied(item) for key, item in value.items()}
    elif isinstance(value, list):
        copy = [copied(item) for item in value]
    found: Document = copy
    return found


def merge_patch(target: Json, patch: Json) -> Json:
    """Apply a JSON merge patch (RFC 7386) to a copy of `target`.

    >>> merge_patch({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"d": 3}})
    {'b': {'c': 2, 'd': 3}}
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Object, patch: Json) -> Object:
    """Apply a JSON patch (RFC 6902) to a copy of `target`.

    Raises:
        BadRequestError: The patch is malformed.
        InvalidError: A `test` fails or a path does not exist.

    Example:
        >>> json_patch({"metadata": {"name": "m"}}, [{"op": "replace", "path": "/metadata/name", "value": "n"}])
        {'metadata': {'name': 'n'}}
    """
    if not isinstance(patch, list):
        raise BadRequestError("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        return dict(jsonpatch.apply_patch(target, patch))
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, AttributeError) as error:
        raise InvalidError(REJECTED, details={}) from error
