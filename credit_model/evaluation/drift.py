"""Distributions of training as a bundle keeps them, and how far new values have moved from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from credit_model.bundle.document import Reference
from credit_model.contract.contract import Column
from credit_model.features.encoder import Encoder
from credit_model.metrics.shift import psi_test
from credit_model.metrics.stability import bin_counts, bin_shares, psi, quantile_edges
from credit_model.types import Floats, Matrix


@dataclass(frozen=True)
class Shift:
    """One column now against training, in the bins of training; missing values are the last bin.

    Attributes:
        expected: Shares in training, shape (bins,).
        counts: Rows now, shape (bins,).
    """

    expected: Floats
    counts: Floats

    @property
    def rows(self) -> int:
        """Rows now."""
        return int(self.counts.sum())

    @property
    def missing(self) -> int:
        """Rows now without a value."""
        return int(self.counts[-1])

    @property
    def psi(self) -> float:
        """Population stability index."""
        return psi(self.expected, self.counts / max(self.rows, 1))

    def test(self, training_rows: int) -> tuple[float, float]:
        """Return the PSI over well-filled bins and its p-value for no drift; see `psi_test`."""
        return psi_test(self.expected, self.counts, training_rows=training_rows)


def shift_of(reference: Reference, values: Floats) -> Shift:
    """Count values in the bins of their training distribution.

    Args:
        reference: The distribution in training.
        values: Numbers, or codes of levels; NaN for missing, shape (n,).

    Example:
        >>> trained = Reference(kind="numeric", edges=(2.0,), shares=(0.5, 0.25), missing=0.25)
        >>> shift_of(trained, np.array([1.0, 2.0, 3.0, np.nan])).counts.tolist()
        [2.0, 1.0, 1.0]
    """
    known = values[~np.isnan(values)]
    if reference.kind == "levels":
        counts = np.bincount(known.astype(np.int64), minlength=len(reference.shares))
    else:
        counts = bin_counts(known, np.asarray(reference.edges))
    expected = np.array([*reference.shares, reference.missing])
    return Shift(expected, np.array([*counts, len(values) - len(known)], dtype=np.float64))


def feature_shifts(matrix: Matrix, references: Mapping[str, Reference], encoder: Encoder) -> dict[str, Shift]:
    """Return the shift of each feature that has a training distribution.

    Args:
        matrix: Encoded features now, shape (rows, features).
        references: Distributions in training.
        encoder: Names of the features.
    """
    return {
        name: shift_of(references[name], matrix[:, position])
        for position, name in enumerate(encoder.names)
        if name in references
    }


def unseen_levels(table: pa.Table, column: Column, encoder: Encoder) -> int | None:
    """Count the values with a level that training never saw; None for a column without learnt levels."""
    if column.kind != "categorical":
        return None
    values = table.column(column.name)
    codes = pc.index_in(values.cast(pa.string()), value_set=pa.array(encoder.codes(column), pa.string()))
    return int(codes.null_count - values.null_count)


def references(matrix: Matrix, encoder: Encoder) -> dict[str, Reference]:
    """Return the distribution of every feature of an encoded matrix, shape (rows, features)."""
    return {
        column.name: _reference(matrix[:, position], column, encoder) for position, column in enumerate(encoder.columns)
    }


def reference_of(values: Floats) -> Reference:
    """Return the distribution of numbers, shape (n,), in at most ten equally filled bins."""
    edges = quantile_edges(values)
    return Reference(
        kind="numeric",
        edges=tuple(edges.tolist()),
        shares=tuple(bin_shares(values, edges).tolist()),
        missing=float(np.isnan(values).mean()),
    )


def _reference(values: Floats, column: Column, encoder: Encoder) -> Reference:
    if not column.has_levels:
        return reference_of(values)
    levels = encoder.codes(column)
    known = values[~np.isnan(values)].astype(np.int64)
    shares = np.bincount(known, minlength=len(levels)) / max(len(values), 1)
    return Reference(
        kind="levels", levels=levels, shares=tuple(shares.tolist()), missing=float(np.isnan(values).mean())
    )
