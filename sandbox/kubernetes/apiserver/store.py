"""Objects in memory with one sequence of resourceVersions, a bounded history of events, and waiting for changes."""

import asyncio
import builtins
import copy
import uuid
from collections import deque
from dataclasses import dataclass

from sandbox.kubernetes.apiserver.documents import Object, now
from sandbox.kubernetes.apiserver.errors import (
    AlreadyExistsError,
    ConflictError,
    ExpiredError,
    InvalidError,
    NotFoundError,
    TooLargeResourceVersionError,
)
from sandbox.kubernetes.apiserver.resources import NAMESPACES, ResourceType
from sandbox.kubernetes.apiserver.schema import schema_of
from sandbox.kubernetes.apiserver.validation import prune, validate

Key = tuple[str, str, str]

HISTORY = 1000


@dataclass(frozen=True)
class Event:
    """One change: the object after it (for DELETED: its last state, the deletion's resourceVersion) and before it."""

    version: int
    type: str
    resource: ResourceType
    thing: Object
    before: Object | None


def not_found(resource: ResourceType, name: str) -> NotFoundError:
    """Return the error for a missing object."""
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return NotFoundError(f'{resource.qualified} "{name}" not found', details=details)


class Store:
    """All objects of the cluster. Not thread-safe: it belongs to one event loop."""

    def __init__(self, *, history: int = HISTORY) -> None:
        self.version = 1
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

    def create(self, resource: ResourceType, thing: Object, *, dry_run: bool = False) -> Object:
        """Store a new object; drop the status of a custom resource.

        Raises:
            AlreadyExistsError: The name is taken.
            InvalidError: The object breaks its schema.
            NotFoundError: Its namespace does not exist.
        """
        thing = copy.deepcopy(thing)
        if resource.custom:
            thing.pop("status", None)
        metadata = thing["metadata"]
        name = metadata["name"]
        if metadata.get("namespace"):
            self.get(NAMESPACES, "", metadata["namespace"])
        if _key(resource, thing) in self._objects:
            details = {"name": name, "group": resource.group, "kind": resource.plural}
            raise AlreadyExistsError(f'{resource.qualified} "{name}" already exists', details=details)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        metadata.pop("resourceVersion", None)
        if resource.custom:
            metadata["generation"] = 1
        thing = self._checked(resource, thing, None)
        return thing if dry_run else self._put("ADDED", resource, thing)

    def replace(self, resource: ResourceType, thing: Object, *, status: bool = False, dry_run: bool = False) -> Object:
        """Store a new state of an object: its main part, or only its status if `status`.

        Raises:
            ConflictError: The resourceVersion or uid of the body differs from the stored one.
            InvalidError: The object breaks its schema.
            NotFoundError: It does not exist.
        """
        metadata = thing["metadata"]
        old = self.get(resource, metadata.get("namespace", ""), metadata["name"])
        _check_current(resource, old, metadata)
        thing = copy.deepcopy(thing)
        if status:
            thing = {**old, **({"status": thing["status"]} if thing.get("status") is not None else {})}
        else:
            _carry_over(resource, old, thing)
        thing = self._checked(resource, thing, None if status else old)
        if resource.custom and not status and _essence(thing) != _essence(old):
            thing["metadata"]["generation"] = old["metadata"]["generation"] + 1
        if thing == old or dry_run:
            return thing
        if thing["metadata"].get("deletionTimestamp") and not thing["metadata"].get("finalizers"):
            return self._remove(resource, thing)
        return self._put("MODIFIED", resource, thing)

    def delete(self, resource: ResourceType, thing: Object) -> Object:
        """Remove an object, or only mark it if it has finalizers; return its last state."""
        metadata = thing["metadata"]
        if not metadata.get("finalizers"):
            return self._remove(resource, thing)
        if metadata.get("deletionTimestamp"):
            return thing
        return self._put("MODIFIED", resource, {**thing, "metadata": {**metadata, "deletionTimestamp": now()}})

    def check_version(self, version: int) -> None:
        """Raise unless all events after `version` are available.

        Raises:
            ExpiredError: Some of them are no longer in the history.
            TooLargeResourceVersionError: The version does not exist yet.
        """
        if version > self.version:
            raise TooLargeResourceVersionError(f"Too large resource version: {version}, current: {self.version}")
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

    def _checked(self, resource: ResourceType, thing: Object, old: Object | None) -> Object:
        """Prune an object, set its defaults and validate it; return it with apiVersion and kind first."""
        thing = {**prune(thing, resource.schema), "apiVersion": resource.api_version, "kind": resource.kind}
        name = thing["metadata"]["name"]
        faults = validate(thing["metadata"], schema_of("V1ObjectMeta"), "metadata")
        if not faults:
            resource.admit(thing, old)
            faults = validate(thing, resource.schema)
        if faults:
            what = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
            text = faults[0].text if len(faults) == 1 else "[" + ", ".join(f.text for f in faults) + "]"
            details = {"name": name, "group": resource.group, "kind": resource.kind}
            raise InvalidError(f'{what} "{name}" is invalid: {text}', causes=faults, details=details)
        return thing

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


def _key(resource: ResourceType, thing: Object) -> Key:
    return resource.qualified, thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


def _check_current(resource: ResourceType, old: Object, metadata: Object) -> None:
    details = {"name": metadata["name"], "group": resource.group, "kind": resource.plural}
    head = f'Operation cannot be fulfilled on {resource.qualified} "{metadata["name"]}": '
    if metadata.get("resourceVersion", old["metadata"]["resourceVersion"]) != old["metadata"]["resourceVersion"]:
        tail = "the object has been modified; please apply your changes to the latest version and try again"
        raise ConflictError(head + tail, details=details)
    if metadata.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
        raise ConflictError(head + "Precondition failed: UID in precondition does not match", details=details)


def _carry_over(resource: ResourceType, old: Object, new: Object) -> None:
    """Copy to `new` the fields that a writer of the main resource cannot change."""
    for key in ("uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp"):
        new["metadata"].pop(key, None)
        if key in old["metadata"]:
            new["metadata"][key] = old["metadata"][key]
    if resource.custom:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]


def _essence(thing: Object) -> Object:
    """Return the part of an object whose changes `generation` counts."""
    return {k: v for k, v in thing.items() if k not in ("metadata", "status")}
