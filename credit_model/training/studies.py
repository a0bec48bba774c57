"""Small extra trainings on a sample, which answer a reviewer's questions about the choices made."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial

import numpy as np
from sklearn.model_selection import StratifiedKFold

from credit_model.bundle.evidence import AucComparison, CurvePoint, Studies
from credit_model.explain.importance import learning_curve
from credit_model.metrics.delong import auc_difference
from credit_model.parallel import cores
from credit_model.settings import TrainSettings
from credit_model.training.candidates import candidate_of
from credit_model.training.candidates.base import Task
from credit_model.training.hosts import Rows
from credit_model.trees.booster import Booster
from credit_model.types import Floats

# The questions are about tenths of a point of AUC, which this many rows answer.
_MOST_ROWS = 40_000


def sample(task: Task) -> Task:
    """Return the task on as many of its rows as the studies need."""
    return task.some(task.drawn(_MOST_ROWS))


def study(sample: Task, rounds: int) -> Studies:
    """Measure what the constraints cost, what a scorecard would reach, and whether more rows would help.

    Args:
        sample: What the model learnt, on some rows, with the features that a constraint may have made useless.
        rounds: Boosting rounds of the model.

    Returns:
        DeLong's paired comparisons of the model (first) with one without monotone constraints and with a scorecard
        (second), where that makes sense, each trained on one half and measured on the other; and a learning curve.
    """
    variants = _variants(sample)
    # In threads of their own: there LightGBM does not know the other hosts of a distributed training.
    with ThreadPoolExecutor(min(cores(), 2)) as pool:
        curve = pool.submit(_curve, sample, rounds)
        halves = {
            name: pool.submit(_halves, replace(sample, settings=settings), rounds)
            for name, settings in variants.items()
        }
        margins = {name: future.result() for name, future in halves.items()}
        points = curve.result()
    compared = {
        name: AucComparison(**asdict(auc_difference(sample.outcomes, margins["model"], margins[name])))
        for name in variants
        if name != "model"
    }
    return Studies(rows=len(sample.matrix), learning_curve=points, **compared)


def _variants(task: Task) -> dict[str, TrainSettings]:
    settings = task.settings
    variants = {"model": settings}
    if settings.monotone_constraints and any(column.monotone != "none" for column in task.encoder.columns):
        variants["unconstrained"] = settings.model_copy(update={"monotone_constraints": False})
    if settings.candidate != "scorecard":
        variants["scorecard"] = settings.model_copy(update={"candidate": "scorecard"})
    return variants


def _halves(task: Task, rounds: int) -> Floats:
    """Return the margins of each half by a model of the other half."""
    margins = np.empty(len(task.matrix))
    splitter = StratifiedKFold(2, shuffle=True, random_state=task.settings.seed)
    for train, test in splitter.split(task.matrix, task.outcomes):
        margins[test] = _margins(task, rounds, train, test)
    return margins


def _curve(task: Task, rounds: int) -> tuple[CurvePoint, ...]:
    fit: Callable[[Rows, Rows], Floats] = partial(_margins, task, rounds)
    curve = learning_curve(task.outcomes, fit, seed=task.settings.seed)
    return tuple(CurvePoint(rows=rows, roc_auc=auc) for rows, auc in curve)


def _margins(task: Task, rounds: int, train: Rows, test: Rows) -> Floats:
    model = candidate_of(task.settings).fit(task.some(train), rounds)
    return Booster(model).margins(task.matrix[test])
