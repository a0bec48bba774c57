"""The gate's checks of the PDs of two models on the same applicants."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy import special

from credit_model.bundle.document import Document
from credit_model.evaluation.drift import shift_of
from credit_model.gate.swaps import profit_difference, swap_set
from credit_model.gate.verdict import Check, GateLimits, ProfitDifference, SwapSet, Verdict
from credit_model.metrics.calibration import calibration_errors, calibration_in_the_large, calibration_slope
from credit_model.metrics.delong import AucDifference, auc_difference, auc_interval
from credit_model.policy.cutoffs import decisions
from credit_model.policy.decisions import Economics
from credit_model.policy.points import points
from credit_model.types import Floats, Outcomes


@dataclass(frozen=True)
class Contender:
    """A model and its PDs of the holdout.

    Attributes:
        version: Version of its bundle.
        document: Its document.
        pds: Its PDs of the holdout, shape (n,).
    """

    version: str
    document: Document
    pds: Floats


def judge(
    outcomes: Outcomes,
    challenger: Contender,
    champion: Contender | None,
    *,
    economics: Economics,
    limits: GateLimits,
) -> Verdict:
    """Check a challenger on the PDs that both models give the same applicants.

    Args:
        outcomes: True for a default, shape (n,).
        challenger: Model that may replace the champion.
        champion: Model in production; None before the first release, when only absolute checks apply.
        economics: Margin, loss and amounts of the applicants, shape (n,).
        limits: What the challenger must reach.

    Raises:
        ValueError: Fewer than two defaults or two non-defaults.
    """
    checks = _absolute(outcomes, challenger, limits)
    pair, swaps, profit = None, None, None
    if champion is not None:
        level = limits.confidence
        before = decisions(champion.pds, champion.document.cutoffs)
        after = decisions(challenger.pds, challenger.document.cutoffs)
        pair = auc_difference(outcomes, champion.pds, challenger.pds, confidence=level)
        swaps = swap_set(outcomes, before, after, confidence=level)
        profit = profit_difference(outcomes, before, after, pds=challenger.pds, economics=economics, confidence=level)
        checks += _auc(pair, limits)
        checks += [_swaps(swaps, limits), _profit(profit, limits), _contract(champion, challenger, limits)]
    return Verdict(
        promoted=all(check.passed for check in checks),
        champion=champion.version if champion else None,
        challenger=challenger.version,
        rows=len(outcomes),
        checks=tuple(checks),
        comparison=vars(pair) if pair else None,
        swap_set=swaps,
        profit=profit,
    )


def _absolute(outcomes: Outcomes, challenger: Contender, limits: GateLimits) -> list[Check]:
    pds, document = challenger.pds, challenger.document
    interval = auc_interval(outcomes, pds, confidence=limits.confidence)
    shift = shift_of(document.score_reference, points(pds, document.scale).astype(np.float64)).psi
    chance = chance_psi(
        len(document.score_reference.shares),
        rows=len(pds),
        training_rows=document.training.rows,
        confidence=limits.confidence,
    )
    shift_limit = limits.max_psi + chance
    return [
        Check(
            name="auc_lower_bound",
            value=interval.low,
            limit=limits.min_auc,
            passed=interval.low > limits.min_auc,
            detail=f"AUC {interval.auc:.4f}, {limits.confidence:.0%} interval up to {interval.high:.4f}",
        ),
        *_calibration(outcomes, pds, limits),
        Check(
            name="score_psi",
            value=shift,
            limit=shift_limit,
            passed=shift <= shift_limit,
            detail=f"PSI of the points between training and holdout {shift:.4f}, allowed {shift_limit:.4f}",
        ),
    ]


def chance_psi(bins: int, *, rows: int, training_rows: int, confidence: float) -> float:
    """Return the PSI that two samples of one population stay below with the given probability.

    Without drift, PSI is about (1/n + 1/m) times a chi-squared variable with one degree of freedom fewer than there
    are bins (Yurdakul, Statistical properties of population stability index, 2018).

    Args:
        bins: Bins of the distribution; one bin counts as two.
        rows: Size of one sample.
        training_rows: Size of the other.
        confidence: The probability.

    Example:
        >>> round(chance_psi(10, rows=1000, training_rows=4000, confidence=0.95), 4)
        0.0211
    """
    quantile = float(special.chdtri(max(bins - 1, 1), 1 - confidence))
    return quantile * (1 / rows + 1 / training_rows)


def _calibration(outcomes: Outcomes, pds: Floats, limits: GateLimits) -> list[Check]:
    slope, large = calibration_slope(outcomes, pds), calibration_in_the_large(outcomes, pds)
    # A small holdout scatters, so its chance error at this confidence is allowed: few defaults must not decide.
    reach = NormalDist().inv_cdf(0.5 + limits.confidence / 2)
    slope_error, large_error = calibration_errors(pds)
    slope_limit = limits.max_slope_error + reach * slope_error
    large_limit = limits.max_in_the_large + reach * large_error
    return [
        Check(
            name="calibration_slope",
            value=slope,
            limit=slope_limit,
            passed=abs(slope - 1) <= slope_limit,
            detail=f"slope {slope:.3f}, ideal 1, allowed distance {slope_limit:.3f}",
        ),
        Check(
            name="calibration_in_the_large",
            value=large,
            limit=large_limit,
            passed=abs(large) <= large_limit,
            detail=f"mean PD {pds.mean():.4f}, observed {outcomes.mean():.4f}, {large:+.3f} in log-odds",
        ),
    ]


def _auc(pair: AucDifference, limits: GateLimits) -> list[Check]:
    interval = f"{limits.confidence:.0%} interval {pair.low:+.4f} to {pair.high:+.4f}, p {pair.p_value:.3f}"
    return [
        Check(
            name="auc_not_worse",
            value=pair.low,
            limit=-limits.margin,
            passed=pair.low >= -limits.margin,
            detail=f"AUC {pair.second:.4f} against {pair.first:.4f}: {interval}",
        ),
        Check(
            name="auc_gain",
            value=pair.difference,
            limit=limits.min_gain,
            passed=pair.difference >= limits.min_gain,
            detail=f"gain {pair.difference:+.4f}, at least {limits.min_gain:+.4f} required",
        ),
    ]


def _swaps(swaps: SwapSet, limits: GateLimits) -> Check:
    """Stop a challenger whose swap-ins are worse than its swap-outs beyond chance.

    By its own PDs, everyone whom a challenger approves is better than everyone whom it does not, whatever its cutoff.
    """
    ins, outs = swaps.swap_ins, swaps.swap_outs
    detail = f"{swaps.changed:.1%} of the decisions change; {ins.rows} in, {outs.rows} out"
    if swaps.excess is not None:
        detail += f", bad rates {ins.bad_rate:.2%} and {outs.bad_rate:.2%}"
        detail += f", {limits.confidence:.0%} interval of the excess {swaps.low:+.2%} to {swaps.high:+.2%}"
    low = 0.0 if swaps.low is None else swaps.low
    return Check(
        name="swap_set",
        value=low,
        limit=limits.max_swap_excess,
        passed=low <= limits.max_swap_excess,
        detail=detail,
    )


def _profit(profit: ProfitDifference, limits: GateLimits) -> Check:
    share = 1 / profit.mean_amount if profit.mean_amount > 0 else 0.0
    low, middle, high = (value * share for value in (profit.low, profit.difference, profit.high))
    return Check(
        name="profit_not_worse",
        value=high,
        limit=-limits.max_profit_loss,
        passed=high >= -limits.max_profit_loss,
        detail=f"realised profit {middle:+.4%} of the mean amount per application, {limits.confidence:.0%} interval "
        f"{low:+.4%} to {high:+.4%}, expected {profit.expected * share:+.4%}, with as many approvals as the "
        f"champion's {profit.equal_approvals * share:+.4%}",
    )


def _contract(champion: Contender, challenger: Contender, limits: GateLimits) -> Check:
    same = champion.document.contract.digest() == challenger.document.contract.digest()
    return Check(
        name="contract",
        value="same" if same else "changed",
        limit="same or declared",
        passed=same or limits.contract_change_declared,
        detail="the feature contract is the champion's"
        if same
        else "the feature contract differs from the champion's; declare the change if it is intended",
    )
