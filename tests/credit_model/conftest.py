"""Portfolios and a small bundle that the tests of the model library share."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from credit_model.bundle.bundle import Bundle
from credit_model.bundle.document import Lineage
from credit_model.contract.contract import Contract, load_contract
from credit_model.scoring.scorer import Scorer
from credit_model.settings import TrainSettings
from credit_model.simulation.simulate import Simulation, simulate
from credit_model.training.train import train

QUICK = TrainSettings(folds=2, max_rounds=40, min_data_in_leaf=20, min_data_per_group=20, drop_useless=False)


@dataclass(frozen=True)
class Portfolio:
    """A simulated portfolio, split by time."""

    training: pa.Table
    holdout: pa.Table
    holdout_true_pd: np.ndarray
    bundle: Bundle


def split(simulation: Simulation, share: float = 0.7) -> tuple[pa.Table, pa.Table, np.ndarray]:
    rows = simulation.applications.num_rows
    border = int(rows * share)
    return (
        simulation.applications.slice(0, border),
        simulation.applications.slice(border),
        simulation.true_pd[border:],
    )


@pytest.fixture(scope="session")
def case() -> Contract:
    return load_contract("case")


@pytest.fixture(scope="session")
def uci() -> Contract:
    return load_contract("uci_credit_card")


@pytest.fixture(scope="session")
def quick() -> TrainSettings:
    return QUICK


@pytest.fixture(scope="session")
def portfolio(case: Contract) -> Portfolio:
    training, holdout, true_pd = split(simulate(6000, months=6, seed=11))
    lineage = Lineage(snapshot_id="snap-1", git_commit="abc", image_digest="sha256:1")
    bundle = train(training, case, QUICK, holdout=holdout, lineage=lineage)
    return Portfolio(training, holdout, true_pd, bundle)


@pytest.fixture(scope="session")
def bundle(portfolio: Portfolio) -> Bundle:
    return portfolio.bundle


@pytest.fixture(scope="session")
def scorer(bundle: Bundle) -> Scorer:
    return Scorer(bundle)
