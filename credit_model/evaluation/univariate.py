"""Each feature on its own: how defaulters differ from the others, what is missing, and what has moved since."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from credit_model.bundle.document import Reference
from credit_model.contract.contract import Column
from credit_model.evaluation.drift import drift
from credit_model.features.encoder import Encoder
from credit_model.metrics.stability import psi
from credit_model.types import Floats, Matrix, Outcomes

_MOST_LEVELS = 12


def describe_features(matrix: Matrix, outcomes: Outcomes, encoder: Encoder) -> dict[str, dict[str, Any]]:
    """Distribution of each feature among defaulters and others.

    Args:
        matrix: Encoded features, shape (rows, features).
        outcomes: True for a default, shape (rows,).
        encoder: Names and levels.

    Returns:
        By feature: `missing` (share among all), `missing_bad`, `missing_good`; `test` (name), `statistic`, `p_value`
        (all None where too little is known); and `bad`, `good`: median and quartiles for numbers, or the shares of
        the most frequent levels, listed in `levels`.
    """
    return {
        column.name: _described(matrix[:, position], outcomes, column, encoder)
        for position, column in enumerate(encoder.columns)
    }


def feature_drift(matrix: Matrix, reference: dict[str, Reference], encoder: Encoder) -> dict[str, float]:
    """PSI of each feature against its training distribution; missing values are a bin of their own.

    Args:
        matrix: Encoded features now, shape (rows, features).
        reference: Distributions in training.
        encoder: Names and levels.
    """
    return {
        name: _drift(reference[name], matrix[:, position])
        for position, name in enumerate(encoder.names)
        if name in reference
    }


def _drift(reference: Reference, values: Floats) -> float:
    if reference.kind != "levels":
        return drift(reference, values)
    known = values[~np.isnan(values)].astype(np.int64)
    shares = np.bincount(known, minlength=len(reference.shares)) / max(len(values), 1)
    missing = float(np.isnan(values).mean())
    return psi(np.array([*reference.shares, reference.missing]), np.array([*shares, missing]))


def _described(values: Floats, outcomes: Outcomes, column: Column, encoder: Encoder) -> dict[str, Any]:
    absent = np.isnan(values)
    bad, good = values[outcomes & ~absent], values[~outcomes & ~absent]
    entry: dict[str, Any] = {
        "missing": float(absent.mean()),
        "missing_bad": float(absent[outcomes].mean()),
        "missing_good": float(absent[~outcomes].mean()),
    }
    if column.kind == "categorical":
        return entry | _levels(bad, good, encoder.codes(column))
    return entry | _numbers(bad, good)


def _numbers(bad: Floats, good: Floats) -> dict[str, Any]:
    """Two-sample Kolmogorov-Smirnov test (asymptotic p-value) and quartiles."""
    if not bad.size or not good.size:
        return {"test": None, "statistic": None, "p_value": None}
    result = stats.ks_2samp(bad, good, method="asymp")
    quartiles = {name: np.quantile(part, (0.25, 0.5, 0.75)).tolist() for name, part in (("bad", bad), ("good", good))}
    return {"test": "KS", "statistic": float(result.statistic), "p_value": float(result.pvalue)} | quartiles


def _levels(bad: Floats, good: Floats, levels: tuple[str, ...]) -> dict[str, Any]:
    """Chi-squared test of independence and the shares of the most frequent levels: codes have no order for a KS."""
    counts = np.stack([np.bincount(part.astype(np.int64), minlength=len(levels)) for part in (bad, good)])
    seen = np.flatnonzero(counts.sum(axis=0))
    if len(seen) < 2 or not bad.size or not good.size:
        return {"test": None, "statistic": None, "p_value": None}
    result = stats.chi2_contingency(counts[:, seen], correction=False)
    top = np.argsort(-counts.sum(axis=0), kind="stable")[: min(_MOST_LEVELS, len(seen))]
    shares = counts[:, top] / counts.sum(axis=1, keepdims=True)
    return {
        "test": "chi-squared",
        "statistic": float(result.statistic),
        "p_value": float(result.pvalue),
        "levels": [levels[place] for place in top.tolist()],
        "bad": shares[0].tolist(),
        "good": shares[1].tolist(),
    }
