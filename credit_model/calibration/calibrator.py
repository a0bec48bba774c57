"""Calibration: how a raw margin becomes a probability of default, with the same bits for one row and for a table."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from credit_model.metrics.logistic import sigmoid
from credit_model.types import Floats

# Log-odds of a PD of one in a billion: no applicant is certain to default, or not to.
_MOST = float(np.log(1e9 - 1))
Method = Literal["none", "sigmoid", "isotonic", "venn_abers"]


class Calibration(BaseModel):
    """How a margin (log-odds of the model) becomes a PD, which never falls while the margin rises.

    `none` and `sigmoid` (Platt): PD = 1 / (1 + exp(-(slope * margin + intercept))). `isotonic`: straight lines between
    the points (knots, values), flat beyond them. `venn_abers`: steps; `values[i]` holds from `knots[i - 1]` up to, not
    including, `knots[i]`.

    Attributes:
        method: How PDs follow from margins.
        slope: Of the sigmoid; 1 for the others.
        intercept: Of the sigmoid; 0 for the others.
        knots: Margins, rising; one fewer than the values for `venn_abers`.
        values: PDs, never falling, above 0 and below 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Method = "sigmoid"
    slope: float = Field(default=1.0, ge=0)
    intercept: float = 0.0
    knots: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Calibration:
        fault = _fault(self)
        if fault:
            raise ValueError(fault)
        return self

    def pds(self, margins: Floats) -> Floats:
        """Return the PDs of margins, same shape."""
        if self.method == "isotonic":
            lines: Floats = np.interp(margins, *self._points)
            return lines
        if self.method == "venn_abers":
            steps: Floats = self._points[1][np.searchsorted(self._points[0], margins, side="right")]
            return steps
        return sigmoid(np.clip(self.slope * margins + self.intercept, -_MOST, _MOST))

    def pd(self, margin: float) -> float:
        """Return the PD of one margin: the arithmetic of `pds` without the cost of arrays of one."""
        if self.method == "isotonic":
            return float(np.interp(margin, *self._points))
        if self.method == "venn_abers":
            return self.values[bisect_right(self.knots, margin)]
        logit = min(max(self.slope * margin + self.intercept, -_MOST), _MOST)
        # NumPy's exp, not math's: the last bit must be the one a table gets.
        small = float(np.exp(-abs(logit)))
        return (1.0 if logit >= 0 else small) / (1.0 + small)

    @cached_property
    def _points(self) -> tuple[Floats, Floats]:
        return np.asarray(self.knots), np.asarray(self.values)


def _fault(calibration: Calibration) -> str | None:
    knots, values = np.asarray(calibration.knots), np.asarray(calibration.values)
    if calibration.method in ("none", "sigmoid"):
        line = calibration.method == "sigmoid" or (calibration.slope, calibration.intercept) == (1.0, 0.0)
        return None if line and not len(knots) + len(values) else f"{calibration.method} has surplus parameters"
    surplus = len(values) - len(knots)
    if not len(values) or surplus != (calibration.method == "venn_abers"):
        return f"{calibration.method} has {len(knots)} knots and {len(values)} values, which do not belong together"
    if not (np.isfinite(knots).all() and (np.diff(knots) > 0).all()):
        return "knots must be finite and rise"
    if not ((values > 0).all() and (values < 1).all() and (np.diff(values) >= 0).all()):
        return "values must lie between 0 and 1 and not fall"
    return None
