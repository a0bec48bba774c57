"""Patches: the four kinds, and what each makes of an object."""

import json

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Json, Object, json_patch, merge_patch
from sandbox.kubernetes.apiserver.errors import (
    BadRequestError,
    FieldError,
    InvalidError,
    UnknownError,
    UnsupportedMediaTypeError,
)
from sandbox.kubernetes.apiserver.fields.apply import applier, apply
from sandbox.kubernetes.apiserver.resources import ResourceType
from sandbox.kubernetes.apiserver.rest.identity import check_kind, check_place
from sandbox.kubernetes.apiserver.rest.request import content, flag, from_yaml, manager, option_fault
from sandbox.kubernetes.apiserver.rest.strategic import strategic_merge_patch
from sandbox.kubernetes.apiserver.validation import unknown_fields

JSON, MERGE = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"


def media_type(resource: ResourceType, request: web.Request) -> str:
    """Return the kind of a patch.

    Raises:
        InvalidError: `force` comes with a patch that is not applied.
        UnsupportedMediaTypeError: The resource does not take that kind.
    """
    known = [JSON, MERGE, *([] if resource.custom else [STRATEGIC]), APPLY]
    if request.content_type not in known:
        text = "the body of the request was in an unknown format - accepted media types include: "
        raise UnsupportedMediaTypeError(text + ", ".join(known))
    if request.content_type == APPLY:
        if not request.query.get("fieldManager"):
            text = "Required value: is required for apply patch"
            raise option_fault("PATCH", FieldError("fieldManager", "FieldValueRequired", text))
    elif "force" in request.query:
        text = "Forbidden: may not be specified for non-apply patch"
        raise option_fault("PATCH", FieldError("force", "FieldValueForbidden", text))
    return request.content_type


async def document(request: web.Request, media: str) -> Json:
    """Return the patch in a request's body.

    Raises:
        BadRequestError: It is no YAML.
        UnknownError: It is no JSON.
    """
    raw = await content(request)
    if media == APPLY:
        return from_yaml(raw)
    try:
        return json.loads(raw)
    except ValueError as error:
        raise UnknownError("Invalid JSON Patch") from error


def patched(resource: ResourceType, media: str, current: Object, patch: Json) -> Object:
    """Return an object after a JSON, merge or strategic merge patch.

    Raises:
        BadRequestError: The patch has another shape.
        InvalidError: It does not apply.
    """
    if media == JSON:
        return json_patch(current, patch)
    if media == STRATEGIC:
        if not isinstance(patch, dict):
            raise BadRequestError("json: cannot unmarshal array into Go value of type map[string]interface {}")
        return strategic_merge_patch(current, patch, resource.schema)
    if isinstance(patch, list):
        struct = r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
        text = f"json: cannot unmarshal array into Go value of type {struct}"
        fault = f'Invalid value: "{json.dumps(patch)}": couldn\'t get version/kind; json parse error: {text}'
        cause = FieldError("patch", "FieldValueInvalid", fault)
        raise InvalidError(f' "" is invalid: {cause.text}', causes=[cause], details={})
    if not isinstance(patch, dict):
        raise UnknownError("Invalid JSON Patch")
    return dict(merge_patch(current, patch))


def read_intent(resource: ResourceType, request: web.Request, given: object) -> Object:
    """Return the object that an apply request wants.

    Raises:
        BadRequestError: It is no object, of another name, or says who owns its fields.
        InvalidError: It is of another kind.
    """
    if not isinstance(given, dict):
        raise BadRequestError("error decoding YAML: the body is not an object")
    intent = {"apiVersion": resource.api_version, "kind": resource.kind, **given}
    intent["metadata"] = {"name": request.match_info["name"], **(given.get("metadata") or {})}
    check_place(request, intent)
    check_kind(resource, intent)
    if intent["metadata"].get("managedFields"):
        raise BadRequestError("metadata.managedFields must be nil")
    return intent if resource.custom else without_empty(intent)


def without_empty(thing: Object) -> Object:
    """Return an object of a built-in type as Go writes it: without empty maps and lists."""
    return {key: value for key, value in thing.items() if value not in ({}, [])}


def applied(resource: ResourceType, live: Object | None, intent: Object, request: web.Request) -> Object:
    """Return the object after an apply request.

    Raises:
        ConflictError: Others own fields that it changes.
        UnknownError: It has a field that the schema does not know.
    """
    start = live or {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}}
    for field in unknown_fields(intent, resource.schema):
        where = f"{request.match_info.get('namespace', '')}/{intent['metadata']['name']}"
        head = f"failed to create typed patch object ({where}; {resource.api_version}, Kind={resource.kind})"
        raise UnknownError(f"{head}: .{field}: field not declared in schema")
    writer = applier(manager(request), resource.api_version)
    return apply(start, intent, resource.schema, writer, force=flag(request.query, "force"))
