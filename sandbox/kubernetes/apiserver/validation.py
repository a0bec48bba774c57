"""Pruning, defaulting and validating objects with a structural schema, in the API server's wording."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from sandbox.kubernetes.apiserver.documents import Json
from sandbox.kubernetes.apiserver.errors import FieldError
from sandbox.kubernetes.apiserver.schema import Schema


def prune(value: Json, schema: Schema) -> Json:
    """Return a copy of `value` without the fields that are not in the schema.

    >>> prune({"a": 1, "b": 2}, {"type": "object", "properties": {"a": {"type": "integer"}}})
    {'a': 1}
    """
    keeps = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(value, dict) and ("properties" in schema or "additionalProperties" in schema):
        known, extra = schema.get("properties", {}), schema.get("additionalProperties")
        inner = {k: known.get(k, extra) for k in value}
        return {k: prune(v, inner[k]) if inner[k] else v for k, v in value.items() if inner[k] is not None or keeps}
    if isinstance(value, dict) and schema.get("type") == "object" and not keeps:
        return {}
    if isinstance(value, list) and "items" in schema:
        return [prune(item, schema["items"]) for item in value]
    return value


def unknown_fields(value: Json, schema: Schema, path: str = "") -> Iterator[str]:
    """Yield the paths of the fields that pruning drops.

    >>> list(unknown_fields({"a": {"b": 1}}, {"type": "object", "properties": {"a": {"type": "object"}}}))
    ['a.b']
    """
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from unknown_fields(item, schema["items"], f"{path}[{index}]")
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    known, extra = schema.get("properties", {}), schema.get("additionalProperties")
    for key, item in value.items():
        inner = known.get(key, extra)
        if inner is None and schema.get("type") == "object":
            yield _join(path, key)
        elif inner:
            yield from unknown_fields(item, inner, _join(path, key))


def default(value: Json, schema: Schema) -> None:
    """Set the schema's defaults in `value` in place, and drop nulls that have a default.

    >>> port = {"containerPort": 80}
    >>> default(port, {"properties": {"protocol": {"type": "string", "default": "TCP"}}})
    >>> port
    {'containerPort': 80, 'protocol': 'TCP'}
    """
    if isinstance(value, dict):
        known, extra = schema.get("properties", {}), schema.get("additionalProperties")
        for key in [key for key, item in value.items() if item is None and _drops_null(known.get(key, extra))]:
            del value[key]
        for key, inner in known.items():
            if "default" in inner and value.get(key) is None:
                value[key] = copy.deepcopy(inner["default"])
        for key, item in value.items():
            default(item, known.get(key, extra) or {})
    elif isinstance(value, list):
        for item in value:
            default(item, schema.get("items", {}))


def _drops_null(schema: Schema | None) -> bool:
    return bool(schema) and "type" in (schema or {}) and not (schema or {}).get("nullable")


def validate(value: Json, schema: Schema, path: str = "") -> list[FieldError]:
    """Return the faults of `value` against `schema`, in the API server's wording."""
    if fault := _type_fault(value, schema, path):
        return [fault, *_alternatives(fault, schema, path)]
    faults = [fault for rule in _RULES if (fault := rule(value, schema, path))]
    if isinstance(value, dict):
        return faults + _validate_object(value, schema, path)
    if isinstance(value, list) and "items" in schema:
        faults += [f for i, item in enumerate(value) for f in validate(item, schema["items"], f"{path}[{i}]")]
        return faults + _duplicates(value, schema, path)
    return faults


def _validate_object(value: dict[str, Any], schema: Schema, path: str) -> list[FieldError]:
    known, extra = schema.get("properties", {}), schema.get("additionalProperties")
    faults = [
        f for key in value if (inner := known.get(key, extra)) for f in validate(value[key], inner, _join(path, key))
    ]
    missing = [name for name in schema.get("required", []) if name not in value]
    return faults + [FieldError(_join(path, name), "FieldValueRequired", "Required value") for name in missing]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _invalid(value: Json, path: str, text: str) -> FieldError:
    shown = json.dumps(value) if not isinstance(value, dict | list) else f'"{_json_type(value)}"'
    return FieldError(path, "FieldValueInvalid", f"Invalid value: {shown}: {path} in body {text}")


def _type_fault(value: Json, schema: Schema, path: str) -> FieldError | None:
    wanted = "int-or-string" if schema.get("x-kubernetes-int-or-string") else schema.get("type")
    accepted = {"number": {"number", "integer"}, "int-or-string": {"integer", "string"}}.get(wanted or "", {wanted})
    actual = "integer" if isinstance(value, float) and value.is_integer() else _json_type(value)
    if wanted is None or actual in accepted or (value is None and schema.get("nullable")):
        return None
    return _wrong_type(path, "integer,string" if wanted == "int-or-string" else wanted, actual)


def _alternatives(fault: FieldError, schema: Schema, path: str) -> list[FieldError]:
    """Return what the server adds where none of several types fits."""
    if "anyOf" not in schema:
        return []
    none = FieldError(
        "<nil>", "FieldValueInvalid", f'Invalid value: "": "{path}" must validate at least one schema (anyOf)'
    )
    return [none, _wrong_type(path, schema["anyOf"][0]["type"], fault.message.split('"')[1])]


def _wrong_type(path: str, wanted: str, actual: str) -> FieldError:
    text = f'Invalid value: "{actual}": {path} in body must be of type {wanted}: "{actual}"'
    return FieldError(path, "FieldValueTypeInvalid", text)


def _json_type(value: Json) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
    return names.get(type(value), "null")


def _enum_fault(value: Json, schema: Schema, path: str) -> FieldError | None:
    if value in schema.get("enum", (value,)):
        return None
    supported = ", ".join(json.dumps(each) for each in schema["enum"])
    text = f"Unsupported value: {json.dumps(value)}: supported values: {supported}"
    return FieldError(path, "FieldValueNotSupported", text)


def _text_fault(value: Json, schema: Schema, path: str) -> FieldError | None:
    if not isinstance(value, str):
        return None
    if len(value) < schema.get("minLength", 0):
        return _invalid(value, path, f"should be at least {schema['minLength']} chars long")
    if len(value) > schema.get("maxLength", len(value)):
        return _invalid(value, path, f"should be at most {schema['maxLength']} chars long")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return _invalid(value, path, f"should match '{schema['pattern']}'")
    if schema.get("format") == "date-time" and not _is_time(value):
        return _invalid(value, path, f'must be of type date-time: "{value}"')
    return None


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return "T" in value.upper()


def _number_fault(value: Json, schema: Schema, path: str) -> FieldError | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if value < schema.get("minimum", value):
        return _invalid(value, path, f"should be greater than or equal to {schema['minimum']}")
    if value > schema.get("maximum", value):
        return _invalid(value, path, f"should be less than or equal to {schema['maximum']}")
    return None


def _length_fault(value: Json, schema: Schema, path: str) -> FieldError | None:
    if isinstance(value, list) and len(value) < schema.get("minItems", 0):
        return FieldError(
            path,
            "FieldValueInvalid",
            f"Invalid value: {len(value)}: {path} in body should have at least {schema['minItems']} items",
        )
    return None


_RULES: tuple[Callable[[Json, Schema, str], FieldError | None], ...] = (
    _enum_fault,
    _text_fault,
    _number_fault,
    _length_fault,
)


def _duplicates(items: list[Any], schema: Schema, path: str) -> list[FieldError]:
    """Return the faults of a list that is a map or a set and names an item twice."""
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys", ())
    seen: list[Any] = []
    faults = []
    for index, item in enumerate(items):
        if kind not in ("map", "set"):
            break
        identity = {k: item[k] for k in keys if k in item} if kind == "map" and isinstance(item, dict) else item
        if identity in seen:
            faults.append(FieldError(f"{path}[{index}]", "FieldValueDuplicate", f"Duplicate value: {_go(identity)}"))
        seen.append(identity)
    return faults


def _go(value: Json) -> str:
    """Return a value as Go prints it with `%#v`."""
    if not isinstance(value, dict):
        return json.dumps(value)
    inner = ", ".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in sorted(value.items()))
    return f"map[string]interface {{}}{{{inner}}}"
