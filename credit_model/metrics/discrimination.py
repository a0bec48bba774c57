"""How well PDs rank defaulters above the others."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from credit_model.types import Floats, Outcomes


def roc_auc(outcomes: Outcomes, scores: Floats) -> float:
    """Area under the ROC curve.

    Args:
        outcomes: True for a default, shape (n,).
        scores: Higher means riskier, shape (n,).

    Raises:
        ValueError: All outcomes are the same.
    """
    return float(roc_auc_score(_both_classes(outcomes), scores))


def gini(outcomes: Outcomes, scores: Floats) -> float:
    """Gini coefficient (accuracy ratio): 2 AUC - 1."""
    return 2 * roc_auc(outcomes, scores) - 1


def pr_auc(outcomes: Outcomes, scores: Floats) -> float:
    """Average precision: area under the precision-recall curve as a step function."""
    return float(average_precision_score(_both_classes(outcomes), scores))


def ks(outcomes: Outcomes, scores: Floats) -> float:
    """Kolmogorov-Smirnov distance between the score distributions of defaulters and others."""
    false_positive, true_positive, _ = roc_curve(_both_classes(outcomes), scores)
    return float(np.max(np.abs(true_positive - false_positive)))


def _both_classes(outcomes: Outcomes) -> Outcomes:
    # scikit-learn answers NaN with a warning here; a NaN would travel into a gate decision unnoticed.
    if outcomes.all() or not outcomes.any():
        raise ValueError("discrimination needs defaults and non-defaults; all outcomes are the same")
    return outcomes
