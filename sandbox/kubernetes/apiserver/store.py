"""Objects in memory with one sequence of resourceVersions, a bounded history of events, and waiting for changes."""

import asyncio
import builtins
import copy
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sandbox.kubernetes.apiserver.documents import Object, now
from sandbox.kubernetes.apiserver.errors import (
    AlreadyExistsError,
    BadRequestError,
    ConflictError,
    ExpiredError,
    FieldError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    TooLargeResourceVersionError,
)
from sandbox.kubernetes.apiserver.fields.managed import Writer, after_update
from sandbox.kubernetes.apiserver.resources import NAMESPACES, ResourceType
from sandbox.kubernetes.apiserver.schema import schema_of
from sandbox.kubernetes.apiserver.syntax import metadata_faults
from sandbox.kubernetes.apiserver.validation import default, prune, validate

Key = tuple[str, str, str]

HISTORY = 1000
# Who writes from inside the cluster: the name that KServe's and Knative's controllers have in `managedFields`.
CONTROLLER = "manager"


@dataclass(frozen=True)
class Event:
    """One change: the object after it (for DELETED: its last state, the deletion's resourceVersion) and before it."""

    version: int
    type: str
    resource: ResourceType
    thing: Object
    before: Object | None


def invalid_object(resource: ResourceType, name: str, faults: Sequence[FieldError]) -> InvalidError:
    """Return the error for an object that breaks rules."""
    what = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    texts = list(dict.fromkeys(fault.text for fault in faults))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {"name": name, "group": resource.group, "kind": resource.kind}
    return InvalidError(f'{what} "{name}" is invalid: {text}', causes=faults, details=details)


def check_metadata(thing: Object) -> None:
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


class Store:
    """All objects of the cluster. Not thread-safe: it belongs to one event loop."""

    def __init__(self, *, history: int = HISTORY, webhooks: bool = True) -> None:
        """Make an empty store.

        Args:
            history: How many events watches can resume from.
            webhooks: Whether KServe's webhooks see each InferenceService.
        """
        self.version = 1
        self.webhooks = webhooks
        self._objects: dict[Key, Object] = {}
        self._history: deque[Event] = deque(maxlen=history)
        self._changed = asyncio.Event()

    def get(self, resource: ResourceType, namespace: str, name: str) -> Object:
        """Return a copy of one object.

        Raises:
            NotFoundError: It does not exist.
        """
        found = self._objects.get((resource.qualified, namespace, name))
        if found is None:
            raise not_found(resource, name)
        return copy.deepcopy(found)

    def list(self, resource: ResourceType, namespace: str = "") -> builtins.list[Object]:
        """Return copies of all objects of a type, in one namespace or all, sorted by namespace and name."""
        keys = sorted(k for k in self._objects if k[0] == resource.qualified and namespace in ("", k[1]))
        return [copy.deepcopy(self._objects[key]) for key in keys]

    def at(self, resource: ResourceType, version: int, namespace: str = "") -> builtins.list[Object]:
        """Return copies of all objects of a type as they were at a version, sorted by namespace and name.

        Raises:
            ExpiredError: The history does not reach that far.
        """
        things = {key: self._objects[key] for key in self._objects if key[0] == resource.qualified}
        for event in reversed(self.after(version)):
            if event.resource.qualified == resource.qualified:
                key = _key(resource, event.thing)
                things.pop(key, None)
                if event.before is not None:
                    things[key] = event.before
        return [copy.deepcopy(things[key]) for key in sorted(things) if namespace in ("", key[1])]

    def create(
        self, resource: ResourceType, thing: Object, *, dry_run: bool = False, manager: str | None = CONTROLLER
    ) -> Object:
        """Store a new object; drop the status of a custom resource.

        Args:
            resource: Its type.
            thing: The object.
            dry_run: Check it and store nothing.
            manager: Who is named in `managedFields`; None if the object names its owners already.

        Raises:
            AlreadyExistsError: The name is taken.
            ForbiddenError: A webhook denies it, or its namespace is being deleted.
            InvalidError: The object breaks its schema.
            NotFoundError: Its namespace does not exist.
        """
        thing = copy.deepcopy(thing)
        if resource.custom:
            thing.pop("status", None)
        self._check_namespace(resource, thing["metadata"])
        owners = thing["metadata"].get("managedFields")
        _born(resource, thing["metadata"])
        if resource.prepare:
            resource.prepare(thing)
        thing = self._checked(resource, thing, None)
        if manager is None:
            thing["metadata"]["managedFields"] = owners
        if _key(resource, thing) in self._objects:
            name = thing["metadata"]["name"]
            details = {"name": name, "group": resource.group, "kind": resource.plural}
            raise AlreadyExistsError(f'{resource.qualified} "{name}" already exists', details=details)
        self._track(resource, {**resource.empty, "metadata": {}}, thing, manager)
        if resource.finish:
            resource.finish(thing)
        return thing if dry_run else self._put("ADDED", resource, thing)

    def replace(
        self,
        resource: ResourceType,
        thing: Object,
        *,
        status: bool = False,
        dry_run: bool = False,
        manager: str | None = CONTROLLER,
    ) -> Object:
        """Store a new state of an object: its main part, or only its status if `status`.

        Args:
            resource: Its type.
            thing: The new state.
            status: Whether only its status is written.
            dry_run: Check it and store nothing.
            manager: Who is named in `managedFields`; None if the object names its owners already.

        Raises:
            ConflictError: The resourceVersion or uid of the body differs from the stored one.
            ForbiddenError: A webhook denies it.
            InvalidError: The object breaks its schema.
            NotFoundError: It does not exist.
        """
        metadata = thing["metadata"]
        old = self.get(resource, metadata.get("namespace", ""), metadata["name"])
        _check_current(resource, old, metadata)
        thing = copy.deepcopy(thing)
        owners = metadata.get("managedFields")
        if status:
            thing = {**old, **({"status": thing["status"]} if thing.get("status") is not None else {})}
        else:
            _carry_over(resource, old, thing)
        thing = self._checked(resource, thing, None if status else old, status=status)
        if resource.generation and not status and _essence(thing) != _essence(old):
            thing["metadata"]["generation"] = old["metadata"]["generation"] + 1
        if manager is None:
            thing["metadata"]["managedFields"] = owners
        else:
            self._track(resource, old, thing, manager, "status" if status else "")
        if thing == old or dry_run:
            return thing
        if thing["metadata"].get("deletionTimestamp") and not _finalizers(thing):
            return self._remove(resource, thing)
        return self._put("MODIFIED", resource, thing)

    def delete(self, resource: ResourceType, thing: Object) -> Object:
        """Remove an object, or only mark it if it has finalizers; return its last state."""
        metadata = thing["metadata"]
        if not _finalizers(thing):
            return self._remove(resource, thing)
        if metadata.get("deletionTimestamp"):
            return self._put("MODIFIED", resource, thing) if thing != self._objects[_key(resource, thing)] else thing
        marks: Object = {"deletionTimestamp": now()}
        if resource is not NAMESPACES:
            marks["deletionGracePeriodSeconds"] = 0
        if "generation" in metadata:
            marks["generation"] = metadata["generation"] + 1
        return self._put("MODIFIED", resource, {**thing, "metadata": {**metadata, **marks}})

    def check_future(self, version: int) -> None:
        """Raise if a version does not exist yet.

        Raises:
            TooLargeResourceVersionError: It does not.
        """
        if version > self.version:
            details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}
            text = f"Too large resource version: {version}, current: {self.version}"
            raise TooLargeResourceVersionError(f"Timeout: {text}", details={**details, "retryAfterSeconds": 1})

    def check_version(self, version: int) -> None:
        """Raise unless all events after `version` are available.

        Raises:
            ExpiredError: Some of them are no longer in the history.
            TooLargeResourceVersionError: The version does not exist yet.
        """
        self.check_future(version)
        oldest = self._history[0].version if self._history else self.version + 1
        if version < oldest - 1:
            raise ExpiredError(f"too old resource version: {version} ({oldest - 1})")

    def after(self, version: int) -> builtins.list[Event]:
        """Return the changes after `version`, oldest first.

        Raises:
            ExpiredError: The reader is too far behind the history.
            TooLargeResourceVersionError: The version does not exist yet.
        """
        self.check_version(version)
        return [event for event in self._history if event.version > version]

    async def wait(self, version: int) -> None:
        """Wait for a change after `version`."""
        while self.version <= version:
            await self._changed.wait()

    def _check_namespace(self, resource: ResourceType, metadata: Object) -> None:
        """Raise unless the namespace of a new object exists and stays."""
        if not resource.namespaced or not metadata.get("namespace"):
            return
        space = self.get(NAMESPACES, "", metadata["namespace"])
        if space["metadata"].get("deletionTimestamp"):
            text = f"unable to create new content in namespace {metadata['namespace']} because it is being terminated"
            cause = FieldError(
                "metadata.namespace", "NamespaceTerminating", f"namespace {metadata['namespace']} is being terminated"
            )
            details = {"name": metadata["name"], "group": resource.group, "kind": resource.plural}
            raise ForbiddenError(
                f'{resource.qualified} "{metadata["name"]}" is forbidden: {text}', causes=[cause], details=details
            )

    def _checked(self, resource: ResourceType, thing: Object, old: Object | None, *, status: bool = False) -> Object:
        """Prune an object, set its defaults and validate it; return it with apiVersion and kind first."""
        metadata = {key: value for key, value in thing["metadata"].items() if value is not None}
        thing = {**thing, "metadata": {k: v for k, v in metadata.items() if k not in _OMITTED or v}}
        check_metadata(thing)
        identity = {"apiVersion": resource.api_version, "kind": resource.kind}
        thing = {**identity, **prune(thing, resource.schema), **identity}
        default(thing, resource.schema)
        hooks = self.webhooks and not status
        if hooks and resource.mutate:
            resource.mutate(thing, old)
        if not resource.custom and resource.model:
            _check_decodes(resource, thing)
        faults = [*metadata_faults(thing["metadata"], resource.name_form), *_finalizer_faults(thing, old)]
        faults = faults or [*validate(thing, resource.schema), *(resource.check(thing, old) if resource.check else ())]
        if faults:
            raise invalid_object(resource, thing["metadata"]["name"], faults)
        if hooks:
            resource.admit(thing, old)
        return thing

    def _track(self, resource: ResourceType, old: Object, new: Object, manager: str | None, part: str = "") -> None:
        """Write into `new` who owns which field after a plain write."""
        if manager is not None:
            writer = Writer(manager, api_version=resource.api_version, subresource=part)
            owners = after_update(old, new, resource.schema, writer)
            if owners:
                new["metadata"]["managedFields"] = owners

    def _put(self, kind: str, resource: ResourceType, thing: Object) -> Object:
        stored = {**thing, "metadata": {**thing["metadata"], "resourceVersion": self._next()}}
        before = self._objects.get(_key(resource, thing))
        self._objects[_key(resource, thing)] = stored
        return self._record(kind, resource, stored, before)

    def _remove(self, resource: ResourceType, thing: Object) -> Object:
        before = self._objects.pop(_key(resource, thing))
        last = {**thing, "metadata": {**thing["metadata"], "resourceVersion": self._next()}}
        return self._record("DELETED", resource, last, before)

    def _record(self, kind: str, resource: ResourceType, stored: Object, before: Object | None) -> Object:
        self._history.append(Event(self.version, kind, resource, copy.deepcopy(stored), before))
        self._changed.set()
        self._changed = asyncio.Event()
        return copy.deepcopy(stored)

    def _next(self) -> str:
        self.version += 1
        return str(self.version)


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


def _born(resource: ResourceType, metadata: Object) -> None:
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


def _finalizers(thing: Object) -> list[str]:
    spec = thing.get("spec") or {}
    held = spec.get("finalizers") if thing.get("kind") == "Namespace" else None
    return [*(thing["metadata"].get("finalizers") or []), *(held or [])]


def _key(resource: ResourceType, thing: Object) -> Key:
    return resource.qualified, thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


def _check_current(resource: ResourceType, old: Object, metadata: Object) -> None:
    details = {"name": metadata["name"], "group": resource.group, "kind": resource.plural}
    head = f'Operation cannot be fulfilled on {resource.qualified} "{metadata["name"]}": '
    if metadata.get("resourceVersion", old["metadata"]["resourceVersion"]) != old["metadata"]["resourceVersion"]:
        tail = "the object has been modified; please apply your changes to the latest version and try again"
        raise ConflictError(head + tail, details=details)
    if metadata.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
        space = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
        key = f"/registry/{resource.group}{'/' if resource.group else ''}{resource.plural}/{space}{metadata['name']}"
        uids = f"UID in precondition: {metadata['uid']}, UID in object meta: {old['metadata']['uid']}"
        tail = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
        raise ConflictError(f"{head}{tail}Precondition failed: {uids}", details=details)


def _carry_over(resource: ResourceType, old: Object, new: Object) -> None:
    """Copy to `new` the fields that a writer of the main resource cannot change."""
    for key in _KEPT:
        new["metadata"].pop(key, None)
        if key in old["metadata"]:
            new["metadata"][key] = old["metadata"][key]
    if resource.status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]


def _essence(thing: Object) -> Object:
    """Return the part of an object whose changes `generation` counts."""
    return {k: v for k, v in thing.items() if k not in ("metadata", "status")}
