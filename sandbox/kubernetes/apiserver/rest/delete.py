"""Deletions: preconditions, what becomes of dependents, and whole collections."""

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import BadRequestError, ConflictError, UnknownError
from sandbox.kubernetes.apiserver.resources import NAMESPACES, PODS, ResourceType
from sandbox.kubernetes.apiserver.rest.request import body, propagation
from sandbox.kubernetes.apiserver.store import Store

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
FINALIZERS = {"Foreground": FOREGROUND, "Orphan": ORPHAN}


async def options_of(request: web.Request) -> Object:
    """Return the delete options in a request's body."""
    if not request.can_read_body:
        return {}
    try:
        options = await body(request, "DeleteOptions")
    except BadRequestError as error:
        text = error.message.partition(": ")[2].rpartition(" (")[0]
        raise UnknownError(text) from error
    if not isinstance(options, dict):
        raise BadRequestError("the body must be DeleteOptions")
    if options.get("kind", "DeleteOptions") not in ("DeleteOptions", "", None):
        raise BadRequestError("invalid object: the body must be DeleteOptions")
    return options


_MEANING = {
    "uid": "The object might have been deleted and then recreated",
    "resourceVersion": "The object might have been modified",
}


def check_preconditions(resource: ResourceType, current: Object, options: Object) -> None:
    """Raise unless the object is the one that the caller means.

    Raises:
        ConflictError: Its uid or resourceVersion differs.
    """
    metadata = current["metadata"]
    for key, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        wanted = (options.get("preconditions") or {}).get(key)
        if wanted is not None and metadata.get(key) != wanted:
            details = {"name": metadata["name"], "group": resource.group, "kind": resource.kind}
            kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
            text = (
                f"the {word} in the precondition ({wanted}) does not match the {word} in record ({metadata.get(key)})"
            )
            text = f'Operation cannot be fulfilled on {kind} "{metadata["name"]}": {text}. {_MEANING[key]}'
            raise ConflictError(text, details=details)


def delete_one(store: Store, resource: ResourceType, current: Object, request: web.Request, options: Object) -> Object:
    """Delete an object, or mark it for its finalizers; return its last state."""
    finalizer = FINALIZERS.get(propagation(request, options))
    metadata = current["metadata"]
    others = [each for each in metadata.get("finalizers") or [] if each not in FINALIZERS.values()]
    held = [*others, *([finalizer] if finalizer else [])]
    marked = {**current, "metadata": {**metadata, "finalizers": held} if held else _without(metadata, "finalizers")}
    if resource.qualified == NAMESPACES.qualified:
        marked["status"] = {**current.get("status", {}), "phase": "Terminating"}
    return store.delete(resource, marked)


def _without(metadata: Object, key: str) -> Object:
    return {name: value for name, value in metadata.items() if name != key}


def answer(resource: ResourceType, left: Object) -> Object:
    """Return the answer to a deletion: the object where it stays for a while, else a success."""
    if left["metadata"].get("deletionTimestamp") or resource is PODS:
        return left
    details = {"name": left["metadata"]["name"], "group": resource.group, "kind": resource.plural}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return {**status, "details": {**_given(details), "uid": left["metadata"]["uid"]}}


def _given(details: Object) -> Object:
    return {key: value for key, value in details.items() if value}
