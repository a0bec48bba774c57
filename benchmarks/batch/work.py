"""The work that is measured, each piece in a process of its own, all with one model and the same applicants."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from benchmarks.running import PORT, answering
from credit_model.bundle.bundle import Bundle

Numbers = dict[str, Any]
# SageMaker sends at most 100 MB at a time; as many rows of CSV stay below.
_REQUEST_ROWS = {"parquet": 1_000_000, "csv": 400_000}
_TYPES = {"parquet": "application/x-parquet", "csv": "text/csv"}


def prepare(folder: Path, rows: int) -> Numbers:
    """Trains the default model of the case on 40,000 simulated rows; simulates other applicants to score."""
    from credit_model.contract.contract import load_contract  # noqa: PLC0415
    from credit_model.settings import TrainSettings  # noqa: PLC0415
    from credit_model.simulation.simulate import simulate  # noqa: PLC0415
    from credit_model.training.train import train  # noqa: PLC0415

    contract = load_contract("case")
    bundle = train(simulate(40_000, seed=3).applications, contract, TrainSettings(studies=False))
    bundle.save(folder / "model")
    table = simulate(rows, seed=41).applications
    table = table.select(["application_id", *(column.name for column in contract.features)])
    pq.write_table(table, folder / "rows.parquet", compression="zstd")
    pacsv.write_csv(table, folder / "rows.csv")
    trees = bundle.document.training.rounds
    return {"model": f"{trees} trees of {len(bundle.document.features)} features"}


def lengthen(folder: Path, _rows: int) -> Numbers:
    """Ten times the rows, as Parquet and CSV."""
    table = pq.read_table(folder / "rows.parquet")
    with pq.ParquetWriter(folder / "long.parquet", table.schema, compression="zstd") as writer:
        for _ in range(10):
            writer.write_table(table)
    with pacsv.CSVWriter(folder / "long.csv", table.schema) as lines:
        for _ in range(10):
            lines.write_table(table)
    return {}


def predict(folder: Path, _rows: int) -> Numbers:
    """LightGBM's own package on an array in memory: the limit."""
    import lightgbm as lgb  # noqa: PLC0415

    bundle = Bundle.load(folder / "model")
    matrix = bundle.document.encoder.matrix(pq.read_table(folder / "rows.parquet"))
    booster = lgb.Booster(model_str=bundle.model_text)
    booster.predict(matrix[:1000], raw_score=True)
    return _measured(lambda: booster.predict(matrix, raw_score=True))


def command(folder: Path, kind: str, name: str = "rows") -> Numbers:
    """The command line, from its start to its end."""
    words = ["--bundle", folder / "model", "--input", folder / f"{name}.{kind}", "--output", folder / f"scores.{kind}"]
    process = [sys.executable, "-m", "credit_model", "score", *map(str, words)]
    began = time.perf_counter()
    subprocess.run(process, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"seconds": seconds, "cpu_seconds": spent.ru_utime + spent.ru_stime, "peak_mib": spent.ru_maxrss / 1024}


def http(folder: Path, kind: str) -> Numbers:
    """A running container: from the first byte sent to the last byte of the last answer."""
    import httpx  # noqa: PLC0415

    bodies = list(_bodies(folder, kind))
    words = ["-m", "images.serve", "serve", "--model_dir", str(folder / "model"), "--http_port", PORT]
    with answering(words, "/ping") as server, httpx.Client(timeout=600) as client:
        before, began = server.cpu_us(), time.perf_counter()
        for body in bodies:
            headers = {"Content-Type": _TYPES[kind]}
            client.post(f"http://127.0.0.1:{server.port}/invocations", content=body, headers=headers).raise_for_status()
        return {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": (server.cpu_us() - before) / 1e6,
            "peak_mib": server.peak_mib(),
        }


def old(folder: Path, kind: str) -> Numbers:
    """What the old system did: a file into pandas, categories to codes, the classifier, a file of scores."""
    import lightgbm as lgb  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415
    from sklearn.preprocessing import LabelEncoder  # noqa: PLC0415

    bundle = Bundle.load(folder / "model")
    document = bundle.document
    model = lgb.LGBMClassifier(verbosity=-1)
    model._Booster = lgb.Booster(model_str=bundle.model_text)
    model._n_features = model._n_features_in = len(document.features)
    model._n_classes, model._le, model.fitted_ = 2, LabelEncoder().fit([0, 1]), True

    def score() -> None:
        text = {column.name: str for column in bundle.contract.features if column.has_levels}
        path = folder / f"rows.{kind}"
        frame = pd.read_parquet(path) if kind == "parquet" else pd.read_csv(path, dtype=text)
        codes: dict[str, Any] = {}
        for column in document.encoder.columns:
            values = frame[column.name]
            if column.has_levels:
                values = pd.Categorical(values, categories=document.encoder.codes(column)).codes.astype(float)
                values = np.where(values < 0, np.nan, values)
            codes[column.name] = values
        pds = np.asarray(model.predict_proba(pd.DataFrame(codes)))[:, 1]
        answer = pd.DataFrame({"application_id": frame["application_id"], "pd": pds})
        target = folder / f"old.{kind}"
        answer.to_parquet(target) if kind == "parquet" else answer.to_csv(target, index=False)

    return _measured(score)


def polars(folder: Path, kind: str) -> Numbers:
    """What somebody would write today: a file into polars, levels to codes, `Booster.predict`, a file of scores."""
    import lightgbm as lgb  # noqa: PLC0415
    import polars as pl  # noqa: PLC0415

    bundle = Bundle.load(folder / "model")
    booster, encoder = lgb.Booster(model_str=bundle.model_text), bundle.document.encoder
    text = {column.name: pl.String for column in bundle.contract.features if column.has_levels}

    def score() -> None:
        path = folder / f"rows.{kind}"
        frame = pl.read_parquet(path) if kind == "parquet" else pl.read_csv(path, schema_overrides=text)
        numbers = []
        for column in encoder.columns:
            value = pl.col(column.name)
            if column.has_levels:
                levels = list(encoder.codes(column))
                codes = [float(code) for code in range(len(levels))]
                value = value.replace_strict(levels, codes, default=None, return_dtype=pl.Float64)
            numbers.append(value.cast(pl.Float64))
        pds = booster.predict(frame.select(numbers).to_numpy())
        answer = pl.DataFrame({"application_id": frame["application_id"], "pd": pds})
        target = folder / f"polars.{kind}"
        answer.write_parquet(target) if kind == "parquet" else answer.write_csv(target)

    return _measured(score)


def _measured(work: Callable[[], object]) -> Numbers:
    began, before = time.perf_counter(), time.process_time()
    work()
    spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - before}
    return spent | {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _bodies(folder: Path, kind: str) -> Iterator[bytes]:
    table = pq.read_table(folder / "rows.parquet")
    for start in range(0, table.num_rows, _REQUEST_ROWS[kind]):
        sink, part = io.BytesIO(), table.slice(start, _REQUEST_ROWS[kind])
        if kind == "parquet":
            pq.write_table(part, sink, compression="zstd")
        else:
            pacsv.write_csv(part, sink)
        yield sink.getvalue()
    pa.default_memory_pool().release_unused()


def main() -> None:
    """Runs one piece as `work.py PIECE [KIND] FOLDER ROWS` and prints what it cost as JSON."""
    piece, *kinds, place, rows = sys.argv[1:]
    folder = Path(place)
    if kinds:
        pieces: dict[str, Callable[[Path, str], Numbers]] = {"command": command, "http": http, "pandas": old}
        pieces["polars"] = polars
        pieces["long"] = lambda folder, kind: command(folder, kind, "long")
        found = pieces[piece](folder, kinds[0])
    else:
        whole: dict[str, Callable[[Path, int], Numbers]] = {"prepare": prepare, "lengthen": lengthen}
        whole["predict"] = predict
        found = whole[piece](folder, int(rows))
    for left in folder.glob("scores.*"):
        left.unlink()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
