"""Trains a model bundle: checks the table, cross-validates, calibrates out of fold, measures on the holdout."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from threading import Lock

import lightgbm as lgb
import numpy as np
import pyarrow as pa
from sklearn.model_selection import StratifiedKFold

from credit_model.booster import Booster, Matrix
from credit_model.bundle import Bundle, Calibration, Document, GoldenRow, Lineage, Reference, ScoreScale
from credit_model.checkpoints import Checkpoint, identity_of
from credit_model.checks import Checked, check_table
from credit_model.contract import ID, Contract
from credit_model.decisions import LETTERS, choose_cutoffs, grade_edges
from credit_model.encoding import Encoder
from credit_model.evaluation import evaluate
from credit_model.evidence import Judged, explain_sample, gather_evidence, learn_book
from credit_model.logistic import fit_line
from credit_model.metrics.discrimination import Floats, Outcomes
from credit_model.reference import reference_of, references
from credit_model.report import render_card, render_report
from credit_model.scoring import Scorer, calibrated, points
from credit_model.settings import TrainSettings
from credit_model.sharing import Rows, Share

Progress = Callable[[str, float, str], None]

_GOLDEN_ROWS = 20
# Below this many rows, LightGBM's threads spend more time waiting for each other than they save.
_MANY_ROWS = 100_000
_DIRECTIONS = {"increasing": 1, "decreasing": -1, "none": 0}
_LIBRARIES = ("lightgbm", "numpy", "pyarrow", "scikit-learn")
_ALONE = Share()


@dataclass(frozen=True)
class _Folds:
    """Result of cross-validation: margins of rows no tree of theirs has seen, and the number of rounds."""

    margins: Floats
    rounds: int
    fold_of: np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class _Fitted:
    """Everything training learnt."""

    checked: Checked
    encoder: Encoder
    model: str
    folds: _Folds


def train(
    table: pa.Table,
    contract: Contract,
    settings: TrainSettings | None = None,
    *,
    holdout: pa.Table | None = None,
    lineage: Lineage | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    share: Share = _ALONE,
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
    settings, report = settings or TrainSettings(), progress or _silent
    report("prepare", 0.0, f"checking {table.num_rows:,} rows")
    checked = check_table(table, contract, settings)
    encoder = Encoder.learn(checked.features, contract, names=checked.names)
    matrix = encoder.matrix(checked.features)
    report("prepare", 0.05, f"{len(matrix):,} rows, {int(checked.outcomes.sum()):,} defaults")
    task = _Task(matrix, checked.outcomes, encoder, settings, share, checkpoint)
    if checkpoint is not None:
        checkpoint.bind(identity_of(matrix, checked.outcomes, contract, settings, *encoder.names, *task.versions))
    folds = _cross_validate(task, report)
    report("fit", 0.75, f"fitting {folds.rounds} rounds on all rows")
    model = _fit(task, folds.rounds)
    report("evaluate", 0.9, "calibrating and measuring")
    fitted = _Fitted(checked, encoder, model, folds)
    document = _document(fitted, settings, lineage or Lineage())
    bundle = _with_papers(document, fitted, settings, holdout)
    report("done", 1.0, f"model {bundle.version}")
    return bundle


def _silent(stage: str, fraction: float, message: str) -> None:
    """Progress nobody asked for."""


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _dataset(matrix: Matrix, outcomes: Outcomes, encoder: Encoder) -> lgb.Dataset:
    return lgb.Dataset(
        matrix,
        label=outcomes.astype(np.float64),
        feature_name=list(encoder.names),
        categorical_feature=encoder.categorical,
        params={"verbosity": -1, "deterministic": True, "force_row_wise": True, "feature_pre_filter": False},
        free_raw_data=False,
    )


def _some(dataset: lgb.Dataset, rows: Rows) -> lgb.Dataset:
    return dataset.subset(rows).construct()  # type: ignore[arg-type]  # takes arrays as well as the lists it names


@dataclass(frozen=True)
class _Task:
    """What to boost, and this host's part in it."""

    matrix: Matrix
    outcomes: Outcomes
    encoder: Encoder
    settings: TrainSettings
    share: Share
    checkpoint: Checkpoint | None

    @property
    def versions(self) -> tuple[str, ...]:
        return (*(version(name) for name in _LIBRARIES), f"{self.share.hosts} hosts")

    def parameters(self, *, threads: int) -> dict[str, object]:
        monotone = [_DIRECTIONS[column.monotone] for column in self.encoder.columns]
        return self.settings.lightgbm(monotone=monotone, threads=threads) | self.share.parameters

    def kept(self, stage: str, work: Callable[[], bytes]) -> bytes:
        """Result of a stage: the one kept by an earlier run, else that of the work."""
        found = self.checkpoint.load(stage) if self.checkpoint else None
        if found is not None:
            return found
        result = work()
        if self.checkpoint:
            self.checkpoint.save(stage, result)
        return result


def _cross_validate(task: _Task, report: Progress) -> _Folds:
    """Boosts every fold and takes the round with the lowest mean loss over the folds: one number for all.

    Folds run side by side with one thread each: threads inside a fold would wait for each other at every split, and
    spin while they wait. Hosts that share the work take one fold after the other together.
    """
    matrix, outcomes, settings, share = task.matrix, task.outcomes, task.settings, task.share
    splitter = StratifiedKFold(settings.folds, shuffle=True, random_state=settings.seed)
    splits = list(splitter.split(matrix, outcomes))
    whole = _dataset(matrix, outcomes, task.encoder).construct()
    parts = [(_some(whole, share.of(train)), _some(whole, test)) for train, test in splits]
    parameters = task.parameters(threads=1 if share.alone else _threads())
    tracker = _RoundProgress(report, settings)

    def boosted(fold: int) -> tuple[lgb.Booster, list[float]]:
        return _unpacked(task.kept(f"fold-{fold}", lambda: _boost_fold(*parts[fold], parameters, settings, tracker)))

    if share.alone:
        with ThreadPoolExecutor(_threads()) as pool:
            fits = list(pool.map(boosted, range(settings.folds)))
    else:
        fits = [boosted(fold) for fold in range(settings.folds)]
    shortest = min(len(losses) for _, losses in fits)
    rounds = int(np.argmin(np.mean([losses[:shortest] for _, losses in fits], axis=0))) + 1
    margins, fold_of = np.empty(len(matrix)), np.empty(len(matrix), dtype=np.int64)
    for fold, ((_, test), (booster, _)) in enumerate(zip(splits, fits, strict=True)):
        margins[test] = booster.predict(matrix[test], num_iteration=rounds, raw_score=True)
        fold_of[test] = fold
    return _Folds(margins, rounds, fold_of)


def _boost_fold(
    training: lgb.Dataset,
    validation: lgb.Dataset,
    parameters: dict[str, object],
    settings: TrainSettings,
    tracker: _RoundProgress,
) -> bytes:
    """A fold's model and its validation loss after each round, packed."""
    history: dict[str, dict[str, list[float]]] = {}
    booster = lgb.train(
        dict(parameters),
        training,
        num_boost_round=settings.max_rounds,
        valid_sets=[validation],
        valid_names=["fold"],
        callbacks=[
            lgb.record_evaluation(history),
            lgb.early_stopping(settings.early_stopping_rounds, verbose=False),
            tracker,
        ],
    )
    return json.dumps([history["fold"]["binary_logloss"], booster.model_to_string(num_iteration=-1)]).encode()


def _unpacked(fold: bytes) -> tuple[lgb.Booster, list[float]]:
    losses, model = json.loads(fold)
    return lgb.Booster(model_str=model), losses


class _RoundProgress:
    """LightGBM callback shared by the folds: reports every 100th of their rounds."""

    order = 40

    def __init__(self, report: Progress, settings: TrainSettings) -> None:
        self._report = report
        self._limit = settings.folds * settings.max_rounds
        self._lock = Lock()
        self._done = 0

    def __call__(self, environment: lgb.callback.CallbackEnv) -> None:
        with self._lock:
            self._done += 1
            if self._done % 100 == 0 and environment.evaluation_result_list:
                loss = environment.evaluation_result_list[0][2]
                self._report("cross-validate", 0.05 + 0.7 * self._done / self._limit, f"loss {loss:.5f}")


def _fit(task: _Task, rounds: int) -> str:
    return task.kept("final", lambda: _boost_all(task, rounds).encode()).decode()


def _boost_all(task: _Task, rounds: int) -> str:
    threads = _threads() if len(task.matrix) >= _MANY_ROWS else 1
    dataset = _dataset(task.matrix, task.outcomes, task.encoder)
    if not task.share.alone:
        dataset = _some(dataset.construct(), task.share.of(np.arange(len(task.matrix))))
    booster = lgb.train(task.parameters(threads=threads), dataset, num_boost_round=rounds)
    # The number of threads is the machine's, not the model's; it must not change the bundle's digest.
    return re.sub(r"\[num_threads: \d+\]", "[num_threads: 0]", booster.model_to_string())


def _document(fitted: _Fitted, settings: TrainSettings, lineage: Lineage) -> Document:
    checked, encoder, folds = fitted.checked, fitted.encoder, fitted.folds
    slope, intercept = fit_line(folds.margins, checked.outcomes.astype(np.float64))
    calibration = Calibration(slope=slope, intercept=intercept)
    pds = calibrated(folds.margins, calibration)
    scale = ScoreScale(base_score=settings.base_score, base_odds=settings.base_odds, pdo=settings.pdo)
    edges = grade_edges(checked.outcomes, pds)
    measured = evaluate(checked.outcomes, pds, seed=settings.seed)
    measured["folds"] = [
        evaluate(checked.outcomes[folds.fold_of == fold], pds[folds.fold_of == fold], curves=False)
        for fold in range(settings.folds)
    ]
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
        reference=references(checked.features, encoder),
        score_reference=_score_reference(fitted, calibration, scale),
        metrics={"cross_validation": measured},
        importance=_importance(fitted.model, encoder),
        settings=settings.model_dump(mode="json"),
        training={"rows": len(pds), "defaults": int(checked.outcomes.sum()), "rounds": folds.rounds},
        libraries={name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()},
        lineage=lineage,
    )


def _score_reference(fitted: _Fitted, calibration: Calibration, scale: ScoreScale) -> Reference:
    """Points of the training rows by the model itself: the folds' models spread few points over others than it does."""
    margins = Booster(fitted.model).margins(fitted.encoder.matrix(fitted.checked.features))
    return reference_of(points(calibrated(margins, calibration), scale).astype(np.float64))


def _with_papers(document: Document, fitted: _Fitted, settings: TrainSettings, holdout: pa.Table | None) -> Bundle:
    """Adds what can only be known once the model scores: holdout metrics, golden rows, report and card."""
    scorer = Scorer(Bundle(document, fitted.model))
    matrix = document.encoder.matrix(fitted.checked.features)
    training = Judged(fitted.checked, matrix, calibrated(fitted.folds.margins, document.calibration))
    judged = None
    if holdout is not None:
        checked = check_table(holdout, document.contract, settings, names=document.features, role="holdout")
        matrix = document.encoder.matrix(checked.features)
        judged = Judged(checked, matrix, scorer.pds(matrix))
        metrics = evaluate(checked.outcomes, judged.pds, seed=settings.seed)
        document = document.model_copy(update={"metrics": document.metrics | {"holdout": metrics}})
    sample = explain_sample(scorer, training, seed=settings.seed)
    book = learn_book(scorer, document, sample)
    evidence = gather_evidence(scorer, document, settings, training=training, holdout=judged, sample=sample)
    document = document.model_copy(update={"reasons": book, "evidence": evidence})
    golden_source = judged.checked if judged else fitted.checked
    return Bundle(
        document,
        fitted.model,
        golden=_golden(golden_source, scorer, seed=settings.seed),
        report=render_report(document),
        model_card=render_card(document),
    )


def _importance(model: str, encoder: Encoder) -> dict[str, float]:
    """Share of the total gain of each feature."""
    gains = lgb.Booster(model_str=model).feature_importance("gain")
    total = float(gains.sum()) or 1.0
    return {name: float(gain) / total for name, gain in zip(encoder.names, gains, strict=True)}


def _golden(source: Checked, scorer: Scorer, *, seed: int) -> tuple[GoldenRow, ...]:
    rows = source.features.num_rows
    chosen = np.sort(np.random.default_rng(seed).choice(rows, size=min(_GOLDEN_ROWS, rows), replace=False))
    picked = source.features.take(pa.array(chosen))
    features = picked.drop_columns([ID]).to_pylist()
    pds = scorer.pd_of_table(picked).tolist()
    ids = picked.column(ID).to_pylist()
    return tuple(GoldenRow(application_id=i, row=row, pd=pd) for i, row, pd in zip(ids, features, pds, strict=True))
