"""A logistic line of two parameters, fitted by Newton's method without regularisation."""

from __future__ import annotations

import numpy as np

from credit_model.types import Floats

_STEPS = 100
_TOLERANCE = 1e-10


def sigmoid(logits: Floats) -> Floats:
    """Return 1 / (1 + exp(-logit)) without overflow, same shape.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    # exp of a large positive number overflows; this form never sees one.
    small = np.exp(-np.abs(logits))
    values: Floats = np.where(logits >= 0, 1.0, small) / (1.0 + small)
    return values


def logit(probabilities: Floats) -> Floats:
    """Return log-odds, same shape; probabilities are kept 1e-12 away from 0 and 1.

    >>> logit(np.array([0.5])).tolist()
    [0.0]
    """
    safe = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return np.log(safe) - np.log1p(-safe)


def fit_line(x: Floats, targets: Floats) -> tuple[float, float]:
    """Fit slope and intercept of P(target) = sigmoid(slope * x + intercept) by maximum likelihood.

    Args:
        x: Shape (n,).
        targets: 0 to 1, shape (n,).

    Example:
        >>> slope, intercept = fit_line(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([0.0, 0.5, 0.5, 1.0]))
        >>> round(slope, 4), abs(round(intercept, 4))
        (1.0986, 0.0)
    """
    design = np.column_stack([x, np.ones_like(x)])
    slope, intercept = _newton(design, targets, offset=np.zeros_like(x))
    return slope, intercept


def line_errors(x: Floats, fitted: Floats) -> tuple[float, float]:
    """Return the standard errors of slope and intercept at fitted probabilities (inverse Fisher information)."""
    design = np.column_stack([x, np.ones_like(x)])
    information = (design * (fitted * (1 - fitted))[:, None]).T @ design
    slope, intercept = np.sqrt(np.diag(np.linalg.pinv(information)))
    return float(slope), float(intercept)


def fit_intercept(offset: Floats, targets: Floats) -> float:
    """Fit the intercept of P(target) = sigmoid(offset + intercept) by maximum likelihood.

    >>> round(fit_intercept(np.zeros(4), np.array([1.0, 0.0, 0.0, 0.0])), 4)
    -1.0986
    """
    return float(_newton(np.ones((len(offset), 1)), targets, offset=offset)[0])


def _newton(design: Floats, targets: Floats, *, offset: Floats) -> list[float]:
    weights = np.zeros(design.shape[1])
    loss = _loss(design @ weights + offset, targets)
    for _ in range(_STEPS):
        fitted = sigmoid(design @ weights + offset)
        gradient = design.T @ (targets - fitted)
        curvature = (design * (fitted * (1 - fitted))[:, None]).T @ design
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        # A full step can overshoot when few targets are 1; halving it keeps the likelihood rising.
        while (
            _loss(design @ (weights + step) + offset, targets) > loss + _TOLERANCE and np.abs(step).max() > _TOLERANCE
        ):
            step = step / 2
        weights = weights + step
        loss = _loss(design @ weights + offset, targets)
        if np.abs(step).max() < _TOLERANCE:
            break
    return [float(weight) for weight in weights]


def _loss(logits: Floats, targets: Floats) -> float:
    return float(np.sum(np.logaddexp(0.0, logits) - targets * logits))
