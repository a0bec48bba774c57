"""Training of a model bundle: selection, search, cross-validation, calibration, measurement on the holdout."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, replace
from importlib.metadata import version

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.model_selection import StratifiedKFold

from credit_model.bundle.bundle import Bundle
from credit_model.bundle.document import (
    Document,
    GoldenRow,
    Lineage,
    RecordedSettings,
    Reference,
    ScoreScale,
    TrainingFacts,
)
from credit_model.bundle.evidence import Evidence, ScorecardRow, SearchHistory
from credit_model.bundle.measurements import Metrics
from credit_model.calibration.calibrator import Calibration
from credit_model.calibration.fitting import CalibrationChoice, choose_calibration
from credit_model.contract.contract import APPLIED_AT, ID, Contract
from credit_model.data.labelled import LabelledTable, check_table
from credit_model.errors import TrainingError
from credit_model.evaluation.drift import reference_of, references
from credit_model.evaluation.evidence import ScoredRows, gather_evidence, learn_book, rounded, sample_contributions
from credit_model.evaluation.measures import evaluate
from credit_model.features.encoder import Encoder
from credit_model.policy.decisions import LETTERS, choose_cutoffs, grade_edges
from credit_model.policy.points import points
from credit_model.report.model_report import render_card, render_report
from credit_model.scoring.scorer import Scorer, calibrated
from credit_model.settings import TrainSettings
from credit_model.training.candidates import candidate_of
from credit_model.training.candidates.base import ALONE, Folds, Progress, Task, gain_shares, silent
from credit_model.training.candidates.scorecard import scorecard_table
from credit_model.training.checkpoints import Checkpoint, identity_of
from credit_model.training.hosts import Share
from credit_model.training.leaks import check_leaks
from credit_model.training.search import search
from credit_model.training.selection import unfit_features, useless_features
from credit_model.training.studies import sample, study
from credit_model.trees.booster import Booster

_GOLDEN_ROWS = 20
_LIBRARIES = ("lightgbm", "numpy", "pyarrow", "scikit-learn")


@dataclass(frozen=True)
class _Result:
    """Everything that training learnt.

    Attributes:
        labelled: Outcomes, rows without their features, and the features left out.
        golden: Some applicants, canonical.
        task: What the model had to learn; its settings are those that the search ended with.
        folds: Cross-validation, on the features before the useless ones were dropped.
        model: LightGBM text.
        choice: The calibration.
        evidence: How the choices were made.
    """

    labelled: LabelledTable
    golden: pa.Table
    task: Task
    folds: Folds
    model: str
    choice: CalibrationChoice
    evidence: Evidence


def train(
    table: pa.Table,
    contract: Contract,
    settings: TrainSettings | None = None,
    *,
    holdout: pa.Table | None = None,
    lineage: Lineage | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    share: Share = ALONE,
) -> Bundle:
    """Train a bundle.

    Args:
        table: Canonical table with `defaulted`; rows without an outcome are left out. Row order does not matter.
        contract: The feature contract.
        settings: How to train; the defaults when absent.
        holdout: Canonical labelled table to measure on; nothing is fitted or tuned on it.
        lineage: Where table and code come from.
        progress: Called with (stage, fraction from 0 to 1, message).
        checkpoint: Keeps finished stages; an interrupted run of the same data and settings continues from them.
        share: This host's part if several train one model together; all of them return the same bundle.

    Returns:
        The bundle; the same rows, settings and seed give the same bytes.

    Raises:
        TrainingError: Too few rows or defaults, one class only, repeated ids, or a feature that knows the outcome.
        InputError: A value breaks the contract.

    Example:
        >>> from credit_model import load_contract, simulate
        >>> table = simulate(2000, months=2, seed=1).applications
        >>> settings = TrainSettings(folds=2, max_rounds=5, studies=False)
        >>> bundle = train(table.slice(0, 1500), load_contract("case"), settings, holdout=table.slice(1500))
        >>> bundle.metrics.holdout.rows
        500
    """
    settings, report = settings or TrainSettings(), progress or silent
    report("prepare", 0.0, f"checking {table.num_rows:,} rows")
    # Checked first: nobody should wait hours for the news that the holdout cannot be measured on.
    apart = check_table(holdout, contract, role="holdout") if holdout is not None else None
    labelled, golden, task = _prepared(table, contract, settings)
    report("prepare", 0.05, f"{len(task.matrix):,} rows, {int(task.outcomes.sum()):,} defaults")
    result = _learn(labelled, golden, _kept(replace(task, share=share), checkpoint, _times(labelled.rows)), report)
    report("evaluate", 0.9, "measuring")
    document = _document(result, settings, lineage or Lineage())
    bundle = _with_papers(document, result, settings, apart)
    report("done", 1.0, f"model {bundle.version}")
    return bundle


def train_bare(table: pa.Table, contract: Contract, settings: TrainSettings) -> Bundle:
    """Train a bundle that scores like that of `train`, without holdout, report and evidence.

    Raises:
        TrainingError: The table cannot be trained on.
        InputError: A value breaks the contract.
    """
    settings = settings.model_copy(update={"studies": False})
    result = _learn(*_prepared(table, contract, settings), silent)
    return Bundle(_document(result, settings, Lineage()), result.model)


def _part(report: Progress, low: float, high: float) -> Progress:
    """Report the progress of a stage as a part of the whole."""
    return lambda stage, fraction, message: report(stage, low + (high - low) * fraction, message)


def _kept(task: Task, checkpoint: Checkpoint | None, times: npt.NDArray[np.datetime64] | None) -> Task:
    """Return the task with a checkpoint that is bound to it."""
    if checkpoint is None:
        return task
    libraries = (version(name) for name in _LIBRARIES)
    # A search may order its folds by time, so the times count as well.
    order = hashlib.sha256(b"" if times is None else times.tobytes()).hexdigest()
    more = (*task.encoder.names, *libraries, f"{task.share.hosts} hosts", order)
    checkpoint.bind(identity_of(task.matrix, task.outcomes, task.encoder.contract, task.settings, *more))
    return replace(task, checkpoint=checkpoint)


def _learn(labelled: LabelledTable, golden: pa.Table, task: Task, report: Progress) -> _Result:
    settings = task.settings
    task, history = _searched(labelled, task, _part(report, 0.05, 0.4))
    candidate = candidate_of(task.settings)
    folds = candidate.cross_validate(task, _part(report, 0.4 if history else 0.05, 0.7))
    report("fit", 0.7, f"fitting all rows, {folds.rounds} trees")
    useless = useless_features(folds.gains, task.encoder.names) if settings.drop_useless else {}
    names = tuple(name for name in task.encoder.names if name not in useless)
    studied = sample(task) if settings.studies else None
    labelled, task = replace(labelled, names=names, dropped=labelled.dropped | useless), task.only(names)
    model = candidate.fit(task, folds.rounds)
    task = replace(task)  # a copy without the binned rows, which nothing needs from here
    report("calibrate", 0.75, "choosing the calibration")
    choice = choose_calibration(folds.margins, task.outcomes, folds.fold_of, method=settings.calibration)
    evidence: dict[str, object] = {"calibration": choice.table}
    if history is not None:
        evidence["search"] = history
    if settings.candidate == "scorecard":
        evidence["scorecard"] = _points_table(task, model, choice.calibration)
    if studied is not None:
        report("study", 0.78, "what the constraints cost, what a scorecard reaches, whether more rows help")
        evidence["studies"] = rounded(study(studied, folds.rounds).model_dump(mode="json"))
    return _Result(labelled, golden, task, folds, model, choice, Evidence.model_validate(evidence))


def _points_table(task: Task, model: str, calibration: Calibration) -> list[ScorecardRow]:
    """Return the points of every bin; they are the margin's own where the calibration is not a line."""
    scale = _scale(task.settings)
    line = {"slope": calibration.slope, "intercept": calibration.intercept}
    return scorecard_table(model, task.encoder, task.matrix, task.outcomes, scale, **line)


def _scale(settings: TrainSettings) -> ScoreScale:
    return ScoreScale(base_score=settings.base_score, base_odds=settings.base_odds, pdo=settings.pdo)


def _prepared(table: pa.Table, contract: Contract, settings: TrainSettings) -> tuple[LabelledTable, pa.Table, Task]:
    """Return the labelled rows with the usable features, golden rows, and the task of learning them."""
    labelled = _slim(check_table(table, contract, settings), contract, settings)
    # Arrow keeps the memory of its tables, which the matrix needs.
    pa.default_memory_pool().release_unused()
    encoder = Encoder.learn(labelled.features, contract, names=labelled.names)
    task = Task(encoder.matrix(labelled.features), labelled.outcomes, encoder, settings)
    dropped = unfit_features(task.matrix, encoder.names)
    names = tuple(name for name in encoder.names if name not in dropped)
    if not names:
        raise TrainingError("training table: no feature has two different values; check how the table was built")
    task = task.only(names)
    check_leaks(task.matrix, task.outcomes, task.encoder, settings)
    splitter = StratifiedKFold(settings.folds, shuffle=True, random_state=settings.seed)
    splits = list(splitter.split(task.matrix, task.outcomes))
    golden = _some(labelled.features, seed=settings.seed)
    labelled = replace(labelled, features=labelled.features.select([]), names=names, dropped=dropped)
    pa.default_memory_pool().release_unused()
    return labelled, golden, replace(task, splits=splits)


def _slim(labelled: LabelledTable, contract: Contract, settings: TrainSettings) -> LabelledTable:
    """Return the rows without their features: these exist a second time, which a large table has no memory for."""
    wanted = {ID, APPLIED_AT, settings.amount_column, *(column.name for column in contract.protected)}
    rows = labelled.rows.select([name for name in labelled.rows.column_names if name in wanted])
    return replace(labelled, rows=rows)


def _searched(labelled: LabelledTable, task: Task, report: Progress) -> tuple[Task, SearchHistory | None]:
    """Return the task with the settings that a search ends with, and its history; unchanged if no search is set."""
    if not task.settings.search_trials:
        return task, None
    if not task.share.alone:
        raise TrainingError("search_trials: a search runs on one instance; search first, then set what it found")
    settings, history = search(task, _times(labelled.rows), report)
    return replace(task, settings=settings), history


def _times(rows: pa.Table) -> npt.NDArray[np.datetime64] | None:
    """Return when each row applied, or None unless every row has a time."""
    if APPLIED_AT not in rows.column_names or rows.column(APPLIED_AT).null_count:
        return None
    times: npt.NDArray[np.datetime64] = rows.column(APPLIED_AT).to_numpy()
    return times


def _document(result: _Result, settings: TrainSettings, lineage: Lineage) -> Document:
    labelled, folds, encoder = result.labelled, result.folds, result.task.encoder
    calibration, outcomes = result.choice.calibration, result.labelled.outcomes
    pds = calibrated(folds.margins, calibration)
    scale = _scale(settings)
    edges = grade_edges(outcomes, pds)
    measured = evaluate(outcomes, pds, seed=settings.seed)
    parts = [folds.fold_of == fold for fold in range(settings.folds)]
    # A fold with a single default says nothing about its AUC.
    usable = [part for part in parts if min(outcomes[part].sum(), (~outcomes[part]).sum()) > 1]
    folds_measured = [evaluate(outcomes[part], pds[part], curves=False) for part in usable]
    return Document(
        contract=encoder.contract,
        features=encoder.names,
        dropped=labelled.dropped,
        levels=encoder.levels,
        calibration=calibration,
        scale=scale,
        grades=LETTERS[: len(edges) + 1],
        grade_edges=edges,
        cutoffs=choose_cutoffs(pds, settings),
        reference=references(result.task.matrix, encoder),
        score_reference=_score_reference(result, calibration, scale),
        metrics=Metrics(cross_validation=measured | {"folds": folds_measured}),
        importance=_importance(result.model, encoder),
        settings=RecordedSettings(**result.task.settings.model_dump()),
        training=TrainingFacts(
            rows=len(pds), defaults=int(labelled.outcomes.sum()), rounds=result.model.count("\nTree=")
        ),
        libraries={name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()},
        lineage=lineage,
        evidence=result.evidence,
    )


def _score_reference(result: _Result, calibration: Calibration, scale: ScoreScale) -> Reference:
    """Return the points of the training rows by the model itself; those of the folds' models spread differently."""
    margins = Booster(result.model).margins(result.task.matrix)
    return reference_of(points(calibrated(margins, calibration), scale).astype(np.float64))


def _with_papers(document: Document, result: _Result, settings: TrainSettings, rows: LabelledTable | None) -> Bundle:
    """Add what only a model that scores can give: holdout metrics, golden rows, report and card."""
    scorer = Scorer(Bundle(document, result.model))
    margins = result.folds.margins
    training = ScoredRows(result.labelled, result.task.matrix, calibrated(margins, document.calibration))
    holdout = None
    if rows is not None:
        matrix = document.encoder.matrix(rows.features)
        holdout = ScoredRows(rows, matrix, scorer.pds(matrix))
        measured = evaluate(rows.outcomes, holdout.pds, seed=settings.seed)
        document = document.model_copy(update={"metrics": document.metrics | {"holdout": measured}})
    sample = sample_contributions(scorer, training, seed=settings.seed)
    book = learn_book(scorer, document, sample)
    evidence = gather_evidence(scorer, document, settings, training=training, holdout=holdout, sample=sample)
    document = document.model_copy(update={"reasons": book, "evidence": evidence})
    golden = _some(rows.features, seed=settings.seed) if rows is not None else result.golden
    return Bundle(
        document,
        result.model,
        golden=_golden(golden, scorer),
        report=render_report(document),
        model_card=render_card(document),
    )


def _importance(model: str, encoder: Encoder) -> dict[str, float]:
    """Return the share of each feature in the total gain."""
    shares = gain_shares(lgb.Booster(model_str=model))
    return {name: float(share) for name, share in zip(encoder.names, shares, strict=True)}


def _some(features: pa.Table, *, seed: int) -> pa.Table:
    """Draw some applicants for golden rows."""
    rows = features.num_rows
    chosen = np.sort(np.random.default_rng(seed).choice(rows, size=min(_GOLDEN_ROWS, rows), replace=False))
    return features.take(pa.array(chosen))


def _golden(picked: pa.Table, scorer: Scorer) -> tuple[GoldenRow, ...]:
    features = picked.drop_columns([ID]).to_pylist()
    pds = scorer.pd_of_table(picked).tolist()
    ids = picked.column(ID).to_pylist()
    return tuple(GoldenRow(application_id=i, row=row, pd=pd) for i, row, pd in zip(ids, features, pds, strict=True))
