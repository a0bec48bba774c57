"""The server's OpenAPI document, with working example requests and their answers."""

from collections.abc import Mapping
from typing import Any

import orjson

from credit_model.contract.contract import ID, Column
from images.serve.engine import Engine
from images.serve.protocols import v1, v2

Json = dict[str, Any]
_TYPES = {"numeric": "number", "integer": "integer", "boolean": "boolean", "categorical": "string", "ordinal": "string"}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "What is wrong, where, and what to do"},
        "index": {"type": "integer", "description": "The applicant, from 0"},
        "column": {"type": ["string", "null"]},
        "value": {"description": "What was sent"},
        "reason": {"type": "string"},
    },
}
_REFUSALS = {
    "400": "The request cannot be read",
    "413": "The body is too large, or there are too many applicants",
    "415": "The body is compressed",
    "422": "An applicant breaks the contract",
}


def document(engine: Engine, name: str, *, example: Mapping[str, object], max_rows: int) -> Json:
    """Return the OpenAPI document.

    Args:
        engine: answers the examples.
        name: name of the model.
        example: an applicant; without one, examples are left out.
        max_rows: most applicants in one request.
    """
    scorer = engine.scorer
    path = f"/v2/models/{name}"
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Probability of default: {scorer.contract.title}", "version": scorer.version},
        "paths": {
            f"/v1/models/{name}:predict": {"post": _operation("predict", *_v1(engine, example, max_rows))},
            f"{path}/infer": {"post": _operation("infer", *_v2(engine, name, example))},
            path: {"get": _get("Columns and datatypes of the model")},
            "/v2/health/live": {"get": _get("Whether the process lives")},
            "/v2/health/ready": {"get": _get("Whether it answers predictions") | _unready()},
            "/metrics": {"get": _get("Metrics for Prometheus")},
        },
        "components": {
            "schemas": {"Applicant": _applicant(engine), "Error": _ERROR},
        },
    }


def _operation(name: str, request: Json, answer: Json) -> Json:
    refusal = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    refusals = {status: {"description": text, **refusal} for status, text in _REFUSALS.items()}
    header = {"X-Request-Id": {"schema": {"type": "string"}, "description": "Yours, or a new one"}}
    good = {"description": "The answer", "headers": header, "content": {"application/json": answer}}
    return {
        "operationId": name,
        "requestBody": {"required": True, "content": {"application/json": request}},
        "responses": {"200": good, **refusals},
    }


def _get(text: str) -> Json:
    return {"summary": text, "responses": {"200": {"description": text}}}


def _unready() -> Json:
    return {"responses": {"200": {"description": "Ready"}, "503": {"description": "Starting or ending"}}}


def _applicant(engine: Engine) -> Json:
    columns = engine.scorer.contract.features
    properties: Json = {ID: {"type": ["string", "integer", "null"]}}
    properties |= {column.name: _property(column) for column in columns}
    required = [column.name for column in columns if not column.nullable]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _property(column: Column) -> Json:
    kind = _TYPES[column.kind]
    found: Json = {"type": [kind, "null"] if column.nullable else kind, "description": column.reason}
    if column.min is not None:
        found["minimum"] = column.min
    if column.max is not None:
        found["maximum"] = column.max
    if column.levels:
        found["examples" if column.kind == "categorical" else "enum"] = [*column.levels]
    if column.kind == "ordinal" and column.nullable:
        found["enum"].append(None)
    return found


def _v1(engine: Engine, example: Mapping[str, object], max_rows: int) -> tuple[Json, Json]:
    applicant = {"anyOf": [{"$ref": "#/components/schemas/Applicant"}, {"type": "string"}, _ONLY_ID]}
    instances = {"type": "array", "minItems": 1, "maxItems": max_rows, "items": applicant}
    explain = {"type": "object", "properties": {"explain": {"type": "boolean"}}, "additionalProperties": False}
    schema = {
        "type": "object",
        "required": ["instances"],
        "properties": {"instances": instances, "parameters": explain},
        "additionalProperties": False,
    }
    if not example:
        return {"schema": schema}, {}
    answer = v1.write(engine.score_now([example]), engine.scorer.version)
    return {"schema": schema, "example": {"instances": [example]}}, {"example": answer}


_ONLY_ID = {"type": "object", "required": ["id"], "properties": {"id": {"type": ["string", "integer"]}}}


def _v2(engine: Engine, name: str, example: Mapping[str, object]) -> tuple[Json, Json]:
    tensor = {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": {"type": "string"},
            "datatype": {"enum": ["FP64", "INT64", "BOOL", "BYTES"]},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "data": {"type": "array"},
            "parameters": {"type": "object"},
        },
    }
    schema = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": {"type": "array", "minItems": 1, "items": tensor}},
    }
    if not example:
        return {"schema": schema}, {}
    inputs = tensors_of(engine, example)
    request = v2.read({"inputs": inputs}, engine.scorer.contract, max_rows=1)
    body, _ = v2.write(engine.score_now([example]), request, name=name, version=engine.scorer.version)
    return {"schema": schema, "example": {"inputs": inputs}}, {"example": orjson.loads(body)}


def tensors_of(engine: Engine, row: Mapping[str, object]) -> list[Json]:
    """Return one applicant as V2 tensors, one per column."""
    kinds = {column.name: v2.DATATYPES[column.kind] for column in engine.scorer.contract.features}
    return [
        {"name": name, "datatype": kinds.get(name, "BYTES"), "shape": [1], "data": [value]}
        for name, value in row.items()
    ]
