"""Objects in memory with one sequence of resourceVersions, a bounded history of events, and waiting for changes."""

import asyncio
import builtins
import json
from collections import deque
from dataclasses import dataclass

from sandbox.kubernetes.apiserver.documents import Object, copied, now
from sandbox.kubernetes.apiserver.errors import (
    AlreadyExistsError,
    ExpiredError,
    FieldError,
    ForbiddenError,
    TooLargeResourceVersionError,
    UnknownError,
)
from sandbox.kubernetes.apiserver.fields.managed import Writer, after_update
from sandbox.kubernetes.apiserver.lifecycle import (
    born,
    carry_over,
    check_current,
    checked,
    essence,
    finalizers_of,
    not_found,
)
from sandbox.kubernetes.apiserver.resources import NAMESPACES, ResourceType

Key = tuple[str, str, str]

HISTORY = 1000
# The most bytes that etcd takes in one request.
MOST_STORED = 3 * 512 * 1024
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
        return copied(found)

    def list(self, resource: ResourceType, namespace: str = "") -> builtins.list[Object]:
        """Return copies of all objects of a type, in one namespace or all, sorted by namespace and name."""
        keys = sorted(k for k in self._objects if k[0] == resource.qualified and namespace in ("", k[1]))
        return [copied(self._objects[key]) for key in keys]

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
        return [copied(things[key]) for key in sorted(things) if namespace in ("", key[1])]

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
        thing = copied(thing)
        if resource.custom:
            thing.pop("status", None)
        self._check_namespace(resource, thing["metadata"])
        owners = thing["metadata"].get("managedFields")
        born(resource, thing["metadata"])
        if resource.prepare:
            resource.prepare(thing)
        thing = checked(resource, thing, None, webhooks=self.webhooks)
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
        check_current(resource, old, metadata)
        thing = copied(thing)
        owners = metadata.get("managedFields")
        if status:
            thing = {**old, **({"status": thing["status"]} if thing.get("status") is not None else {})}
        else:
            carry_over(resource, old, thing)
        thing = checked(resource, thing, None if status else old, webhooks=self.webhooks and not status)
        if resource.generation and not status and essence(thing) != essence(old):
            thing["metadata"]["generation"] = old["metadata"]["generation"] + 1
        if manager is None:
            thing["metadata"]["managedFields"] = owners
        else:
            self._track(resource, old, thing, manager, "status" if status else "")
        if thing == old or dry_run:
            return thing
        if thing["metadata"].get("deletionTimestamp") and not finalizers_of(thing):
            return self._remove(resource, thing)
        return self._put("MODIFIED", resource, thing)

    def delete(self, resource: ResourceType, thing: Object) -> Object:
        """Remove an object, or only mark it if it has finalizers; return its last state."""
        metadata = thing["metadata"]
        if not finalizers_of(thing):
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

    def _track(self, resource: ResourceType, old: Object, new: Object, manager: str | None, part: str = "") -> None:
        """Write into `new` who owns which field after a plain write."""
        if manager is not None:
            writer = Writer(manager, api_version=resource.api_version, subresource=part)
            owners = after_update(old, new, resource.schema, writer)
            if owners:
                new["metadata"]["managedFields"] = owners

    def _put(self, kind: str, resource: ResourceType, thing: Object) -> Object:
        if len(json.dumps(thing)) > MOST_STORED:
            raise UnknownError("etcdserver: request is too large")
        stored = {**thing, "metadata": {**thing["metadata"], "resourceVersion": self._next()}}
        before = self._objects.get(_key(resource, thing))
        self._objects[_key(resource, thing)] = stored
        return self._record(kind, resource, stored, before)

    def _remove(self, resource: ResourceType, thing: Object) -> Object:
        before = self._objects.pop(_key(resource, thing))
        last = {**thing, "metadata": {**thing["metadata"], "resourceVersion": self._next()}}
        return self._record("DELETED", resource, last, before)

    def _record(self, kind: str, resource: ResourceType, stored: Object, before: Object | None) -> Object:
        self._history.append(Event(self.version, kind, resource, copied(stored), before))
        self._changed.set()
        self._changed = asyncio.Event()
        return copied(stored)

    def _next(self) -> str:
        self.version += 1
        return str(self.version)


def _key(resource: ResourceType, thing: Object) -> Key:
    return resource.qualified, thing["metadata"].get("namespace", ""), thing["metadata"]["name"]
