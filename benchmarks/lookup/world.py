"""What is measured runs in: a model, DynamoDB on loopback with its applicants, and a server that asks it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.compute as pc

from credit_model.contract import load_contract
from credit_model.settings import TrainSettings
from credit_model.simulation import simulate
from credit_model.training import train

TABLE = "online-case"
_APPLICANTS = 1000
_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
_REGION = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-1"}
# What the tasks' settings ask for, though only the online table is used.
_UNUSED = ("CREDIT_BUCKET", "CREDIT_DATABASE", "CREDIT_SAGEMAKER_ROLE", "CREDIT_TRAIN_IMAGE", "CREDIT_SERVE_IMAGE")


@contextmanager
def prepared(folder: Path) -> Iterator[tuple[int, list[str]]]:
    """Port of a server that looks applicants up, and their ids; the environment is set for a look-up of one's own."""
    contract, rows = load_contract("case"), simulate(3000, months=2, seed=1).applications
    known = rows.filter(pc.is_valid(rows["defaulted"]))
    model = train(known, contract, TrainSettings(folds=2, max_rounds=200, studies=False)).save(folder / "model")
    # Look-ups that are late are waited for here: it is their time that is measured.
    os.environ.update(_KEYS | _REGION | {"CREDIT_ONLINE_TABLE": TABLE, "CREDIT_ONLINE_TIMEOUT_MS": "10000"})
    os.environ.update(dict.fromkeys(_UNUSED, "unused") | {"CREDIT_ONLINE_TABLES": "online"})
    aws = subprocess.Popen(
        [sys.executable, "-m", "sandbox.aws", "--state", str(folder / "aws")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert aws.stdout is not None
        os.environ["AWS_ENDPOINT_URL"] = json.loads(aws.stdout.readline())["endpoint"]
        from tasks import online  # noqa: PLC0415 - its clients read the environment

        online.ensure(TABLE)
        applicants = rows.slice(0, _APPLICANTS)
        for batch in applicants.to_batches():
            online.write(TABLE, online.items(batch, contract, version="1"))
        with _server(model) as port:
            yield port, applicants["application_id"].to_pylist()
    finally:
        aws.terminate()
        aws.wait(30)


@contextmanager
def _server(model: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    words = ["-m", "images.serve", "--model_dir", str(model), "--http_port", str(port), "--drain", "0"]
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, f"http://127.0.0.1:{port}/v2/health/ready")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{url}: no answer; the server ended with {process.poll()}")
