"""How far a distribution has moved from the one seen in training."""

from __future__ import annotations

import numpy as np

from credit_model.types import Floats

# An empty bin would make the index infinite; this is the usual floor.
_FLOOR = 1e-4


def psi(expected: Floats, actual: Floats) -> float:
    """Population stability index: sum of (actual - expected) * ln(actual / expected) over the bins.

    Rule of thumb: below 0.1 stable, 0.1 to 0.25 moved, above 0.25 shifted.

    Args:
        expected: Shares of the bins in training, shape (bins,).
        actual: Shares of the same bins now, shape (bins,).

    Raises:
        ValueError: Different numbers of bins.
    """
    if expected.shape != actual.shape:
        raise ValueError(f"psi compares the same bins; got {expected.shape} and {actual.shape}")
    before, now = np.maximum(expected, _FLOOR), np.maximum(actual, _FLOOR)
    return float(np.sum((now - before) * np.log(now / before)))


def quantile_edges(values: Floats, *, bins: int = 10) -> Floats:
    """Inner edges (at most bins - 1, strictly rising) that fill bins about equally; missing values are left out."""
    known = values[~np.isnan(values)]
    if not known.size:
        return np.empty(0)
    return np.unique(np.quantile(known, np.arange(1, bins) / bins))


def bin_shares(values: Floats, edges: Floats) -> Floats:
    """Share of all values in each bin, shape (len(edges) + 1,); missing values count in the total only.

    A value v is in bin i when edges[i - 1] < v <= edges[i].
    """
    known = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    shares: Floats = counts / max(len(values), 1)
    return shares
