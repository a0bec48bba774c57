"""Watches a model in production: what has moved in a month of scored applications, and what has to be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import special

from credit_model.bundle.document import Document, Reference
from credit_model.contract.contract import Column
from credit_model.metrics.calibration import calibration_in_the_large
from credit_model.metrics.delong import auc_interval
from credit_model.metrics.discrimination import ks
from credit_model.metrics.shift import holm, psi_test, share_test
from credit_model.metrics.stability import bin_shares
from credit_model.monitoring.month import Alarm, Measure, MonitorLimits, MonthReport, Remedy
from credit_model.monitoring.words import reason
from credit_model.policy.decisions import grade_table
from credit_model.policy.points import points
from credit_model.types import Floats, Matrix, Outcomes

# What an alarm calls for. Values that vanish or are new are a fault of the feed, which training would learn.
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
__all__ = ["MonitorLimits", "MonthReport", "monitor"]
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class _Tested:
    """A measure with the size of its change."""

    measure: Measure
    change: float


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
    """Holds one month of scored applications against what training saw.

    Args:
        document: Of the model that scored them.
        table: Canonical table of the applications, with every input of the model's features.
        pds: Their PDs, shape (rows,).
        outcomes: True for a default, null while not known, shape (rows,); None when nothing is known.
        limits: From where a change is an alarm; the defaults when absent.
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
        *_judged(now, limits, tested=tested, trained_on=trained_on),
        *_judged(realised, limits, tested=True, trained_on=trained_on),
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


def _judged(found: list[_Tested], limits: MonitorLimits, *, tested: bool, trained_on: bool) -> list[Measure]:
    """The measures of one family of tests, with corrected p-values and alarms."""
    family = [entry.measure.p_value for entry in found if entry.measure.p_value is not None] if tested else []
    corrected = iter(holm(family))
    measures = []
    for entry in found:
        measure = entry.measure
        if measure.p_value is None or measure.limit is None or not tested:
            measures.append(measure.model_copy(update={"p_value": None}))
            continue
        adjusted = next(corrected)
        alarm = not trained_on and entry.change >= measure.limit and adjusted <= limits.alpha
        measures.append(measure.model_copy(update={"adjusted": adjusted, "alarm": alarm}))
    return measures


def _alarm(measure: Measure, limits: MonitorLimits) -> Alarm:
    broken = measure.name == "feature_psi" and measure.value >= limits.broken_psi
    remedy: Remedy = "repair" if broken else REMEDIES[measure.name]
    words = reason(measure.name, measure.feature, measure.value, measure.baseline or 0.0, measure.limit or 0.0, remedy)
    return Alarm(name=measure.name, feature=measure.feature, remedy=remedy, reason=words)


def _shown(name: str, value: float, baseline: float | None = None) -> _Tested:
    return _Tested(Measure(name=name, value=value, baseline=baseline), 0.0)


def _population(document: Document, table: pa.Table, pds: Floats, limits: MonitorLimits) -> list[_Tested]:
    """What the applications say before anything is known of their outcomes."""
    trained = int(document.training["rows"])
    score = points(pds, document.scale).astype(np.float64)
    index, p_value = psi_test(*_bins(document.score_reference, score), training_rows=trained)
    best = _baseline(document)
    found = [
        _Tested(Measure(name="score_psi", value=index, baseline=0, limit=limits.score_psi, p_value=p_value), index),
        _shown("mean_score", float(score.mean())),
        _shown("mean_pd", float(pds.mean()), best["mean_pd"]),
        *_approval(document, pds, limits),
    ]
    return found + _features(document, table, limits)


def _features(document: Document, table: pa.Table, limits: MonitorLimits) -> list[_Tested]:
    matrix = document.encoder.matrix(table)
    found = []
    for position, column in enumerate(document.encoder.columns):
        if column.name in document.reference:
            unseen = _unseen(document, table, column)
            found += _feature(document, column.name, matrix[:, position], unseen, limits)
    return found


def _feature(document: Document, name: str, values: Matrix, unseen: int | None, limits: MonitorLimits) -> list[_Tested]:
    reference, rows, trained = document.reference[name], len(values), int(document.training["rows"])
    index, p_value = psi_test(*_bins(reference, values), training_rows=trained)
    shape = Measure(
        name="feature_psi", feature=name, value=index, baseline=0, limit=limits.feature_psi, p_value=p_value
    )
    found = [_Tested(shape, index)]
    gaps = int(np.isnan(values).sum()) - (unseen or 0)
    parts = [("missing", gaps, reference.missing, limits.missing)]
    parts += [("new_levels", unseen, 0.0, limits.new_levels)] if unseen is not None else []
    for kind, hits, before, limit in parts:
        p_value = share_test(hits, rows, training_hits=round(before * trained), training_rows=trained)
        measure = Measure(name=kind, feature=name, value=hits / rows, baseline=before, limit=limit, p_value=p_value)
        found.append(_Tested(measure, abs(hits / rows - before)))
    return found


def _unseen(document: Document, table: pa.Table, column: Column) -> int | None:
    """Values with a level that training never saw; None for a column without learnt levels."""
    if column.kind != "categorical":
        return None
    values = table.column(column.name)
    codes = pc.index_in(values.cast(pa.string()), value_set=pa.array(document.encoder.codes(column), pa.string()))
    return int(codes.null_count - values.null_count)


def _bins(reference: Reference, values: Floats) -> tuple[Floats, Floats]:
    """Shares in training and rows now, in the same bins; missing values are the last bin."""
    known = values[~np.isnan(values)]
    if reference.kind == "levels":
        counts = np.bincount(known.astype(np.int64), minlength=len(reference.shares)).astype(np.float64)
    else:
        counts = np.rint(bin_shares(known, np.asarray(reference.edges)) * len(known))
    return np.array([*reference.shares, reference.missing]), np.array([*counts, len(values) - len(known)])


def _approval(document: Document, pds: Floats, limits: MonitorLimits) -> list[_Tested]:
    rows, approved = len(pds), int((pds < document.cutoffs.approve_below).sum())
    evidence = document.evidence.get("decisions")
    if evidence is None:
        return [_shown("approval_rate", approved / rows)]
    before, trained = float(evidence["rules"]["chosen"]["approve_below"]["approved"]), int(_baseline(document)["rows"])
    p_value = share_test(approved, rows, training_hits=round(before * trained), training_rows=trained)
    value, limit = approved / rows, limits.approval_rate
    measure = Measure(name="approval_rate", value=value, baseline=before, limit=limit, p_value=p_value)
    return [_Tested(measure, abs(value - before))]


def _baseline(document: Document) -> dict[str, Any]:
    """Quality on the holdout, or in cross-validation where there was none."""
    measured: dict[str, Any] = document.metrics.get("holdout") or document.metrics["cross_validation"]
    return measured


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


def _realised(document: Document, outcomes: Outcomes, pds: Floats, limits: MonitorLimits) -> list[_Tested]:
    """What the outcomes say of the PDs."""
    best = _baseline(document)
    return [
        _shown("default_rate", float(outcomes.mean()), best["default_rate"]),
        _auc(best, outcomes, pds, limits),
        _shown("ks", ks(outcomes, pds), best["ks"]),
        _calibration(document, outcomes, pds, limits),
        *_grades(document, outcomes, pds, limits),
    ]


def _auc(best: dict[str, Any], outcomes: Outcomes, pds: Floats, limits: MonitorLimits) -> _Tested:
    """One-sided: is the AUC lower than it was; both have DeLong's standard error and are of different applicants."""
    now, before = auc_interval(outcomes, pds), float(best["roc_auc"])
    # The lower end is cut at 0 only, the upper one at 1: half the interval is known from below.
    error = sqrt(now.standard_error**2 + ((before - float(best["roc_auc_low"])) / _Z95) ** 2)
    drop = before - now.auc
    p_value = float(special.ndtr(-drop / error)) if error > 0 else float(drop <= 0)
    measure = Measure(name="roc_auc", value=now.auc, baseline=before, limit=limits.auc_drop, p_value=p_value)
    return _Tested(measure, drop)


def _calibration(document: Document, outcomes: Outcomes, pds: Floats, limits: MonitorLimits) -> _Tested:
    """Two-sided, against 0: the error is this month's and that of the few defaults the PDs were calibrated on."""
    shift = calibration_in_the_large(outcomes, pds)
    rows, defaults = int(document.training["rows"]), int(document.training["defaults"])
    error = sqrt(1 / float(np.sum(pds * (1 - pds))) + rows / (defaults * (rows - defaults)))
    p_value = float(2 * special.ndtr(-abs(shift) / error))
    measure = Measure(
        name="calibration_in_the_large", value=shift, baseline=0, limit=limits.calibration, p_value=p_value
    )
    return _Tested(measure, abs(shift))


def _grades(document: Document, outcomes: Outcomes, pds: Floats, limits: MonitorLimits) -> list[_Tested]:
    """Jeffreys test of every grade anybody is in: does it default more often than its PD says.

    A model that learnt from few defaults may be wrong about a grade from the start. That is no drift, so the grade must
    also default more often than it did when the model was judged: the p-value is the larger of both tests'
    (intersection-union test: Berger, Technometrics 24, 1982). On the holdout, for out of fold the edges of the grades
    were chosen on these very rows, which makes the best grades look better than they are.
    """
    judged = {grade["grade"]: grade for grade in _judged_grades(document)}
    found = []
    for grade in grade_table(outcomes, pds, grades=document.grades, edges=document.grade_edges):
        if grade["rows"]:
            name, value, mean = grade["grade"], grade["observed"], grade["mean_pd"]
            p_value = max(grade["p_value"], _worse(grade, judged.get(name)))
            facts = {"value": value, "baseline": mean, "limit": limits.grade_ratio, "p_value": p_value}
            found.append(_Tested(Measure(name="grade", feature=name, **facts), value / max(mean, 1e-12)))
            shown = Measure(name="grade_jeffreys", feature=name, value=grade["p_value"])
            found.append(_Tested(shown, 0.0))
    return found


def _judged_grades(document: Document) -> list[dict[str, Any]]:
    tables: dict[str, list[dict[str, Any]]] = document.evidence.get("grades", {})
    return tables.get("holdout") or tables.get("cross_validation") or []


def _worse(now: dict[str, Any], judged: dict[str, Any] | None) -> float:
    """P-value of a grade defaulting no more often than when the model was judged; 0 where that is not known."""
    if judged is None or not judged["rows"]:
        return 0.0
    hits, rows = int(judged["defaults"]), int(judged["rows"])
    if now["observed"] <= hits / rows:
        return 1.0
    return share_test(now["defaults"], now["rows"], training_hits=hits, training_rows=rows)
