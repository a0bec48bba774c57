"""Candidates of a set size, which need no early stopping: random forest and scorecard."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import lightgbm as lgb
import numpy as np

from credit_model.metrics.calibration import log_loss
from credit_model.metrics.logistic import fit_line, sigmoid
from credit_model.training.candidates.base import (
    Folds,
    OnFold,
    Progress,
    Task,
    each_fold,
    gain_shares,
    gathered,
    portable,
)
from credit_model.training.candidates.scorecard import fit_scorecard
from credit_model.trees.booster import Booster
from credit_model.trees.lightgbm_text import summed_forest
from credit_model.types import Floats, Outcomes

Learn = Callable[[Task], str]


class SingleFit:
    """A candidate that one function learns.

    Args:
        learn: Returns the LightGBM text of a model of all rows of a task.
    """

    def __init__(self, learn: Learn) -> None:
        self._learn = learn

    def cross_validate(self, task: Task, progress: Progress, on_fold: OnFold | None = None) -> Folds:
        """Learn each fold and measure the log loss of its margins on their own scale."""

        def learnt(fold: int) -> str:
            return task.kept(f"fold-{fold}", lambda: self._learn(task.some(task.splits[fold][0])))

        margins: list[Floats] = []
        gains: list[Floats] = []
        losses: list[float] = []
        with closing(each_fold(task, learnt)) as models:
            for fold, (model, (_, test)) in enumerate(zip(models, task.splits, strict=True)):
                margins.append(Booster(model).margins(task.matrix[test]))
                gains.append(gain_shares(lgb.Booster(model_str=model)))
                losses.append(_loss(margins[-1], task.outcomes[test]))
                progress("cross-validate", (fold + 1) / len(task.splits), f"loss {losses[-1]:.5f}")
                if on_fold is not None:
                    on_fold(fold, losses[-1])
        return gathered(task, margins, rounds=task.settings.forest_trees, loss=float(np.mean(losses)), gains=gains)

    def fit(self, task: Task, rounds: int) -> str:  # noqa: ARG002 - the interface of all candidates
        """Learn from all rows; the settings say how large the model is."""
        return task.kept("final", lambda: self._learn(task))


def _loss(margins: Floats, outcomes: Outcomes) -> float:
    """Return the log loss after the best straight line: such margins need not be log-odds yet."""
    slope, intercept = fit_line(margins, outcomes.astype(np.float64))
    return log_loss(outcomes, sigmoid(slope * margins + intercept))


def learn_forest(task: Task) -> str:
    """Learn LightGBM's random forest; return it as a plain sum of trees."""
    settings = task.settings
    parameters = task.parameters(threads=task.threads) | {
        "boosting": "rf",
        "num_leaves": settings.forest_leaves,
        "min_data_in_leaf": max(settings.min_data_in_leaf // 4, 1),
        # About two thirds of the rows for each tree, as many as a bootstrap sample holds.
        "bagging_fraction": 0.632,
        "lambda_l2": 0.0,
    }
    booster = lgb.train(parameters, task.own_dataset, num_boost_round=settings.forest_trees)
    return portable(summed_forest(booster.model_to_string()))


def learn_scorecard(task: Task) -> str:
    """Learn a points scorecard of weight-of-evidence bins."""
    settings = task.settings
    return fit_scorecard(
        task.matrix,
        task.outcomes,
        task.encoder,
        max_bins=settings.scorecard_bins,
        seed=settings.seed,
        constrained=settings.monotone_constraints,
    )
