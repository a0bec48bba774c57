"""The limits of the gate and its verdict, as plain data."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True)


class GateLimits(BaseModel):
    """What a challenger must reach.

    Example:
        >>> GateLimits(min_gain=0.001).margin
        0.01

    Attributes:
        margin: AUC by which the lower end of the difference's confidence interval may fall below zero.
        min_gain: AUC the challenger must gain at least (point estimate); 0 lets an equal model through, and a
            negative number a slightly worse one.
        confidence: Coverage of the confidence intervals.
        min_auc: The lower end of the challenger's own AUC interval must be above this.
        max_slope_error: Largest distance of the calibration slope from 1, on top of what chance explains.
        max_in_the_large: Largest calibration in the large, in log-odds either way, on top of what chance explains.
        max_psi: Largest PSI of the points between training and holdout.
        max_swap_excess: Bad rate by which applicants approved by the challenger alone may exceed those approved by
            the champion alone, on top of what chance explains.
        max_profit_loss: Realised profit per application, as a share of the mean amount, that the challenger may lose
            against the champion, on top of what chance explains. Approving a tenth fewer of good applicants loses a
            tenth of the margin, which is policy and not the model; the default leaves room for that.
        contract_change_declared: Whether a changed feature contract is intended.
    """

    # Prefect's form shows the description, which is no place for an example in Python.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={"description": "Limits that a challenger must keep. Shares are fractions: 0.01 is 1 %."},
    )

    margin: float = Field(default=0.01, ge=0)
    min_gain: float = 0.0
    confidence: float = Field(default=0.95, gt=0, lt=1)
    min_auc: float = Field(default=0.5, ge=0, le=1)
    max_slope_error: float = Field(default=0.25, gt=0)
    max_in_the_large: float = Field(default=0.25, gt=0)
    max_psi: float = Field(default=0.25, gt=0)
    max_swap_excess: float = Field(default=0.0, ge=0)
    max_profit_loss: float = Field(default=0.01, ge=0)
    contract_change_declared: bool = False


class Check(_Data):
    """One check of the gate: what was measured, what was allowed, and what it means."""

    name: str
    value: float | str
    limit: float | str
    passed: bool
    detail: str


class Group(_Data):
    """A group of applicants; `bad_rate` is None if it is empty."""

    rows: int
    defaults: int
    bad_rate: float | None


class Move(Group):
    """Applicants with one pair of decisions (approve, refer or decline) by both models."""

    champion: str
    challenger: str


class SwapSet(_Data):
    """Applicants whose decision changes.

    Attributes:
        changed: Share of the applicants whose decision changes.
        moves: All nine pairs of decisions, with those that stay.
        swap_ins: Approved by the challenger alone.
        swap_outs: Approved by the champion alone.
        excess: Bad rate of the swap-ins less that of the swap-outs, None where either is empty.
        low: Lower end of the interval of the excess (Newcombe), None where there is no excess.
        high: Upper end.
    """

    changed: float
    moves: tuple[Move, ...]
    swap_ins: Group
    swap_outs: Group
    excess: float | None
    low: float | None
    high: float | None


class ProfitDifference(_Data):
    """Profit of the loans that each model approves, per application (approved or not), in units of the amounts.

    Attributes:
        champion: Realised profit per application of the champion's approvals.
        challenger: The same of the challenger's.
        difference: challenger - champion.
        standard_error: Of the difference.
        low: Lower end of the confidence interval of the difference.
        high: Upper end.
        expected: The difference that the challenger's own PDs promised.
        equal_approvals: The difference if the challenger approved as many as the champion: the worth of its ranking
            apart from its cutoff.
        margin: Earned on a loan that is repaid, share of its amount (the challenger's setting).
        loss_given_default: Lost on a loan that defaults, share of its amount (the challenger's setting).
        mean_amount: Mean amount of the applications.
    """

    champion: float
    challenger: float
    difference: float
    standard_error: float
    low: float
    high: float
    expected: float
    equal_approvals: float
    margin: float
    loss_given_default: float
    mean_amount: float


class Verdict(_Data):
    """Decision of the gate; JSON-able with `model_dump`.

    Attributes:
        promoted: Whether every check passed.
        champion: Version of the champion, None when there is none.
        challenger: Version of the challenger.
        rows: Holdout rows compared on.
        checks: Every check, passed or not.
        comparison: DeLong's numbers of the pair (champion first), None without a champion.
        swap_set: Applicants whose decision changes, None without a champion.
        profit: What the change earns or costs, None without a champion.
    """

    promoted: bool
    champion: str | None
    challenger: str
    rows: int
    checks: tuple[Check, ...]
    comparison: dict[str, Any] | None = None
    swap_set: SwapSet | None = None
    profit: ProfitDifference | None = None
