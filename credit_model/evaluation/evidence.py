"""Gathers what a reviewer needs beyond the headline figures: decisions, grades, fairness, importance, drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from credit_model.bundle.document import Document
from credit_model.contract.contract import Contract
from credit_model.data.coercion import flat
from credit_model.data.labelled import LabelledTable
from credit_model.errors import TrainingError
from credit_model.evaluation.drift import drift
from credit_model.evaluation.fairness import fairness_tables
from credit_model.evaluation.univariate import describe_features, feature_drift
from credit_model.explain.importance import contribution_importance, partial_dependence, permutation_importance
from credit_model.explain.reasons import ReasonBook, learn_reasons
from credit_model.features.encoder import Encoder
from credit_model.policy.decisions import Economics, at_cutoff, choose_cutoffs, cutoff_table, grade_table, hard_labels
from credit_model.policy.points import points
from credit_model.scoring.scorer import Scorer
from credit_model.settings import TrainSettings
from credit_model.types import Floats, Matrix, Outcomes

# Contributions cost about 0.3 ms a row, and nothing in the report needs more rows than these.
_SAMPLE_ROWS = 2000
_SWARM_ROWS = 250
_SWARM_FEATURES = 12
_PERMUTED_FEATURES = 20
_CURVE_FEATURES = 6
_CURVE_ROWS = 300
_MOST_CURVE_LEVELS = 12


@dataclass(frozen=True)
class Judged:
    """Labelled rows and the PDs to judge on them.

    Attributes:
        checked: The rows.
        matrix: Their encoded features, shape (rows, features).
        pds: Shape (rows,); out of fold for training rows.
    """

    checked: LabelledTable
    matrix: Matrix
    pds: Floats

    @property
    def outcomes(self) -> Outcomes:
        """True for a default, shape (rows,)."""
        return self.checked.outcomes


@dataclass(frozen=True)
class Explained:
    """A sample of training rows with the contributions of their features.

    Attributes:
        matrix: Encoded features, shape (rows, features).
        contributions: Shape (rows, features + 1).
    """

    matrix: Matrix
    contributions: Matrix


def explain_sample(scorer: Scorer, training: Judged, *, seed: int) -> Explained:
    """Contributions of at most 2,000 random training rows."""
    matrix = training.matrix[_sample(len(training.pds), seed)]
    return Explained(matrix, scorer.contributions(matrix))


def learn_book(scorer: Scorer, document: Document, sample: Explained) -> ReasonBook:
    """Baseline and groups of the reasons, from a sample of the training rows."""
    return learn_reasons(
        sample.matrix,
        sample.contributions,
        approved=scorer.pds(sample.matrix) < document.cutoffs.approve_below,
        names=document.features,
        categorical=document.encoder.categorical,
    )


def gather_evidence(
    scorer: Scorer,
    document: Document,
    settings: TrainSettings,
    *,
    training: Judged,
    holdout: Judged | None,
    sample: Explained,
) -> dict[str, Any]:
    """Everything the report shows beyond `evaluate`, as JSON-able numbers of six significant digits.

    Args:
        scorer: The model.
        document: Its document so far.
        settings: Economics and seed.
        training: Training rows with their out-of-fold PDs.
        holdout: Holdout rows, where there are any; decisions, fairness and permutation are then measured on them.
        sample: Explained training rows.

    Raises:
        TrainingError: `amount_column` is not a numeric column of the contract.
    """
    judged, seed = holdout or training, settings.seed
    found = {
        "basis": "holdout" if holdout else "cross_validation",
        "decisions": _decision_evidence(judged, training, document, settings),
        "grades": _grade_evidence(document, training=training, holdout=holdout),
        "fairness": fairness_tables(
            judged.checked.rows,
            document.contract,
            outcomes=judged.outcomes,
            pds=judged.pds,
            approve_below=document.cutoffs.approve_below,
        ),
        "features": describe_features(training.matrix, training.outcomes, document.encoder),
        "drift": _drift_evidence(document, holdout) if holdout else None,
        "influence": _influence(scorer, document, sample, judged, seed=seed),
    }
    return rounded(found)


def economics_of(table: pa.Table, contract: Contract, settings: TrainSettings) -> Economics:
    """Margin, loss and the amount of each row.

    Raises:
        TrainingError: `amount_column` is not a numeric column of the contract.
    """
    amounts = np.full(table.num_rows, settings.amount)
    if settings.amount_column is not None:
        numeric = {column.name for column in contract.columns if column.kind in {"numeric", "integer"}}
        if settings.amount_column not in numeric:
            raise TrainingError(
                f"amount_column '{settings.amount_column}' is not a numeric column of contract '{contract.name}'; "
                f"name one of {', '.join(sorted(numeric))}"
            )
        known = flat(table.column(settings.amount_column)).cast(pa.float64()).to_numpy(zero_copy_only=False)
        amounts = np.where(np.isnan(known), amounts, known)
    return Economics(settings.margin, settings.loss_given_default, amounts)


def _decision_evidence(judged: Judged, training: Judged, document: Document, settings: TrainSettings) -> dict[str, Any]:
    economics = economics_of(judged.checked.rows, document.contract, settings)
    outcomes, pds = judged.outcomes, judged.pds
    # Both rules are shown, whichever was chosen; cutoffs always come from the out-of-fold PDs.
    free = settings.model_copy(update={"approve_below": None, "decline_from": None})
    rules = {
        rule: choose_cutoffs(training.pds, free.model_copy(update={"cutoff_rule": rule}))
        for rule in ("approval_rate", "expected_profit")
    }
    return {
        "rules": {
            rule: {
                "decline_from": cutoffs.decline_from,
                "declined": float(np.mean(pds >= cutoffs.decline_from)),
                "approve_below": at_cutoff(outcomes, pds, cutoffs.approve_below, economics),
            }
            for rule, cutoffs in (rules | {"chosen": document.cutoffs}).items()
        },
        "break_even": economics.break_even,
        "table": cutoff_table(outcomes, pds, economics),
        "hard_labels": hard_labels(outcomes, pds, economics),
        "approve_all_profit": float(economics.realised(outcomes).sum()),
        "mean_amount": float(economics.amounts.mean()),
    }


def _grade_evidence(document: Document, *, training: Judged, holdout: Judged | None) -> dict[str, Any]:
    parts = {"cross_validation": training} | ({"holdout": holdout} if holdout else {})
    return {
        part: grade_table(judged.outcomes, judged.pds, grades=document.grades, edges=document.grade_edges)
        for part, judged in parts.items()
    }


def _drift_evidence(document: Document, holdout: Judged) -> dict[str, Any]:
    score = points(holdout.pds, document.scale).astype(np.float64)
    return {
        "score": drift(document.score_reference, score),
        "features": feature_drift(holdout.matrix, document.reference, document.encoder),
    }


def _influence(scorer: Scorer, document: Document, sample: Explained, judged: Judged, *, seed: int) -> dict[str, Any]:
    """Contributions and partial dependence on a sample of training rows, permutation on the judged rows."""
    names, encoder = document.features, document.encoder
    matrix, contributions = sample.matrix, sample.contributions
    strength = contribution_importance(matrix, contributions)
    order = sorted(range(len(names)), key=lambda place: (-strength[place][0], names[place]))
    losses = permutation_importance(
        judged.matrix, judged.outcomes, scorer.margins, features=order[:_PERMUTED_FEATURES], seed=seed
    )
    return {
        "rows": len(matrix),
        "contribution": [[names[place], *strength[place]] for place in order if strength[place][0] > 0],
        "permutation": [[names[place], *losses[place]] for place in sorted(losses, key=lambda p: (-losses[p][0], p))],
        "swarm": [
            [names[place], _swarm(matrix[:, place], contributions[:, place])]
            for place in order[:_SWARM_FEATURES]
            if strength[place][0] > 0
        ],
        "partial": [
            [names[place], _curve(matrix[:_CURVE_ROWS], scorer, encoder, place)]
            for place in order[:_CURVE_FEATURES]
            if strength[place][0] > 0
        ],
    }


def _swarm(values: Floats, pushes: Floats) -> list[list[float | None]]:
    """Pairs of contribution and rank of the value (0 to 1, None for missing) of the first rows of a sample."""
    known = np.sort(values[~np.isnan(values)])
    ranks = (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / max(2 * len(known), 1)
    return [
        [round(float(push), 3), None if np.isnan(value) else round(float(rank), 2)]
        for push, value, rank in zip(pushes[:_SWARM_ROWS], values[:_SWARM_ROWS], ranks[:_SWARM_ROWS], strict=True)
    ]


def _curve(matrix: Matrix, scorer: Scorer, encoder: Encoder, place: int) -> list[list[Any]]:
    column = encoder.columns[place]
    codes = encoder.codes(column) if column.has_levels else ()
    if len(codes) <= _MOST_CURVE_LEVELS:
        curve = partial_dependence(matrix, scorer.pds, place, levels=len(codes))
        return [[codes[int(value)] if codes else value, mean] for value, mean in curve]
    frequent = np.bincount(matrix[~np.isnan(matrix[:, place]), place].astype(np.int64), minlength=len(codes))
    kept = set(np.argsort(-frequent, kind="stable")[:_MOST_CURVE_LEVELS].tolist())
    curve = partial_dependence(matrix, scorer.pds, place, levels=len(codes))
    return [[codes[int(value)], mean] for value, mean in curve if int(value) in kept]


def _sample(rows: int, seed: int) -> npt.NDArray[np.intp]:
    if rows <= _SAMPLE_ROWS:
        return np.random.default_rng(seed).permutation(rows)
    return np.random.default_rng(seed).choice(rows, _SAMPLE_ROWS, replace=False)


def rounded(found: Mapping[str, Any]) -> dict[str, Any]:
    """The same JSON value with every number cut to six significant digits, which is all that anybody reads."""
    return {key: _rounded(value) for key, value in found.items()}


def _rounded(value: object) -> Any:  # noqa: ANN401 - a JSON value of any shape
    if isinstance(value, dict):
        return rounded(value)
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
