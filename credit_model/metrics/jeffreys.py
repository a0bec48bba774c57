"""The Jeffreys test of whether a grade defaults more often than its PD says."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import special

# Half of what the 95 % interval leaves out; written so, it is the float that older bundles were computed with.
_TAIL = (1 - 0.95) / 2


@dataclass(frozen=True)
class Jeffreys:
    """Result of the test of one grade.

    Attributes:
        p_value: Posterior probability that the true default rate is at most the PD; small when the PD is too low.
        low: Lower end of the equal-tailed 95 % interval of the default rate.
        high: Upper end.
    """

    p_value: float
    low: float
    high: float


def jeffreys(pd: float, *, defaults: int, rows: int) -> Jeffreys:
    """Test a PD one-sided against observed defaults.

    The posterior of the default rate under Jeffreys' prior is Beta(defaults + 1/2, rows - defaults + 1/2); the
    p-value is its distribution function at the PD (ECB, Instructions for reporting the validation results of
    internal models, 2019, section 2.5.3.1). The interval is that of Brown, Cai and DasGupta (2001): it starts at 0
    without defaults and ends at 1 without others.

    Args:
        pd: Mean PD of the grade.
        defaults: Observed defaults.
        rows: Applicants in the grade.

    Example:
        >>> round(jeffreys(0.02, defaults=9, rows=200).p_value, 4)
        0.0124
    """
    a, b = defaults + 0.5, rows - defaults + 0.5
    return Jeffreys(
        p_value=float(special.betainc(a, b, pd)),
        low=float(special.betaincinv(a, b, _TAIL)) if defaults else 0.0,
        high=float(special.betaincinv(a, b, 1 - _TAIL)) if defaults < rows else 1.0,
    )
