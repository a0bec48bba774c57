"""DeLong's test: is one model's AUC on the same rows really higher than the other's."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from credit_model.types import Floats, Outcomes


@dataclass(frozen=True)
class AucInterval:
    """An AUC with its standard error and confidence interval (normal, cut at 0 and 1)."""

    auc: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class AucDifference:
    """Paired comparison of two AUCs on the same rows.

    Attributes:
        first: AUC of the first model.
        second: AUC of the second model.
        difference: second - first.
        standard_error: Of the difference.
        low: Lower end of the confidence interval of the difference.
        high: Upper end.
        p_value: Two-sided, for no difference.
    """

    first: float
    second: float
    difference: float
    standard_error: float
    low: float
    high: float
    p_value: float


def auc_interval(outcomes: Outcomes, scores: Floats, *, confidence: float = 0.95) -> AucInterval:
    """AUC with DeLong's confidence interval.

    Args:
        outcomes: True for a default, shape (n,).
        scores: Higher means riskier, shape (n,).
        confidence: Coverage of the interval.

    Raises:
        ValueError: Fewer than two defaults or two non-defaults.
    """
    aucs, covariance = _aucs_and_covariance(outcomes, scores[None, :])
    error = sqrt(max(covariance[0, 0], 0.0))
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    return AucInterval(float(aucs[0]), error, max(0.0, float(aucs[0]) - reach), min(1.0, float(aucs[0]) + reach))


def auc_difference(outcomes: Outcomes, first: Floats, second: Floats, *, confidence: float = 0.95) -> AucDifference:
    """DeLong's paired test of two models scored on the same rows.

    Args:
        outcomes: True for a default, shape (n,).
        first: Scores of the first model, shape (n,).
        second: Scores of the second model, shape (n,).
        confidence: Coverage of the interval.

    Raises:
        ValueError: Fewer than two defaults or two non-defaults.
    """
    aucs, covariance = _aucs_and_covariance(outcomes, np.stack([first, second]))
    difference = float(aucs[1] - aucs[0])
    error = sqrt(max(float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]), 0.0))
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    # Models that rank alike have no error and no difference; a difference without error is certain.
    certain = 1.0 if difference == 0 else 0.0
    p_value = 2 * NormalDist().cdf(-abs(difference) / error) if error > 0 else certain
    return AucDifference(
        float(aucs[0]), float(aucs[1]), difference, error, difference - reach, difference + reach, p_value
    )


def _midranks(values: Floats) -> Floats:
    """Ranks from 1, ties sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[inverse]
    return ranks


def _aucs_and_covariance(outcomes: Outcomes, scores: Floats) -> tuple[Floats, Floats]:
    """AUCs (models,) and their covariance (models, models) in O(n log n).

    Sun and Xu, Fast implementation of DeLong's algorithm, IEEE Signal Processing Letters 21 (2014), algorithm 2.
    """
    positives, negatives = scores[:, outcomes], scores[:, ~outcomes]
    m, n = positives.shape[1], negatives.shape[1]
    if min(m, n) < 2:
        raise ValueError(f"DeLong needs at least two defaults and two non-defaults; got {m} and {n}")
    overall = np.stack([_midranks(row) for row in np.concatenate([positives, negatives], axis=1)])
    above = (overall[:, :m] - np.stack([_midranks(row) for row in positives])) / n
    below = 1.0 - (overall[:, m:] - np.stack([_midranks(row) for row in negatives])) / m
    aucs = overall[:, :m].sum(axis=1) / m / n - (m + 1.0) / 2.0 / n
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return aucs, covariance
