"""OpenAPI schemas built from the official client models, and functions that prune and validate objects with them."""

import re
from functools import cache
from types import ModuleType
from typing import Any

from sandbox.kubernetes.apiserver.documents import Json
from sandbox.kubernetes.apiserver.errors import FieldError

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INT_OR_STRING: Schema = {"x-kubernetes-int-or-string": True}
ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}


def _strings(*names: str) -> Schema:
    return {"type": "object", "properties": dict.fromkeys(names, STRING)}


# Types whose generated model differs from their JSON form.
GIVEN: dict[str, Schema] = {
    "str": STRING,
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    "object": ANYTHING,
    "ResourceQuantity": INT_OR_STRING,
    "IntstrIntOrString": INT_OR_STRING,
    "V1beta1MetricQuantity": INT_OR_STRING,
    "KnativeURL": STRING,
    "KnativeVolatileTime": STRING,
    "V1Time": STRING,
    "KnativeAddressable": _strings("name", "url", "CACerts", "audience"),
    "KnativeCondition": {
        **_strings("type", "status", "severity", "lastTransitionTime", "reason", "message"),
        "required": ["type", "status"],
    },
    "KnativeDevServingPkgApisServingV1TrafficTarget": {
        "type": "object",
        "properties": {
            **_strings("configurationName", "revisionName", "tag", "url")["properties"],
            "latestRevision": {"type": "boolean"},
            "percent": {"type": "integer"},
        },
    },
}
RENAMED = {
    "K8sIoApiAppsV1DeploymentStrategy": "V1DeploymentStrategy",
    "K8sIoApiAutoscalingV2HorizontalPodAutoscalerBehavior": "V2HorizontalPodAutoscalerBehavior",
}
# The generated clients declare quantities as strings; the server also accepts numbers.
QUANTITIES = {("V1ResourceRequirements", "limits"), ("V1ResourceRequirements", "requests")}
_LIST = re.compile(r"list\[(.+)\]")
_DICT = re.compile(r"dict[(\[]str, ?(.+)[)\]]")


@cache
def _model_modules() -> tuple[ModuleType, ...]:
    """Import the model packages late, because kserve takes a second."""
    import kserve.models  # noqa: PLC0415
    import kubernetes.client.models  # noqa: PLC0415

    return kserve.models, kubernetes.client.models


def _model_class(name: str) -> type[Any] | None:
    name = RENAMED.get(name, name)
    return next((getattr(module, name) for module in _model_modules() if hasattr(module, name)), None)


def _required(model: type[Any]) -> list[str]:
    """Return the required fields of a model: its setters refuse None for them."""
    probe: Any = object.__new__(model)
    probe.local_vars_configuration = type("Validating", (), {"client_side_validation": True})()
    names = []
    for attribute, json_name in model.attribute_map.items():
        try:
            setattr(probe, attribute, None)
        except ValueError:
            names.append(json_name)
    return names


def schema_of(type_name: str) -> Schema:
    """Return the schema of a type by its name in the generated models (`int`, `list[V1Container]`, `V1ConfigMap`).

    Raises:
        LookupError: Neither package has a model of that name.
    """
    if type_name in GIVEN:
        return GIVEN[type_name]
    if match := _LIST.fullmatch(type_name):
        return {"type": "array", "items": schema_of(match[1])}
    if match := _DICT.fullmatch(type_name):
        return {"type": "object", "additionalProperties": schema_of(match[1])}
    return _object_schema(type_name)


@cache
def _object_schema(type_name: str) -> Schema:
    model = _model_class(type_name)
    if model is None:
        raise LookupError(f"neither kserve.models nor kubernetes.client.models has {type_name}")
    properties = {}
    for attribute, declared in model.openapi_types.items():
        quantity = (model.__name__, attribute) in QUANTITIES
        wanted = "dict(str, ResourceQuantity)" if quantity else declared
        properties[model.attribute_map[attribute]] = schema_of(wanted)
    schema: Schema = {"type": "object", "properties": properties}
    if required := _required(model):
        schema["required"] = required
    return schema


def prune(value: Json, schema: Schema) -> Json:
    """Return a copy of `value` without the fields that are not in the schema.

    >>> prune({"a": 1, "b": 2}, {"type": "object", "properties": {"a": {"type": "integer"}}})
    {'a': 1}
    """
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return value
    if isinstance(value, dict) and schema.get("type") == "object":
        known, extra = schema.get("properties", {}), schema.get("additionalProperties")
        return {k: prune(v, known.get(k, extra)) for k, v in value.items() if k in known or extra is not None}
    if isinstance(value, list) and schema.get("type") == "array":
        return [prune(item, schema["items"]) for item in value]
    return value


def validate(value: Json, schema: Schema, path: str = "") -> list[FieldError]:
    """Return the faults of `value` against `schema`, in the API server's wording."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return []
    if fault := _type_fault(value, schema, path):
        return [fault]
    if isinstance(value, dict):
        return _validate_object(value, schema, path)
    if isinstance(value, list):
        return [f for i, item in enumerate(value) for f in validate(item, schema["items"], f"{path}[{i}]")]
    return []


def _validate_object(value: dict[str, Any], schema: Schema, path: str) -> list[FieldError]:
    known, extra = schema.get("properties", {}), schema.get("additionalProperties")
    missing = [name for name in schema.get("required", []) if name not in value]
    faults = [FieldError(_join(path, name), "FieldValueRequired", "Required value") for name in missing]
    for key, item in value.items():
        inner = known.get(key, extra)
        if inner is not None:
            faults += validate(item, inner, _join(path, key))
    return faults


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _type_fault(value: Json, schema: Schema, path: str) -> FieldError | None:
    wanted = "int-or-string" if schema.get("x-kubernetes-int-or-string") else schema.get("type", "object")
    actual = _json_type(value)
    accepted = {"number": {"number", "integer"}, "int-or-string": {"integer", "string"}}.get(wanted, {wanted})
    if actual in accepted:
        return None
    text = f'Invalid value: "{actual}": {path} in body must be of type {wanted}: "{actual}"'
    return FieldError(path, "FieldValueTypeInvalid", text)


def _json_type(value: Json) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
    return names.get(type(value), "null")
