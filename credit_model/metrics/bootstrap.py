"""Confidence intervals of the quality measures by a stratified bootstrap of the rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from credit_model.metrics.logistic import logit, sigmoid
from credit_model.parallel import cores
from credit_model.types import Floats, Outcomes

MEASURES = (
    "roc_auc",
    "gini",
    "pr_auc",
    "ks",
    "brier",
    "log_loss",
    "calibration_slope",
    "calibration_in_the_large",
)
Groups = npt.NDArray[np.intp]

# A fixed number of streams: the numbers must not depend on how many cores the machine has.
_STREAMS = 8
# Log-odds are binned for the calibration line only: two rows in one bin differ by less than the range / 1,000,
# about 0.01 in log-odds, which moves the slope by the square of that.
_BINS = 1000
_STEPS = 50
_TOLERANCE = 1e-9
# Half of what a 95 % interval leaves out; written so, it is the very float that older bundles were computed with.
_TAIL = (1 - 0.95) / 2


@dataclass(frozen=True)
class Interval:
    """Ends of a percentile interval."""

    low: float
    high: float


@dataclass(frozen=True)
class _SortedRows:
    """Rows grouped by equal PD, from low to high; a resample is then two vectors of counts.

    Attributes:
        default_groups: Group of each default.
        other_groups: Group of each non-default.
        losses: Squared error and log loss of a default and of a non-default in each group, shape (4, groups).
        cells: First group of each cell: a group that holds defaults, or a run of groups without any. Ranking
            measures only depend on the counts of the cells.
        bins: First group of each bin of log-odds.
        bin_logits: Mean log-odds of each bin.
    """

    default_groups: Groups
    other_groups: Groups
    losses: Floats
    cells: Groups
    bins: Groups
    bin_logits: Floats


def bootstrap_intervals(outcomes: Outcomes, pds: Floats, *, seed: int, resamples: int = 1000) -> dict[str, Interval]:
    """Return 95 % percentile intervals (Efron and Tibshirani 1993, chapter 13) of `MEASURES`.

    Defaults and non-defaults are drawn with replacement separately (stratified), so that no resample lacks either.
    Their shares then follow a binomial draw of the number of defaults, as weights of the two strata: with shares held
    fixed, the intervals of Brier score, log loss and calibration in the large would be far too narrow. The rows are
    sorted once; a resample only counts how often each was drawn.

    Args:
        outcomes: True for a default, shape (n,).
        pds: Predicted PDs, shape (n,).
        seed: Seed of the draws.
        resamples: Number of resamples.

    Raises:
        ValueError: All outcomes are the same.

    Example:
        >>> outcomes, pds = np.arange(200) % 4 == 0, np.linspace(0.05, 0.45, 200)
        >>> found = bootstrap_intervals(outcomes, pds, seed=1, resamples=100)["brier"]
        >>> 0.1 < found.low < found.high < 0.3
        True
    """
    draws = bootstrap_draws(outcomes, pds, seed=seed, resamples=resamples)
    ends = np.quantile(draws, [_TAIL, 1 - _TAIL], axis=0)
    return {name: Interval(*map(float, ends[:, position])) for position, name in enumerate(MEASURES)}


def bootstrap_draws(outcomes: Outcomes, pds: Floats, *, seed: int, resamples: int = 1000) -> Floats:
    """Return the measures of every resample, shape (resamples, len(MEASURES)); see `bootstrap_intervals`.

    Raises:
        ValueError: All outcomes are the same.
    """
    if outcomes.all() or not outcomes.any():
        raise ValueError("a stratified bootstrap needs defaults and non-defaults; all outcomes are the same")
    rows = _sorted(outcomes, pds)
    streams = np.random.SeedSequence(seed).spawn(_STREAMS)
    sizes = [len(part) for part in np.array_split(np.arange(resamples), _STREAMS)]
    with ThreadPoolExecutor(min(_STREAMS, cores())) as pool:
        parts = list(pool.map(lambda job: _resample(rows, *job), zip(streams, sizes, strict=True)))
    return np.concatenate(parts)


def _sorted(outcomes: Outcomes, pds: Floats) -> _SortedRows:
    values, groups = np.unique(pds, return_inverse=True)
    logits = logit(values)
    span = float(logits[-1] - logits[0]) or 1.0
    bins = np.flatnonzero(np.diff(np.floor((logits - logits[0]) / span * _BINS), prepend=-1.0))
    has_default = np.bincount(groups[outcomes], minlength=len(values)) > 0
    cells = np.flatnonzero(has_default | np.concatenate([[True], has_default[:-1]]))
    sizes = np.diff(np.append(bins, len(values)))
    bin_logits = np.add.reduceat(logits, bins) / sizes
    return _SortedRows(groups[outcomes], groups[~outcomes], _losses(values), cells, bins, bin_logits)


def _losses(pds: Floats) -> Floats:
    edge = float(np.finfo(np.float64).eps)
    safe = np.clip(pds, edge, 1 - edge)
    return np.stack([(1 - pds) ** 2, pds**2, -np.log(safe), -np.log1p(-safe)])


def _resample(rows: _SortedRows, stream: np.random.SeedSequence, resamples: int) -> Floats:
    random = np.random.default_rng(stream)
    measures = np.empty((resamples, len(MEASURES)))
    defaults, totals = np.empty((2, resamples, len(rows.bins)))
    for position in range(resamples):
        bad, good = _drawn(rows, random)
        ranking = _ranking(np.add.reduceat(bad, rows.cells), np.add.reduceat(good, rows.cells))
        measures[position, :6] = [*ranking, *_proper(bad, good, rows.losses)]
        defaults[position] = np.add.reduceat(bad, rows.bins)
        totals[position] = defaults[position] + np.add.reduceat(good, rows.bins)
    measures[:, 6] = _slopes(rows.bin_logits, defaults, totals)
    measures[:, 7] = _intercepts(rows.bin_logits, defaults, totals)
    return measures


def _drawn(rows: _SortedRows, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the weight of each group's defaults and non-defaults in one resample."""
    defaults, others = len(rows.default_groups), len(rows.other_groups)
    share = min(max(random.binomial(defaults + others, defaults / (defaults + others)), 1), defaults + others - 1)
    bad = _counts(rows.default_groups, rows, random) * (share / defaults)
    return bad, _counts(rows.other_groups, rows, random) * ((defaults + others - share) / others)


def _counts(groups: Groups, rows: _SortedRows, random: np.random.Generator) -> Floats:
    drawn = groups[random.integers(0, len(groups), len(groups), dtype=np.int32)]
    return np.bincount(drawn, minlength=rows.losses.shape[1]).astype(np.float64)


def _ranking(bad: Floats, good: Floats) -> tuple[float, float, float, float]:
    """Return ROC AUC, Gini, PR AUC and KS of weighted cells in rising order of PD."""
    good_below, bad_below = np.cumsum(good), np.cumsum(bad)
    bads, goods = bad_below[-1], good_below[-1]
    auc = float(np.sum(bad * (good_below - good / 2))) / (bads * goods)
    drawn = bad > 0
    caught = (bads - bad_below + bad)[drawn]
    flagged = caught + (goods - good_below + good)[drawn]
    distance = np.abs(bad_below / bads - good_below / goods).max()
    return auc, 2 * auc - 1, float(np.sum(bad[drawn] * caught / flagged)) / bads, float(distance)


def _proper(bad: Floats, good: Floats, losses: Floats) -> tuple[float, float]:
    squared = np.einsum("i,i->", bad, losses[0]) + np.einsum("i,i->", good, losses[1])
    surprise = np.einsum("i,i->", bad, losses[2]) + np.einsum("i,i->", good, losses[3])
    rows = bad.sum() + good.sum()
    return float(squared / rows), float(surprise / rows)


def _slopes(logits: Floats, defaults: Floats, totals: Floats) -> Floats:
    """Return the slope of the logistic line of every resample, by Newton's method on all resamples at once."""
    slope, intercept = np.ones(len(totals)), np.zeros(len(totals))
    for _ in range(_STEPS):
        fitted = sigmoid(slope[:, None] * logits + intercept[:, None])
        residual, weight = defaults - totals * fitted, totals * fitted * (1 - fitted)
        g0, g1 = residual.sum(axis=1), np.einsum("rb,b->r", residual, logits)
        h0, h1 = weight.sum(axis=1), np.einsum("rb,b->r", weight, logits)
        h2 = np.einsum("rb,b->r", weight, logits**2)
        determinant = np.maximum(h0 * h2 - h1 * h1, 1e-12)
        steps = np.stack([(h0 * g1 - h1 * g0), (h2 * g0 - h1 * g1)]) / determinant
        # If the classes separate cleanly, the likelihood has no maximum; a bounded step keeps such a resample finite.
        steps = np.clip(steps, -2.0, 2.0)
        slope, intercept = slope + steps[0], intercept + steps[1]
        if np.abs(steps).max() < _TOLERANCE:
            break
    return slope


def _intercepts(logits: Floats, defaults: Floats, totals: Floats) -> Floats:
    """Return the calibration in the large of every resample."""
    shift, bads = np.zeros(len(totals)), defaults.sum(axis=1)
    for _ in range(_STEPS):
        fitted = sigmoid(logits + shift[:, None])
        weight = np.maximum((totals * fitted * (1 - fitted)).sum(axis=1), 1e-12)
        step = np.clip((bads - (totals * fitted).sum(axis=1)) / weight, -2.0, 2.0)
        shift = shift + step
        if np.abs(step).max() < _TOLERANCE:
            break
    return shift
