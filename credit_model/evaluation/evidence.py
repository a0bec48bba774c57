"""The evidence a reviewer needs beyond the headline figures: decisions, grades, fairness, importance, drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from credit_model.bundle.document import Cutoffs, Document
from credit_model.bundle.evidence import Decisions, DriftFigures, Evidence, Grade, Influence, RuleFigures, Rules
from credit_model.contract.contract import Contract
from credit_model.data.coercion import flat
from credit_model.data.labelled import LabelledTable
from credit_model.errors import TrainingError
from credit_model.evaluation.drift import feature_shifts, shift_of
from credit_model.evaluation.fairness import fairness_tables
from credit_model.evaluation.univariate import describe_features
from credit_model.explain.importance import contribution_importance, partial_dependence, permutation_importance
from credit_model.explain.reason_groups import learn_reasons
from credit_model.explain.reasons import ReasonBook
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
class ScoredRows:
    """Labelled rows with the PDs to measure.

    Attributes:
        labelled: The rows.
        matrix: Their encoded features, shape (rows, features).
        pds: Shape (rows,); out of fold for training rows.
    """

    labelled: LabelledTable
    matrix: Matrix
    pds: Floats

    @property
    def outcomes(self) -> Outcomes:
        """True for a default, shape (rows,)."""
        return self.labelled.outcomes


@dataclass(frozen=True)
class ContributionSample:
    """A sample of training rows with the contributions of their features.

    Attributes:
        matrix: Encoded features, shape (rows, features).
        contributions: Shape (rows, features + 1).
    """

    matrix: Matrix
    contributions: Matrix


def sample_contributions(scorer: Scorer, training: ScoredRows, *, seed: int) -> ContributionSample:
    """Compute the contributions of at most 2,000 random training rows."""
    matrix = training.matrix[_sample(len(training.pds), seed)]
    return ContributionSample(matrix, scorer.contributions(matrix))


def learn_book(scorer: Scorer, document: Document, sample: ContributionSample) -> ReasonBook:
    """Learn baseline and groups of the reasons from a sample of the training rows."""
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
    training: ScoredRows,
    holdout: ScoredRows | None,
    sample: ContributionSample,
) -> Evidence:
    """Gather everything the report shows beyond `evaluate`, in numbers of six significant digits.

    Args:
        scorer: The model.
        document: Its document so far; its evidence is kept.
        settings: Economics and seed.
        training: Training rows with their out-of-fold PDs.
        holdout: Holdout rows, where there are any; decisions, fairness and permutation are then measured on them.
        sample: Contributions of some training rows.

    Raises:
        TrainingError: `amount_column` is not a numeric column of the contract.
    """
    scored = holdout or training
    found = Evidence(
        basis="holdout" if holdout else "cross_validation",
        decisions=_decisions(scored, training, document, settings),
        grades=_grades(document, training=training, holdout=holdout),
        fairness=fairness_tables(
            scored.labelled.rows,
            document.contract,
            outcomes=scored.outcomes,
            pds=scored.pds,
            approve_below=document.cutoffs.approve_below,
        ),
        features=describe_features(training.matrix, training.outcomes, document.encoder),
        drift=_drift(document, holdout) if holdout else None,
        influence=_influence(scorer, document, sample, scored, seed=settings.seed),
    )
    return document.evidence | rounded(found.model_dump(mode="json"))


def economics_of(table: pa.Table, contract: Contract, settings: TrainSettings) -> Economics:
    """Return margin, loss and the amount of each row of a canonical table.

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


def _decisions(scored: ScoredRows, training: ScoredRows, document: Document, settings: TrainSettings) -> Decisions:
    economics = economics_of(scored.labelled.rows, document.contract, settings)
    outcomes, pds = scored.outcomes, scored.pds

    def figures(cutoffs: Cutoffs) -> RuleFigures:
        return RuleFigures(
            decline_from=cutoffs.decline_from,
            declined=float(np.mean(pds >= cutoffs.decline_from)),
            approve_below=at_cutoff(outcomes, pds, cutoffs.approve_below, economics),
        )

    # Both rules are shown, whichever was chosen; cutoffs always come from the out-of-fold PDs.
    free = settings.model_copy(update={"approve_below": None, "decline_from": None})
    by_share, by_profit = (
        choose_cutoffs(training.pds, free.model_copy(update={"cutoff_rule": rule}))
        for rule in ("approval_rate", "expected_profit")
    )
    return Decisions(
        rules=Rules(
            approval_rate=figures(by_share), expected_profit=figures(by_profit), chosen=figures(document.cutoffs)
        ),
        break_even=economics.break_even,
        table=cutoff_table(outcomes, pds, economics),
        hard_labels=hard_labels(outcomes, pds, economics),
        approve_all_profit=float(economics.realised(outcomes).sum()),
        mean_amount=float(economics.amounts.mean()),
    )


def _grades(document: Document, *, training: ScoredRows, holdout: ScoredRows | None) -> dict[str, tuple[Grade, ...]]:
    parts = {"cross_validation": training} | ({"holdout": holdout} if holdout else {})
    return {
        part: grade_table(scored.outcomes, scored.pds, grades=document.grades, edges=document.grade_edges)
        for part, scored in parts.items()
    }


def _drift(document: Document, holdout: ScoredRows) -> DriftFigures:
    score = points(holdout.pds, document.scale).astype(np.float64)
    shifts = feature_shifts(holdout.matrix, document.reference, document.encoder)
    return DriftFigures(
        score=shift_of(document.score_reference, score).psi,
        features={name: shift.psi for name, shift in shifts.items()},
    )


def _influence(
    scorer: Scorer, document: Document, sample: ContributionSample, scored: ScoredRows, *, seed: int
) -> Influence:
    """Return contributions and partial dependence on a sample of training rows, permutation on the scored rows."""
    names, encoder = document.features, document.encoder
    matrix, contributions = sample.matrix, sample.contributions
    strength = contribution_importance(matrix, contributions)
    order = sorted(range(len(names)), key=lambda place: (-strength[place][0], names[place]))
    strong = [place for place in order if strength[place][0] > 0]
    losses = permutation_importance(
        scored.matrix, scored.outcomes, scorer.margins, features=order[:_PERMUTED_FEATURES], seed=seed
    )
    lost = sorted(losses, key=lambda place: (-losses[place][0], place))
    swarm = [place for place in order[:_SWARM_FEATURES] if place in strong]
    curves = [place for place in order[:_CURVE_FEATURES] if place in strong]
    return Influence(
        rows=len(matrix),
        contribution=tuple((names[place], *strength[place]) for place in strong),
        permutation=tuple((names[place], *losses[place]) for place in lost),
        swarm=tuple((names[place], _swarm(matrix[:, place], contributions[:, place])) for place in swarm),
        partial=tuple((names[place], _curve(matrix[:_CURVE_ROWS], scorer, encoder, place)) for place in curves),
    )


def _swarm(values: Floats, pushes: Floats) -> tuple[tuple[float, float | None], ...]:
    """Return pairs of contribution and rank of the value (0 to 1, None for missing) of a sample's first rows."""
    known = np.sort(values[~np.isnan(values)])
    ranks = (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / max(2 * len(known), 1)
    return tuple(
        (round(float(push), 3), None if np.isnan(value) else round(float(rank), 2))
        for push, value, rank in zip(pushes[:_SWARM_ROWS], values[:_SWARM_ROWS], ranks[:_SWARM_ROWS], strict=True)
    )


def _curve(matrix: Matrix, scorer: Scorer, encoder: Encoder, place: int) -> tuple[tuple[float | str, float], ...]:
    """Return pairs of value (or level, the most frequent ones) and mean PD."""
    column = encoder.columns[place]
    codes = encoder.codes(column) if column.has_levels else ()
    curve = partial_dependence(matrix, scorer.pds, place, levels=len(codes))
    if not codes:
        return tuple(curve)
    frequent = np.bincount(matrix[~np.isnan(matrix[:, place]), place].astype(np.int64), minlength=len(codes))
    kept = set(np.argsort(-frequent, kind="stable")[:_MOST_CURVE_LEVELS].tolist())
    return tuple((codes[int(value)], mean) for value, mean in curve if int(value) in kept)


def _sample(rows: int, seed: int) -> npt.NDArray[np.intp]:
    if rows <= _SAMPLE_ROWS:
        return np.random.default_rng(seed).permutation(rows)
    return np.random.default_rng(seed).choice(rows, _SAMPLE_ROWS, replace=False)


def rounded(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with every number cut to six significant digits: nobody reads more."""
    return {key: _rounded(value) for key, value in found.items()}


def _rounded(value: object) -> Any:  # noqa: ANN401 - a JSON value of any shape
    if isinstance(value, dict):
        return rounded(value)
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
