"""Trains a model bundle: selects, searches, cross-validates, calibrates out of fold, measures on the holdout."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.model_selection import StratifiedKFold

from credit_model.bundle.bundle import Bundle
from credit_model.bundle.document import Document, GoldenRow, Lineage, Reference, ScoreScale
from credit_model.calibration.calibrator import Calibration
from credit_model.calibration.fitting import CalibrationChoice, choose_calibration
from credit_model.contract.contract import APPLIED_AT, ID, Contract
from credit_model.data.labelled import LabelledTable, check_table
from credit_model.errors import TrainingError
from credit_model.evaluation.drift import reference_of, references
from credit_model.evaluation.evidence import Judged, explain_sample, gather_evidence, learn_book, rounded
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
class _Fitted:
    """Everything training learnt.

    Attributes:
        checked: Outcomes, rows without their features, and the features left out.
        golden: Some applicants, canonical.
        task: What the model was asked to learn; its settings are those the search ended with.
        folds: Cross-validation, on the features before the useless ones were dropped.
        model: LightGBM text.
        choice: The calibration.
        found: Evidence of how the choices were made.
    """

    checked: LabelledTable
    golden: pa.Table
    task: Task
    folds: Folds
    model: str
    choice: CalibrationChoice
    found: dict[str, Any]


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
    """Trains a bundle.

    Args:
        table: Canonical table with `defaulted`; rows without an outcome are left out. Row order does not matter.
        contract: The feature contract.
        settings: How to train; the defaults when absent.
        holdout: Canonical labelled table to measure on; nothing is fitted or tuned on it.
        lineage: Where table and code come from.
        progress: Called with (stage, fraction from 0 to 1, message).
        checkpoint: Keeps finished stages, and knows those of a run of the same data and settings that was cut short.
        share: This host's part where several train one model together; all of them get the same bundle.

    Returns:
        The bundle; the same rows, settings and seed give the same bytes.

    Raises:
        TrainingError: Too few rows or defaults, one class only, repeated ids, or a feature that knows the outcome.
        InputError: A value breaks the contract.
    """
    settings, report = settings or TrainSettings(), progress or silent
    report("prepare", 0.0, f"checking {table.num_rows:,} rows")
    # A holdout that cannot be measured on is told before hours of training, not after them.
    apart = check_table(holdout, contract, role="holdout") if holdout is not None else None
    checked, golden, task = _prepared(table, contract, settings)
    report("prepare", 0.05, f"{len(task.matrix):,} rows, {int(task.outcomes.sum()):,} defaults")
    fitted = _learn(checked, golden, _kept(replace(task, share=share), checkpoint, _times(checked.rows)), report)
    report("evaluate", 0.9, "measuring")
    document = _document(fitted, settings, lineage or Lineage())
    bundle = _with_papers(document, fitted, settings, apart)
    report("done", 1.0, f"model {bundle.version}")
    return bundle


def train_bare(table: pa.Table, contract: Contract, settings: TrainSettings) -> Bundle:
    """A bundle that scores like the one of `train`, without holdout, report and evidence.

    Raises:
        TrainingError: The table cannot be trained on.
        InputError: A value breaks the contract.
    """
    settings = settings.model_copy(update={"studies": False})
    fitted = _learn(*_prepared(table, contract, settings), silent)
    return Bundle(_document(fitted, settings, Lineage()), fitted.model)


def _part(report: Progress, low: float, high: float) -> Progress:
    """Progress of a stage as a part of the whole."""
    return lambda stage, fraction, message: report(stage, low + (high - low) * fraction, message)


def _kept(task: Task, checkpoint: Checkpoint | None, times: npt.NDArray[np.datetime64] | None) -> Task:
    """The task with a checkpoint that knows what the task is."""
    if checkpoint is None:
        return task
    libraries = (version(name) for name in _LIBRARIES)
    # Where a search orders its folds by time, the times matter as well.
    order = hashlib.sha256(b"" if times is None else times.tobytes()).hexdigest()
    more = (*task.encoder.names, *libraries, f"{task.share.hosts} hosts", order)
    checkpoint.bind(identity_of(task.matrix, task.outcomes, task.encoder.contract, task.settings, *more))
    return replace(task, checkpoint=checkpoint)


def _learn(checked: LabelledTable, golden: pa.Table, task: Task, report: Progress) -> _Fitted:
    settings = task.settings
    task, found = _searched(checked, task, _part(report, 0.05, 0.4))
    candidate = candidate_of(task.settings)
    folds = candidate.cross_validate(task, _part(report, 0.4 if found else 0.05, 0.7))
    report("fit", 0.7, f"fitting all rows, {folds.rounds} trees")
    useless = useless_features(folds.gains, task.encoder.names) if settings.drop_useless else {}
    names = tuple(name for name in task.encoder.names if name not in useless)
    studied = sample(task) if settings.studies else None
    checked, task = replace(checked, names=names, dropped=checked.dropped | useless), task.only(names)
    model = candidate.fit(task, folds.rounds)
    task = replace(task)  # the same without the binned rows, which are not needed any more
    report("calibrate", 0.75, "choosing the calibration")
    choice = choose_calibration(folds.margins, task.outcomes, folds.fold_of, method=settings.calibration)
    found["calibration"] = choice.table
    if settings.candidate == "scorecard":
        found["scorecard"] = _points_table(task, model, choice.calibration)
    if studied is not None:
        report("study", 0.78, "what the constraints cost, what a scorecard reaches, whether more rows help")
        found["studies"] = rounded(study(studied, folds.rounds))
    return _Fitted(checked, golden, task, folds, model, choice, found)


def _points_table(task: Task, model: str, calibration: Calibration) -> list[dict[str, Any]]:
    """Points of every bin; of the margin itself where the calibration bends it."""
    scale = _scale(task.settings)
    line = {"slope": calibration.slope, "intercept": calibration.intercept}
    return scorecard_table(model, task.encoder, task.matrix, task.outcomes, scale, **line)


def _scale(settings: TrainSettings) -> ScoreScale:
    return ScoreScale(base_score=settings.base_score, base_odds=settings.base_odds, pdo=settings.pdo)


def _prepared(table: pa.Table, contract: Contract, settings: TrainSettings) -> tuple[LabelledTable, pa.Table, Task]:
    """Checked rows with the features worth a look, golden rows, and the task of learning them."""
    checked = _slim(check_table(table, contract, settings), contract, settings)
    # Arrow keeps what its tables took, and the matrix could not use it.
    pa.default_memory_pool().release_unused()
    encoder = Encoder.learn(checked.features, contract, names=checked.names)
    task = Task(encoder.matrix(checked.features), checked.outcomes, encoder, settings)
    dropped = unfit_features(task.matrix, encoder.names)
    names = tuple(name for name in encoder.names if name not in dropped)
    if not names:
        raise TrainingError("training table: no feature has two different values; check how the table was built")
    task = task.only(names)
    check_leaks(task.matrix, task.outcomes, task.encoder, settings)
    splitter = StratifiedKFold(settings.folds, shuffle=True, random_state=settings.seed)
    splits = list(splitter.split(task.matrix, task.outcomes))
    golden = _some(checked.features, seed=settings.seed)
    checked = replace(checked, features=checked.features.select([]), names=names, dropped=dropped)
    pa.default_memory_pool().release_unused()
    return checked, golden, replace(task, splits=splits)


def _slim(checked: LabelledTable, contract: Contract, settings: TrainSettings) -> LabelledTable:
    """Rows without their features, which are there a second time: two copies of a large table are one too many."""
    wanted = {ID, APPLIED_AT, settings.amount_column, *(column.name for column in contract.protected)}
    rows = checked.rows.select([name for name in checked.rows.column_names if name in wanted])
    return replace(checked, rows=rows)


def _searched(checked: LabelledTable, task: Task, report: Progress) -> tuple[Task, dict[str, Any]]:
    """The task with the settings a search ends with, and its history; as it was where none is asked for."""
    if not task.settings.search_trials:
        return task, {}
    if not task.share.alone:
        raise TrainingError("search_trials: a search runs on one instance; search first, then set what it found")
    settings, history = search(task, _times(checked.rows), report)
    return replace(task, settings=settings), {"search": history}


def _times(rows: pa.Table) -> npt.NDArray[np.datetime64] | None:
    """When each row applied, where every row has a time."""
    if APPLIED_AT not in rows.column_names or rows.column(APPLIED_AT).null_count:
        return None
    times: npt.NDArray[np.datetime64] = rows.column(APPLIED_AT).to_numpy()
    return times


def _document(fitted: _Fitted, settings: TrainSettings, lineage: Lineage) -> Document:
    checked, folds, encoder, calibration = fitted.checked, fitted.folds, fitted.task.encoder, fitted.choice.calibration
    pds = calibrated(folds.margins, calibration)
    scale = _scale(settings)
    edges = grade_edges(checked.outcomes, pds)
    measured = evaluate(checked.outcomes, pds, seed=settings.seed)
    parts = [folds.fold_of == fold for fold in range(settings.folds)]
    # With a single default in a fold nothing can be said of its AUC.
    usable = [part for part in parts if min(checked.outcomes[part].sum(), (~checked.outcomes[part]).sum()) > 1]
    measured["folds"] = [evaluate(checked.outcomes[part], pds[part], curves=False) for part in usable]
    return Document(
        contract=encoder.contract,
        features=encoder.names,
        dropped=checked.dropped,
        levels=encoder.levels,
        calibration=calibration,
        scale=scale,
        grades=LETTERS[: len(edges) + 1],
        grade_edges=edges,
        cutoffs=choose_cutoffs(pds, settings),
        reference=references(fitted.task.matrix, encoder),
        score_reference=_score_reference(fitted, calibration, scale),
        metrics={"cross_validation": measured},
        importance=_importance(fitted.model, encoder),
        settings=fitted.task.settings.model_dump(mode="json"),
        training={"rows": len(pds), "defaults": int(checked.outcomes.sum()), "rounds": fitted.model.count("\nTree=")},
        libraries={name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()},
        lineage=lineage,
        evidence=fitted.found,
    )


def _score_reference(fitted: _Fitted, calibration: Calibration, scale: ScoreScale) -> Reference:
    """Points of the training rows by the model itself: the folds' models spread few points over others than it does."""
    margins = Booster(fitted.model).margins(fitted.task.matrix)
    return reference_of(points(calibrated(margins, calibration), scale).astype(np.float64))


def _with_papers(document: Document, fitted: _Fitted, settings: TrainSettings, holdout: LabelledTable | None) -> Bundle:
    """Adds what can only be known once the model scores: holdout metrics, golden rows, report and card."""
    scorer = Scorer(Bundle(document, fitted.model))
    training = Judged(fitted.checked, fitted.task.matrix, calibrated(fitted.folds.margins, document.calibration))
    judged = None
    if holdout is not None:
        matrix = document.encoder.matrix(holdout.features)
        judged = Judged(holdout, matrix, scorer.pds(matrix))
        metrics = evaluate(holdout.outcomes, judged.pds, seed=settings.seed)
        document = document.model_copy(update={"metrics": document.metrics | {"holdout": metrics}})
    sample = explain_sample(scorer, training, seed=settings.seed)
    book = learn_book(scorer, document, sample)
    evidence = gather_evidence(scorer, document, settings, training=training, holdout=judged, sample=sample)
    document = document.model_copy(update={"reasons": book, "evidence": document.evidence | evidence})
    golden = _some(judged.checked.features, seed=settings.seed) if judged else fitted.golden
    return Bundle(
        document,
        fitted.model,
        golden=_golden(golden, scorer),
        report=render_report(document),
        model_card=render_card(document),
    )


def _importance(model: str, encoder: Encoder) -> dict[str, float]:
    """Share of the total gain of each feature."""
    shares = gain_shares(lgb.Booster(model_str=model))
    return {name: float(share) for name, share in zip(encoder.names, shares, strict=True)}


def _some(features: pa.Table, *, seed: int) -> pa.Table:
    """Some of the applicants, for golden rows."""
    rows = features.num_rows
    chosen = np.sort(np.random.default_rng(seed).choice(rows, size=min(_GOLDEN_ROWS, rows), replace=False))
    return features.take(pa.array(chosen))


def _golden(picked: pa.Table, scorer: Scorer) -> tuple[GoldenRow, ...]:
    features = picked.drop_columns([ID]).to_pylist()
    pds = scorer.pd_of_table(picked).tolist()
    ids = picked.column(ID).to_pylist()
    return tuple(GoldenRow(application_id=i, row=row, pd=pd) for i, row, pd in zip(ids, features, pds, strict=True))
