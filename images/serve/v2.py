"""KServe's V2 protocol (Open Inference Protocol) with JSON tensors: one tensor a column, or one ordered FP64 matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from credit_model.coercion import show
from credit_model.contract import Column, Contract
from credit_model.scoring import Score
from images.serve.faults import RequestError
from images.serve.v1 import Row, check_count

DATATYPES = {"numeric": "FP64", "integer": "INT64", "boolean": "BOOL", "categorical": "BYTES", "ordinal": "BYTES"}
FLOATS = ("FP64", "FP32", "FP16")
INTEGERS = ("INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")
OUTPUTS = {"pd": "FP64", "score": "INT64", "grade": "BYTES", "decision": "BYTES", "id": "BYTES"}


@dataclass(frozen=True)
class Tensor:
    """One checked input tensor; `values` are flat, row by row."""

    name: str
    datatype: str
    rows: int
    width: int
    values: list[object]


@dataclass(frozen=True)
class Request:
    """One checked V2 request.

    Attributes:
        id: the request's own id, to be echoed.
        outputs: names of the tensors asked for; empty for all.
    """

    id: str | None
    rows: list[Row]
    outputs: tuple[str, ...]


def read(document: object, contract: Contract, *, max_rows: int) -> Request:
    """Return the applicants of a request.

    Raises:
        RequestError: a tensor is malformed; the message names it and what is wrong.
        TooLargeError: there are more than `max_rows` applicants.
    """
    if not isinstance(document, dict):
        raise RequestError('the body must be a JSON object such as {"inputs": [{"name": …}]}')
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise RequestError("inputs must be a list of at least one tensor")
    tensors = [_tensor(entry, position) for position, entry in enumerate(inputs)]
    check_count(tensors[0].rows, max_rows=max_rows)
    rows = _ordered(tensors[0], contract) if _is_matrix(tensors, contract) else _by_name(tensors)
    request_id = document.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise RequestError("id must be a string")
    return Request(request_id, rows, _outputs(document.get("outputs") or []))


def write(scores: Sequence[Score], request: Request, *, name: str, version: str) -> dict[str, object]:
    """Return the answer: one tensor of shape [rows] an output."""
    values: dict[str, list[object]] = {
        "pd": [s.pd for s in scores],
        "score": [s.score for s in scores],
        "grade": [s.grade for s in scores],
        "decision": [s.decision for s in scores],
    }
    if any(s.application_id is not None for s in scores):
        values["id"] = [s.application_id for s in scores]
    wanted = request.outputs or tuple(values)
    outputs = [
        {"name": key, "datatype": OUTPUTS[key], "shape": [len(scores)], "data": values[key]}
        for key in wanted
        if key in values
    ]
    answer: dict[str, object] = {"model_name": name, "model_version": version, "outputs": outputs}
    return answer if request.id is None else {"id": request.id, **answer}


def inputs_metadata(contract: Contract) -> list[dict[str, object]]:
    """Return the model's input tensors, one a column in the model's order."""
    return [{"name": c.name, "datatype": DATATYPES[c.kind], "shape": [-1]} for c in contract.features]


def outputs_metadata() -> list[dict[str, object]]:
    """Return the model's output tensors."""
    return [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in OUTPUTS.items()]


def _tensor(entry: object, position: int) -> Tensor:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise RequestError(f"inputs[{position}] must be an object with a name")
    name, datatype, data = entry["name"], entry.get("datatype"), entry.get("data")
    if datatype not in (*FLOATS, *INTEGERS, "BOOL", "BYTES"):
        raise RequestError(f"tensor {name!r}: datatype {show(datatype)} is not FP64, INT64, BOOL or BYTES", column=name)
    rows, width = _shape(entry.get("shape"), name)
    if not isinstance(data, list):
        raise RequestError(f"tensor {name!r}: data must be a list", column=name)
    values = _flat(data, width, name)
    if len(values) != rows * width:
        shape = entry["shape"]
        raise RequestError(
            f"tensor {name!r}: shape {show(shape)} needs {rows * width} values, got {len(values)}", column=name
        )
    for index, value in enumerate(values):
        if not _fits(value, datatype):
            text = f"column {name!r} row {index // width}: {show(value)} is not {datatype}"
            raise RequestError(text, index=index // width, column=name, value=value)
    return Tensor(name, datatype, rows, width, values)


def _shape(shape: object, name: str) -> tuple[int, int]:
    sizes = shape if isinstance(shape, list) else []
    if len(sizes) not in (1, 2) or not all(type(size) is int and size >= 0 for size in sizes):
        raise RequestError(f"tensor {name!r}: shape must be [rows] or [rows, columns], got {show(shape)}", column=name)
    if len(sizes) == 2 and sizes[1] == 0:
        raise RequestError(f"tensor {name!r}: shape {show(shape)} has no columns", column=name)
    return sizes[0], sizes[1] if len(sizes) == 2 else 1


def _flat(data: list[object], width: int, name: str) -> list[object]:
    """The protocol allows nested rows as well as flat values."""
    if not any(isinstance(item, list) for item in data):
        return data
    if any(not isinstance(item, list) or len(item) != width for item in data):
        raise RequestError(f"tensor {name!r}: every row of nested data must hold {width} values", column=name)
    return list(chain.from_iterable(item for item in data if isinstance(item, list)))


def _fits(value: object, datatype: str) -> bool:
    """Whether a JSON value is of a datatype; null is a missing value in any."""
    if value is None:
        return True
    if datatype in FLOATS:
        return type(value) in (int, float)
    wanted = {"BOOL": bool, "BYTES": str}.get(datatype, int)
    return type(value) is wanted


def _is_matrix(tensors: Sequence[Tensor], contract: Contract) -> bool:
    """Whether the request is one matrix of all columns rather than tensors by name."""
    return len(tensors) == 1 and (tensors[0].width > 1 or tensors[0].name not in contract.by_header)


def _by_name(tensors: Sequence[Tensor]) -> list[Row]:
    names = [tensor.name for tensor in tensors]
    for tensor in tensors:
        if names.count(tensor.name) > 1:
            raise RequestError(f"tensor {tensor.name!r} is given twice; send it once", column=tensor.name)
        if tensor.width != 1 or tensor.rows != tensors[0].rows:
            wanted = f"[{tensors[0].rows}] as the first tensor's"
            text = f"tensor {tensor.name!r}: shape [{tensor.rows}, {tensor.width}] must be {wanted}"
            raise RequestError(text, column=tensor.name)
    return [dict(zip(names, values, strict=True)) for values in zip(*(t.values for t in tensors), strict=True)]


def _ordered(tensor: Tensor, contract: Contract) -> list[Row]:
    columns = contract.features
    if tensor.datatype not in FLOATS:
        raise RequestError(f"tensor {tensor.name!r}: a matrix of all columns must be FP64, not {tensor.datatype}")
    if tensor.width != len(columns):
        raise RequestError(
            f"tensor {tensor.name!r}: {tensor.width} columns, the model has {len(columns)}; send one tensor a column, "
            "or all columns in the order of the model's metadata"
        )
    for column in columns:
        if not _has_number_levels(column):
            text = (
                f"column {column.name!r} has levels in text, which an FP64 matrix cannot hold; send one tensor a column"
            )
            raise RequestError(text, column=column.name)
    names = [column.name for column in columns]
    rows = (tensor.values[start : start + tensor.width] for start in range(0, len(tensor.values), tensor.width))
    return [dict(zip(names, values, strict=True)) for values in rows]


def _has_number_levels(column: Column) -> bool:
    return not column.has_levels or bool(column.levels and all(level.lstrip("-").isdigit() for level in column.levels))


def _outputs(entries: object) -> tuple[str, ...]:
    if not isinstance(entries, list):
        raise RequestError("outputs must be a list of tensors")
    names = []
    for entry in entries:
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or name not in OUTPUTS:
            raise RequestError(f"outputs: {show(name)} is not one of {', '.join(OUTPUTS)}")
        names.append(name)
    return tuple(names)
