"""The search for good parameters by cross-validated log loss, with Optuna."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold, TimeSeriesSplit

from credit_model.bundle.evidence import SearchHistory
from credit_model.errors import TrainingError
from credit_model.settings import TrainSettings
from credit_model.training.candidates import candidate_of
from credit_model.training.candidates.base import Progress, Split, Task, silent

if TYPE_CHECKING:
    import optuna

# More rows than this do not change which parameters are better, only how long the search takes.
_MOST_ROWS = 100_000
_STARTUP_TRIALS = 5


@dataclass(frozen=True)
class _Range:
    """Bounds of one parameter."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def holding(self, value: float) -> _Range:
        """Return the range, widened to hold a value."""
        return replace(self, low=min(self.low, value), high=max(self.high, value))

    def suggest(self, trial: optuna.Trial, name: str) -> float | int:
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


_TREES = {
    "min_data_in_leaf": _Range(20, 500, log=True, whole=True),
    "feature_fraction": _Range(0.2, 1.0),
}
_SPACES: dict[str, dict[str, _Range]] = {
    "lightgbm": _TREES
    | {
        "learning_rate": _Range(0.02, 0.15, log=True),
        "num_leaves": _Range(4, 48, log=True, whole=True),
        "bagging_fraction": _Range(0.5, 1.0),
        "lambda_l2": _Range(0.1, 100.0, log=True),
    },
    "random_forest": _TREES | {"forest_leaves": _Range(16, 256, log=True, whole=True)},
    "scorecard": {"scorecard_bins": _Range(3, 12, whole=True)},
}


def search(
    task: Task, times: npt.NDArray[np.datetime64] | None, progress: Progress
) -> tuple[TrainSettings, SearchHistory]:
    """Search for the best parameters; return the settings with them, and how they were found.

    The parameters of the settings are the first trial, so the result is never worse than they are on these folds.
    The evidence uses other folds, because these flatter the winner. Trials run one after the other, their folds in
    parallel; a trial that is worse than the median after a fold ends there.

    Args:
        task: What to learn; its splits are not used.
        times: When each row applied, where every row has a time.
        progress: Called as the search goes on.

    Returns:
        The settings, and the history; it was stopped by `seconds` if the time ran out and another run may get further.

    Raises:
        TrainingError: `fold_order` is `time` and a row has no time.
    """
    kept = task.kept("search", lambda: json.dumps(_searched(task, times, progress)))
    history = SearchHistory.model_validate_json(kept)
    return task.settings.model_copy(update=history.trials[history.best].params), history


def _searched(task: Task, times: npt.NDArray[np.datetime64] | None, progress: Progress) -> dict[str, Any]:
    import optuna  # noqa: PLC0415 - takes a second that a training without search need not spend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    settings, order = task.settings, _fold_order(task.settings, times)
    rows = task.drawn(_MOST_ROWS)
    sample = task.some(rows)
    sample = replace(sample, splits=_splits(sample, order, times[rows] if times is not None else None))
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=settings.seed, multivariate=True, n_startup_trials=_STARTUP_TRIALS),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS, n_warmup_steps=1),
    )
    space = _SPACES[settings.candidate]
    space = {name: bounds.holding(getattr(settings, name)) for name, bounds in space.items()}
    study.enqueue_trial({name: getattr(settings, name) for name in space}, skip_if_exists=False)
    began = monotonic()
    # The first trial, the settings as they are, always runs to its end: something must be the best.
    for trials, seconds in ((1, None), (settings.search_trials - 1, settings.search_seconds)):
        if trials:
            study.optimize(lambda trial: _loss(trial, sample, space, progress), n_trials=trials, timeout=seconds)
    done = len(study.trials)
    progress("search", 1.0, f"{done} trials in {monotonic() - began:.0f} s, log loss {study.best_value:.5f}")
    return {
        "folds": order,
        "rows": len(rows),
        "best": study.best_trial.number,
        "stopped_by": "trials" if done >= settings.search_trials else "seconds",
        "trials": [
            {
                "number": trial.number,
                "state": trial.state.name.lower(),
                "loss": trial.value if trial.value is not None else _last(trial.intermediate_values),
                "params": dict(trial.params),
            }
            for trial in study.trials
        ],
    }


def _loss(trial: optuna.Trial, task: Task, space: dict[str, _Range], progress: Progress) -> float:
    import optuna  # noqa: PLC0415 - loaded by then

    chosen = {name: bounds.suggest(trial, name) for name, bounds in space.items()}
    settings = task.settings.model_copy(update=chosen)
    losses: list[float] = []

    def on_fold(fold: int, loss: float) -> None:
        losses.append(loss)
        trial.report(float(np.mean(losses)), fold)
        # The first trial is what the others are measured against; it is never cut short.
        if trial.number and trial.should_prune():
            raise optuna.TrialPruned

    folds = candidate_of(settings).cross_validate(replace(task, settings=settings), silent, on_fold)
    share = (trial.number + 1) / settings.search_trials
    progress("search", share, f"trial {trial.number + 1} of {settings.search_trials}: log loss {folds.loss:.5f}")
    return folds.loss


def _last(values: dict[int, float]) -> float | None:
    return values[max(values)] if values else None


def _fold_order(settings: TrainSettings, times: object | None) -> Literal["time", "stratified"]:
    if settings.fold_order == "time" and times is None:
        raise TrainingError("fold_order 'time': a row has no time of application; take 'auto' or 'stratified'")
    return "stratified" if settings.fold_order == "stratified" or times is None else "time"


def _splits(task: Task, order: str, times: npt.NDArray[np.datetime64] | None) -> Sequence[Split]:
    settings = task.settings
    if order == "stratified" or times is None:
        splitter = StratifiedKFold(settings.folds, shuffle=True, random_state=settings.seed + 1)
        return list(splitter.split(task.matrix, task.outcomes))
    by_time = np.argsort(times, kind="stable")
    splits = [(by_time[past], by_time[later]) for past, later in TimeSeriesSplit(settings.folds).split(by_time)]
    usable = [split for split in splits if all(_both(task.outcomes[part]) for part in split)]
    if not usable:
        raise TrainingError("fold_order 'time': no stretch of time has both outcomes; take 'stratified'")
    return usable


def _both(outcomes: npt.NDArray[np.bool_]) -> bool:
    return bool(outcomes.any() and not outcomes.all())
