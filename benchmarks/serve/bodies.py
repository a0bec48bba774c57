"""The model that all servers share, and the request bodies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.compute as pc

from credit_model.bundle.bundle import Bundle
from credit_model.contract.contract import load_contract
from credit_model.scoring.scorer import Scorer
from credit_model.settings import TrainSettings
from credit_model.simulation.simulate import simulate
from credit_model.training.train import train
from credit_model.types import Matrix
from images.serve.protocols.v2 import DATATYPES

ROWS = (1, 100)
Tensor = dict[str, Any]


def prepare(folder: Path, *, rounds: int) -> Scorer:
    """Train a model of about `rounds` trees, and write it, its text form and all request bodies."""
    table = simulate(20_000, months=2, seed=1).applications
    settings = TrainSettings(folds=2, max_rounds=rounds, early_stopping_rounds=rounds, learning_rate=0.02)
    bundle = train(table.filter(pc.is_valid(table["defaulted"])), load_contract("case"), settings)
    bundle.save(folder / "model")
    (folder / "model.bst").write_text(bundle.model_text)
    scorer = Scorer(bundle)
    applicants = _applicants(bundle)
    for count in ROWS:
        for name, body in _bodies(scorer, applicants[:count]).items():
            (folder / f"{name}-{count}").write_bytes(body)
    return scorer


def _applicants(bundle: Bundle) -> list[dict[str, object]]:
    names = [column.name for column in bundle.contract.features]
    rows = simulate(max(ROWS), months=1, seed=5).applications.select(["application_id", *names]).to_pylist()
    return [dict(row) for row in rows]


def _bodies(scorer: Scorer, rows: list[dict[str, object]]) -> dict[str, bytes]:
    tensors = [_tensor(scorer, name, [row[name] for row in rows]) for name in rows[0]]
    # KServe's LightGBM server supports neither levels nor nulls, so it gets numbers that are already encoded.
    codes = np.nan_to_num(scorer.reader.matrix(rows), nan=-1.0)
    named = [{name: [value] for name, value in zip(scorer.features, row, strict=True)} for row in codes.tolist()]
    matrix = {"name": "input-0", "shape": [*codes.shape], "datatype": "FP64"}
    return {
        "names": orjson.dumps({"instances": rows}),
        "tensors": orjson.dumps({"inputs": tensors}),
        "binary": _binary([({**tensor}, _packed(tensor)) for tensor in tensors]),
        "stock-names": orjson.dumps({"instances": named}),
        "stock-columns": _columns(scorer, codes),
        "stock-tensors": orjson.dumps({"inputs": [matrix | {"data": codes.ravel().tolist()}]}),
        "stock-binary": _binary([(matrix, codes.tobytes())]),
    }


def _columns(scorer: Scorer, codes: Matrix) -> bytes:
    """Return one tensor per column, in the model's order; KServe builds a DataFrame if the request says pd."""
    shape, parts = [len(codes)], zip(scorer.features, codes.T.tolist(), strict=True)
    inputs = [{"name": name, "shape": shape, "datatype": "FP64", "data": data} for name, data in parts]
    return orjson.dumps({"inputs": inputs, "parameters": {"content_type": "pd"}})


def _tensor(scorer: Scorer, name: str, values: list[object]) -> Tensor:
    kinds = {column.name: DATATYPES[column.kind] for column in scorer.contract.features}
    return {"name": name, "shape": [len(values)], "datatype": kinds.get(name, "BYTES"), "data": values}


def _packed(tensor: Tensor) -> bytes:
    values = tensor["data"]
    if tensor["datatype"] == "BYTES":
        texts = [str(value or "").encode() for value in values]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    # Binary tensors have no null; NaN stands for it.
    tensor["datatype"] = "FP64"
    return np.array([np.nan if value is None else value for value in values], "<f8").tobytes()


def _binary(tensors: list[tuple[Tensor, bytes]]) -> bytes:
    inputs = []
    for tensor, blob in tensors:
        if tensor["datatype"] not in ("BYTES", "FP64"):
            tensor["datatype"] = "FP64"
        head = {key: value for key, value in tensor.items() if key != "data"}
        inputs.append(head | {"parameters": {"binary_data_size": len(blob)}})
    document = orjson.dumps({"inputs": inputs})
    # The length goes into a header; the load generator reads it from the first line.
    return b"".join([b"%d\n" % len(document), document, *(blob for _, blob in tensors)])
