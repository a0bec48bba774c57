"""Permutation and contribution importance, partial dependence, and a learning curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from credit_model.metrics.discrimination import roc_auc
from credit_model.types import Floats, Matrix, Outcomes

_CURVE_VALUES = 15
_LEARNING_SHARES = (0.1, 0.25, 0.5, 1.0)
Predict = Callable[[Matrix], Floats]
Rows = npt.NDArray[np.intp]
# Fits on the first rows and returns PDs of the second.
Fit = Callable[[Rows, Rows], Floats]


def permutation_importance(
    matrix: Matrix,
    outcomes: Outcomes,
    predict: Predict,
    *,
    features: Sequence[int],
    seed: int,
    per_class: int = 500,
    repeats: int = 2,
) -> dict[int, tuple[float, float]]:
    """Measure the AUC lost when a feature's values are replaced by those of random applicants (Breiman 2001).

    AUC does not depend on the share of defaults, so a sample with up to `per_class` rows of each outcome measures it
    as well as a much larger random sample; replacements are drawn from all rows, not from the sample.

    Args:
        matrix: Encoded features, shape (rows, features).
        outcomes: True for a default, shape (rows,).
        predict: PDs or margins of a matrix.
        features: Positions to measure.
        seed: Seed of sample and replacements.
        per_class: Most rows of each outcome.
        repeats: Replacements for each feature.

    Returns:
        Mean loss and its range over the repeats (half of highest less lowest), by position.
    """
    random = np.random.default_rng(seed)
    sample = np.concatenate([_some(np.flatnonzero(outcomes == value), per_class, random) for value in (True, False)])
    truth = outcomes[sample]
    whole = roc_auc(truth, predict(matrix[sample]))
    found = {}
    for feature in features:
        losses = []
        for _ in range(repeats):
            changed = matrix[sample].copy()
            changed[:, feature] = matrix[random.integers(0, len(matrix), len(sample)), feature]
            losses.append(whole - roc_auc(truth, predict(changed)))
        found[feature] = (float(np.mean(losses)), float(np.ptp(losses) / 2))
    return found


def contribution_importance(matrix: Matrix, contributions: Matrix) -> list[tuple[float, float]]:
    """Return the mean absolute contribution of each feature, and its direction.

    The direction is the rank correlation of value and contribution where the value is known: 1 when a higher value
    always raises the PD more, -1 when it lowers it; 0 for a feature without effect. For categorical codes it has no
    meaning.

    Args:
        matrix: Encoded features, shape (rows, features).
        contributions: Shape (rows, features + 1).
    """
    strengths = np.abs(contributions[:, :-1]).mean(axis=0)
    return [
        (float(strength), _rank_correlation(values, pushes))
        for strength, values, pushes in zip(strengths, matrix.T, contributions[:, :-1].T, strict=True)
    ]


def partial_dependence(matrix: Matrix, predict: Predict, feature: int, *, levels: int = 0) -> list[tuple[float, float]]:
    """Return the mean prediction if everyone had the same value of one feature (Friedman 2001).

    Args:
        matrix: Encoded features of a sample, shape (rows, features).
        predict: PDs of a matrix.
        feature: Position of the feature.
        levels: Number of levels of a categorical or ordinal feature; 0 for numbers.

    Returns:
        Pairs of value (or level code) and mean prediction, rising in value; of a numeric feature at most 15 values, at
        equally spaced quantiles between the 2nd and 98th percentile. Empty if no value is known.
    """
    values = matrix[:, feature]
    known = values[~np.isnan(values)]
    if not known.size:
        return []
    grid = np.arange(levels) if levels else np.unique(np.quantile(known, np.linspace(0.02, 0.98, _CURVE_VALUES)))
    stacked = np.tile(matrix, (len(grid), 1))
    stacked[:, feature] = np.repeat(grid, len(matrix))
    means = predict(stacked).reshape(len(grid), -1).mean(axis=1)
    return [(float(value), float(mean)) for value, mean in zip(grid, means, strict=True)]


def learning_curve(outcomes: Outcomes, fit: Fit, *, seed: int) -> list[tuple[int, float]]:
    """Measure the AUC on one fixed fifth of the rows after training on growing parts of the others.

    Args:
        outcomes: True for a default, shape (rows,).
        fit: Trains on rows and predicts others; called once for each share.
        seed: Seed of the draw.

    Returns:
        The rows trained on and the AUC, for a tenth, a quarter, half and all of the training rows; each part holds the
        smaller ones and has the same share of defaults.
    """
    random = np.random.default_rng(seed)
    # Rows in an order in which every beginning has the same share of defaults.
    position = np.empty(len(outcomes))
    for value in (True, False):
        rows = random.permutation(np.flatnonzero(outcomes == value))
        position[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    order = np.argsort(position, kind="stable")
    test, training = order[: len(order) // 5], order[len(order) // 5 :]
    curve = []
    for share in _LEARNING_SHARES:
        part = training[: max(round(share * len(training)), 1)]
        curve.append((len(part), roc_auc(outcomes[test], fit(np.sort(part), test))))
    return curve


def _some(rows: Rows, most: int, random: np.random.Generator) -> Rows:
    return rows if len(rows) <= most else np.sort(random.choice(rows, most, replace=False))


def _rank_correlation(values: Floats, pushes: Floats) -> float:
    known = ~np.isnan(values)
    one, other = rankdata(values[known]), rankdata(pushes[known])
    if one.size < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
