"""KServe's V2 protocol (Open Inference Protocol): tensors by column name or one ordered FP64 matrix, JSON or binary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from credit_model.contract.contract import Column, Contract
from credit_model.data.coercion import show
from credit_model.errors import InputError
from credit_model.explain.reasons import MOST_REASONS
from images.serve.engine import Response
from images.serve.errors import ApplicantError, RequestError
from images.serve.protocols.v1 import check_count, read_explain
from images.serve.protocols.v2_tensors import FLOATS, Binary, Tensor, plain_columns, read_tensor

DATATYPES = {"numeric": "FP64", "integer": "INT64", "boolean": "BOOL", "categorical": "BYTES", "ordinal": "BYTES"}
OUTPUTS = {
    "pd": "FP64",
    "score": "INT64",
    "grade": "BYTES",
    "decision": "BYTES",
    "id": "BYTES",
    "reasons": "BYTES",
    "error": "BYTES",
}
FIELDS = ("id", "inputs", "outputs", "parameters")
_PACKED = {"FP64": "<f8", "INT64": "<i8"}


@dataclass(frozen=True, slots=True)
class Request:
    """A validated V2 request.

    Attributes:
        id: the request's id, which the answer repeats.
        columns: values of every applicant by column.
        count: number of applicants.
        outputs: names of the requested tensors; empty for all.
        binary: those of them to be answered in binary.
        explain: whether the answer includes reasons.
    """

    id: str | None
    columns: dict[str, list[object]]
    count: int
    outputs: tuple[str, ...]
    binary: frozenset[str]
    explain: bool


def read(document: object, contract: Contract, *, max_rows: int, binary: bytes = b"") -> Request:
    """Return the applicants of a request.

    Args:
        document: the request's JSON.
        contract: defines the columns.
        max_rows: most applicants allowed.
        binary: bytes after the JSON.

    Raises:
        RequestError: a tensor is malformed; the message names it and what is wrong.
        TooLargeError: there are more than `max_rows` applicants.
    """
    if not isinstance(document, dict):
        raise RequestError('the body must be a JSON object such as {"inputs": [{"name": …}]}')
    if unknown := sorted(document.keys() - FIELDS):
        raise RequestError(f"the body has an unknown field {unknown[0]!r}; it takes {', '.join(FIELDS)}")
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise RequestError("inputs must be a list of at least one tensor")
    request_id = document.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise RequestError("id must be a string")
    explain, all_binary = _parameters(document.get("parameters"))
    given = document.get("outputs")
    outputs = _outputs([] if given is None else given, binary=all_binary)
    if "reasons" in outputs and not explain:
        raise RequestError('the output reasons needs "parameters": {"explain": true}')
    columns = None if binary else plain_columns(inputs)
    if columns is None:
        columns = _columns(inputs, contract, Binary(binary))
    count = len(next(iter(columns.values())))
    check_count(count, max_rows=max_rows)
    wanted = frozenset(name for name, is_binary in outputs.items() if is_binary)
    if all_binary and not outputs:
        wanted = frozenset(OUTPUTS)
    return Request(request_id, columns, count, tuple(outputs), wanted, explain)


def write(response: Response, request: Request, *, name: str, version: str) -> tuple[bytes, int | None]:
    """Return the answer's body, and the length of its JSON if bytes follow it.

    Every tensor has shape [rows], `reasons` [rows, 4] padded with empty text. For an applicant that could not be looked
    up, everything but `error` and `id` is null.

    Raises:
        ApplicantError: an applicant could not be looked up, and the binary answer cannot hold a null.
    """
    if response.faults and request.binary:
        index, text = min(response.faults.items())
        reason = f"{text}; a binary answer cannot hold a missing value: leave this applicant out or ask for JSON"
        raise ApplicantError(InputError(index=index, column="application_id", value=response.ids[index], reason=reason))
    values = _values(response)
    outputs, tail = [], []
    for key in request.outputs or tuple(values):
        if key not in values:
            continue
        shape = [len(response.ids), MOST_REASONS] if key == "reasons" else [len(response.ids)]
        output: dict[str, object] = {"name": key, "datatype": OUTPUTS[key], "shape": shape}
        if key in request.binary:
            tail.append(_packed(values[key], OUTPUTS[key]))
            output["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            output["data"] = values[key]
        outputs.append(output)
    answer: dict[str, object] = {"model_name": name, "model_version": version, "outputs": outputs}
    head = orjson.dumps(answer if request.id is None else {"id": request.id, **answer})
    return (b"".join([head, *tail]), len(head)) if tail else (head, None)


def inputs_metadata(contract: Contract) -> list[dict[str, object]]:
    """Return the model's input tensors, one per column in the model's order."""
    return [{"name": c.name, "datatype": DATATYPES[c.kind], "shape": [-1]} for c in contract.features]


def outputs_metadata() -> list[dict[str, object]]:
    """Return the model's output tensors."""
    wide = {"reasons": [-1, MOST_REASONS]}
    return [
        {"name": name, "datatype": datatype, "shape": wide.get(name, [-1])}
        for name, datatype in OUTPUTS.items()
        if name != "error"
    ]


def _values(response: Response) -> dict[str, Sequence[object]]:
    found = response.verdicts
    columns: dict[str, Sequence[object]] = {
        "pd": found.pds,
        "score": found.scores,
        "grade": found.grades,
        "decision": found.decisions,
    }
    if response.reasons is not None:
        columns["reasons"] = [_codes([reason.code for reason in reasons]) for reasons in response.reasons]
    if response.faults:
        scored = [index for index in range(len(response.ids)) if index not in response.faults]
        columns = {key: _spread(values, scored, len(response.ids)) for key, values in columns.items()}
        columns["error"] = [response.faults.get(index) for index in range(len(response.ids))]
    if response.reasons is not None:
        blank = [None] * MOST_REASONS
        columns["reasons"] = [code for codes in columns["reasons"] for code in (codes or blank)]  # type: ignore[attr-defined]
    if any(name is not None for name in response.ids):
        columns["id"] = response.ids
    return columns


def _codes(codes: list[str]) -> list[str]:
    return [*codes, *([""] * (MOST_REASONS - len(codes)))]


def _spread(values: Sequence[object], places: Sequence[int], count: int) -> list[object]:
    spread: list[object] = [None] * count
    for place, value in zip(places, values, strict=True):
        spread[place] = value
    return spread


def _packed(values: Sequence[object], datatype: str) -> bytes:
    if datatype in _PACKED:
        return np.asarray(values, dtype=_PACKED[datatype]).tobytes()
    texts = [str(value or "").encode() for value in values]
    return b"".join(part for text in texts for part in (len(text).to_bytes(4, "little"), text))


def _columns(inputs: list[object], contract: Contract, binary: Binary) -> dict[str, list[object]]:
    tensors = [read_tensor(entry, position, binary) for position, entry in enumerate(inputs)]
    binary.check_empty()
    return _ordered(tensors[0], contract) if _is_matrix(tensors, contract) else _by_name(tensors)


def _is_matrix(tensors: Sequence[Tensor], contract: Contract) -> bool:
    """Return whether the request is one matrix of all columns rather than tensors by name."""
    return len(tensors) == 1 and (
        tensors[0].width > 1 or tensors[0].name.strip().lower() not in {*contract.by_header, "id"}
    )


def _by_name(tensors: Sequence[Tensor]) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {}
    count = tensors[0].rows
    for tensor in tensors:
        if tensor.name in columns:
            raise RequestError(f"tensor {tensor.name!r} is given twice; send it once", column=tensor.name)
        if tensor.width != 1 or tensor.rows != count:
            text = (
                f"tensor {tensor.name!r}: shape [{tensor.rows}, {tensor.width}] must be [{count}] as the first tensor's"
            )
            raise RequestError(text, column=tensor.name)
        columns[tensor.name] = tensor.values
    return columns


def _ordered(tensor: Tensor, contract: Contract) -> dict[str, list[object]]:
    columns = contract.features
    if tensor.datatype not in FLOATS:
        raise RequestError(f"tensor {tensor.name!r}: a matrix of all columns must be FP64, not {tensor.datatype}")
    if tensor.width != len(columns):
        raise RequestError(
            f"tensor {tensor.name!r}: {tensor.width} columns, the model has {len(columns)}; send one per column, "
            "or all columns in the order of the model's metadata"
        )
    for column in columns:
        if not _has_number_levels(column):
            text = (
                f"column {column.name!r} has levels in text, which an FP64 matrix cannot hold; send a tensor per column"
            )
            raise RequestError(text, column=column.name)
    return {column.name: tensor.values[place :: tensor.width] for place, column in enumerate(columns)}


def _has_number_levels(column: Column) -> bool:
    return not column.has_levels or bool(column.levels and all(level.lstrip("-").isdigit() for level in column.levels))


def _parameters(parameters: object) -> tuple[bool, bool]:
    if parameters is None:
        return False, False
    if not isinstance(parameters, dict):
        raise RequestError("parameters is not an object")
    binary = parameters.get("binary_data_output", False)
    if not isinstance(binary, bool):
        raise RequestError("parameters: binary_data_output must be true or false")
    return read_explain({key: value for key, value in parameters.items() if key != "binary_data_output"}), binary


def _outputs(entries: object, *, binary: bool) -> dict[str, bool]:
    """Return the names of the requested tensors, and whether each is to be binary."""
    if not isinstance(entries, list):
        raise RequestError("outputs must be a list of tensors")
    names: dict[str, bool] = {}
    for entry in entries:
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or name not in OUTPUTS:
            raise RequestError(f"outputs: {show(name)} is not one of {', '.join(OUTPUTS)}")
        parameters = entry.get("parameters")
        wanted = parameters.get("binary_data", binary) if isinstance(parameters, Mapping) else binary
        if not isinstance(wanted, bool):
            raise RequestError(f"outputs: binary_data of {name!r} must be true or false")
        names[name] = wanted
    return names
