"""Score points of PDs on the bundle's log-odds scale."""

from __future__ import annotations

from math import log

import numpy as np

from credit_model.bundle.document import ScoreScale
from credit_model.types import Floats, Integers

_LN2 = float(np.log(2))
# Two logarithms of the same number differ by much less, in points.
_NEAR = 1e-6


def points(pds: Floats, scale: ScoreScale) -> Integers:
    """Return whole points of PDs, shape (n,): base_score + pdo / ln 2 * ln(odds / base_odds), odds good to bad.

    >>> points(np.array([0.02, 0.01]), ScoreScale(base_score=600, base_odds=49, pdo=20)).tolist()
    [600, 620]
    """
    safe = np.clip(pds, 1e-12, 1 - 1e-12)
    odds = (1 - safe) / safe
    exact = scale.base_score + scale.pdo / _LN2 * np.log(odds / scale.base_odds)
    whole: Integers = np.rint(exact).astype(np.int64)
    return whole


def points_of_one(pd: float, scale: ScoreScale) -> int:
    """Return the points of one PD; only where the last bit could decide the rounding does NumPy compute them."""
    safe = min(max(pd, 1e-12), 1 - 1e-12)
    exact = scale.base_score + scale.pdo / _LN2 * log((1 - safe) / safe / scale.base_odds)
    if abs(exact % 1.0 - 0.5) > _NEAR:
        return round(exact)
    return int(points(np.array([pd]), scale)[0])
