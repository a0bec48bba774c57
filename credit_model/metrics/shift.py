"""Tests of whether a distribution or a share has moved by more than chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from credit_model.metrics.stability import psi
from credit_model.types import Floats

# Cochran's rule is 5; the far tail, where corrected p-values are, needs more.
_MIN_EXPECTED = 10.0


def psi_test(expected: Floats, counts: Floats, *, training_rows: int) -> tuple[float, float]:
    """Return the PSI of counts against training, and its p-value for no drift.

    Without drift PSI / (1 / n + 1 / m) is about chi-squared with one degree of freedom fewer than there are bins, n
    and m being the rows now and in training (Yurdakul and Naranjo, Statistical properties of the population stability
    index, Journal of Risk Model Validation 14(4), 2020). That needs filled bins, so bins in
    which fewer than ten of these rows are expected are pooled; which ones depends on training and n only.

    Args:
        expected: Shares of the bins in training, shape (bins,).
        counts: Rows in the same bins now, shape (bins,).
        training_rows: Rows in training.

    Returns:
        PSI over the pooled bins, and the p-value; (0, 1) if all rows share one bin.

    Example:
        >>> index, p_value = psi_test(np.array([0.5, 0.5]), np.array([50.0, 50.0]), training_rows=1000)
        >>> index, p_value
        (0.0, 1.0)
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
    """Return the two-sided p-value of equal shares now and in training (Fisher's exact test).

    >>> round(share_test(3, 10, training_hits=10, training_rows=100), 4)
    0.0953
    """
    table = [[hits, rows - hits], [training_hits, training_rows - training_hits]]
    return float(stats.fisher_exact(table).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of one family of tests, in the given order (Holm 1979).

    Rejecting where the adjusted value is at most alpha keeps the chance of any false rejection at alpha.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    ranked = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(ranked), 1.0) if len(order) else ranked
    return [float(value) for value in adjusted]


def _pools(expected: Floats) -> npt.NDArray[np.intp]:
    """Return the pool of each bin, numbered from 0: rare bins share one, with the rarest other bin if need be."""
    rare = expected < _MIN_EXPECTED
    if rare.any() and not rare.all() and expected[rare].sum() < _MIN_EXPECTED:
        rare |= expected == expected[~rare].min()
    places = np.where(rare, len(expected), np.arange(len(expected)))
    return np.unique(places, return_inverse=True)[1]
