"""DeLong's interval of an AUC, and his test of two AUCs on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from scipy.stats import rankdata

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
    """Return the AUC with DeLong's confidence interval.

    Args:
        outcomes: True for a default, shape (n,).
        scores: Higher means riskier, shape (n,).
        confidence: Coverage of the interval.

    Raises:
        ValueError: Fewer than two defaults or two non-defaults.

    Example:
        >>> outcomes = np.array([True, True, False, False, False])
        >>> round(auc_interval(outcomes, np.array([0.9, 0.4, 0.5, 0.2, 0.1])).auc, 4)
        0.8333
    """
    aucs, covariance = _aucs_and_covariance(outcomes, scores[None, :])
    error = sqrt(max(covariance[0, 0], 0.0))
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    return AucInterval(float(aucs[0]), error, max(0.0, float(aucs[0]) - reach), min(1.0, float(aucs[0]) + reach))


def auc_difference(outcomes: Outcomes, first: Floats, second: Floats, *, confidence: float = 0.95) -> AucDifference:
    """Compare two models scored on the same rows with DeLong's paired test.

    Args:
        outcomes: True for a default, shape (n,).
        first: Scores of the first model, shape (n,).
        second: Scores of the second model, shape (n,).
        confidence: Coverage of the interval.

    Raises:
        ValueError: Fewer than two defaults or two non-defaults.

    Example:
        >>> outcomes = np.array([True, True, False, False])
        >>> better, worse = np.array([0.9, 0.8, 0.2, 0.1]), np.array([0.9, 0.1, 0.8, 0.2])
        >>> auc_difference(outcomes, worse, better).difference
        0.5
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


def _aucs_and_covariance(outcomes: Outcomes, scores: Floats) -> tuple[Floats, Floats]:
    """Return AUCs, shape (models,), and their covariance, shape (models, models), in O(n log n).

    Sun and Xu, Fast implementation of DeLong's algorithm, IEEE Signal Processing Letters 21 (2014), algorithm 2.
    """
    positives, negatives = scores[:, outcomes], scores[:, ~outcomes]
    m, n = positives.shape[1], negatives.shape[1]
    if min(m, n) < 2:
        raise ValueError(f"DeLong needs at least two defaults and two non-defaults; got {m} and {n}")
    overall = rankdata(np.concatenate([positives, negatives], axis=1), axis=1)
    above = (overall[:, :m] - rankdata(positives, axis=1)) / n
    below = 1.0 - (overall[:, m:] - rankdata(negatives, axis=1)) / m
    aucs = overall[:, :m].sum(axis=1) / m / n - (m + 1.0) / 2.0 / n
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return aucs, covariance
