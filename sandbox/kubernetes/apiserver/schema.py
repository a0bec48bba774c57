"""OpenAPI schemas built from the official client models and the facts that those models leave out."""

import re
from functools import cache
from types import ModuleType
from typing import Any

from sandbox.kubernetes.apiserver.isvc.facts import (
    INT_OR_STRING,
    QUANTITY,
    UNKNOWN,
    Fact,
    format_of,
    of_field,
    of_model,
    required_of,
)

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
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
    "PlainObject": {"type": "object"},
    "ResourceQuantity": QUANTITY,
    "IntstrIntOrString": INT_OR_STRING,
    "V1beta1MetricQuantity": QUANTITY,
    "KnativeURL": STRING,
    "KnativeVolatileTime": STRING,
    "V1Time": STRING,
    "KnativeAddressable": _strings("name", "url", "CACerts", "audience"),
    "KnativeCondition": {
        **_strings("type", "status", "severity", "lastTransitionTime", "reason", "message"),
        "required": ["status", "type"],
    },
    "KnativeDevServingPkgApisServingV1TrafficTarget": {
        "type": "object",
        "properties": {
            **_strings("configurationName", "revisionName", "tag", "url")["properties"],
            "latestRevision": {"type": "boolean"},
            "percent": {"type": "integer", "format": "int64"},
        },
    },
}
RENAMED = {
    "K8sIoApiAppsV1DeploymentStrategy": "V1DeploymentStrategy",
    "K8sIoApiAutoscalingV2HorizontalPodAutoscalerBehavior": "V2HorizontalPodAutoscalerBehavior",
}
# The generated clients declare quantities as strings and int-or-strings as anything.
_PORTS = ("V1HTTPGetAction.port", "V1TCPSocketAction.port")
DECLARED = {
    **dict.fromkeys(
        (
            f"{m}.{f}"
            for m in ("V1ResourceRequirements", "V1VolumeResourceRequirements")
            for f in ("limits", "requests")
        ),
        "dict(str, ResourceQuantity)",
    ),
    **dict.fromkeys(
        ("V1ResourceFieldSelector.divisor", "V1EmptyDirVolumeSource.size_limit", "V2HPAScalingRules.tolerance"),
        "ResourceQuantity",
    ),
    # Metadata inside an object is not the server's: a definition says nothing of it.
    "V1PersistentVolumeClaimTemplate.metadata": "PlainObject",
    **dict.fromkeys(
        (*_PORTS, "V1RollingUpdateDeployment.max_surge", "V1RollingUpdateDeployment.max_unavailable"),
        "IntstrIntOrString",
    ),
}
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


def described(schema: Schema, type_name: str) -> Schema:
    """Return a copy of a schema with the official clients' texts for its fields."""
    if match := _LIST.fullmatch(type_name):
        return {**schema, "items": described(schema["items"], match[1])} if "items" in schema else schema
    if match := _DICT.fullmatch(type_name):
        extra = schema.get("additionalProperties")
        return {**schema, "additionalProperties": described(extra, match[1])} if extra else schema
    model = None if type_name in GIVEN else _model_class(type_name)
    if model is None or "properties" not in schema:
        return schema
    names = {field: attribute for attribute, field in model.attribute_map.items()}
    properties = {
        field: _with_text(described(inner, model.openapi_types[names[field]]), model.__name__, names[field])
        for field, inner in schema["properties"].items()
        if field in names
    }
    return {**schema, "properties": {**schema["properties"], **properties}}


def _with_text(schema: Schema, model: str, attribute: str) -> Schema:
    text = description(model, attribute)
    return {"description": text, **schema} if text else schema


@cache
def description(type_name: str, attribute: str) -> str:
    """Return what the official client says of a model's attribute; empty for nothing."""
    model = _model_class(type_name)
    text = (getattr(model, attribute, None).__doc__ or "") if model else ""
    parts = [part.strip() for part in text.replace("# noqa: E501", "").split("\n\n")]
    return " ".join(parts[1].split()) if len(parts) > 2 else ""


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
    name = model.__name__
    properties = {
        field: _field_schema(name, attribute, field, model.openapi_types[attribute])
        for attribute, field in model.attribute_map.items()
        if f"{name}.{field}" not in UNKNOWN
    }
    schema: Schema = {"type": "object", "properties": properties, **of_model(name)}
    if required := required_of(name, _required(model)):
        schema["required"] = required
    return schema


def _field_schema(model: str, attribute: str, field: str, declared: str) -> Schema:
    base = schema_of(DECLARED.get(f"{model}.{attribute}", declared))
    facts: Fact = of_field(model, field, base.get("type", ""))
    items = base.get("items", {})
    if items.get("type") == "integer":
        facts = {**facts, "items": {**items, **format_of(model, f"{field}[]")}}
    return {**base, **facts} if facts else base
