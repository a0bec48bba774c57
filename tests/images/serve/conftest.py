"""A small bundle of each kind and a running server process for it."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow.compute as pc
import pytest

from credit_model.bundle.bundle import Bundle
from credit_model.contract.contract import load_contract
from credit_model.scoring.scorer import Scorer
from credit_model.settings import TrainSettings
from credit_model.simulation.simulate import simulate
from credit_model.training.train import train
from images.serve.engine import Engine
from images.serve.metrics import Metrics
from tests.images.serve.serve_process import Server, free_port


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = simulate(3000, months=2, seed=1).applications
    known = rows.filter(pc.is_valid(rows["defaulted"]))
    bundle = train(
        known, load_contract("case"), TrainSettings(folds=2, max_rounds=20, drop_useless=False, studies=False)
    )
    return bundle.save(tmp_path_factory.mktemp("bundle") / "model")


@pytest.fixture(scope="session")
def scorer(bundle_folder: Path) -> Scorer:
    return Scorer(Bundle.load(bundle_folder))


@pytest.fixture(scope="session")
def engine(scorer: Scorer) -> Engine:
    return Engine(scorer, Metrics(scorer.features, version=scorer.version, unknown=scorer.reader.unknown))


@pytest.fixture(scope="session")
def golden(bundle_folder: Path) -> list[dict]:
    return json.loads((bundle_folder / "golden.json").read_text())


@pytest.fixture(scope="session")
def applications():
    return simulate(400, months=1, seed=7).applications


@pytest.fixture(scope="session")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port = free_port()
    log = tmp_path_factory.mktemp("serve") / "log"
    running = Server(
        "--model_dir", str(bundle_folder), "--http_port", str(port), "--max_rows", "100", "--drain", "0", log=log
    )
    running.client = running.connect(port)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def http(server: Server) -> httpx.Client:
    return server.client
