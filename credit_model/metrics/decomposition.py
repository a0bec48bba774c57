"""Splits the Brier score into what calibration costs, what ranking gains and what nobody could know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from credit_model.metrics.stability import quantile_edges
from credit_model.types import Floats, Outcomes


@dataclass(frozen=True)
class BrierParts:
    """Parts of a Brier score: brier = reliability - resolution + uncertainty + within_bins.

    Attributes:
        reliability: Mean squared distance of a bin's mean PD from its default rate; 0 is perfectly calibrated.
        resolution: Mean squared distance of a bin's default rate from the overall rate; higher is better.
        uncertainty: Variance of the outcome; what always predicting the overall rate would score.
        within_bins: What putting the PDs into bins hides (their variance less twice their covariance with the
            outcome); 0 when every bin holds one PD.
        bins: Number of bins.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float
    bins: int


def brier_parts(outcomes: Outcomes, pds: Floats, *, bins: int = 20) -> BrierParts:
    """Murphy's decomposition (1973) over at most `bins` equally filled bins; equal PDs share a bin.

    The remainder is that of Stephenson, Coelho and Jolliffe (2008), so that the parts always add up.

    Args:
        outcomes: True for a default, shape (n,).
        pds: Predicted PDs, shape (n,).
        bins: Largest number of bins.
    """
    _, place = np.unique(np.searchsorted(quantile_edges(pds, bins=bins), pds, side="left"), return_inverse=True)
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
