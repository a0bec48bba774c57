"""The credit-default model as a plain Python library: contract, reading, training, bundle, scoring, gate.

    >>> import credit_model
    >>> contract = credit_model.load_contract("case")
    >>> table = credit_model.simulate(3000, months=2, seed=1).applications
    >>> settings = credit_model.TrainSettings(folds=2, max_rounds=5, studies=False)
    >>> bundle = credit_model.train(table, contract, settings)
    >>> credit_model.Scorer(bundle).score_table(table).num_rows
    3000

A name is imported when it is first used: a server that only scores never loads scikit-learn, scipy or pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from credit_model.bundle.bundle import Bundle
    from credit_model.contract.contract import Contract, load_contract
    from credit_model.data.reading import read_applications, read_outcomes
    from credit_model.gate.compare import compare
    from credit_model.gate.verdict import GateLimits
    from credit_model.scoring.scorer import Scorer
    from credit_model.settings import TrainSettings
    from credit_model.simulation.simulate import simulate
    from credit_model.training.crossvalidation import cross_validate
    from credit_model.training.train import train

__all__ = [
    "Bundle",
    "Contract",
    "GateLimits",
    "Scorer",
    "TrainSettings",
    "compare",
    "cross_validate",
    "load_contract",
    "read_applications",
    "read_outcomes",
    "simulate",
    "train",
]

_HOMES = {
    "Bundle": "bundle.bundle",
    "Contract": "contract.contract",
    "GateLimits": "gate.verdict",
    "Scorer": "scoring.scorer",
    "TrainSettings": "settings",
    "compare": "gate.compare",
    "cross_validate": "training.crossvalidation",
    "load_contract": "contract.contract",
    "read_applications": "data.reading",
    "read_outcomes": "data.reading",
    "simulate": "simulation.simulate",
    "train": "training.train",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'credit_model' has no attribute '{name}'; it offers {', '.join(__all__)}")
    return getattr(import_module(f"credit_model.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
