"""A points scorecard (weight-of-evidence bins and logistic regression), stored as one LightGBM tree per feature."""

from __future__ import annotations

import re
from itertools import pairwise
from math import ceil, log
from typing import NamedTuple

import lightgbm as lgb
import numpy as np
from scipy.optimize import nnls

from credit_model.bundle.document import ScoreScale
from credit_model.bundle.evidence import ScorecardRow
from credit_model.contract.contract import Column
from credit_model.features.encoder import Encoder
from credit_model.metrics.logistic import sigmoid
from credit_model.training.candidates.base import DIRECTIONS
from credit_model.training.candidates.binning import PRIOR, Bins, Tally, constant_tree, read_tree, tree_of
from credit_model.trees.lightgbm_text import ModelText
from credit_model.types import Floats, Integers, Matrix, Outcomes

_PARAMETERS = "\nparameters:\n[objective: binary]\n\nend of parameters\n\npandas_categorical:null\n"
_NAMED_LEVELS = 8
_MIN_SHARE = 0.05
_PENALTY, _STEPS, _TOLERANCE = 1.0, 50, 1e-10


def fit_scorecard(
    matrix: Matrix,
    outcomes: Outcomes,
    encoder: Encoder,
    *,
    max_bins: int = 6,
    seed: int,
    constrained: bool = True,
) -> str:
    """Fit a scorecard: margin = intercept - sum over the features of weight * WoE of the applicant's bin.

    Bins are the leaves of a LightGBM tree on one feature; they follow the contract's monotone direction, missing values
    have a bin of their own, every other bin holds at least 5 % of the applicants, and levels are grouped by their
    default rate. The weights are those of a logistic regression with an L2 penalty of 1 and no weight below 0, which
    would turn a feature against its own bins; features with such a weight are left out (see `unused_features`).

    Args:
        matrix: Encoded features, shape (rows, features).
        outcomes: True for a default, shape (rows,); both classes occur.
        encoder: Encoder of the matrix.
        max_bins: Most bins of a feature, without the one for missing values.
        seed: Seed of the sample LightGBM takes of very long tables to find borders.
        constrained: Whether the contract's directions bind the bins.

    Returns:
        LightGBM text model; the same rows give the same text, whatever the number of threads.
    """
    smallest = max(1, ceil(_MIN_SHARE * len(matrix)))
    limits = _Limits(max_bins, smallest, seed, constrained)
    bins = [_learn(matrix[:, i], outcomes, column, limits) for i, column in enumerate(encoder.columns)]
    tallies = [Tally.of(part, matrix[:, i], outcomes) for i, part in enumerate(bins)]
    risk = np.empty(matrix.shape)
    for i, (part, tally) in enumerate(zip(bins, tallies, strict=True)):
        risk[:, i] = -tally.woe[part.place(matrix[:, i])]
    weights, intercept = _weights(risk, outcomes)
    trees = [constant_tree(intercept, len(matrix))]
    trees += [tree_of(i, bins[i], tallies[i].sizes, 0.0 - weight * tallies[i].woe) for i, weight in weights.items()]
    return str(ModelText(_header(matrix, encoder), tuple(trees), _PARAMETERS))


class _Limits(NamedTuple):
    bins: int
    smallest: int
    seed: int
    constrained: bool


def _learn(values: Floats, outcomes: Outcomes, column: Column, limits: _Limits) -> Bins:
    known = ~np.isnan(values)
    values, outcomes = values[known], outcomes[known]
    if column.kind == "categorical":
        return _grouped(values.astype(np.int64), outcomes, limits)
    direction = DIRECTIONS[column.monotone] if limits.constrained else 0
    return _in_order(Bins(_edges(values, outcomes, direction, limits)), values, outcomes, direction)


def _edges(values: Floats, outcomes: Outcomes, direction: int, limits: _Limits) -> tuple[float, ...]:
    """Return the borders that a LightGBM tree finds, moved to values that occur."""
    if len(values) < 2 * limits.smallest or limits.bins < 2 or outcomes.all() or not outcomes.any():
        return ()
    parameters = {
        "objective": "binary",
        "num_leaves": limits.bins,
        "min_data_in_leaf": limits.smallest,
        "min_sum_hessian_in_leaf": 0.0,
        "monotone_constraints": [direction],
        "feature_pre_filter": False,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": limits.seed,
        "verbosity": -1,
    }
    dataset = lgb.Dataset(values[:, None], label=outcomes.astype(np.float64), params=parameters)
    tree = ModelText.parse(lgb.train(parameters, dataset, num_boost_round=1).model_to_string()).trees[0]
    found = re.search(r"^threshold=(.+)$", tree, re.MULTILINE)
    borders = np.sort([float(border) for border in found[1].split()]) if found else np.empty(0)
    ordered = np.unique(values)
    # The largest value below a border reads better than the border, and separates the same applicants.
    return tuple(np.unique(ordered[np.searchsorted(ordered, borders, side="right") - 1]).tolist())


def _in_order(bins: Bins, values: Floats, outcomes: Outcomes, direction: int) -> Bins:
    """Join bins until their default rates move in one direction: LightGBM's leaf values do, the rates need not."""
    while direction and bins.edges:
        risk = -direction * Tally.of(bins, values, outcomes).woe[1:]
        falls = np.flatnonzero(np.diff(risk) < 0)
        if not len(falls):
            break
        bins = Bins(tuple(np.delete(bins.edges, falls[0]).tolist()))
    return bins


def _grouped(codes: Integers, outcomes: Outcomes, limits: _Limits) -> Bins:
    """Group levels by their default rates, rare levels shrunk towards the mean."""
    if not len(codes):
        return Bins(groups=())
    sizes = np.bincount(codes)
    defaults = np.bincount(codes, weights=outcomes)
    rates = (defaults + PRIOR * outcomes.mean()) / (sizes + PRIOR)
    ranked = np.argsort(rates, kind="stable")
    ranked = ranked[sizes[ranked] > 0]
    rank_of = np.zeros(len(sizes), dtype=np.int64)
    rank_of[ranked] = np.arange(len(ranked))
    edges = _edges(rank_of[codes].astype(np.float64), outcomes, 0, limits)
    parts = np.split(ranked, [int(edge) + 1 for edge in edges])
    return Bins(groups=tuple(tuple(sorted(part.tolist())) for part in parts))


def _weights(risk: Floats, outcomes: Outcomes) -> tuple[dict[int, float], float]:
    """Return the weight of each feature with one above 0, and the intercept.

    Logistic regression with L2 penalty and weights of at least 0 by Newton's method: each step minimises the quadratic
    model under the bounds, as non-negative least squares. Where the bounds do not hold a weight at 0, it is the weight
    of the free regression on the features that are kept.

    Args:
        risk: WoE of each applicant with its sign changed, shape (rows, features).
        outcomes: True for a default, shape (rows,).
    """
    rate = float(outcomes.mean())
    # The intercept is the last of the weights, on a column of ones that neither penalty nor bound applies to.
    weights = np.append(np.zeros(risk.shape[1]), log(rate / (1 - rate)))
    loss = _loss(risk, outcomes, weights)
    for _ in range(_STEPS):
        step = _newton_aim(risk, outcomes, weights) - weights
        while (after := _loss(risk, outcomes, weights + step)) > loss and np.abs(step).max() > _TOLERANCE:
            step = step / 2
        weights, loss = weights + step, after
        if np.abs(step).max() < _TOLERANCE:
            break
    # Threads may change the last digits of the sums; the model must not know how many there were.
    rounded = [round(float(weight), 8) for weight in weights]
    return {feature: weight for feature, weight in enumerate(rounded[:-1]) if weight > 0}, rounded[-1]


def _newton_aim(risk: Floats, outcomes: Outcomes, weights: Floats) -> Floats:
    """Return the minimum of the quadratic model of the penalised loss under weights of at least 0."""
    slopes, intercept = weights[:-1], float(weights[-1])
    fitted = sigmoid(risk @ slopes + intercept)
    spread, excess = fitted * (1 - fitted), fitted - outcomes
    mixed, total = risk.T @ spread, float(spread.sum())
    # The intercept is free: with it at its best, the rest is a problem in the other weights alone.
    curvature = (risk * spread[:, None]).T @ risk + _PENALTY * np.eye(len(slopes)) - np.outer(mixed, mixed) / total
    gradient = risk.T @ excess + _PENALTY * slopes - mixed * float(excess.sum()) / total
    root = np.linalg.cholesky(curvature)
    best, _ = nnls(root.T, np.linalg.solve(root, curvature @ slopes - gradient))
    return np.append(best, intercept - (float(excess.sum()) + float(mixed @ (best - slopes))) / total)


def _loss(risk: Floats, outcomes: Outcomes, weights: Floats) -> float:
    slopes = weights[:-1]
    logits = risk @ slopes + weights[-1]
    return float(np.logaddexp(0.0, logits).sum() - logits[outcomes].sum() + _PENALTY / 2 * (slopes @ slopes))


def _header(matrix: Matrix, encoder: Encoder) -> tuple[str, ...]:
    infos = [_range(matrix[:, i], column) for i, column in enumerate(encoder.columns)]
    return (
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={len(infos) - 1}",
        "objective=binary sigmoid:1",
        f"feature_names={' '.join(encoder.names)}",
        f"feature_infos={' '.join(infos)}",
    )


def _range(values: Floats, column: Column) -> str:
    known = values[~np.isnan(values)]
    if not len(known):
        return "none"
    if column.kind == "categorical":
        return ":".join(str(int(code)) for code in np.unique(known))
    return f"[{float(known.min())!r}:{float(known.max())!r}]"


def unused_features(model_text: str, encoder: Encoder) -> tuple[str, ...]:
    """Return the features without a tree: they have one bin only, or their weight would contradict their own bins."""
    used = {feature for feature, _, _ in _features(model_text)}
    return tuple(name for position, name in enumerate(encoder.names) if position not in used)


def scorecard_table(
    model_text: str,
    encoder: Encoder,
    matrix: Matrix,
    outcomes: Outcomes,
    scale: ScoreScale,
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
) -> list[ScorecardRow]:
    """Return the scorecard as people read it: a row for each bin.

    Points of an applicant's bins add up to the score (before rounding) of a sigmoid calibration. The base points are
    spread evenly over the features.

    Args:
        model_text: What `fit_scorecard` returned.
        encoder: Encoder of the matrix.
        matrix: Encoded applicants to count, shape (rows, features).
        outcomes: True for a default, shape (rows,).
        scale: Scale of the points.
        slope: Slope of the sigmoid calibration.
        intercept: Intercept of the sigmoid calibration.
    """
    features = _features(model_text)
    factor = scale.pdo / log(2)
    base = slope * _base_margin(model_text) + intercept + log(scale.base_odds)
    share = (scale.base_score - factor * base) / max(len(features), 1)
    rows: list[ScorecardRow] = []
    for feature, bins, values in features:
        tally = Tally.of(bins, matrix[:, feature], outcomes)
        points = share - factor * slope * values
        words = _words(bins, encoder.columns[feature], encoder)
        rows += _rows(encoder.names[feature], words, tally, points)
    return rows


def _rows(feature: str, words: list[str], tally: Tally, points: Floats) -> list[ScorecardRow]:
    """Return the rows of a feature's bins, the missing values last."""
    rates = np.divide(tally.defaults, tally.sizes, out=np.full(len(words), np.nan), where=tally.sizes > 0)
    return [
        ScorecardRow(
            feature=feature,
            bin=words[i],
            share=float(tally.sizes[i] / tally.sizes.sum()),
            default_rate=float(rates[i]) if tally.sizes[i] else None,
            woe=float(tally.woe[i]),
            points=float(points[i]),
        )
        for i in (*range(1, len(words)), 0)
    ]


def _features(model_text: str) -> list[tuple[int, Bins, Floats]]:
    return [read_tree(tree) for tree in ModelText.parse(model_text).trees if "split_feature=" in tree]


def _base_margin(model_text: str) -> float:
    constants = [tree for tree in ModelText.parse(model_text).trees if "split_feature=" not in tree]
    return sum(float(value) for tree in constants for value in re.findall(r"^leaf_value=(.+)$", tree, re.MULTILINE))


def _words(bins: Bins, column: Column, encoder: Encoder) -> list[str]:
    if bins.groups is not None:
        levels = encoder.codes(column)
        return ["missing or new", *(_listed([levels[code] for code in group]) for group in bins.groups)]
    if column.has_levels or column.kind == "boolean":
        levels = encoder.codes(column) if column.has_levels else ("no", "yes")
        places = bins.place(np.arange(len(levels), dtype=np.float64))
        return [
            "missing",
            *(_listed([levels[i] for i in np.flatnonzero(places == b)]) for b in range(1, bins.count + 1)),
        ]
    if not bins.edges:
        return ["missing", "any value"]
    edges = [_number(edge) for edge in bins.edges]
    between = [f"above {low} to {high}" for low, high in pairwise(edges)]
    return ["missing", f"up to {edges[0]}", *between, f"above {edges[-1]}"]


def _listed(levels: list[str]) -> str:
    more = len(levels) - _NAMED_LEVELS
    return ", ".join(levels[:_NAMED_LEVELS]) + (f" and {more} more" if more > 0 else "")


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:,.6g}" if abs(value) < 1e5 else f"{value:,.1f}"
