"""What every write goes through: metadata the server keeps, pruning, defaults, webhooks and validation."""

import uuid
from collections.abc import Iterator, Sequence

from sandbox.kubernetes.apiserver.documents import Object, now
from sandbox.kubernetes.apiserver.errors import (
    BadRequestError,
    ConflictError,
    FieldError,
    InvalidError,
    NotFoundError,
)
from sandbox.kubernetes.apiserver.resources import ResourceType
from sandbox.kubernetes.apiserver.schema import schema_of
from sandbox.kubernetes.apiserver.syntax import metadata_faults
from sandbox.kubernetes.apiserver.validation import default, prune, validate

# Go leaves these out of the metadata when they are empty.
_OMITTED = ("labels", "annotations", "finalizers", "ownerReferences", "generateName")
_KEPT = (
    "uid",
    "creationTimestamp",
    "generation",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
)


def checked(resource: ResourceType, thing: Object, old: Object | None, *, webhooks: bool) -> Object:
    """Prune an object, set its defaults and validate it; return it with apiVersion and kind first.

    Raises:
        BadRequestError: It cannot be read as an object of its type.
        ForbiddenError: A webhook denies it.
        InvalidError: It breaks its schema or a rule.
    """
    metadata = {key: value for key, value in thing["metadata"].items() if value is not None}
    thing = {**thing, "metadata": {k: v for k, v in metadata.items() if k not in _OMITTED or v}}
    _check_metadata(thing)
    identity = {"apiVersion": resource.api_version, "kind": resource.kind}
    thing = {**identity, **prune(thing, resource.schema), **identity}
    default(thing, resource.schema)
    if webhooks and resource.mutate:
        resource.mutate(thing, old)
    if not resource.custom and resource.model:
        _check_decodes(resource, thing)
    if faults := list(_faults(resource, thing, old)):
        raise invalid_object(resource, thing["metadata"]["name"], faults)
    if webhooks:
        resource.admit(thing, old)
    return thing


def _faults(resource: ResourceType, thing: Object, old: Object | None) -> Iterator[FieldError]:
    """Yield the faults of the metadata; only if there are none, those of the rest."""
    faults = [*metadata_faults(thing["metadata"], resource.name_form), *_finalizer_faults(thing, old)]
    yield from faults
    if not faults:
        found = validate(thing, resource.schema)
        # Go knows no missing field in the status of a built-in type: it is empty.
        yield from (fault for fault in found if resource.custom or not fault.field.startswith("status."))
        yield from resource.check(thing, old) if resource.check else ()


def invalid_object(resource: ResourceType, name: str, faults: Sequence[FieldError]) -> InvalidError:
    """Return the error for an object that breaks rules."""
    what = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    texts = list(dict.fromkeys(fault.text for fault in faults))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {"name": name, "group": resource.group, "kind": resource.kind}
    return InvalidError(f'{what} "{name}" is invalid: {text}', causes=faults, details=details)


def _check_metadata(thing: Object) -> None:
    """Raise unless an object's metadata can be read.

    Raises:
        BadRequestError: A field of the metadata has another type.
    """
    faults = validate(thing["metadata"], schema_of("V1ObjectMeta"), "metadata")
    for fault in (fault for fault in faults if fault.reason == "FieldValueTypeInvalid"):
        actual = fault.message.split('"')[1] if '"' in fault.message else ""
        raise BadRequestError(f"json: cannot unmarshal {actual} into Go struct field ObjectMeta.{fault.field}")


def _check_decodes(resource: ResourceType, thing: Object) -> None:
    """Raise unless an object of a built-in type can be read at all."""
    for fault in validate(thing, resource.schema):
        if fault.reason == "FieldValueTypeInvalid":
            named = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
            actual = fault.message.split('"')[1]
            raise BadRequestError(f"{named}: json: cannot unmarshal {actual} into Go struct field {fault.field}")


def not_found(resource: ResourceType, name: str) -> NotFoundError:
    """Return the error for a missing object."""
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return NotFoundError(f'{resource.qualified} "{name}" not found', details=details)


def born(resource: ResourceType, metadata: Object) -> None:
    """Set what the server sets in the metadata of a new object, and drop what it does not take."""
    for key in _KEPT:
        metadata.pop(key, None)
    metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
    if resource.generation:
        metadata["generation"] = 1


def _finalizer_faults(new: Object, old: Object | None) -> Iterator[FieldError]:
    """Yield the fault of a finalizer that comes once an object is being deleted."""
    if old is None or not old["metadata"].get("deletionTimestamp"):
        return
    added = [
        each
        for each in new["metadata"].get("finalizers") or []
        if each not in (old["metadata"].get("finalizers") or [])
    ]
    if added:
        shown = ", ".join(f'"{each}"' for each in added)
        text = "no new finalizers can be added if the object is being deleted, found new finalizers"
        fault = FieldError("metadata.finalizers", "FieldValueForbidden", f"Forbidden: {text} []string{{{shown}}}")
        yield from (fault, fault)  # the server checks this twice


def check_current(resource: ResourceType, old: Object, metadata: Object) -> None:
    """Raise unless a writer means the stored state of an object.

    Raises:
        ConflictError: Its resourceVersion or uid is another one.
    """
    details = {"name": metadata["name"], "group": resource.group, "kind": resource.plural}
    head = f'Operation cannot be fulfilled on {resource.qualified} "{metadata["name"]}": '
    if metadata.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
        tail = "the object has been modified; please apply your changes to the latest version and try again"
        raise ConflictError(head + tail, details=details)
    if metadata.get("uid") not in (None, "", old["metadata"]["uid"]):
        space = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
        key = f"/registry/{resource.group}{'/' if resource.group else ''}{resource.plural}/{space}{metadata['name']}"
        uids = f"UID in precondition: {metadata['uid']}, UID in object meta: {old['metadata']['uid']}"
        tail = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
        raise ConflictError(f"{head}{tail}Precondition failed: {uids}", details=details)


def carry_over(resource: ResourceType, old: Object, new: Object) -> None:
    """Copy to `new` the fields that a writer of the main resource cannot change."""
    for key in _KEPT:
        new["metadata"].pop(key, None)
        if key in old["metadata"]:
            new["metadata"][key] = old["metadata"][key]
    if resource.custom:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]


def essence(thing: Object) -> Object:
    """Return the part of an object whose changes `generation` counts."""
    return {k: v for k, v in thing.items() if k not in ("metadata", "status")}


def finalizers_of(thing: Object) -> list[str]:
    """Return what holds an object that is being deleted; a namespace has finalizers of its own."""
    spec = thing.get("spec") or {}
    held = spec.get("finalizers") if thing.get("kind") == "Namespace" else None
    return [*(thing["metadata"].get("finalizers") or []), *(held or [])]
