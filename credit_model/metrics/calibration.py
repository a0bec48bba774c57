"""How well PDs agree with observed default rates."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from credit_model.metrics.logistic import fit_intercept, fit_line, line_errors, logit
from credit_model.types import Floats, Outcomes


def brier(outcomes: Outcomes, pds: Floats) -> float:
    """Mean squared distance between PD and outcome (0 or 1), lower is better."""
    return float(brier_score_loss(outcomes, pds))


def log_loss(outcomes: Outcomes, pds: Floats) -> float:
    """Mean negative log-likelihood of the outcomes in nats, lower is better."""
    return float(sklearn_log_loss(outcomes, pds, labels=[False, True]))


def calibration_slope(outcomes: Outcomes, pds: Floats) -> float:
    """Slope of the logistic regression of the outcomes on the log-odds of the PDs (Cox 1958); 1 is ideal.

    Below 1 the PDs are too extreme, above 1 too timid.
    """
    return fit_line(logit(pds), outcomes.astype(np.float64))[0]


def calibration_in_the_large(outcomes: Outcomes, pds: Floats) -> float:
    """Log-odds by which the PDs as a whole are too low (positive) or too high (negative); 0 is ideal.

    The intercept of a logistic regression with the log-odds of the PDs as offset.
    """
    return fit_intercept(logit(pds), outcomes.astype(np.float64))


def calibration_errors(pds: Floats) -> tuple[float, float]:
    """Standard errors of slope and calibration in the large that chance alone gives when the PDs are right."""
    slope, _ = line_errors(logit(pds), pds)
    return slope, float(1 / np.sqrt(np.sum(pds * (1 - pds))))


def reliability(outcomes: Outcomes, pds: Floats, *, bins: int = 10) -> list[tuple[float, float, int]]:
    """Mean PD, observed default rate and rows of equally filled PD bins, from low to high PD."""
    order = np.argsort(pds, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    return [(float(pds[part].mean()), float(outcomes[part].mean()), int(part.size)) for part in parts]
