"""Garbage collection, as the controller manager does it: dependents follow their owners, content its namespace."""

import asyncio
import contextlib
from collections.abc import Sequence

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import ApiError
from sandbox.kubernetes.apiserver.resources import NAMESPACES, TYPES, ResourceType
from sandbox.kubernetes.apiserver.rest.delete import FOREGROUND, ORPHAN
from sandbox.kubernetes.apiserver.store import Event, Store


class Collector:
    """Follows a store's events until it is closed."""

    def __init__(self, store: Store, types: Sequence[ResourceType] = TYPES) -> None:
        self._store = store
        self._types = types
        self._task = asyncio.create_task(self._follow(store.version), name="garbage collector")

    async def close(self) -> None:
        """Stop collecting."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _follow(self, version: int) -> None:
        while True:
            for event in self._store.after(version):
                version = event.version
                with contextlib.suppress(ApiError):  # somebody else was faster
                    self._handle(event)
            await self._store.wait(version)

    def _handle(self, event: Event) -> None:
        metadata = event.thing["metadata"]
        if event.type == "DELETED":
            self._bereave(metadata["uid"])
            if metadata.get("namespace"):
                self._finish(metadata["namespace"])
            return
        held = metadata.get("finalizers") or []
        if metadata.get("deletionTimestamp") and ORPHAN in held:
            self._orphan(metadata["uid"])
            self._release(event, ORPHAN)
        elif metadata.get("deletionTimestamp") and FOREGROUND in held:
            self._foreground(event)
        elif metadata.get("deletionTimestamp") and event.resource is NAMESPACES:
            self._empty(metadata["name"])

    def _dependents(self, uid: str) -> list[tuple[ResourceType, Object]]:
        return [
            (resource, thing)
            for resource in self._types
            for thing in self._store.list(resource)
            if any(owner.get("uid") == uid for owner in thing["metadata"].get("ownerReferences") or ())
        ]

    def _bereave(self, uid: str) -> None:
        """Delete the dependents that have no other owner; the others forget this one."""
        for resource, thing in self._dependents(uid):
            others = _without(thing, uid)
            if others["metadata"]["ownerReferences"]:
                self._store.replace(resource, others)
            elif not thing["metadata"].get("deletionTimestamp"):
                self._store.delete(resource, thing)
        self._foreground_owners()

    def _orphan(self, uid: str) -> None:
        for resource, thing in self._dependents(uid):
            self._store.replace(resource, _without(thing, uid))

    def _foreground(self, event: Event) -> None:
        """Delete the dependents first; the owner goes when none of those that block it is left."""
        waiting = self._dependents(event.thing["metadata"]["uid"])
        for resource, thing in waiting:
            if not thing["metadata"].get("deletionTimestamp"):
                self._store.delete(resource, thing)
        if not self._dependents(event.thing["metadata"]["uid"]):
            self._release(event, FOREGROUND)

    def _foreground_owners(self) -> None:
        """Look again at owners that wait for dependents."""
        for resource in self._types:
            for thing in self._store.list(resource):
                metadata = thing["metadata"]
                waits = metadata.get("deletionTimestamp") and FOREGROUND in (metadata.get("finalizers") or ())
                if waits and not self._dependents(metadata["uid"]):
                    self._release(Event(0, "MODIFIED", resource, thing, None), FOREGROUND)

    def _release(self, event: Event, finalizer: str) -> None:
        """Take a finalizer from an object, which then goes unless others hold it."""
        metadata = event.thing["metadata"]
        current = self._store.get(event.resource, metadata.get("namespace", ""), metadata["name"])
        held = [each for each in current["metadata"].get("finalizers") or [] if each != finalizer]
        current["metadata"]["finalizers"] = held
        self._store.replace(event.resource, current)

    def _finish(self, namespace: str) -> None:
        """Go on with a namespace that is being deleted, as something in it is gone."""
        if self._store.get(NAMESPACES, "", namespace)["metadata"].get("deletionTimestamp"):
            self._empty(namespace)

    def _empty(self, namespace: str) -> None:
        """Delete the content of a namespace, then the namespace once nothing is left."""
        content = [(r, thing) for r in self._types if r.namespaced for thing in self._store.list(r, namespace)]
        for resource, thing in content:
            if not thing["metadata"].get("deletionTimestamp"):
                self._store.delete(resource, thing)
        if not any(self._store.list(r, namespace) for r in self._types if r.namespaced):
            space = self._store.get(NAMESPACES, "", namespace)
            space["spec"] = {**space.get("spec", {}), "finalizers": []}
            self._store.replace(NAMESPACES, space)


def _without(thing: Object, uid: str) -> Object:
    metadata = thing["metadata"]
    left = [owner for owner in metadata["ownerReferences"] if owner.get("uid") != uid]
    return {**thing, "metadata": {**metadata, "ownerReferences": left}}
