"""Jeffreys test: does a grade default more often than its PD says."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import special


@dataclass(frozen=True)
class Jeffreys:
    """Evidence of one grade's defaults about its PD.

    Attributes:
        p_value: Posterior probability that the true default rate is at most the PD; small when the PD is too low.
        low: Lower end of the equal-tailed interval of the default rate.
        high: Upper end.
    """

    p_value: float
    low: float
    high: float


def jeffreys(pd: float, *, defaults: int, rows: int, confidence: float = 0.95) -> Jeffreys:
    """One-sided Jeffreys test of a PD against observed defaults.

    The posterior of the default rate under Jeffreys' prior is Beta(defaults + 1/2, rows - defaults + 1/2); the
    p-value is its distribution function at the PD (ECB, Instructions for reporting the validation results of
    internal models, 2019, section 2.5.3.1). The interval is that of Brown, Cai and DasGupta (2001): it starts at 0
    without defaults and ends at 1 without others.

    Args:
        pd: Mean PD of the grade.
        defaults: Observed defaults.
        rows: Applicants in the grade.
        confidence: Coverage of the interval.
    """
    a, b = defaults + 0.5, rows - defaults + 0.5
    tail = (1 - confidence) / 2
    return Jeffreys(
        p_value=float(special.betainc(a, b, pd)),
        low=float(special.betaincinv(a, b, tail)) if defaults else 0.0,
        high=float(special.betaincinv(a, b, 1 - tail)) if defaults < rows else 1.0,
    )
