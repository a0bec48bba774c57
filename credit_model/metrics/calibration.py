"""Measures of how well PDs agree with observed default rates."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from credit_model.metrics.logistic import fit_intercept, fit_line, line_errors, logit
from credit_model.types import Floats, Outcomes


def brier(outcomes: Outcomes, pds: Floats) -> float:
    """Return the mean squared distance between PD and outcome (0 or 1); lower is better.

    >>> brier(np.array([True, False]), np.array([0.8, 0.4]))
    0.1
    """
    return float(brier_score_loss(outcomes, pds))


def log_loss(outcomes: Outcomes, pds: Floats) -> float:
    """Return the mean negative log-likelihood of the outcomes in nats; lower is better.

    >>> round(log_loss(np.array([True, False]), np.array([0.5, 0.5])), 4)
    0.6931
    """
    return float(sklearn_log_loss(outcomes, pds, labels=[False, True]))


def calibration_slope(outcomes: Outcomes, pds: Floats) -> float:
    """Return the slope of the logistic regression of the outcomes on the PDs' log-odds (Cox 1958); 1 is ideal.

    Below 1 the PDs are too extreme, above 1 too close to their mean.

    >>> outcomes = np.array([True, False, False, True, True, False])
    >>> round(calibration_slope(outcomes, np.array([1, 1, 1, 2, 2, 2]) / 3), 3)
    1.0
    """
    return fit_line(logit(pds), outcomes.astype(np.float64))[0]


def calibration_in_the_large(outcomes: Outcomes, pds: Floats) -> float:
    """Return the log-odds by which the PDs as a whole are too low (positive) or too high (negative); 0 is ideal.

    It is the intercept of a logistic regression with the log-odds of the PDs as offset.

    >>> round(calibration_in_the_large(np.array([True, False]), np.array([0.2, 0.2])), 4)
    1.3863
    """
    return fit_intercept(logit(pds), outcomes.astype(np.float64))


def calibration_errors(pds: Floats) -> tuple[float, float]:
    """Return the standard errors of slope and calibration in the large if the PDs are right.

    >>> slope, large = calibration_errors(np.array([0.5, 0.5, 0.5, 0.5]))
    >>> large
    1.0
    """
    slope, _ = line_errors(logit(pds), pds)
    return slope, float(1 / np.sqrt(np.sum(pds * (1 - pds))))


def reliability(outcomes: Outcomes, pds: Floats, *, bins: int = 10) -> list[tuple[float, float, int]]:
    """Return mean PD, default rate and rows of equally filled PD bins, from low to high PD.

    >>> reliability(np.array([False, True, True]), np.array([0.1, 0.4, 0.6]), bins=2)
    [(0.25, 0.5, 2), (0.6, 1.0, 1)]
    """
    order = np.argsort(pds, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    return [(float(pds[part].mean()), float(outcomes[part].mean()), int(part.size)) for part in parts]
