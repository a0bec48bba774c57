"""Fitting of calibrations, and the choice among them by cross-fitted log loss with a price on lost ranking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression

from credit_model.calibration.calibrator import Calibration, Method
from credit_model.errors import TrainingError
from credit_model.metrics.discrimination import roc_auc
from credit_model.metrics.logistic import fit_line
from credit_model.types import Floats, Outcomes

_RULE = (
    "The sigmoid replaces none when its log loss is lower. A method with ties replaces a simpler one when its "
    "penalised log loss is lower by more than the standard error of the paired difference in log loss. "
    "Penalised log loss = log loss + entropy of the default rate x Gini lost to ties."
)
# Margins are rounded to at most this many cells of equal size, which bounds the bundle's size and the time to fit.
_CELLS = 65_536


@dataclass(frozen=True)
class CalibrationChoice:
    """A calibration and why it was chosen.

    Attributes:
        calibration: Fitted on all margins given.
        table: The methods tried, as a bundle's `CalibrationTable` keeps them.
    """

    calibration: Calibration
    table: dict[str, object]


def fit_sigmoid(margins: Floats, outcomes: Outcomes) -> Calibration:
    """Fit Platt's sigmoid by maximum likelihood. A slope below 0 (margins that rank backwards) becomes 0."""
    slope, intercept = fit_line(margins, outcomes.astype(np.float64))
    if slope < 0:
        return Calibration(slope=0.0, intercept=float(np.log(outcomes.mean() / (1 - outcomes.mean()))))
    return Calibration(slope=slope, intercept=intercept)


def fit_isotonic(margins: Floats, outcomes: Outcomes) -> Calibration:
    """Fit an isotonic regression by pooling adjacent violators, drawn as lines between the ends of its blocks.

    One more applicant with the mean default rate as outcome is added at the lowest and one at the highest margin.
    This keeps the PDs of the end blocks off 0 and 1 as Laplace's rule would, and leaves the order to the regression.
    """
    rate = outcomes.mean()
    x = np.concatenate([[margins.min()], margins, [margins.max()]])
    y = np.concatenate([[rate], outcomes, [rate]])
    regression = IsotonicRegression(out_of_bounds="clip").fit(x, y)
    knots, values = regression.X_thresholds_, regression.y_thresholds_
    return Calibration(method="isotonic", knots=tuple(knots.tolist()), values=tuple(values.tolist()))


def fit_venn_abers(margins: Floats, outcomes: Outcomes) -> Calibration:
    """Fit an inductive Venn-Abers calibration: both isotonic PDs of an applicant, merged to p1 / (1 - p0 + p1).

    p1 is the isotonic PD of an applicant who joined the data as a default, p0 as a repayer; hence p1 > 0 and p0 < 1 and
    the merged PD is strictly between 0 and 1. An applicant counts as tied with the nearest margin of the data. Beyond
    65,536 distinct margins, they are first rounded to that many cells of equal size. Source: Vovk, Petej and Fedorova,
    Large-scale probabilistic predictors with and without guarantees of validity, NIPS 2015.
    """
    knots, sizes, defaults = _cells(margins, outcomes)
    upper = _joined_as_default(sizes, defaults)
    lower = 1 - _joined_as_default(sizes[::-1], (sizes - defaults)[::-1])[::-1]
    # Both rise; rounding alone may let the merged value fall by a last bit.
    merged = np.maximum.accumulate(upper / (1 - lower + upper))
    steps = np.flatnonzero(np.diff(merged) > 0)
    values = merged[np.concatenate([[0], steps + 1])]
    return Calibration(method="venn_abers", knots=tuple(knots[steps].tolist()), values=tuple(values.tolist()))


# From the simplest: no parameter, two, one value a block of one regression, two regressions merged.
_FITS: dict[Method, Callable[[Floats, Outcomes], Calibration]] = {
    "none": lambda _margins, _outcomes: Calibration(method="none"),
    "sigmoid": fit_sigmoid,
    "isotonic": fit_isotonic,
    "venn_abers": fit_venn_abers,
}


def choose_calibration(
    margins: Floats,
    outcomes: Outcomes,
    fold_of: npt.NDArray[np.int64],
    *,
    method: Literal["auto", "none", "sigmoid", "isotonic", "venn_abers"] = "auto",
) -> CalibrationChoice:
    """Choose a calibration and fit it on all out-of-fold margins.

    Every method is fitted on the margins of all folds but one and measured on that one, in turn. A method pays for the
    ranking it gives up through ties: penalised log loss = log loss + H * 2 * max(0, AUC lost), where H is the entropy
    of the default rate, the log loss of a PD that ranks nobody: a lost point of Gini costs one hundredth of it.

    Args:
        margins: Out-of-fold margins, shape (n,).
        outcomes: True for a default, shape (n,).
        fold_of: Fold of each row, shape (n,).
        method: The method to use; `auto` takes the sigmoid over none when its loss is lower, and a method with ties
            over a simpler one only when it gains more in penalised log loss than the standard error of the difference.

    Raises:
        TrainingError: One fold only, or a fold or its complement holds one class only.
    """
    _check_folds(outcomes, fold_of)
    sample = _Sample(margins, outcomes, fold_of)
    trials = [_trial(name, fit, sample) for name, fit in _FITS.items()]
    best, reason, rows = _compared(trials)
    if method != "auto":
        best, reason = method, "set by the settings"
    table: dict[str, object] = {"chosen": best, "reason": reason, "rule": _RULE, "methods": rows}
    return CalibrationChoice(_FITS[best](margins, outcomes), table)


@dataclass(frozen=True)
class _Sample:
    margins: Floats
    outcomes: Outcomes
    fold_of: npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Trial:
    """A method measured on folds that it was not fitted on; `losses` are those of the single rows."""

    method: Method
    losses: Floats
    brier: float
    auc_lost: float
    penalty: float

    @property
    def score(self) -> float:
        return float(self.losses.mean()) + self.penalty

    def row(self) -> dict[str, object]:
        return {
            "method": self.method,
            "log_loss": float(self.losses.mean()),
            "brier": self.brier,
            "auc_lost": self.auc_lost,
            "penalty": self.penalty,
            "penalised_log_loss": self.score,
        }


def _check_folds(outcomes: Outcomes, fold_of: npt.NDArray[np.int64]) -> None:
    for fold in np.unique(fold_of):
        for part in (outcomes[fold_of == fold], outcomes[fold_of != fold]):
            if part.all() or not part.any():
                raise TrainingError(
                    f"fold {fold} leaves a part with no or only defaults, so no calibration can be chosen; "
                    "use fewer folds (and at least two) or more rows"
                )


def _trial(method: Method, fit: Callable[[Floats, Outcomes], Calibration], sample: _Sample) -> _Trial:
    outcomes, rate = sample.outcomes, float(sample.outcomes.mean())
    pds = _cross_fitted(fit, sample)
    lost = _auc_lost(pds, sample)
    entropy = float(-rate * np.log(rate) - (1 - rate) * np.log1p(-rate))
    return _Trial(
        method=method,
        # A sigmoid of a far margin rounds to 0 or 1, which would make one row's loss infinite.
        losses=-np.log(np.clip(np.where(outcomes, pds, 1 - pds), 1e-15, 1.0)),
        brier=float(np.mean((pds - outcomes) ** 2)),
        auc_lost=lost,
        penalty=entropy * 2 * max(0.0, lost),
    )


def _cross_fitted(fit: Callable[[Floats, Outcomes], Calibration], sample: _Sample) -> Floats:
    pds = np.empty(len(sample.margins))
    for fold in np.unique(sample.fold_of):
        own = sample.fold_of == fold
        pds[own] = fit(sample.margins[~own], sample.outcomes[~own]).pds(sample.margins[own])
    return pds


def _auc_lost(pds: Floats, sample: _Sample) -> float:
    """Return the mean over the rows of the fall in AUC inside each fold; each fold has its own calibration."""
    lost = 0.0
    for fold in np.unique(sample.fold_of):
        own = sample.fold_of == fold
        outcomes = sample.outcomes[own]
        lost += own.mean() * (roc_auc(outcomes, sample.margins[own]) - roc_auc(outcomes, pds[own]))
    return float(lost)


def _compared(trials: list[_Trial]) -> tuple[Method, str, list[dict[str, object]]]:
    """Return the method to take, why, and a row of the table for each."""
    best = trials[0]
    rows, reason = [best.row()], "no other method is better by more than chance"
    for trial in trials[1:]:
        gain = best.score - trial.score
        error = float((best.losses - trial.losses).std(ddof=1) / np.sqrt(len(trial.losses)))
        rows.append(trial.row() | {"gain": gain, "gain_error": error})
        # The sigmoid keeps the ranking, and cross-fitting already charges for its two parameters.
        if gain > (0.0 if trial.method == "sigmoid" else error):
            reason = (
                f"its penalised log loss is {gain:.6f} lower than that of {best.method} (standard error {error:.6f})"
            )
            best = trial
    return best.method, reason, rows


def _cells(margins: Floats, outcomes: Outcomes) -> tuple[Floats, Floats, Floats]:
    """Return the borders between cells of margins, shape (cells - 1,), and rows and defaults of each, (cells,)."""
    distinct, place, counts = np.unique(margins, return_inverse=True, return_counts=True)
    before = np.cumsum(counts) - counts
    cell = np.arange(len(distinct)) if len(distinct) <= _CELLS else before * _CELLS // len(margins)
    first = np.flatnonzero(np.diff(cell)) + 1
    left, right = distinct[first - 1], distinct[first]
    middle = left + (right - left) / 2
    # Between neighbouring floats there is no middle; the border then is the right one, which starts its cell.
    borders = np.where(middle > left, middle, right)
    starts = np.concatenate([[0], first])
    defaults = np.bincount(place, weights=outcomes, minlength=len(distinct))
    return borders, np.add.reduceat(counts, starts).astype(np.float64), np.add.reduceat(defaults, starts)


def _joined_as_default(sizes: Floats, defaults: Floats) -> Floats:
    """Return the isotonic value of one more default in each cell in turn, shape (cells,).

    The value is the slope, over the newcomer, of the greatest convex minorant of the cumulative sums: points before
    the newcomer move by (-1, -1). While the next moved point is above the current tangent, the tangent stays.
    """
    x, y = np.concatenate([[0.0], np.cumsum(sizes)]), np.concatenate([[0.0], np.cumsum(defaults)])
    vertices = _minorant(sizes, defaults)
    ahead = np.searchsorted(vertices, np.arange(len(sizes))).tolist()
    values = np.empty(len(sizes))
    slope, start_x, start_y = np.inf, -1.0, -1.0
    for cell, (next_x, next_y) in enumerate(zip((x[:-1] - 1).tolist(), (y[:-1] - 1).tolist(), strict=True)):
        if cell == 0 or next_y < start_y + (next_x - start_x) * slope:
            start_x, start_y = next_x, next_y
            # Beyond the next vertex of the whole minorant, only its vertices can touch the tangent.
            first = vertices[ahead[cell]]
            near = (y[cell : first + 1] - next_y) / (x[cell : first + 1] - next_x)
            far = (y[vertices[ahead[cell] :]] - next_y) / (x[vertices[ahead[cell] :]] - next_x)
            slope = float(min(near.min(), far.min()))
        values[cell] = slope
    return values


def _minorant(sizes: Floats, defaults: Floats) -> npt.NDArray[np.int64]:
    """Return where the greatest convex minorant of the cumulative sums bends, its end included."""
    fitted = IsotonicRegression().fit_transform(np.arange(len(sizes)), defaults / sizes, sample_weight=sizes)
    return np.append(np.flatnonzero(np.diff(fitted) > 0) + 1, len(sizes))
