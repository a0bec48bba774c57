"""Measures PDs against outcomes: the table of numbers that goes into a bundle."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

from credit_model.metrics.calibration import (
    brier,
    calibration_in_the_large,
    calibration_slope,
    log_loss,
    reliability,
)
from credit_model.metrics.delong import auc_interval
from credit_model.metrics.discrimination import Floats, Outcomes, ks, pr_auc

_CURVE_POINTS = 101


def evaluate(outcomes: Outcomes, pds: Floats, *, curves: bool = True) -> dict[str, Any]:
    """Quality of PDs.

    Args:
        outcomes: True for a default, shape (n,).
        pds: Predicted PDs, shape (n,).
        curves: Whether to add the points of the ROC curve and the calibration table.

    Returns:
        JSON-able numbers: rows, defaults, default_rate, mean_pd, roc_auc (with its 95 % interval), gini, ks, pr_auc,
        brier, log_loss, calibration_slope, calibration_in_the_large and, on demand, curves.
    """
    interval = auc_interval(outcomes, pds)
    numbers: dict[str, Any] = {
        "rows": len(pds),
        "defaults": int(outcomes.sum()),
        "default_rate": float(outcomes.mean()),
        "mean_pd": float(pds.mean()),
        "roc_auc": interval.auc,
        "roc_auc_low": interval.low,
        "roc_auc_high": interval.high,
        "gini": 2 * interval.auc - 1,
        "ks": ks(outcomes, pds),
        "pr_auc": pr_auc(outcomes, pds),
        "brier": brier(outcomes, pds),
        "log_loss": log_loss(outcomes, pds),
        "calibration_slope": calibration_slope(outcomes, pds),
        "calibration_in_the_large": calibration_in_the_large(outcomes, pds),
    }
    return numbers | {"curves": _curves(outcomes, pds)} if curves else numbers


def _curves(outcomes: Outcomes, pds: Floats) -> dict[str, Any]:
    false_positive, true_positive, _ = roc_curve(outcomes, pds)
    grid = np.linspace(0, 1, _CURVE_POINTS)
    heights = np.interp(grid, false_positive, true_positive)
    return {
        "roc": [[round(float(x), 4), round(float(y), 4)] for x, y in zip(grid, heights, strict=True)],
        "reliability": [[mean, rate, rows] for mean, rate, rows in reliability(outcomes, pds)],
    }
