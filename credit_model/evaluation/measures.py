"""Measures PDs against outcomes: the table of numbers that goes into a bundle."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

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


def evaluate(outcomes: Outcomes, pds: Floats, *, curves: bool = True, seed: int = 0) -> dict[str, Any]:
    """Quality of PDs.

    Args:
        outcomes: True for a default, shape (n,).
        pds: Predicted PDs, shape (n,).
        curves: Whether to add intervals, Brier parts and curves.
        seed: Seed of the bootstrap.

    Returns:
        JSON-able numbers: rows, defaults, default_rate, mean_pd, roc_auc (with DeLong's 95 % interval), gini, ks,
        pr_auc, brier, log_loss, calibration_slope, calibration_in_the_large and, on demand, intervals (95 %
        bootstrap, low and high), brier_parts and curves.
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
    if not curves:
        return numbers
    intervals = bootstrap_intervals(outcomes, pds, seed=seed)
    return numbers | {
        "intervals": {name: [interval.low, interval.high] for name, interval in intervals.items()},
        "brier_parts": asdict(brier_parts(outcomes, pds)),
        "curves": _curves(outcomes, pds),
    }


def _curves(outcomes: Outcomes, pds: Floats) -> dict[str, Any]:
    false_positive, true_positive, _ = roc_curve(outcomes, pds)
    grid = np.linspace(0, 1, _CURVE_POINTS)
    precision, recall, _ = precision_recall_curve(outcomes, pds)
    # One precision for each recall: the last of equal recalls is the best threshold's.
    found, first = np.unique(recall, return_index=True)
    return {
        "roc": _points(grid, np.interp(grid, false_positive, true_positive)),
        "precision_recall": _points(grid, np.interp(grid, found, precision[first])),
        "densities": _densities(outcomes, pds),
        "reliability": [[mean, rate, rows] for mean, rate, rows in reliability(outcomes, pds)],
    }


def _points(x: Floats, y: Floats) -> list[list[float]]:
    return [[round(float(px), 4), round(float(py), 4)] for px, py in zip(x, y, strict=True)]


def _densities(outcomes: Outcomes, pds: Floats) -> dict[str, Any]:
    """Shares of defaulters and others in equal bins of log-odds: how far the model parts them."""
    logits = logit(pds)
    low, high = np.quantile(logits, 0.001), logits.max()
    edges = np.linspace(low, max(high, low + 1e-6), _DENSITY_BINS + 1)
    inside = np.clip(logits, edges[0], edges[-1])
    shares = {
        name: np.histogram(inside[chosen], edges)[0] / chosen.sum()
        for name, chosen in (("bad", outcomes), ("good", ~outcomes))
    }
    return {"edges": [round(float(edge), 3) for edge in edges]} | {
        name: [round(float(share), 4) for share in part] for name, part in shares.items()
    }
