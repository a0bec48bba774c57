"""Whether a body is what and where the URL says: kind, version, name, namespace, uid."""

import json

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import BadRequestError, FieldError, InternalError, InvalidError
from sandbox.kubernetes.apiserver.resources import ResourceType
from sandbox.kubernetes.apiserver.rest.request import body


async def read(resource: ResourceType, request: web.Request) -> Object:
    """Return the object in a request's body.

    Raises:
        BadRequestError: It is no object, or one of another kind.
        InternalError: It has no version.
    """
    thing = await body(request, resource.kind)
    if not isinstance(thing, dict):
        raise unrecognized(resource.kind, thing)
    if not resource.custom:
        thing.setdefault("apiVersion", resource.api_version)
        thing.setdefault("kind", resource.kind)
    if not thing.get("kind"):
        text = f"unmarshalerDecoder: Object 'Kind' is missing in '{(await request.read()).decode(errors='replace')}'"
        raise BadRequestError(f"{_handled(resource)}: {text}")
    if not thing.get("apiVersion"):
        text = "Object 'apiVersion' is missing in 'object has no apiVersion field'"
        raise InternalError(f"Internal error occurred: {text}", details={"causes": [{"message": text}]})
    if thing["apiVersion"] != resource.api_version:
        expected = f"does not match the expected API version ({resource.api_version})"
        raise BadRequestError(f"the API version in the data ({thing['apiVersion']}) {expected}")
    if not resource.custom and thing["kind"] != resource.kind:
        text = f"converting ({resource.version}.{thing['kind']}) to (core.{resource.kind}): unknown conversion"
        named = f'{thing["kind"]} in version "{resource.version}" cannot be handled as a {resource.kind}'
        raise BadRequestError(f"{named}: {text}")
    if not isinstance(thing.setdefault("metadata", {}), dict):
        raise BadRequestError(f"{_handled(resource)}: json: cannot unmarshal metadata into Go struct field")
    return thing


def _handled(resource: ResourceType) -> str:
    return f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'


def unrecognized(kind: str, given: object) -> BadRequestError:
    """Return the error for a body that is JSON but no object."""
    struct = r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
    found = "array" if isinstance(given, list) else "string" if isinstance(given, str) else "number"
    raw = json.dumps(given).encode().hex()
    text = f"couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go value of type {struct}"
    return BadRequestError(f"the object provided is unrecognized (must be of type {kind}): {text} ({raw})")


def check_create(resource: ResourceType, request: web.Request, thing: Object) -> None:
    """Raise unless a new object is of the kind and in the namespace of the URL; fill in the namespace."""
    check_kind(resource, thing)
    namespace = request.match_info.get("namespace")
    if namespace and thing["metadata"].setdefault("namespace", namespace) != namespace:
        raise BadRequestError("the namespace of the provided object does not match the namespace sent on the request")


def check_kind(resource: ResourceType, thing: Object) -> None:
    """Raise unless an object is of the resource's kind and version.

    Raises:
        InvalidError: It is not.
    """
    for field, wanted in (("kind", resource.kind), ("apiVersion", resource.api_version)):
        if thing.get(field) != wanted:
            text = f"Invalid value: {json.dumps(thing.get(field, ''))}: must be {wanted}"
            cause = FieldError(field, "FieldValueInvalid", text)
            kind, name = thing.get("kind", ""), thing["metadata"].get("name", "")
            details = {"name": name, "group": resource.group, "kind": kind}
            what = f"{kind}.{resource.group}" if resource.group else kind
            raise InvalidError(f'{what} "{name}" is invalid: {cause.text}', causes=[cause], details=details)


def check_place(request: web.Request, thing: Object) -> None:
    """Raise unless an object's name and namespace are the URL's; fill in the namespace.

    Raises:
        BadRequestError: They are not.
    """
    metadata, name = thing.get("metadata"), request.match_info["name"]
    given = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not given:
        raise BadRequestError(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if given != name:
        raise BadRequestError(f"the name of the object ({given}) does not match the name on the URL ({name})")
    namespace = request.match_info.get("namespace")
    if namespace and metadata.setdefault("namespace", namespace) != namespace:
        found = metadata["namespace"]
        text = f"the namespace of the object ({found}) does not match the namespace on the request ({namespace})"
        raise BadRequestError(text)


def check_version(resource: ResourceType, thing: Object) -> None:
    """Raise unless a whole custom resource says which state it replaces.

    Raises:
        InvalidError: It does not.
    """
    if not resource.custom or thing["metadata"].get("resourceVersion"):
        return
    name = thing["metadata"]["name"]
    text = "Invalid value: 0x0: must be specified for an update"
    cause = FieldError("metadata.resourceVersion", "FieldValueInvalid", text)
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    text = f'{resource.qualified} "{name}" is invalid: {cause.text}'
    raise InvalidError(text, causes=[cause], details=details)


def check_patched(resource: ResourceType, request: web.Request, current: Object, patched: Object) -> None:
    """Raise if a patch changes what an object is.

    Raises:
        BadRequestError: Its name or namespace.
        InvalidError: Its kind, version or uid.
    """
    check_place(request, patched)
    check_kind(resource, patched)
    uid = patched["metadata"].get("uid")
    if uid not in (None, current["metadata"]["uid"]):
        text = f"Invalid value: {json.dumps(uid)}: field is immutable"
        cause = FieldError("metadata.uid", "FieldValueInvalid", text)
        name = current["metadata"]["name"]
        what = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
        details = {"name": name, "group": resource.group, "kind": resource.kind}
        raise InvalidError(f'{what} "{name}" is invalid: {cause.text}', causes=[cause, cause], details=details)


def nameless(resource: ResourceType) -> InvalidError:
    """Return the error for a new object without a name."""
    cause = FieldError("metadata.name", "FieldValueRequired", "Required value: name or generateName is required")
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = {"group": resource.group, "kind": resource.kind}
    return InvalidError(f'{kind} "" is invalid: {cause.text}', causes=[cause], details=details)
