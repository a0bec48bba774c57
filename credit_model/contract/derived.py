"""Derived features: sums, shares, extremes and counts over numeric columns, declared in the contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from math import isfinite, nan
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from credit_model.types import Floats

Combination = Literal["sum", "mean", "max", "min", "difference", "count"]


class Derived(BaseModel):
    """A feature computed from numeric columns of the same row.

    Missing inputs are ignored. The result is missing where every input is, where a `difference` lacks one of its two,
    and where `over` is missing or zero.

    Example:
        >>> share = Derived(name="share", rule="sum", of=("paid", "due"), over="limit", reason="Use of the limit")
        >>> share.of_values([10.0, 20.0, 60.0])
        0.5

    Attributes:
        name: Canonical lowercase name.
        rule: `sum`, `mean`, `max`, `min`; `difference` (the first less the second); `count` of values that are
            `at_least` as large.
        of: Columns it is computed from.
        at_least: Threshold of a `count`.
        over: Column the result is divided by.
        monotone: Direction in which the predicted PD may move as the value rises.
        reason: What the feature stands for in a decline notice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    rule: Combination
    of: tuple[str, ...] = Field(min_length=1)
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    over: str | None = None
    monotone: Literal["increasing", "decreasing", "none"] = "none"
    reason: str = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Derived:
        if (self.rule == "count") != (self.at_least is not None):
            raise ValueError(f"derived '{self.name}': at_least belongs to the rule count only")
        if self.rule == "difference" and len(self.of) != 2:
            raise ValueError(f"derived '{self.name}': a difference is of exactly two columns")
        return self

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns needed to compute it, the divisor last."""
        return self.of if self.over is None else (*self.of, self.over)

    def of_columns(self, columns: Sequence[Floats]) -> Floats:
        """Return the values of a table, shape (rows,).

        Args:
            columns: The inputs in their order, each of shape (rows,), NaN for missing.
        """
        parts = columns[: len(self.of)]
        with np.errstate(all="ignore"):
            values = _TABLE[self.rule](parts, self.at_least or 0.0)
            if self.over is not None:
                values = values / columns[-1]
        finite: Floats = np.where(np.isfinite(values), values, nan)
        return finite

    def of_values(self, values: Sequence[float]) -> float:
        """Return the value of one row, bit for bit that of `of_columns`, without the cost of arrays of one.

        Args:
            values: The inputs in their order, NaN for missing.
        """
        value = _ROW[self.rule](values[: len(self.of)], self.at_least or 0.0)
        if self.over is not None:
            divisor = values[-1]
            value = value / divisor if divisor else nan
        return value if isfinite(value) else nan


def _known(parts: Sequence[Floats]) -> Floats:
    return reduce(np.add, [(~np.isnan(part)).astype(np.float64) for part in parts])


def _total(parts: Sequence[Floats]) -> Floats:
    # One after the other, as `of_values` adds a row: NumPy's pairwise sums would differ in the last bit.
    return reduce(np.add, [np.where(np.isnan(part), 0.0, part) for part in parts], np.zeros(len(parts[0])))


def _where_known(values: Floats, parts: Sequence[Floats]) -> Floats:
    found: Floats = np.where(_known(parts) > 0, values, nan)
    return found


_TABLE: dict[Combination, Callable[[Sequence[Floats], float], Floats]] = {
    "sum": lambda parts, _: _where_known(_total(parts), parts),
    "mean": lambda parts, _: _total(parts) / _known(parts),
    "max": lambda parts, _: reduce(np.fmax, parts),
    "min": lambda parts, _: reduce(np.fmin, parts),
    "difference": lambda parts, _: parts[0] - parts[1],
    "count": lambda parts, limit: _where_known(
        reduce(np.add, [(part >= limit).astype(np.float64) for part in parts]), parts
    ),
}


def _row_total(known: Sequence[float]) -> float:
    return reduce(lambda total, value: total + value, known, 0.0)


def _of_known(function: Callable[[Sequence[float], float], float]) -> Callable[[Sequence[float], float], float]:
    def of_known(values: Sequence[float], limit: float) -> float:
        known = [value for value in values if value == value]  # noqa: PLR0124 - NaN is what differs from itself
        return function(known, limit) if known else nan

    return of_known


_ROW: dict[Combination, Callable[[Sequence[float], float], float]] = {
    "sum": _of_known(lambda known, _: _row_total(known)),
    "mean": _of_known(lambda known, _: _row_total(known) / len(known)),
    "max": _of_known(lambda known, _: max(known)),
    "min": _of_known(lambda known, _: min(known)),
    "difference": lambda values, _: values[0] - values[1],
    "count": _of_known(lambda known, limit: float(sum(value >= limit for value in known))),
}
