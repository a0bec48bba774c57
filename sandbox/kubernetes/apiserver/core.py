"""What the API server itself knows of its built-in resources: columns, fields it sets, and rules."""

from collections.abc import Iterator
from typing import Any

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import FieldError
from sandbox.kubernetes.apiserver.syntax import DATA_KEY, invalid

Column = dict[str, Any]


def _column(name: str, path: str, kind: str = "string", **more: str | int) -> Column:
    """Return a column; `doc` names an attribute of a model whose text describes it."""
    return {"name": name, "jsonPath": path, "type": kind, "priority": 0, "format": "", **more}


NAME_COLUMN = _column("Name", ".metadata.name", doc="V1ObjectMeta.name", format="name")
_AGE = _column("Age", ".metadata.creationTimestamp", doc="V1ObjectMeta.creation_timestamp")
NAMESPACE_COLUMNS = (NAME_COLUMN, _column("Status", ".status.phase", description="The status of the namespace"), _AGE)
CONFIG_MAP_COLUMNS = (NAME_COLUMN, _column("Data", "#data", doc="V1ConfigMap.data"), _AGE)
DEFINITION_COLUMNS = (NAME_COLUMN, _column("Created At", ".metadata.creationTimestamp", "date"))
POD_COLUMNS = (
    NAME_COLUMN,
    _column("Ready", "#ready", description="Containers that are ready, of all"),
    _column("Status", ".status.phase", doc="V1PodStatus.phase"),
    _column("Restarts", "#restarts", "integer", doc="V1ContainerStatus.restart_count"),
    _AGE,
    _column("IP", ".status.podIP", priority=1, doc="V1PodStatus.pod_ip"),
    _column("Node", ".spec.nodeName", priority=1, doc="V1PodSpec.node_name"),
)
EVENT_COLUMNS = (
    _column("Last Seen", ".lastTimestamp", doc="CoreV1Event.last_timestamp"),
    _column("Type", ".type", doc="CoreV1Event.type"),
    _column("Reason", ".reason", doc="CoreV1Event.reason"),
    _column("Object", "#object", doc="CoreV1Event.involved_object"),
    _column(
        "Subobject", ".involvedObject.fieldPath", priority=1, description="The part of the object, if it is about one"
    ),
    _column("Source", ".source.component", priority=1, doc="CoreV1Event.source"),
    _column("Message", ".message", doc="CoreV1Event.message"),
    _column("First Seen", ".firstTimestamp", priority=1, doc="CoreV1Event.first_timestamp"),
    _column("Count", ".count", "integer", priority=1, doc="CoreV1Event.count"),
    {**NAME_COLUMN, "priority": 1},
)
NEWER_EVENT_COLUMNS = (
    _column("Last Seen", ".deprecatedLastTimestamp", doc="EventsV1Event.deprecated_last_timestamp"),
    _column("Type", ".type", doc="EventsV1Event.type"),
    _column("Reason", ".reason", doc="EventsV1Event.reason"),
    _column("Object", "#object", doc="EventsV1Event.regarding"),
    _column("Message", ".note", doc="EventsV1Event.note"),
    {**NAME_COLUMN, "priority": 1},
)
EMPTY_EVENT: Object = {
    "involvedObject": {},
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}


def prepare_namespace(thing: Object) -> None:
    """Call a new namespace active."""
    thing["status"] = {"phase": "Active"}


def finish_namespace(thing: Object) -> None:
    """Hold a new namespace until its content is gone."""
    spec = thing.get("spec") or {}
    thing["spec"] = {**spec, "finalizers": spec.get("finalizers") or ["kubernetes"]}


def finish_event(thing: Object) -> None:
    """Set the fields that Go never leaves out of an event."""
    for key, value in EMPTY_EVENT.items():
        thing.setdefault(key, value if not isinstance(value, dict) else dict(value))


def check_event(new: Object, _old: Object | None) -> Iterator[FieldError]:
    """Yield the fault of an event that is about an object of another namespace."""
    about = new.get("involvedObject", {}).get("namespace", "")
    if about != new["metadata"].get("namespace", ""):
        yield invalid("involvedObject.namespace", about, "does not match event.namespace")


def check_config_map(new: Object, old: Object | None) -> Iterator[FieldError]:
    """Yield the faults of a ConfigMap's keys, and of changing one that is immutable."""
    for part in ("data", "binaryData"):
        for key in sorted(new.get(part) or {}):
            yield from (invalid(f"{part}[{key}]", key, fault) for fault in DATA_KEY.faults(key))
    if old and old.get("immutable"):
        for part in ("data", "immutable"):
            if new.get(part) != old.get(part):
                yield FieldError(part, "FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set")
