"""Patches: the four kinds, and what each makes of an object."""

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Json, Object, json_patch, merge_patch
from sandbox.kubernetes.apiserver.errors import BadRequestError, FieldError, UnsupportedMediaTypeError
from sandbox.kubernetes.apiserver.fields.apply import applier, apply
from sandbox.kubernetes.apiserver.resources import ResourceType
from sandbox.kubernetes.apiserver.rest.request import flag, manager, option_fault
from sandbox.kubernetes.apiserver.rest.strategic import strategic_merge_patch

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


def patched(resource: ResourceType, media: str, current: Object, document: Json) -> Object:
    """Return an object after a JSON, merge or strategic merge patch."""
    if media == JSON:
        return json_patch(current, document)
    if not isinstance(document, dict):
        raise BadRequestError("json: cannot unmarshal array into Go value of type map[string]interface {}")
    if media == STRATEGIC:
        return strategic_merge_patch(current, document, resource.schema)
    return dict(merge_patch(current, document))


def read_intent(resource: ResourceType, request: web.Request, document: object) -> Object:
    """Return the object that an apply request wants.

    Raises:
        BadRequestError: It is no object of this type and name.
    """
    if not isinstance(document, dict):
        raise BadRequestError("error decoding YAML: the body is not an object")
    for key, wanted in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if document.get(key) != wanted:
            raise BadRequestError(f"{key} of the body ({document.get(key, '')}) is not {wanted}")
    metadata = document.setdefault("metadata", {})
    for key in ("name", "namespace"):
        on_url = request.match_info.get(key)
        if on_url and metadata.setdefault(key, on_url) != on_url:
            text = f"the {key} of the object ({metadata[key]}) does not match the {key} on the URL ({on_url})"
            raise BadRequestError(text)
    if metadata.get("managedFields"):
        raise BadRequestError("metadata.managedFields must be nil")
    return document


def applied(resource: ResourceType, live: Object | None, intent: Object, request: web.Request) -> Object:
    """Return the object after an apply request.

    Raises:
        ConflictError: Others own fields that it changes.
    """
    start = live or {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}}
    writer = applier(manager(request), resource.api_version)
    return apply(start, intent, resource.schema, writer, force=flag(request.query, "force"))
