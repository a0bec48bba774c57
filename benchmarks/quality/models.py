"""The models of the comparison, and our own: every candidate that the settings know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import pyarrow as pa

from credit_model.contract.contract import Contract
from credit_model.scoring.scorer import Scorer
from credit_model.settings import TrainSettings
from credit_model.training.train import train
from credit_model.types import Floats

Predict = Callable[[pa.Table], Floats]


@dataclass(frozen=True)
class Model:
    """A way to predict PDs.

    Attributes:
        name: Name in the table.
        settings: Description of its settings.
        fit: Learns from a labelled canonical table; returns a function from such a table to PDs.
    """

    name: str
    settings: str
    fit: Callable[[pa.Table, Contract], Predict]


def candidates() -> list[Model]:
    """Return our candidates with their default settings, the default candidate first."""
    fields = TrainSettings.model_fields
    names = get_args(fields["candidate"].annotation) if "candidate" in fields else ()
    return [_candidate({"candidate": name}) for name in names] or [_candidate({})]


def _candidate(chosen: dict[str, str]) -> Model:
    # The report's studies are not part of the model.
    quiet = {"studies": False} if "studies" in TrainSettings.model_fields else {}
    settings = TrainSettings.model_validate(chosen | quiet)

    def fit(table: pa.Table, contract: Contract) -> Predict:
        return Scorer(train(table, contract, settings)).pd_of_table

    name = chosen.get("candidate", "lightgbm")
    return Model(f"ours: {name}", "credit_model.train with its default settings, calibration and report included", fit)
