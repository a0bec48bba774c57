"""The environment of the benchmark: a model, DynamoDB on loopback with its applicants, and a server that reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.compute as pc

from benchmarks.processes import aws, model_server, run_server
from credit_model.contract.contract import load_contract
from credit_model.settings import TrainSettings
from credit_model.simulation.simulate import simulate
from credit_model.training.train import train

TABLE = "online-case"
_APPLICANTS = 1000
# The tasks' settings require these, but the benchmark uses only the online table.
_UNUSED = ("CREDIT_BUCKET", "CREDIT_DATABASE", "CREDIT_SAGEMAKER_ROLE", "CREDIT_TRAIN_IMAGE", "CREDIT_SERVE_IMAGE")


@contextmanager
def prepared(folder: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the port of a server that looks applicants up, and their ids; set the environment for direct look-ups."""
    contract, rows = load_contract("case"), simulate(3000, months=2, seed=1).applications
    known = rows.filter(pc.is_valid(rows["defaulted"]))
    model = train(known, contract, TrainSettings(folds=2, max_rounds=200, studies=False)).save(folder / "model")
    # A long timeout, so that slow look-ups are measured and not cut off.
    os.environ.update({"CREDIT_ONLINE_TABLE": TABLE, "CREDIT_ONLINE_TIMEOUT_MS": "10000"})
    os.environ.update(dict.fromkeys(_UNUSED, "unused") | {"CREDIT_ONLINE_TABLES": "online"})
    with aws(folder):
        from tasks.lake import online_table  # noqa: PLC0415

        online_table.ensure(TABLE)
        applicants = rows.slice(0, _APPLICANTS)
        for batch in applicants.to_batches():
            online_table.write(TABLE, online_table.items(batch, contract, version="1"))
        with run_server(model_server(model)) as server:
            yield server.port, applicants["application_id"].to_pylist()
