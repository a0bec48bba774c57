"""Objects seen as sets of fields: what a value holds, what two differ in, how one merges into another."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.kubernetes.apiserver.documents import Json
from sandbox.kubernetes.apiserver.fields.paths import FieldSet, Path
from sandbox.kubernetes.apiserver.schema import Schema


class _Missing:
    """Stands for a field that is not there; null is a value."""


MISSING: Final = _Missing()
Children = dict[str, tuple[Json, Schema]]


def children(value: Json, schema: Schema) -> Children | None:
    """Return the parts of a value with owners of their own; None for a scalar and for what is owned as a whole."""
    if isinstance(value, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        known, extra = schema.get("properties", {}), schema.get("additionalProperties") or {}
        return {f"f:{key}": (item, known.get(key, extra)) for key, item in value.items()}
    if isinstance(value, list) and schema.get("x-kubernetes-list-type") in ("map", "set"):
        return {element_of(item, schema): (item, schema["items"]) for item in value}
    return None


def element_of(item: Json, schema: Schema) -> str:
    """Return the path element of a list's item."""
    if schema["x-kubernetes-list-type"] == "set":
        return f"v:{json.dumps(item)}"
    inner = schema["items"].get("properties", {})
    keys = {k: item.get(k, inner.get(k, {}).get("default")) for k in sorted(schema["x-kubernetes-list-map-keys"])}
    return "k:" + json.dumps({k: v for k, v in keys.items() if v is not None}, separators=(",", ":"))


def fields_of(value: Json, schema: Schema, path: Path = ()) -> set[Path]:
    """Return the fields that a writer claims by applying `value`."""
    parts = children(value, schema)
    if parts is None:
        return {path}
    found: set[Path] = set()
    for element, (item, inner) in parts.items():
        here = (*path, element)
        found |= fields_of(item, inner, here)
        declared = element[2:] in schema.get("properties", {})
        if isinstance(value, list) or item in (None, {}) or not declared:
            found.add(here)
    return found


@dataclass
class Difference:
    """The fields in which a new value differs from an old one."""

    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)

    @property
    def written(self) -> FieldSet:
        """The fields that the new value sets."""
        return frozenset(self.added | self.modified)


def compare(old: Json, new: Json, schema: Schema) -> Difference:
    """Return the difference between two values of one schema."""
    found = Difference()
    _compare(old, new, schema, (), found)
    return found


def _compare(old: Json, new: Json, schema: Schema, path: Path, found: Difference) -> None:
    before, after = _parts(old, schema), _parts(new, schema)
    if not (before or after) or before is None or after is None:
        _compare_leaf(old, new, path, found)
        return
    for element in [*before, *(e for e in after if e not in before)]:
        left, inner = before.get(element, (MISSING, None))
        right, inner = after.get(element, (MISSING, inner))
        _compare(left, right, inner or {}, (*path, element), found)
    if old is MISSING:
        found.added.add(path)
    elif new is MISSING:
        found.removed.add(path)


def _parts(value: Json, schema: Schema) -> Children | None:
    return {} if value is MISSING or value is None else children(value, schema)


def _compare_leaf(old: Json, new: Json, path: Path, found: Difference) -> None:
    if old is MISSING:
        found.added.add(path)
    elif new is MISSING:
        found.removed.add(path)
    elif old != new:
        found.modified.add(path)


def merge(live: Json, applied: Json, schema: Schema) -> Json:
    """Return `live` with the fields of `applied`; items that are only in `live` stay where they are."""
    before, after = children(live, schema), children(applied, schema)
    if before is None or after is None:
        return applied
    merged: dict[str, Any] = {element: item for element, (item, _) in before.items()}
    for element, (item, inner) in after.items():
        merged[element] = merge(merged[element], item, inner) if element in merged else item
    if isinstance(applied, list):
        return list(merged.values())
    return {element[2:]: item for element, item in merged.items()}


def without(value: Json, schema: Schema, removed: FieldSet, path: Path = ()) -> Json:
    """Return `value` without the fields at some paths."""
    parts = children(value, schema)
    if parts is None:
        return value
    kept = {
        element: without(item, inner, removed, (*path, element))
        for element, (item, inner) in parts.items()
        if (*path, element) not in removed
    }
    return list(kept.values()) if isinstance(value, list) else {e[2:]: item for e, item in kept.items()}
