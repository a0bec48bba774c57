"""Holds the sandbox's own answers against the service models: unknown members, wrong types, missing members."""

import json
import threading
from pathlib import Path
from typing import Any

from sandbox.aws.strict.requests import Call

_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float, str),
    "double": (int, float, str),
    "boolean": (bool,),
    "blob": (str,),
    "timestamp": (int, float, str),
}


class Answers:
    """Writes each deviation once, as a line of JSON: `{"operation": …, "wrong": …}`.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def check(self, call: Call, status: int, body: bytes) -> None:
        """Check one answer; only those of JSON services are."""
        if call.protocol != "json" or call.operation is None or status >= 300:
            return
        for wrong in deviations(call.operation.model.output_shape, json.loads(body or b"{}")):
            self._write(f"{call.service}:{call.name}", wrong)

    def _write(self, operation: str, wrong: str) -> None:
        with self._lock:
            if (operation, wrong) not in self._seen:
                self._seen.add((operation, wrong))
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"operation": operation, "wrong": wrong}) + "\n")


def deviations(shape: Any, value: Any, path: str = "") -> list[str]:  # noqa: ANN401 - botocore's shapes and JSON
    """Return how an answer deviates from its shape, each as a path and what is wrong there."""
    if shape is None or value is None:
        return [f"{path}: unexpected body"] if value else []
    wanted = _TYPES.get(shape.type_name)
    if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and shape.type_name != "boolean")):
        return [f"{path}: {type(value).__name__} for {shape.type_name}"]
    if shape.type_name == "structure":
        return _of_structure(shape, value, path)
    if shape.type_name == "list":
        return [wrong for item in value for wrong in deviations(shape.member, item, f"{path}[]")]
    if shape.type_name == "map":
        return [wrong for item in value.values() for wrong in deviations(shape.value, item, f"{path}{{}}")]
    return []


def _of_structure(shape: Any, value: dict[str, Any], path: str) -> list[str]:  # noqa: ANN401 - botocore's shapes
    members = {of.serialization.get("name", name): of for name, of in shape.members.items()}
    missing = [name for name in shape.required_members if value.get(name) is None]
    found = [f"{path}.{name}: missing" for name in missing]
    for name, item in value.items():
        of = members.get(name)
        found += deviations(of, item, f"{path}.{name}") if of is not None else [f"{path}.{name}: unknown"]
    return found
