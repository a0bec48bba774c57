"""Measures of how well PDs rank defaulters above the others."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from credit_model.types import Floats, Outcomes


def roc_auc(outcomes: Outcomes, scores: Floats) -> float:
    """Return the area under the ROC curve.

    Args:
        outcomes: True for a default, shape (n,).
        scores: Higher means riskier, shape (n,).

    Raises:
        ValueError: All outcomes are the same.

    Example:
        >>> roc_auc(np.array([True, False, False]), np.array([0.3, 0.2, 0.4]))
        0.5
    """
    return float(roc_auc_score(_both_classes(outcomes), scores))


def gini(outcomes: Outcomes, scores: Floats) -> float:
    """Return the Gini coefficient (accuracy ratio), 2 AUC - 1.

    >>> gini(np.array([True, False, False]), np.array([0.5, 0.2, 0.4]))
    1.0
    """
    return 2 * roc_auc(outcomes, scores) - 1


def pr_auc(outcomes: Outcomes, scores: Floats) -> float:
    """Return the average precision: the area under the precision-recall curve as a step function.

    >>> pr_auc(np.array([True, False, True]), np.array([0.9, 0.5, 0.1])).__round__(4)
    0.8333
    """
    return float(average_precision_score(_both_classes(outcomes), scores))


def ks(outcomes: Outcomes, scores: Floats) -> float:
    """Return the Kolmogorov-Smirnov distance between the scores of defaulters and others.

    >>> ks(np.array([True, False, True, False]), np.array([0.9, 0.5, 0.4, 0.1]))
    0.5
    """
    false_positive, true_positive, _ = roc_curve(_both_classes(outcomes), scores)
    return float(np.max(np.abs(true_positive - false_positive)))


def _both_classes(outcomes: Outcomes) -> Outcomes:
    # scikit-learn only warns and returns NaN, which would reach a gate decision unnoticed.
    if outcomes.all() or not outcomes.any():
        raise ValueError("discrimination needs defaults and non-defaults; all outcomes are the same")
    return outcomes
