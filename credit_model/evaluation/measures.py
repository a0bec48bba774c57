"""All quality measures of PDs against outcomes, as a bundle keeps them."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from credit_model.bundle.measurements import BrierShares, Curves, Densities, Measurements, Point
from credit_model.metrics.bootstrap import bootstrap_intervals
from credit_model.metrics.calibration import (
    brier,
    calibration_in_the_large,
    calibration_slope,
    log_loss,
    reliability,
)
from credit_model.metrics.decomposition import brier_parts
from credit_model.metrics.delong import auc_interval
from credit_model.metrics.discrimination import ks, pr_auc
from credit_model.metrics.logistic import logit
from credit_model.types import Floats, Outcomes

_CURVE_POINTS = 101
_DENSITY_BINS = 25


def evaluate(outcomes: Outcomes, pds: Floats, *, curves: bool = True, seed: int = 0) -> Measurements:
    """Measure the quality of PDs.

    Args:
        outcomes: True for a default, shape (n,).
        pds: Predicted PDs, shape (n,).
        curves: Whether to add intervals, Brier parts and curves.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: Fewer than two defaults or two non-defaults.
    """
    interval = auc_interval(outcomes, pds)
    numbers = Measurements(
        rows=len(pds),
        defaults=int(outcomes.sum()),
        default_rate=float(outcomes.mean()),
        mean_pd=float(pds.mean()),
        roc_auc=interval.auc,
        roc_auc_low=interval.low,
        roc_auc_high=interval.high,
        gini=2 * interval.auc - 1,
        ks=ks(outcomes, pds),
        pr_auc=pr_auc(outcomes, pds),
        brier=brier(outcomes, pds),
        log_loss=log_loss(outcomes, pds),
        calibration_slope=calibration_slope(outcomes, pds),
        calibration_in_the_large=calibration_in_the_large(outcomes, pds),
    )
    if not curves:
        return numbers
    intervals = bootstrap_intervals(outcomes, pds, seed=seed)
    return numbers | {
        "intervals": {name: (interval.low, interval.high) for name, interval in intervals.items()},
        "brier_parts": BrierShares(**asdict(brier_parts(outcomes, pds))),
        "curves": _curves(outcomes, pds),
    }


def _curves(outcomes: Outcomes, pds: Floats) -> Curves:
    false_positive, true_positive, _ = roc_curve(outcomes, pds)
    grid = np.linspace(0, 1, _CURVE_POINTS)
    precision, recall, _ = precision_recall_curve(outcomes, pds)
    # One precision for each recall: the last of equal recalls is the best threshold's.
    found, first = np.unique(recall, return_index=True)
    return Curves(
        roc=_points(grid, np.interp(grid, false_positive, true_positive)),
        precision_recall=_points(grid, np.interp(grid, found, precision[first])),
        densities=_densities(outcomes, pds),
        reliability=tuple(reliability(outcomes, pds)),
    )


def _points(x: Floats, y: Floats) -> tuple[Point, ...]:
    return tuple((round(float(px), 4), round(float(py), 4)) for px, py in zip(x, y, strict=True))


def _densities(outcomes: Outcomes, pds: Floats) -> Densities:
    """Return the shares of defaulters and others in equal bins of log-odds."""
    logits = logit(pds)
    low, high = np.quantile(logits, 0.001), logits.max()
    edges = np.linspace(low, max(high, low + 1e-6), _DENSITY_BINS + 1)
    inside = np.clip(logits, edges[0], edges[-1])
    bad, good = (np.histogram(inside[chosen], edges)[0] / chosen.sum() for chosen in (outcomes, ~outcomes))
    return Densities(
        edges=tuple(round(float(edge), 3) for edge in edges),
        bad=tuple(round(float(share), 4) for share in bad),
        good=tuple(round(float(share), 4) for share in good),
    )
