"""The form of an answer: the object, its metadata alone, or a table as `kubectl get` shows it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sandbox.kubernetes.apiserver import core
from sandbox.kubernetes.apiserver.documents import Json, Object
from sandbox.kubernetes.apiserver.errors import BadRequestError, NotAcceptableError
from sandbox.kubernetes.apiserver.resources import ResourceType
from sandbox.kubernetes.apiserver.schema import description
from sandbox.kubernetes.apiserver.views.paths import first

TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
_FORMS = (None, TABLE, PARTIAL, PARTIAL_LIST)
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True)
class Form:
    """A form that a client accepts: None for the object itself."""

    kind: str | None = None
    version: str = "v1"


def accepted(request: web.Request) -> Form:
    """Return the first form in a request's `Accept` that this server has.

    Raises:
        NotAcceptableError: It has none of them.
    """
    for entry in request.headers.get("Accept", "*/*").split(","):
        media, *rest = (part.strip() for part in entry.split(";"))
        options = dict(part.partition("=")[::2] for part in rest)
        known = media in ("*/*", "application/*", "application/json") and options.get("as") in _FORMS
        if known and options.get("g", "meta.k8s.io") == "meta.k8s.io" and options.get("v", "v1") in ("v1", "v1beta1"):
            return Form(options.get("as"), options.get("v", "v1"))
    raise NotAcceptableError(
        "only the following media types are accepted: application/json, application/yaml, "
        "application/vnd.kubernetes.protobuf"
    )


def respond(
    resource: ResourceType,
    request: web.Request,
    thing: Object,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> web.Response:
    """Return an answer in the form that the client accepts."""
    form = accepted(request)
    if thing.get("kind") != "Status":
        thing = _render(resource, thing, form, request.query.get("includeObject", ""))
    text = json.dumps(thing, separators=(",", ":")) + "\n"
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)


def one(resource: ResourceType, request: web.Request) -> Callable[[Object], Object]:
    """Return what gives each object of a watch its form."""
    form, included = accepted(request), request.query.get("includeObject", "")
    seen: list[Object] = []

    def render(thing: Object) -> Object:
        rendered = _render(resource, thing, form, included)
        if form.kind == TABLE and seen:
            rendered["columnDefinitions"] = None  # a stream of tables names its columns once
        seen.append(thing)
        return rendered

    return render


def _render(resource: ResourceType, thing: Object, form: Form, included: str) -> Object:
    if form.kind is None:
        return thing
    items = thing.get("items") if thing["kind"] == f"{resource.kind}List" else None
    if form.kind == TABLE and included not in ("", "None", "Metadata", "Object"):
        policies = "must be 'Metadata', 'Object', 'None', or empty"
        text = f'includeObject: Invalid value: "{included}": {policies}'
        raise BadRequestError(f"Unable to convert to Table as requested: {text}")
    if form.kind == PARTIAL and items is not None:
        text = (
            "you requested PartialObjectMetadata, but the requested object is a list (*unstructured.UnstructuredList)"
        )
        raise NotAcceptableError(text)
    if form.kind == TABLE:
        return _table(resource, [thing] if items is None else items, thing["metadata"], form, included)
    if items is None:
        return _partial(thing, form)
    rows = [_partial(item, form) for item in items]
    metadata = {key: value for key, value in thing["metadata"].items() if value}
    return {**_typed(PARTIAL_LIST, form), "metadata": metadata, "items": rows}


def _typed(kind: str, form: Form) -> Object:
    return {"kind": kind, "apiVersion": f"meta.k8s.io/{form.version}"}


def _partial(thing: Object, form: Form) -> Object:
    return {**_typed(PARTIAL, form), "metadata": thing["metadata"]}


def _table(resource: ResourceType, items: list[Object], metadata: Object, form: Form, included: str) -> Object:
    kept = ("resourceVersion", "continue", "remainingItemCount")
    columns = columns_of(resource)
    rows = [{"cells": [_cell(item, column) for column in columns], **_object(item, form, included)} for item in items]
    definitions = [_definition(column) for column in columns]
    listed = {key: metadata[key] for key in kept if metadata.get(key)}
    return {**_typed(TABLE, form), "metadata": listed, "columnDefinitions": definitions, "rows": rows}


def columns_of(resource: ResourceType) -> list[dict[str, Any]]:
    """Return the columns of a resource's table: the name first."""
    columns = list(resource.columns) or [{"name": "Age", "jsonPath": ".metadata.creationTimestamp", "type": "date"}]
    if any(column["jsonPath"] == ".metadata.name" for column in columns):
        return columns
    return [core.NAME_COLUMN, *columns]


def _definition(column: dict[str, Any]) -> Object:
    text = f"Custom resource definition column (in JSONPath format): {column['jsonPath']}"
    if "doc" in column:
        text = description(*column["doc"].split("."))
    text = column.get("description", text)
    kind, form = column["type"], column.get("format", "")
    priority = column.get("priority", 0)
    return {"name": column["name"], "type": kind, "format": form, "description": text, "priority": priority}


def _cell(thing: Object, column: dict[str, Any]) -> Json:
    path = column["jsonPath"]
    if path.startswith("#"):
        return _COUNTED[path](thing)
    value = first(thing, path)
    if column["jsonPath"].endswith("Timestamp") or column["type"] == "date":
        return age(value) if value else "<unknown>"
    return value if value is not None or column["type"] == "integer" else ("" if column.get("format") else None)


def age(moment: str) -> str:
    """Return how long ago a moment was, in the largest unit."""
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    unit, size = next((unit, size) for unit, size in _UNITS if seconds >= 2 * size)
    return f"{seconds // size}{unit}"


def _object(thing: Object, form: Form, included: str) -> Object:
    if included == "None":
        return {"object": None}
    return {"object": thing if included == "Object" else _partial(thing, form)}


def _ready(pod: Object) -> str:
    states = pod.get("status", {}).get("containerStatuses") or []
    return f"{sum(bool(each.get('ready')) for each in states)}/{len(pod['spec'].get('containers') or [])}"


def _subject(event: Object) -> str:
    """Return what an event is about, by either name of the field."""
    about = event.get("involvedObject") or event.get("regarding") or {}
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


_COUNTED: dict[str, Callable[[Object], Json]] = {
    "#data": lambda thing: len(thing.get("data") or {}) + len(thing.get("binaryData") or {}),
    "#ready": _ready,
    "#restarts": lambda pod: sum(
        e.get("restartCount", 0) for e in pod.get("status", {}).get("containerStatuses") or []
    ),
    "#object": _subject,
}
