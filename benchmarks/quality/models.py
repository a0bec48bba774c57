"""What a model of the comparison is, and our own: every candidate the settings know."""

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
    """A way to learn PDs.

    Attributes:
        name: For the table.
        settings: How it is set, in words.
        fit: Learns from a labelled canonical table; returns what predicts PDs of such a table.
    """

    name: str
    settings: str
    fit: Callable[[pa.Table, Contract], Predict]


def candidates() -> list[Model]:
    """Our candidates with their default settings, the default one first."""
    fields = TrainSettings.model_fields
    names = get_args(fields["candidate"].annotation) if "candidate" in fields else ()
    return [_candidate({"candidate": name}) for name in names] or [_candidate({})]


def _candidate(chosen: dict[str, str]) -> Model:
    # The studies of a report are no part of the model.
    quiet = {"studies": False} if "studies" in TrainSettings.model_fields else {}
    settings = TrainSettings.model_validate(chosen | quiet)

    def fit(table: pa.Table, contract: Contract) -> Predict:
        return Scorer(train(table, contract, settings)).pd_of_table

    name = chosen.get("candidate", "lightgbm")
    return Model(f"ours: {name}", "credit_model.train with its default settings, calibration and report included", fit)
