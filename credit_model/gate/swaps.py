"""Applicants whose decision changes if one model replaces another, and what that costs or earns."""

from __future__ import annotations

from math import hypot, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy import stats

from credit_model.gate.verdict import Group, Move, ProfitDifference, SwapSet
from credit_model.policy.cutoffs import DECISIONS
from credit_model.policy.decisions import Economics
from credit_model.types import Floats, Outcomes

Decisions = npt.NDArray[np.int64]
_APPROVE = DECISIONS.index("approve")


def swap_set(outcomes: Outcomes, champion: Decisions, challenger: Decisions, *, confidence: float = 0.95) -> SwapSet:
    """Compare two models' decisions on the same applicants.

    Args:
        outcomes: True for a default, shape (n,).
        champion: Index into `DECISIONS` of each applicant, shape (n,).
        challenger: The same by the other model, shape (n,).
        confidence: Coverage of the interval of the excess bad rate.
    """
    moves = tuple(
        Move(
            champion=before,
            challenger=after,
            **_counted(outcomes[(champion == old) & (challenger == new)]).model_dump(),
        )
        for old, before in enumerate(DECISIONS)
        for new, after in enumerate(DECISIONS)
    )
    ins = _counted(outcomes[(champion != _APPROVE) & (challenger == _APPROVE)])
    outs = _counted(outcomes[(champion == _APPROVE) & (challenger != _APPROVE)])
    excess, low, high = None, None, None
    if ins.bad_rate is not None and outs.bad_rate is not None:
        excess = ins.bad_rate - outs.bad_rate
        low, high = rate_difference(ins.defaults, ins.rows, outs.defaults, outs.rows, confidence=confidence)
    return SwapSet(
        changed=float(np.mean(champion != challenger)),
        moves=moves,
        swap_ins=ins,
        swap_outs=outs,
        excess=excess,
        low=low,
        high=high,
    )


def rate_difference(
    first: int, first_rows: int, second: int, second_rows: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return an interval of the difference of two independent rates, first less second.

    Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine 17
    (1998), method 10, from Wilson's intervals: it is valid for few applicants, and for none who defaults.

    Args:
        first: Defaults in the first group.
        first_rows: Applicants in the first group, at least 1.
        second: Defaults in the second group.
        second_rows: Applicants in the second group, at least 1.
        confidence: Coverage.

    Example:
        >>> [round(end, 4) for end in rate_difference(56, 70, 48, 80)]
        [0.0524, 0.3339]
    """
    p, q = first / first_rows, second / second_rows
    p_low, p_high = stats.binomtest(first, first_rows).proportion_ci(confidence, method="wilson")
    q_low, q_high = stats.binomtest(second, second_rows).proportion_ci(confidence, method="wilson")
    return p - q - hypot(p - p_low, q_high - q), p - q + hypot(p_high - p, q - q_low)


def profit_difference(
    outcomes: Outcomes,
    champion: Decisions,
    challenger: Decisions,
    *,
    pds: Floats,
    economics: Economics,
    confidence: float = 0.95,
) -> ProfitDifference:
    """Return the realised profit of the challenger's approvals less the champion's, paired by applicant.

    An applicant contributes the loan's profit when only the challenger approves, its negative when only the champion
    does, and nothing when both agree. The interval is that of the mean of these contributions (normal).

    Args:
        outcomes: True for a default, shape (n,).
        champion: Index into `DECISIONS` of each applicant, shape (n,).
        challenger: The same by the other model, shape (n,).
        pds: The challenger's PDs, shape (n,), for the difference it promised and that at equal approvals.
        economics: Margin, loss and amounts, shape (n,).
        confidence: Coverage of the interval.
    """
    before, after = champion == _APPROVE, challenger == _APPROVE
    change = after.astype(np.float64) - before
    earned = economics.realised(outcomes)
    gained = change * earned
    difference, error = float(gained.mean()), float(gained.std(ddof=1) / sqrt(len(gained)))
    reach = _reach(confidence) * error
    as_many = np.zeros(len(pds), dtype=np.bool_)
    as_many[np.argsort(pds, kind="stable")[: int(before.sum())]] = True
    return ProfitDifference(
        champion=float((before * earned).mean()),
        challenger=float((after * earned).mean()),
        difference=difference,
        standard_error=error,
        low=difference - reach,
        high=difference + reach,
        expected=float((change * economics.expected(pds)).mean()),
        equal_approvals=float(((as_many.astype(np.float64) - before) * earned).mean()),
        margin=economics.margin,
        loss_given_default=economics.loss_given_default,
        mean_amount=float(economics.amounts.mean()),
    )


def _counted(outcomes: Outcomes) -> Group:
    rows, defaults = len(outcomes), int(outcomes.sum())
    return Group(rows=rows, defaults=defaults, bad_rate=defaults / rows if rows else None)


def _reach(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)
