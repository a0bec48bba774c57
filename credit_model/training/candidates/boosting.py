"""Gradient-boosted trees: LightGBM with early stopping over all folds together."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing
from threading import Lock

import lightgbm as lgb
import numpy as np

from credit_model.parallel import cores
from credit_model.settings import TrainSettings
from credit_model.training.candidates.base import (
    Folds,
    OnFold,
    Progress,
    Task,
    each_fold,
    gain_shares,
    gathered,
    portable,
    subset,
)

_Parts = list[tuple[lgb.Dataset, lgb.Dataset]]
_Fit = tuple[lgb.Booster, list[float]]


class Boosting:
    """LightGBM's gradient boosting; the default."""

    def cross_validate(self, task: Task, progress: Progress, on_fold: OnFold | None = None) -> Folds:
        """Boost every fold; the round with the lowest mean loss over the folds counts for all of them."""
        whole = task.dataset
        parts = [(subset(whole, task.share.of(train)), subset(whole, test)) for train, test in task.splits]
        tracker = _RoundProgress(progress, task)
        fits: list[_Fit] = []
        with closing(_fits(task, parts, tracker)) as coming:
            for fold, fit in enumerate(coming):
                fits.append(fit)
                if on_fold is not None:
                    on_fold(fold, min(fit[1]))
        losses = _mean_losses(fits)
        rounds = int(np.argmin(losses)) + 1
        margins = [
            np.asarray(booster.predict(task.matrix[test], num_iteration=rounds, raw_score=True))
            for (_, test), (booster, _) in zip(task.splits, fits, strict=True)
        ]
        gains = [gain_shares(booster) for booster, _ in fits]
        return gathered(task, margins, rounds=rounds, loss=float(losses[rounds - 1]), gains=gains)

    def fit(self, task: Task, rounds: int) -> str:
        """Boost that many rounds on all rows."""
        return task.kept("final", lambda: _boost_all(task, rounds))


def _mean_losses(fits: list[_Fit]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    shortest = min(len(losses) for _, losses in fits)
    means: np.ndarray[tuple[int], np.dtype[np.float64]] = np.mean([losses[:shortest] for _, losses in fits], axis=0)
    return means


def _fits(task: Task, parts: _Parts, tracker: _RoundProgress) -> Generator[_Fit]:
    """Return booster and losses of each fold, in order."""
    parameters = task.parameters(threads=1 if task.side_by_side else cores())

    def boosted(fold: int) -> _Fit:
        packed = task.kept(f"fold-{fold}", lambda: _boost_fold(*parts[fold], parameters, task.settings, tracker))
        losses, model = json.loads(packed)
        return lgb.Booster(model_str=model), losses

    return each_fold(task, boosted)


def _boost_fold(
    training: lgb.Dataset,
    validation: lgb.Dataset,
    parameters: dict[str, object],
    settings: TrainSettings,
    tracker: _RoundProgress,
) -> str:
    """Return a fold's validation loss after each round and its model, as JSON."""
    history: dict[str, dict[str, list[float]]] = {}
    booster = lgb.train(
        dict(parameters),
        training,
        num_boost_round=settings.max_rounds,
        valid_sets=[validation],
        valid_names=["fold"],
        callbacks=[
            lgb.record_evaluation(history),
            lgb.early_stopping(settings.early_stopping_rounds, verbose=False),
            tracker,
        ],
    )
    return json.dumps([history["fold"]["binary_logloss"], booster.model_to_string(num_iteration=-1)])


class _RoundProgress:
    """A LightGBM callback that the folds share; it reports every 100th of their rounds."""

    order = 40

    def __init__(self, progress: Progress, task: Task) -> None:
        self._progress = progress
        self._limit = len(task.splits) * task.settings.max_rounds
        self._lock = Lock()
        self._done = 0

    def __call__(self, environment: lgb.callback.CallbackEnv) -> None:
        with self._lock:
            self._done += 1
            if self._done % 100 == 0 and environment.evaluation_result_list:
                loss = environment.evaluation_result_list[0][2]
                self._progress("cross-validate", self._done / self._limit, f"loss {loss:.5f}")


def _boost_all(task: Task, rounds: int) -> str:
    booster = lgb.train(task.parameters(threads=task.threads), task.own_dataset, num_boost_round=rounds)
    return portable(booster.model_to_string())
