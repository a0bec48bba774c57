"""What the API server itself knows of its built-in resources: columns, fields it sets, and rules."""

from collections.abc import Iterator
from typing import Any

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import FieldError
from sandbox.kubernetes.apiserver.syntax import DATA_KEY, invalid

Column = dict[str, Any]


def _column(name: str, path: str, kind: str = "string", priority: int = 0, form: str = "") -> Column:
    return {"name": name, "jsonPath": path, "type": kind, "priority": priority, "format": form}


_NAME = _column("Name", ".metadata.name", form="name")
_AGE = _column("Age", ".metadata.creationTimestamp", "date")
NAMESPACE_COLUMNS = (_NAME, _column("Status", ".status.phase"), _AGE)
CONFIG_MAP_COLUMNS = (_NAME, _column("Data", "#data", "integer"), _AGE)
DEFINITION_COLUMNS = (_NAME, _column("Created At", ".metadata.creationTimestamp", "date"))
POD_COLUMNS = (
    _NAME,
    _column("Ready", "#ready"),
    _column("Status", ".status.phase"),
    _column("Restarts", "#restarts", "integer"),
    _AGE,
    _column("IP", ".status.podIP", priority=1),
    _column("Node", ".spec.nodeName", priority=1),
    _column("Nominated Node", ".status.nominatedNodeName", priority=1),
    _column("Readiness Gates", ".spec.readinessGates", priority=1),
)
EVENT_COLUMNS = (
    _column("Last Seen", ".lastTimestamp", "date"),
    _column("Type", ".type"),
    _column("Reason", ".reason"),
    _column("Object", "#object"),
    _column("Subobject", ".involvedObject.fieldPath", priority=1),
    _column("Source", ".source.component", priority=1),
    _column("Message", ".message"),
    _column("First Seen", ".firstTimestamp", "date", priority=1),
    _column("Count", ".count", "integer", priority=1),
    {**_NAME, "priority": 1},
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
    """Hold a new namespace until its content is gone, and call it active."""
    thing.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    thing["status"] = {"phase": "Active"}


def prepare_event(thing: Object) -> None:
    """Set the fields that Go never leaves out of an event."""
    for key, value in EMPTY_EVENT.items():
        thing.setdefault(key, value if not isinstance(value, dict) else dict(value))


def check_config_map(new: Object, old: Object | None) -> Iterator[FieldError]:
    """Yield the faults of a ConfigMap's keys, and of changing one that is immutable."""
    for part in ("data", "binaryData"):
        for key in sorted(new.get(part) or {}):
            yield from (invalid(f"{part}[{key}]", key, fault) for fault in DATA_KEY.faults(key))
    if old and old.get("immutable"):
        for part in ("data", "immutable"):
            if new.get(part) != old.get(part):
                yield FieldError(part, "FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set")
