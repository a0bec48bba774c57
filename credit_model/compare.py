"""The gate: may a challenger replace the champion, judged on the same holdout rows."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from credit_model.bundle import Bundle
from credit_model.checks import Checked, check_table
from credit_model.metrics.calibration import calibration_errors, calibration_in_the_large, calibration_slope
from credit_model.metrics.delong import AucDifference, auc_difference, auc_interval
from credit_model.metrics.discrimination import Floats
from credit_model.reference import drift
from credit_model.scoring import Scorer, points
from credit_model.settings import TrainSettings


class GateLimits(BaseModel):
    """What a challenger must reach.

    Attributes:
        margin: AUC by which the lower end of the difference's confidence interval may fall below zero.
        min_gain: AUC the challenger must gain at least (point estimate); 0 lets an equal model through, and a
            negative number a slightly worse one.
        confidence: Coverage of the confidence intervals.
        min_auc: The lower end of the challenger's own AUC interval must be above this.
        max_slope_error: Largest distance of the calibration slope from 1, on top of what chance explains.
        max_in_the_large: Largest calibration in the large, in log-odds either way, on top of what chance explains.
        max_psi: Largest PSI of the points between training and holdout.
        contract_change_declared: Whether a changed feature contract is intended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    margin: float = Field(default=0.01, ge=0)
    min_gain: float = 0.0
    confidence: float = Field(default=0.95, gt=0, lt=1)
    min_auc: float = Field(default=0.5, ge=0, le=1)
    max_slope_error: float = Field(default=0.25, gt=0)
    max_in_the_large: float = Field(default=0.25, gt=0)
    max_psi: float = Field(default=0.25, gt=0)
    contract_change_declared: bool = False


class Check(BaseModel):
    """One check of the gate: what was measured, what was allowed, and what it means."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: float | str
    limit: float | str
    passed: bool
    detail: str


class Verdict(BaseModel):
    """Decision of the gate; JSON-able with `model_dump`.

    Attributes:
        promoted: Whether every check passed.
        champion: Version of the champion, None when there is none.
        challenger: Version of the challenger.
        rows: Holdout rows compared on.
        checks: Every check, passed or not.
        comparison: DeLong's numbers of the pair (champion first), None without a champion.
    """

    model_config = ConfigDict(frozen=True)

    promoted: bool
    champion: str | None
    challenger: str
    rows: int
    checks: tuple[Check, ...]
    comparison: dict[str, Any] | None = None


def compare(
    champion: Bundle | None, challenger: Bundle, holdout: pa.Table, limits: GateLimits | None = None
) -> Verdict:
    """Judges a challenger.

    Args:
        champion: Model in production; None before the first release, when only absolute checks apply.
        challenger: Model that may replace it.
        holdout: Canonical labelled table that neither model was trained on; both are scored on these very rows.
        limits: What the challenger must reach; the defaults when absent.

    Raises:
        TrainingError: The holdout has no outcomes, repeated ids or one class only.
        InputError: A holdout row breaks a contract.
    """
    limits = limits or GateLimits()
    checked = check_table(
        holdout, challenger.contract, TrainSettings(), names=challenger.document.features, role="holdout"
    )
    pds = Scorer(challenger).pd_of_table(checked.features)
    checks = _absolute(challenger, checked, pds, limits)
    comparison = None
    if champion is not None:
        # The champion's contract may ask for columns the challenger's does not; both read the same raw rows.
        rival = check_table(
            holdout, champion.contract, TrainSettings(), names=champion.document.features, role="holdout"
        )
        rival_pds = Scorer(champion).pd_of_table(rival.features)
        comparison = auc_difference(checked.outcomes, rival_pds, pds, confidence=limits.confidence)
        checks += _relative(champion, challenger, comparison, limits)
    return Verdict(
        promoted=all(check.passed for check in checks),
        champion=champion.version if champion else None,
        challenger=challenger.version,
        rows=len(pds),
        checks=tuple(checks),
        comparison=vars(comparison) if comparison else None,
    )


def _absolute(challenger: Bundle, checked: Checked, pds: Floats, limits: GateLimits) -> list[Check]:
    interval = auc_interval(checked.outcomes, pds, confidence=limits.confidence)
    slope = calibration_slope(checked.outcomes, pds)
    large = calibration_in_the_large(checked.outcomes, pds)
    # A small holdout scatters; its chance error at this confidence is granted, or few defaults would decide the gate.
    reach = NormalDist().inv_cdf(0.5 + limits.confidence / 2)
    slope_limit, large_limit = (
        tolerance + reach * error
        for tolerance, error in zip(
            (limits.max_slope_error, limits.max_in_the_large), calibration_errors(pds), strict=True
        )
    )
    shift = drift(challenger.document.score_reference, points(pds, challenger.document.scale).astype(np.float64))
    return [
        Check(
            name="auc_lower_bound",
            value=interval.low,
            limit=limits.min_auc,
            passed=interval.low > limits.min_auc,
            detail=f"AUC {interval.auc:.4f}, {limits.confidence:.0%} interval up to {interval.high:.4f}",
        ),
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
            detail=f"mean PD {pds.mean():.4f}, observed {checked.outcomes.mean():.4f}, {large:+.3f} in log-odds",
        ),
        Check(
            name="score_psi",
            value=shift,
            limit=limits.max_psi,
            passed=shift <= limits.max_psi,
            detail=f"PSI of the points between training and holdout {shift:.4f}",
        ),
    ]


def _relative(champion: Bundle, challenger: Bundle, pair: AucDifference, limits: GateLimits) -> list[Check]:
    same = champion.contract.digest() == challenger.contract.digest()
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
            detail=f"gain {pair.difference:+.4f}, at least {limits.min_gain:+.4f} asked for",
        ),
        Check(
            name="contract",
            value="same" if same else "changed",
            limit="same or declared",
            passed=same or limits.contract_change_declared,
            detail="the feature contract is the champion's"
            if same
            else "the feature contract differs from the champion's; declare the change if it is intended",
        ),
    ]
