"""The tests of one month of a model in production: what has moved, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import special

from credit_model.bundle.document import Document
from credit_model.bundle.evidence import Grade
from credit_model.bundle.measurements import Measurements
from credit_model.evaluation.drift import Shift, feature_shifts, shift_of, unseen_levels
from credit_model.metrics.calibration import calibration_in_the_large
from credit_model.metrics.delong import auc_interval
from credit_model.metrics.discrimination import ks
from credit_model.metrics.shift import holm, share_test
from credit_model.monitoring.month import Alarm, Measure, MonitorLimits, MonthReport, Remedy
from credit_model.monitoring.words import reason
from credit_model.policy.decisions import grade_table
from credit_model.policy.points import points
from credit_model.types import Floats, Outcomes

# What an alarm calls for. Values that vanish or are new are a fault of the feed; a new model would learn the fault.
REMEDIES: dict[str, Remedy] = {
    "missing": "repair",
    "new_levels": "repair",
    "feature_psi": "look",
    "approval_rate": "look",
    "score_psi": "retrain",
    "roc_auc": "retrain",
    "calibration_in_the_large": "retrain",
    "grade": "retrain",
}
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class _Change:
    """A measure with the size of its change."""

    measure: Measure
    size: float


def monitor(
    document: Document,
    table: pa.Table,
    pds: Floats,
    outcomes: pa.Array | None = None,
    limits: MonitorLimits | None = None,
    *,
    month: str = "",
    trained_on: bool = False,
) -> MonthReport:
    """Compare one month of scored applications with what training saw.

    Args:
        document: Of the model that scored them.
        table: Canonical table of the applications, with every input of the model's features.
        pds: Their PDs, shape (rows,).
        outcomes: True for a default, null while not known, shape (rows,); None when nothing is known.
        limits: Sizes of change that are an alarm; the defaults when absent.
        month: Its name, for the report.
        trained_on: Whether the model was trained on it.

    Example:
        >>> monitor(bundle.document, october, scorer.pd_of_table(october)).alarms  # doctest: +SKIP
        ()
    """
    limits = limits or MonitorLimits()
    tested = len(pds) >= limits.min_rows
    now = _population(document, table, pds, limits) if len(pds) else []
    known, chosen = _known(outcomes, len(pds))
    mature = tested and _is_mature(document, pds, known, chosen, limits)
    realised = _realised(document, chosen[known], pds[known], limits) if mature else []
    measures = [
        *_tested(now, limits, tested=tested, trained_on=trained_on),
        *_tested(realised, limits, tested=True, trained_on=trained_on),
    ]
    return MonthReport(
        month=month,
        rows=len(pds),
        tested=tested,
        outcomes=int(known.sum()),
        mature=mature,
        trained_on=trained_on,
        measures=tuple(measures),
        alarms=tuple(_alarm(measure, limits) for measure in measures if measure.alarm),
    )


def _tested(changes: list[_Change], limits: MonitorLimits, *, tested: bool, trained_on: bool) -> list[Measure]:
    """Return the measures of one family of tests, with corrected p-values and alarms."""
    family = [entry.measure.p_value for entry in changes if entry.measure.p_value is not None] if tested else []
    corrected = iter(holm(family))
    measures = []
    for entry in changes:
        measure = entry.measure
        if measure.p_value is None or measure.limit is None or not tested:
            measures.append(measure.model_copy(update={"p_value": None}))
            continue
        adjusted = next(corrected)
        alarm = not trained_on and entry.size >= measure.limit and adjusted <= limits.alpha
        measures.append(measure.model_copy(update={"adjusted": adjusted, "alarm": alarm}))
    return measures


def _alarm(measure: Measure, limits: MonitorLimits) -> Alarm:
    broken = measure.name == "feature_psi" and measure.value >= limits.broken_psi
    remedy: Remedy = "repair" if broken else REMEDIES[measure.name]
    words = reason(measure.name, measure.feature, measure.value, measure.baseline or 0.0, measure.limit or 0.0, remedy)
    return Alarm(name=measure.name, feature=measure.feature, remedy=remedy, reason=words)


def _shown(name: str, value: float, baseline: float | None = None) -> _Change:
    return _Change(Measure(name=name, value=value, baseline=baseline), 0.0)


def _population(document: Document, table: pa.Table, pds: Floats, limits: MonitorLimits) -> list[_Change]:
    """Return the changes in the applications themselves, whose outcomes need not be known."""
    score = points(pds, document.scale).astype(np.float64)
    index, p_value = shift_of(document.score_reference, score).test(document.training.rows)
    found = [
        _Change(Measure(name="score_psi", value=index, baseline=0, limit=limits.score_psi, p_value=p_value), index),
        _shown("mean_score", float(score.mean())),
        _shown("mean_pd", float(pds.mean()), document.metrics.best.mean_pd),
        *_approval(document, pds, limits),
    ]
    return found + _features(document, table, limits)


def _features(document: Document, table: pa.Table, limits: MonitorLimits) -> list[_Change]:
    encoder = document.encoder
    shifts = feature_shifts(encoder.matrix(table), document.reference, encoder)
    unseen = {column.name: unseen_levels(table, column, encoder) for column in encoder.columns}
    return [
        change for name, shift in shifts.items() for change in _feature(document, name, shift, unseen[name], limits)
    ]


def _feature(document: Document, name: str, shift: Shift, unseen: int | None, limits: MonitorLimits) -> list[_Change]:
    reference, rows, trained = document.reference[name], shift.rows, document.training.rows
    index, p_value = shift.test(trained)
    shape = Measure(
        name="feature_psi", feature=name, value=index, baseline=0, limit=limits.feature_psi, p_value=p_value
    )
    changes = [_Change(shape, index)]
    # Levels that training never saw are encoded as missing, but have a measure of their own.
    parts = [("missing", shift.missing - (unseen or 0), reference.missing, limits.missing)]
    parts += [("new_levels", unseen, 0.0, limits.new_levels)] if unseen is not None else []
    for kind, hits, before, limit in parts:
        p_value = share_test(hits, rows, training_hits=round(before * trained), training_rows=trained)
        measure = Measure(name=kind, feature=name, value=hits / rows, baseline=before, limit=limit, p_value=p_value)
        changes.append(_Change(measure, abs(hits / rows - before)))
    return changes


def _approval(document: Document, pds: Floats, limits: MonitorLimits) -> list[_Change]:
    rows, approved = len(pds), int((pds < document.cutoffs.approve_below).sum())
    decisions = document.evidence.decisions
    if decisions is None:
        return [_shown("approval_rate", approved / rows)]
    before, trained = decisions.rules.chosen.approve_below.approved, document.metrics.best.rows
    p_value = share_test(approved, rows, training_hits=round(before * trained), training_rows=trained)
    value, limit = approved / rows, limits.approval_rate
    measure = Measure(name="approval_rate", value=value, baseline=before, limit=limit, p_value=p_value)
    return [_Change(measure, abs(value - before))]


def _known(outcomes: pa.Array | None, rows: int) -> tuple[Outcomes, Outcomes]:
    if outcomes is None:
        return np.zeros(rows, dtype=np.bool_), np.zeros(rows, dtype=np.bool_)
    known: Outcomes = pc.is_valid(outcomes).to_numpy(zero_copy_only=False)
    return known, pc.fill_null(outcomes, False).to_numpy(zero_copy_only=False)


def _is_mature(document: Document, pds: Floats, known: Outcomes, defaulted: Outcomes, limits: MonitorLimits) -> bool:
    lent = pds < document.cutoffs.decline_from
    if not lent.any() or known[lent].mean() < limits.mature_share:
        return False
    defaults = int(defaulted.sum())
    return min(defaults, int(known.sum()) - defaults) >= limits.min_defaults


def _realised(document: Document, outcomes: Outcomes, pds: Floats, limits: MonitorLimits) -> list[_Change]:
    """Return the changes that the outcomes show."""
    best = document.metrics.best
    return [
        _shown("default_rate", float(outcomes.mean()), best.default_rate),
        _auc(best, outcomes, pds, limits),
        _shown("ks", ks(outcomes, pds), best.ks),
        _calibration(document, outcomes, pds, limits),
        *_grades(document, outcomes, pds, limits),
    ]


def _auc(best: Measurements, outcomes: Outcomes, pds: Floats, limits: MonitorLimits) -> _Change:
    """Test one-sided whether the AUC is lower than it was; both are of different applicants, with DeLong's errors."""
    now, before = auc_interval(outcomes, pds), best.roc_auc
    # The upper end is cut at 1, the lower one at 0 only, so the lower half of the interval gives the error.
    error = sqrt(now.standard_error**2 + ((before - best.roc_auc_low) / _Z95) ** 2)
    drop = before - now.auc
    p_value = float(special.ndtr(-drop / error)) if error > 0 else float(drop <= 0)
    measure = Measure(name="roc_auc", value=now.auc, baseline=before, limit=limits.auc_drop, p_value=p_value)
    return _Change(measure, drop)


def _calibration(document: Document, outcomes: Outcomes, pds: Floats, limits: MonitorLimits) -> _Change:
    """Test two-sided against 0; the error is this month's and that of the few defaults in training."""
    shift = calibration_in_the_large(outcomes, pds)
    rows, defaults = document.training.rows, document.training.defaults
    error = sqrt(1 / float(np.sum(pds * (1 - pds))) + rows / (defaults * (rows - defaults)))
    p_value = float(2 * special.ndtr(-abs(shift) / error))
    measure = Measure(
        name="calibration_in_the_large", value=shift, baseline=0, limit=limits.calibration, p_value=p_value
    )
    return _Change(measure, abs(shift))


def _grades(document: Document, outcomes: Outcomes, pds: Floats, limits: MonitorLimits) -> list[_Change]:
    """Test with Jeffreys' test whether a grade defaults more often than its PD says.

    A model that learnt from few defaults may be wrong about a grade from the start, which is no drift. So the grade
    must also default more often than it did on the holdout: the p-value is the larger one of both tests
    (intersection-union test: Berger, Technometrics 24, 1982). Out-of-fold grades would not do: their edges were chosen
    on these very rows, which makes the best grades look better than they are.
    """
    before = {grade.grade: grade for grade in document.evidence.basis_grades}
    changes = []
    for grade in grade_table(outcomes, pds, grades=document.grades, edges=document.grade_edges):
        if grade.rows:
            p_value = max(grade.p_value, _worse(grade, before.get(grade.grade)))
            measure = Measure(
                name="grade",
                feature=grade.grade,
                value=grade.observed,
                baseline=grade.mean_pd,
                limit=limits.grade_ratio,
                p_value=p_value,
            )
            changes.append(_Change(measure, grade.observed / max(grade.mean_pd, 1e-12)))
            changes.append(_Change(Measure(name="grade_jeffreys", feature=grade.grade, value=grade.p_value), 0.0))
    return changes


def _worse(now: Grade, before: Grade | None) -> float:
    """Return the p-value of a grade that defaults no more often than before; 0 where that is not known."""
    if before is None or not before.rows:
        return 0.0
    if now.observed <= before.defaults / before.rows:
        return 1.0
    return share_test(now.defaults, now.rows, training_hits=before.defaults, training_rows=before.rows)
