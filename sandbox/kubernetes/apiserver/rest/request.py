"""What a request asks for: its body, its options and its writer."""

import json
from collections.abc import Mapping
from typing import Any

import yaml
from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Json, Object
from sandbox.kubernetes.apiserver.errors import (
    BadRequestError,
    FieldError,
    InvalidError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from sandbox.kubernetes.apiserver.rest import protobuf

MOST_BYTES = 3 * 1024 * 1024
MOST_MANAGER = 128
_MEDIA_TYPES = ("application/json", "application/yaml")
POLICIES = ("Background", "Foreground", "Orphan")
OPTIONS = {
    "GET": "ListOptions",
    "POST": "CreateOptions",
    "PUT": "UpdateOptions",
    "PATCH": "PatchOptions",
    "DELETE": "DeleteOptions",
}


def flag(query: Mapping[str, str], name: str) -> bool:
    """Return whether a parameter is true, as Go reads it; a bare name is true."""
    return name in query and query[name].lower() not in ("0", "false")


def option_fault(method: str, *faults: FieldError) -> InvalidError:
    """Return the error for options that are not allowed."""
    kind = OPTIONS[method]
    text = faults[0].text if len(faults) == 1 else "[" + ", ".join(f.text for f in faults) + "]"
    details = {"group": "meta.k8s.io", "kind": kind}
    return InvalidError(f'{kind}.meta.k8s.io "" is invalid: {text}', causes=faults, details=details)


def dry_run(request: web.Request, options: Object | None = None) -> bool:
    """Return whether nothing is to be stored.

    Raises:
        InvalidError: The option has a value other than `All`.
    """
    values = [*request.query.getall("dryRun", []), *((options or {}).get("dryRun") or [])]
    for value in values:
        if value != "All":
            shown = ", ".join(json.dumps(each) for each in values)
            text = f'Unsupported value: []string{{{shown}}}: supported values: "All"'
            raise option_fault(request.method, FieldError("dryRun", "FieldValueNotSupported", text))
    return bool(values)


def manager(request: web.Request) -> str:
    """Return who writes: the parameter, or the first part of the client's name.

    Raises:
        InvalidError: The parameter is too long or has characters that cannot be printed.
    """
    given = request.query.get("fieldManager", "")
    if len(given) > MOST_MANAGER:
        text = f"Too long: must have at most {MOST_MANAGER} bytes"
        raise option_fault(request.method, FieldError("fieldManager", "FieldValueTooLong", text))
    if not given.isprintable():
        text = f"Invalid value: {json.dumps(given)}: should only contain printable characters"
        raise option_fault(request.method, FieldError("fieldManager", "FieldValueInvalid", text))
    return given or request.headers.get("User-Agent", "unknown").split("/")[0][:MOST_MANAGER]


async def body(request: web.Request, kind: str) -> Json:
    """Return the body as JSON or YAML; `kind` is what it should hold.

    Raises:
        BadRequestError: It is neither.
        TooLargeError: It is larger than the server takes.
        UnsupportedMediaTypeError: It says that it is something else.
    """
    if request.content_type == protobuf.MEDIA_TYPE:
        return protobuf.message(await content(request))
    if request.content_type not in (*_MEDIA_TYPES, "application/octet-stream", "*/*") and request.can_read_body:
        text = "the body of the request was in an unknown format - accepted media types include: "
        raise UnsupportedMediaTypeError(text + ", ".join((*_MEDIA_TYPES, protobuf.MEDIA_TYPE)))
    raw = await content(request)
    if "yaml" in request.content_type:
        return from_yaml(raw)
    try:
        return json.loads(raw)
    except ValueError as error:
        shown = raw[:30].decode(errors="replace") if raw.startswith(b"{") else raw[:30].hex()
        shown = f"{shown} ..." if len(raw) > 30 else shown or "<empty>"
        text = f"couldn't get version/kind; json parse error: {json_fault(raw, error)} ({shown})"
        raise BadRequestError(f"the object provided is unrecognized (must be of type {kind}): {text}") from error


def json_fault(raw: bytes, error: ValueError) -> str:
    """Return what Go says of text that is no JSON."""
    at = error.pos if isinstance(error, json.JSONDecodeError) else 0
    text = raw.decode(errors="replace")
    if not text[at:].strip():
        return "unexpected end of JSON input"
    return f"invalid character '{text[at]}' looking for beginning of value"


async def content(request: web.Request) -> bytes:
    """Return the bytes of a body.

    Raises:
        TooLargeError: There are more than the server takes.
    """
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLargeError("Request entity too large: limit is 3145728") from error


def from_yaml(raw: bytes) -> Json:
    """Return a YAML document as JSON has it.

    Raises:
        BadRequestError: It is no YAML.
    """
    try:
        return _jsonable(yaml.safe_load(raw))
    except yaml.YAMLError as error:
        text = str(error).replace("\n", " ")
        raise BadRequestError(f"error decoding YAML: {text}") from error


def _jsonable(value: Any) -> Json:  # noqa: ANN401 - whatever YAML holds
    """Return a YAML document as JSON has it: dates are text."""
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else value.isoformat()


def propagation(request: web.Request, options: Object) -> str:
    """Return what happens to the dependents of a deleted object; empty for the default.

    Raises:
        InvalidError: The policy is unknown.
    """
    policy: str = options.get("propagationPolicy") or request.query.get("propagationPolicy", "")
    orphans = options.get("orphanDependents")
    if policy and orphans is not None:
        text = f"Invalid value: {json.dumps(policy)}: orphanDependents and deletionPropagation cannot be both set"
        raise option_fault("DELETE", FieldError("propagationPolicy", "FieldValueInvalid", text))
    policy = policy or ("Orphan" if orphans else "")
    if policy and policy not in POLICIES:
        supported = ", ".join(json.dumps(each) for each in ("Foreground", "Background", "Orphan", "nil"))
        text = f"Unsupported value: {json.dumps(policy)}: supported values: {supported}"
        fault = FieldError("propagationPolicy", "FieldValueNotSupported", text)
        raise option_fault("DELETE", fault)
    return policy
