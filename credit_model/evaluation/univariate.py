"""Each feature on its own: how defaulters differ from the others, and what is missing."""

from __future__ import annotations

import numpy as np
from scipy import stats

from credit_model.bundle.evidence import FeatureFigures
from credit_model.contract.contract import Column
from credit_model.features.encoder import Encoder
from credit_model.types import Floats, Matrix, Outcomes

_MOST_LEVELS = 12


def describe_features(matrix: Matrix, outcomes: Outcomes, encoder: Encoder) -> dict[str, FeatureFigures]:
    """Return the distribution of each feature among defaulters and others.

    Args:
        matrix: Encoded features, shape (rows, features).
        outcomes: True for a default, shape (rows,).
        encoder: Names and levels.
    """
    return {
        column.name: _described(matrix[:, position], outcomes, column, encoder)
        for position, column in enumerate(encoder.columns)
    }


def _described(values: Floats, outcomes: Outcomes, column: Column, encoder: Encoder) -> FeatureFigures:
    absent = np.isnan(values)
    bad, good = values[outcomes & ~absent], values[~outcomes & ~absent]
    missing = FeatureFigures(
        missing=float(absent.mean()),
        missing_bad=float(absent[outcomes].mean()),
        missing_good=float(absent[~outcomes].mean()),
    )
    if column.kind == "categorical":
        return missing | _levels(bad, good, encoder.codes(column))
    return missing | _numbers(bad, good)


def _numbers(bad: Floats, good: Floats) -> dict[str, object]:
    """Return a two-sample Kolmogorov-Smirnov test (asymptotic p-value) and the quartiles."""
    if not bad.size or not good.size:
        return {"test": None, "statistic": None, "p_value": None}
    result = stats.ks_2samp(bad, good, method="asymp")
    quartiles = {name: np.quantile(part, (0.25, 0.5, 0.75)).tolist() for name, part in (("bad", bad), ("good", good))}
    return {"test": "KS", "statistic": float(result.statistic), "p_value": float(result.pvalue)} | quartiles


def _levels(bad: Floats, good: Floats, levels: tuple[str, ...]) -> dict[str, object]:
    """Return a chi-squared test and the shares of the most frequent levels; codes have no order for a KS test."""
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
