"""How a model's reasons are learnt: the baseline contributions, and the features that share one reason."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from credit_model.explain.reasons import ReasonBook
from credit_model.types import Matrix

# Two features with at least this rank correlation say the same to the applicant.
SAME_STORY = 0.7


def learn_reasons(
    matrix: Matrix,
    contributions: Matrix,
    *,
    approved: npt.NDArray[np.bool_],
    names: Sequence[str],
    categorical: Sequence[int],
) -> ReasonBook:
    """Learn the reasons of a model.

    Args:
        matrix: Encoded features of a sample of training rows, shape (rows, features).
        contributions: Their contributions, shape (rows, features + 1).
        approved: Whether each row is approved, shape (rows,); all rows are the baseline when none is.
        names: Features in order.
        categorical: Positions of categorical features; their codes have no order, so their contributions are used.
    """
    ordered = matrix.copy()
    ordered[:, categorical] = contributions[:, categorical]
    chosen = contributions[approved] if approved.any() else contributions
    means = chosen[:, : len(names)].mean(axis=0)
    baseline = {name: float(mean) for name, mean in zip(names, means, strict=True)}
    return ReasonBook(baseline=baseline, groups=correlated_groups(ordered, names))


def correlated_groups(matrix: Matrix, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Group features linked by an absolute Spearman correlation of at least 0.7, directly or through others.

    Missing values rank below all others, so features that are missing together are related too. No two features of
    different groups reach that limit.

    Args:
        matrix: Shape (rows, features); constant features are groups of their own.
        names: Features in order.
    """
    ranks = rankdata(np.nan_to_num(matrix, nan=-np.inf), axis=0)
    centred = ranks - ranks.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    safe = np.where(length > 0, length, 1.0)
    linked = np.abs(centred.T @ centred / np.outer(safe, safe)) >= SAME_STORY
    group_of = np.arange(len(names))
    for one, other in np.argwhere(np.triu(linked, 1)):
        group_of[group_of == group_of[other]] = group_of[one]
    order = dict.fromkeys(group_of.tolist())
    return tuple(tuple(names[place] for place in np.flatnonzero(group_of == group).tolist()) for group in order)
