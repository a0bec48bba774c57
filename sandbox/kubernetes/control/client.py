"""The controllers' client of the store: find, create, update, status, events and garbage collection."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import NotFoundError
from sandbox.kubernetes.apiserver.resources import CONFIG_MAPS, EVENTS, TYPES, ResourceType
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.control.conditions import Conditions, groomed, without_time

NEW_GENERATION = "NewObservedGenFailure"


class ReconcileError(Exception):
    """A reconciliation failed; the message becomes an event, and the next step tries again."""


class Client:
    """Reads and writes the store for the control loops.

    Args:
        store: The objects.
        clock: The present in seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self.store = store
        self.clock = clock

    def now(self) -> str:
        """Return the present in Kubernetes' format."""
        return datetime.fromtimestamp(math.floor(self.clock()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def find(self, resource: ResourceType, namespace: str, name: str) -> Object | None:
        """Return an object; None if it does not exist."""
        try:
            return self.store.get(resource, namespace, name)
        except NotFoundError:
            return None

    def labelled(self, resource: ResourceType, namespace: str, labels: Mapping[str, str]) -> list[Object]:
        """Return the objects with these labels, sorted by name."""
        things = self.store.list(resource, namespace)
        return [thing for thing in things if labels.items() <= (thing["metadata"].get("labels") or {}).items()]

    def settings(self, namespace: str, name: str) -> dict[str, str]:
        """Return the data of a ConfigMap; empty if it does not exist."""
        return self.settings_with_version(namespace, name)[1]

    def settings_with_version(self, namespace: str, name: str) -> tuple[str, dict[str, str]]:
        """Return the resourceVersion and the data of a ConfigMap; both are empty if it does not exist."""
        found = self.find(CONFIG_MAPS, namespace, name)
        return ("", {}) if found is None else (found["metadata"]["resourceVersion"], found.get("data") or {})

    def create(self, resource: ResourceType, thing: Object) -> Object:
        """Store a new object."""
        return self.store.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, **thing})

    def update(self, resource: ResourceType, thing: Object) -> Object:
        """Store the main part of an object."""
        return self.store.replace(resource, thing)

    def delete(self, resource: ResourceType, thing: Object) -> None:
        """Delete an object."""
        self.store.delete(resource, thing)

    def write_status(self, resource: ResourceType, thing: Object, status: Object) -> None:
        """Store a status unless only transition times differ."""
        if _timeless(status) != _timeless(thing.get("status") or {}):
            self.store.replace(resource, {**thing, "status": status}, status=True)

    def reconcile(
        self,
        resource: ResourceType,
        thing: Object,
        dependents: Sequence[str],
        run: Callable[[Object, Conditions], None],
    ) -> None:
        """Run a Knative reconciliation between what their generated code does before and after it.

        Before: conditions are initialized, and `Ready` is Unknown if the generation is new. After, even if it failed:
        the generation is observed and the status stored.
        """
        old: Object = thing.get("status") or {}
        status, generation = dict(old), thing["metadata"]["generation"]
        conditions = Conditions(old.get("conditions", ()), dependents, self.now())
        conditions.initialize()
        if old.get("observedGeneration", 0) != generation:
            conditions.mark_unknown("Ready", NEW_GENERATION, "unsuccessfully observed a new generation")
        try:
            run(status, conditions)
        except ReconcileError as error:
            self.event(resource, thing, "InternalError", str(error), warning=True)
        listed = groomed(conditions.listed(), old.get("conditions", ()))
        self.write_status(resource, thing, {**status, "observedGeneration": generation, "conditions": listed})

    def event(
        self, resource: ResourceType, thing: Object, reason: str, message: str, *, warning: bool = False, count: int = 0
    ) -> None:
        """Record an event; one that repeats is stored once, and counted if it is an occurrence each time.

        Args:
            resource: Type of the object.
            thing: The object that it is about.
            reason: The event's reason.
            message: What happened.
            warning: Whether it is a warning.
            count: How much to add to the count if the event exists already.
        """
        metadata = thing["metadata"]
        digest = hashlib.sha256(f"{metadata['uid']} {reason} {message}".encode()).hexdigest()[:16]
        name, namespace = f"{metadata['name']}.{digest}", metadata["namespace"]
        known = self.find(EVENTS, namespace, name)
        if known is None:
            self.create(EVENTS, self._event(resource, thing, name, reason, message, warning=warning))
        elif count:
            self.update(EVENTS, {**known, "count": known["count"] + count, "lastTimestamp": self.now()})

    def _event(
        self, resource: ResourceType, thing: Object, name: str, reason: str, message: str, *, warning: bool
    ) -> Object:
        metadata = thing["metadata"]
        about = {"kind": resource.kind, "apiVersion": resource.api_version}
        about |= {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")}
        return {
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            "count": 1,
            "firstTimestamp": self.now(),
            "lastTimestamp": self.now(),
            "source": {"component": f"{resource.kind.lower()}-controller"},
        }

    def collect(self, resource: ResourceType, namespace: str, name: str) -> Object | None:
        """Return an object; delete it and return None if its owner is gone, as the garbage collector does."""
        thing = self.find(resource, namespace, name)
        if thing is None or not self.orphaned(thing):
            return thing
        self.delete(resource, thing)
        return None

    def orphaned(self, thing: Object) -> bool:
        """Return whether an object has an owner that no longer exists."""
        metadata = thing["metadata"]
        for owner in metadata.get("ownerReferences") or ():
            resource = next(t for t in TYPES if (t.kind, t.api_version) == (owner["kind"], owner["apiVersion"]))
            found = self.find(resource, metadata.get("namespace", ""), owner["name"])
            if found is None or found["metadata"]["uid"] != owner["uid"]:
                return True
        return False


def owned_by(resource: ResourceType, owner: Object) -> list[Object]:
    """Return the owner references of an object that `owner` controls."""
    metadata = owner["metadata"]
    reference = {"apiVersion": resource.api_version, "kind": resource.kind}
    reference |= {"name": metadata["name"], "uid": metadata["uid"]}
    return [{**reference, "controller": True, "blockOwnerDeletion": True}]


def controls(owner: Object, thing: Object) -> bool:
    """Return whether `owner` controls the object."""
    references = thing["metadata"].get("ownerReferences") or ()
    return any(r.get("controller") and r["uid"] == owner["metadata"]["uid"] for r in references)


def up_to_date(thing: Object) -> bool:
    """Return whether the controller of an object has observed its newest generation."""
    return bool((thing.get("status") or {}).get("observedGeneration", 0) == thing["metadata"]["generation"])


def child_name(parent: str, suffix: str) -> str:
    """Return Knative's name of a child object: hashed where it would be longer than 63 characters.

    >>> child_name("model-predictor", "-00007")
    'model-predictor-00007'
    """
    if len(parent) + len(suffix) <= 63:
        return parent + suffix
    digest = hashlib.md5(parent.encode(), usedforsecurity=False).hexdigest()
    return f"{parent[: 31 - len(suffix)]}{digest}{suffix}"


def _timeless(status: Object) -> Object:
    return {**status, "conditions": [without_time(condition) for condition in status.get("conditions", ())]}
