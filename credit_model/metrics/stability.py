"""The population stability index and its bins."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from credit_model.types import Floats

# An empty bin would make the index infinite; this is the usual floor.
_FLOOR = 1e-4


def psi(expected: Floats, actual: Floats) -> float:
    """Return the population stability index: sum of (actual - expected) * ln(actual / expected) over the bins.

    Rule of thumb: below 0.1 stable, 0.1 to 0.25 moved, above 0.25 shifted.

    Args:
        expected: Shares of the bins in training, shape (bins,).
        actual: Shares of the same bins now, shape (bins,).

    Raises:
        ValueError: Different numbers of bins.

    Example:
        >>> round(psi(np.array([0.5, 0.5]), np.array([0.6, 0.4])), 4)
        0.0405
    """
    if expected.shape != actual.shape:
        raise ValueError(f"psi compares the same bins; got {expected.shape} and {actual.shape}")
    before, now = np.maximum(expected, _FLOOR), np.maximum(actual, _FLOOR)
    return float(np.sum((now - before) * np.log(now / before)))


def quantile_edges(values: Floats, *, bins: int = 10) -> Floats:
    """Return inner edges (at most bins - 1, strictly rising) that fill bins about equally; missing values do not count.

    >>> quantile_edges(np.array([1.0, 2.0, 3.0, 4.0]), bins=2).tolist()
    [2.5]
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return np.empty(0)
    return np.unique(np.quantile(known, np.arange(1, bins) / bins))


def bin_shares(values: Floats, edges: Floats) -> Floats:
    """Return the share of all values in each bin, shape (len(edges) + 1,); missing values count in the total only.

    >>> bin_shares(np.array([1.0, 2.0, 3.0, np.nan]), np.array([2.0])).tolist()
    [0.5, 0.25]
    """
    shares: Floats = bin_counts(values[~np.isnan(values)], edges) / max(len(values), 1)
    return shares


def bin_counts(values: Floats, edges: Floats) -> npt.NDArray[np.intp]:
    """Return how many of the values, none missing, are in each bin, shape (len(edges) + 1,).

    A value v is in bin i if edges[i - 1] < v <= edges[i].
    """
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
