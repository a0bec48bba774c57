"""The distribution of one simulated column: it maps a uniform rank to a value, missing values lowest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from credit_model.types import Floats


@dataclass(frozen=True, eq=False)
class Marginal:
    """Distribution of a column.

    Attributes:
        name: Column.
        kind: Kind as in the contract.
        missing: Share of missing values; the lowest ranks.
        at: Ranks (among known values) of the quantiles, rising.
        quantiles: Values at these ranks; empty when the column has levels.
        levels: Levels from the lowest rank to the highest.
        drift: Shift of the latent normal in a year, in standard deviations.
    """

    name: str
    kind: str
    missing: float
    at: Floats
    quantiles: Floats
    levels: tuple[str, ...]
    drift: float

    @classmethod
    def parse(cls, name: str, spec: Mapping[str, Any], quantile_levels: Floats) -> Marginal:
        """Read a marginal from its entry in simulation.yaml."""
        shares = spec.get("levels", {})
        at, values = quantile_levels, np.asarray(spec.get("quantiles", ()), dtype=np.float64)
        if shares:
            total = sum(shares.values())
            at = np.cumsum([share / total for share in shares.values()])
        elif "zero_share" in spec:
            at, values = _with_zeros(at, values, spec["zero_share"])
        values = np.minimum(values, spec.get("max", np.inf))
        return cls(name, spec["kind"], spec["missing"], at, values, tuple(shares), spec.get("drift", 0.0))

    def values(self, ranks: Floats) -> Floats:
        """Return the values (or level indices) of ranks in [0, 1], NaN where missing; same shape."""
        known = (ranks - self.missing) / (1 - self.missing)
        drawn: Floats
        if self.levels:
            drawn = np.minimum(np.searchsorted(self.at, known, side="right"), len(self.levels) - 1).astype(np.float64)
        else:
            drawn = np.interp(known, self.at, self.quantiles)
            drawn = np.rint(drawn) if self.kind == "integer" else np.round(drawn, 6)
        return np.where(known < 0, np.nan, drawn)

    def array(self, values: Floats) -> pa.Array:
        """Return values of `values` as an Arrow column, dictionary-encoded if the column has levels."""
        absent = np.isnan(values)
        if not self.levels:
            return pa.array(values, mask=absent)
        indices = pa.array(np.nan_to_num(values).astype(np.int32), mask=absent)
        if self.kind == "boolean":
            return pa.array([level == "true" for level in self.levels]).take(indices)
        return pa.DictionaryArray.from_arrays(indices, pa.array(self.levels, pa.string()))


def _with_zeros(at: Floats, quantiles: Floats, share: float) -> tuple[Floats, Floats]:
    """Put the end of the zeros, which is between two given quantiles, in its exact place."""
    share = min(share, 1.0)
    positive = (quantiles > 0) & (at > share)
    first = quantiles[positive][0] if positive.any() else 1.0
    smallest = min(1.0, first)
    ranks = np.concatenate([[0.0, share, np.nextafter(share, 2.0)], at[positive], [1.0]])
    top = quantiles[positive][-1] * 1.25 if positive.any() else 1.0
    values = np.concatenate([[0.0, 0.0, smallest], quantiles[positive], [top]])
    if share == 0.0:
        ranks, values = np.concatenate([at, [1.0]]), np.concatenate([quantiles, [quantiles[-1] * 1.1]])
    return ranks, values
