"""The parts of the Brier score: calibration, ranking, and the uncertainty that no model removes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from credit_model.metrics.stability import quantile_edges
from credit_model.types import Floats, Outcomes

_BINS = 20


@dataclass(frozen=True)
class BrierParts:
    """Parts of a Brier score; brier = reliability - resolution + uncertainty + within_bins.

    Attributes:
        reliability: Mean squared distance of a bin's mean PD from its default rate; 0 is perfectly calibrated.
        resolution: Mean squared distance of a bin's default rate from the overall rate; higher is better.
        uncertainty: Variance of the outcome; the score of always predicting the overall rate.
        within_bins: Variance of the PDs inside the bins less twice their covariance with the outcome; 0 if every bin
            holds one PD.
        bins: Number of bins.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float
    bins: int


def brier_parts(outcomes: Outcomes, pds: Floats) -> BrierParts:
    """Decompose the Brier score as Murphy (1973) does, over at most 20 equally filled bins; equal PDs share a bin.

    The remainder is that of Stephenson, Coelho and Jolliffe (2008), so that the parts always add up.

    Args:
        outcomes: True for a default, shape (n,).
        pds: Predicted PDs, shape (n,).

    Example:
        >>> parts = brier_parts(np.array([True, False, False, False]), np.array([0.5, 0.5, 0.0, 0.0]))
        >>> parts.reliability, parts.resolution, parts.uncertainty
        (0.0, 0.0625, 0.1875)
    """
    _, place = np.unique(np.searchsorted(quantile_edges(pds, bins=_BINS), pds, side="left"), return_inverse=True)
    rows = np.bincount(place)
    mean_pd, rate = np.bincount(place, pds) / rows, np.bincount(place, outcomes) / rows
    overall = float(outcomes.mean())
    spread = pds - mean_pd[place]
    return BrierParts(
        reliability=float(rows @ (mean_pd - rate) ** 2) / len(pds),
        resolution=float(rows @ (rate - overall) ** 2) / len(pds),
        uncertainty=overall * (1 - overall),
        within_bins=float(np.mean(spread**2) - 2 * np.mean(spread * (outcomes - rate[place]))),
        bins=len(rows),
    )
