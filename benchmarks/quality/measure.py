"""Cross-validation of models on identical splits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from benchmarks.quality.data import Portfolio, Rows
from benchmarks.quality.models import Model
from credit_model.types import Floats, Outcomes

_FOLDS, _SEED = 5, 42


@dataclass(frozen=True)
class Result:
    """A model's measures, averaged over the folds.

    Attributes:
        name: Name of the model.
        auc: ROC AUC.
        auc_spread: Standard deviation of the ROC AUC over the folds.
        pr_auc: Area under the precision-recall curve.
        brier: Brier score.
        log_loss: Log loss in nats.
        seconds: Processor seconds (all threads) to fit all folds; 0 for the true PD.
    """

    name: str
    auc: float
    auc_spread: float
    pr_auc: float
    brier: float
    log_loss: float
    seconds: float


def cross_validate(portfolio: Portfolio, model: Model) -> Result:
    """Fit and measure a model on each of five stratified folds (seed 42)."""
    pds, seconds = [], 0.0
    for learn, test in splits(portfolio.outcomes):
        started = time.process_time()
        predict = model.fit(portfolio.take(learn), portfolio.contract)
        seconds += time.process_time() - started
        pds.append(predict(portfolio.take(test)))
    return _result(model.name, portfolio, pds, seconds)


def measure_true_pd(portfolio: Portfolio, true_pd: Floats) -> Result:
    """Measure the PDs from which the outcomes were drawn on the same folds; no model can do better."""
    return _result("the true PD", portfolio, [true_pd[test] for _, test in splits(portfolio.outcomes)], 0.0)


def splits(outcomes: Outcomes) -> Iterator[tuple[Rows, Rows]]:
    """Yield the training and test rows of each fold, the same for every model."""
    yield from StratifiedKFold(_FOLDS, shuffle=True, random_state=_SEED).split(np.zeros(len(outcomes)), outcomes)


def _result(name: str, portfolio: Portfolio, pds: list[Floats], seconds: float) -> Result:
    outcomes = portfolio.outcomes
    parts = [(outcomes[test], found) for (_, test), found in zip(splits(outcomes), pds, strict=True)]
    aucs = [roc_auc_score(seen, found) for seen, found in parts]
    return Result(
        name=name,
        auc=float(np.mean(aucs)),
        auc_spread=float(np.std(aucs)),
        pr_auc=float(np.mean([average_precision_score(seen, found) for seen, found in parts])),
        brier=float(np.mean([brier_score_loss(seen, found) for seen, found in parts])),
        log_loss=float(np.mean([log_loss(seen, found) for seen, found in parts])),
        seconds=seconds,
    )
