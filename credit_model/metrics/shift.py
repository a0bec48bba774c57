"""Tests of whether a distribution or a share has really moved, or only looks so because the sample is small."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from credit_model.metrics.stability import psi
from credit_model.types import Floats

# Cochran's rule is 5; the far tail, where corrected p-values live, wants more.
_MIN_EXPECTED = 10.0


def psi_test(expected: Floats, counts: Floats, *, training_rows: int) -> tuple[float, float]:
    """PSI of counts against training, and its p-value for no drift.

    Without drift PSI / (1 / n + 1 / m) is about chi-squared with one degree of freedom fewer than there are bins, n
    and m being the rows now and in training (Yurdakul and Naranjo, Statistical properties of the population stability
    index, Journal of Risk Model Validation 14(4), 2020). That takes filled bins, so bins in which fewer than ten of
    these rows are expected share one; which bins these are depends on training and n only.

    Args:
        expected: Shares of the bins in training, shape (bins,).
        counts: Rows in the same bins now, shape (bins,).
        training_rows: Rows that `expected` is of.

    Returns:
        PSI over the pooled bins, and the p-value; (0, 1) where all rows share one bin.
    """
    rows = float(counts.sum())
    pool = _pools(expected * rows)
    before = np.bincount(pool, expected).astype(np.float64)
    now = np.bincount(pool, counts) / max(rows, 1.0)
    if len(before) < 2:
        return 0.0, 1.0
    index = psi(before, now)
    scaled = index / (1 / rows + 1 / training_rows)
    return index, float(special.chdtrc(len(before) - 1, scaled))


def share_test(hits: int, rows: int, *, training_hits: int, training_rows: int) -> float:
    """Two-sided p-value of equal shares now and in training (Fisher's exact test)."""
    table = [[hits, rows - hits], [training_hits, training_rows - training_hits]]
    return float(stats.fisher_exact(table).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of one family of tests, in the given order (Holm 1979).

    Rejecting where the adjusted value is at most alpha keeps the chance of any false rejection at alpha.
    """
    order = np.argsort(p_values, kind="stable")
    ranked = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(ranked), 1.0) if len(order) else ranked
    return [float(value) for value in adjusted]


def _pools(expected: Floats) -> npt.NDArray[np.intp]:
    """Pool of each bin, numbered from 0 without gaps: rare bins together, with the rarest other one if need be."""
    rare = expected < _MIN_EXPECTED
    if rare.any() and not rare.all() and expected[rare].sum() < _MIN_EXPECTED:
        rare |= expected == expected[~rare].min()
    places = np.where(rare, len(expected), np.arange(len(expected)))
    return np.unique(places, return_inverse=True)[1]
