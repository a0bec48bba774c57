"""The work that is measured, each piece in a process of its own: ours, bare LightGBM's, and what both start from."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from sklearn.model_selection import StratifiedKFold

from credit_model.contract.contract import load_contract
from credit_model.data.labelled import check_table
from credit_model.features.encoder import Encoder
from credit_model.settings import TrainSettings
from credit_model.simulation.simulate import simulate
from credit_model.training.train import train

Numbers = dict[str, Any]
Rows = npt.NDArray[np.intp]
_DIRECTIONS = {"increasing": 1, "decreasing": -1, "none": 0}


def prepare(folder: Path, settings: TrainSettings, rows: int) -> Numbers:
    """Simulates the portfolio and leaves it as a table for us and as a matrix for LightGBM."""
    table, contract = simulate(rows, seed=41).applications, load_contract("case")
    pq.write_table(table, folder / "rows.parquet")
    checked = check_table(table, contract, settings)
    encoder = Encoder.learn(checked.features, contract, names=checked.names)
    np.save(folder / "matrix.npy", encoder.matrix(checked.features))
    np.save(folder / "outcomes.npy", checked.outcomes)
    monotone = [_DIRECTIONS[column.monotone] for column in encoder.columns]
    (folder / "columns.json").write_text(json.dumps({"categorical": encoder.categorical, "monotone": monotone}))
    return {"rows": rows, "features": len(encoder.names), "default_rate": float(checked.outcomes.mean())}


def ours(folder: Path, settings: TrainSettings, threads: int) -> Numbers:
    """`credit_model.train` from a table in memory to a bundle with all its evidence."""
    table = pq.read_table(folder / "rows.parquet")
    stages: list[tuple[str, float]] = []
    started = time.perf_counter()
    bundle = train(
        table,
        load_contract("case"),
        settings,
        progress=lambda stage, *_: stages.append((stage, time.perf_counter() - started)),
    )
    firsts = dict(reversed(stages))
    return {"rounds": bundle.document.training.rounds, "stages": firsts, "threads": threads}


def protocol(folder: Path, settings: TrainSettings, threads: int) -> Numbers:
    """The same protocol by hand: folds with early stopping, out-of-fold margins, a fit on all rows."""
    matrix, outcomes, parameters, categorical = _prepared(folder, settings, threads)
    splitter = StratifiedKFold(settings.folds, shuffle=True, random_state=settings.seed)
    losses, boosters, margins = [], [], np.empty(len(matrix))
    splits = list(splitter.split(matrix, outcomes))
    whole = lgb.Dataset(matrix, outcomes, categorical_feature=categorical, params=parameters).construct()
    for training, validation in splits:
        history: dict[str, dict[str, list[float]]] = {}
        stop = lgb.early_stopping(settings.early_stopping_rounds, verbose=False)
        booster = lgb.train(
            parameters,
            whole.subset(training),
            settings.max_rounds,
            valid_sets=[whole.subset(validation)],
            valid_names=["fold"],
            callbacks=[stop, lgb.record_evaluation(history)],
        )
        losses.append(history["fold"]["binary_logloss"])
        boosters.append(booster)
    shortest = min(map(len, losses))
    rounds = int(np.argmin(np.mean([loss[:shortest] for loss in losses], axis=0))) + 1
    for (_, validation), booster in zip(splits, boosters, strict=True):
        margins[validation] = booster.predict(matrix[validation], num_iteration=rounds, raw_score=True)
    lgb.train(parameters, whole, rounds)
    return {"rounds": rounds}


def single(folder: Path, settings: TrainSettings, threads: int, rounds: int) -> Numbers:
    """One fit of so many rounds on all rows, with nothing around it."""
    matrix, outcomes, parameters, categorical = _prepared(folder, settings, threads)
    data = lgb.Dataset(matrix, outcomes, categorical_feature=categorical, params=parameters)
    lgb.train(parameters, data, rounds)
    return {"rounds": rounds}


def _prepared(folder: Path, settings: TrainSettings, threads: int) -> tuple[Any, Any, dict[str, Any], list[int]]:
    columns = json.loads((folder / "columns.json").read_text())
    parameters = settings.lightgbm(monotone=columns["monotone"], threads=threads) | {"feature_pre_filter": False}
    matrix, outcomes = np.load(folder / "matrix.npy"), np.load(folder / "outcomes.npy")
    return matrix, outcomes.astype(np.float64), parameters, columns["categorical"]


def main() -> None:
    """Runs one piece as `work.py PIECE FOLDER SETTINGS NUMBERS…` and prints what it cost as JSON."""
    piece, folder, text, *numbers = sys.argv[1:]
    pieces: dict[str, Callable[..., Numbers]] = {"prepare": prepare, "ours": ours, "protocol": protocol}
    work = (pieces | {"single": single})[piece]
    began, before = time.perf_counter(), time.process_time()
    found = work(Path(folder), TrainSettings.model_validate_json(text), *map(int, numbers))
    found |= {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - before}
    print(json.dumps(found | {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
