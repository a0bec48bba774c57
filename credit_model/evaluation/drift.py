"""Distributions seen in training, against which drift is measured later."""

from __future__ import annotations

import numpy as np

from credit_model.bundle.document import Reference
from credit_model.contract.contract import Column
from credit_model.features.encoder import Encoder
from credit_model.metrics.stability import bin_shares, psi, quantile_edges
from credit_model.types import Floats, Matrix


def references(matrix: Matrix, encoder: Encoder) -> dict[str, Reference]:
    """Reference distribution of every feature of an encoded matrix."""
    return {
        column.name: _reference(matrix[:, position], column, encoder) for position, column in enumerate(encoder.columns)
    }


def reference_of(values: Floats) -> Reference:
    """Reference distribution of numbers in at most ten equally filled bins."""
    edges = quantile_edges(values)
    shares = bin_shares(values, edges)
    return Reference(
        kind="numeric",
        edges=tuple(edges.tolist()),
        shares=tuple(shares.tolist()),
        missing=float(np.isnan(values).mean()),
    )


def drift(reference: Reference, values: Floats) -> float:
    """PSI of numbers (NaN for missing) against a numeric reference; missing values count as a bin of their own."""
    now = bin_shares(values, np.asarray(reference.edges))
    missing = float(np.isnan(values).mean())
    return psi(np.array([*reference.shares, reference.missing]), np.array([*now, missing]))


def _reference(values: Floats, column: Column, encoder: Encoder) -> Reference:
    if not column.has_levels:
        return reference_of(values)
    levels = encoder.codes(column)
    known = values[~np.isnan(values)].astype(np.int64)
    shares = np.bincount(known, minlength=len(levels)) / max(len(values), 1)
    return Reference(
        kind="levels", levels=levels, shares=tuple(shares.tolist()), missing=float(np.isnan(values).mean())
    )
