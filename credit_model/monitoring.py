"""Watches a model in production: what has moved in a month of scored applications, and what has to be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field
from scipy import special

from credit_model.booster import Matrix
from credit_model.bundle import Document, Reference
from credit_model.contract import Column
from credit_model.decisions import grade_table
from credit_model.metrics.calibration import calibration_in_the_large
from credit_model.metrics.delong import auc_interval
from credit_model.metrics.discrimination import Floats, Outcomes, ks
from credit_model.metrics.shift import holm, psi_test, share_test
from credit_model.metrics.stability import bin_shares
from credit_model.monitoring_words import reason
from credit_model.scoring import points

Remedy = Literal["repair", "retrain", "look"]
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
_Z95 = 1.959963984540054


class MonitorLimits(BaseModel):
    """From where a change is an alarm: it must be as large as this, and too large for chance.

    Attributes:
        alpha: Chance of any false alarm of a month, separately for applications and outcomes (Holm's method).
        min_rows: Fewest applications of a month to test.
        score_psi: PSI of the score.
        feature_psi: PSI of a feature.
        broken_psi: PSI of a feature from which a fault of the feed is likelier than other applicants.
        missing: Change of the share of missing values.
        new_levels: Share of values with a level that training never saw.
        approval_rate: Change of the approval rate.
        mature_share: Share of the applications not declined whose outcome must be known before outcomes are judged;
            defaults are known early, so a young month looks worse than it is.
        min_defaults: Fewest defaults (and non-defaults) to judge outcomes by.
        auc_drop: ROC AUC below that of the holdout (of cross-validation where there was none).
        calibration: Log-odds by which the PDs as a whole are off, either way.
        grade_ratio: Observed default rate of a grade over its mean PD.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    alpha: float = Field(default=0.01, gt=0, lt=1)
    min_rows: int = Field(default=300, ge=50)
    score_psi: float = Field(default=0.10, gt=0)
    feature_psi: float = Field(default=0.25, gt=0)
    broken_psi: float = Field(default=1.0, gt=0)
    missing: float = Field(default=0.05, gt=0, le=1)
    new_levels: float = Field(default=0.01, gt=0, le=1)
    approval_rate: float = Field(default=0.10, gt=0, le=1)
    mature_share: float = Field(default=0.95, gt=0, le=1)
    min_defaults: int = Field(default=20, ge=2)
    auc_drop: float = Field(default=0.05, gt=0, le=1)
    calibration: float = Field(default=0.40, gt=0)
    grade_ratio: float = Field(default=1.5, gt=1)


class Measure(BaseModel):
    """One number of a month.

    Attributes:
        name: What is measured, such as `feature_psi`.
        feature: Of which feature or grade; empty for the month as a whole.
        value: The number; of a grade, its observed default rate.
        baseline: The number in training or on the holdout; of a grade, its mean PD.
        limit: Size of change from which it may be an alarm; None for what is only shown.
        p_value: Chance of such a change without drift; None where it was not tested.
        adjusted: The same after Holm's correction for all tests of its family.
        alarm: Whether the change is both large and significant, in a month that training did not see.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    feature: str = ""
    value: float
    baseline: float | None = None
    limit: float | None = None
    p_value: float | None = None
    adjusted: float | None = None
    alarm: bool = False


class Alarm(BaseModel):
    """A reason to act: which measure, what it calls for, and both in words."""

    model_config = ConfigDict(frozen=True)

    name: str
    feature: str
    remedy: Remedy
    reason: str


class MonthReport(BaseModel):
    """Everything measured of one month; JSON-able.

    Attributes:
        month: Which month.
        rows: Scored applications.
        tested: Whether there were enough of them to test.
        outcomes: Applications whose outcome is known.
        mature: Whether so many are known that outcomes were judged.
        trained_on: Whether training saw the month; nothing in it is an alarm then.
        measures: The numbers.
        alarms: What is wrong.
    """

    model_config = ConfigDict(frozen=True)

    month: str
    rows: int
    tested: bool
    outcomes: int
    mature: bool
    trained_on: bool
    measures: tuple[Measure, ...]
    alarms: tuple[Alarm, ...]

    @property
    def retrain(self) -> bool:
        """Whether a new model is the remedy: some alarm asks for it, and no broken feature would be learnt."""
        remedies = {alarm.remedy for alarm in self.alarms}
        return "retrain" in remedies and "repair" not in remedies

    def of(self, name: str, feature: str = "") -> Measure | None:
        """The measure of that name, or None."""
        return next((m for m in self.measures if m.name == name and m.feature == feature), None)


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

    A model that learnt from few defaults may be wrong about a grade from the start. That is no drift, so an alarm also
    takes a default rate above the one the grade had among the training rows (out of fold), at the level alpha.
    """
    judged = {grade["grade"]: grade for grade in document.evidence.get("grades", {}).get("cross_validation", ())}
    found = []
    for grade in grade_table(outcomes, pds, grades=document.grades, edges=document.grade_edges):
        if grade["rows"]:
            worse = _is_worse(grade, judged.get(grade["grade"]), limits.alpha)
            ratio = grade["observed"] / max(grade["mean_pd"], 1e-12) if worse else 0.0
            facts = {"value": grade["observed"], "baseline": grade["mean_pd"], "p_value": grade["p_value"]}
            measure = Measure(name="grade", feature=grade["grade"], limit=limits.grade_ratio, **facts)
            found.append(_Tested(measure, ratio))
    return found


def _is_worse(now: dict[str, Any], judged: dict[str, Any] | None, alpha: float) -> bool:
    if judged is None or not judged["rows"]:
        return True
    if now["observed"] <= judged["defaults"] / judged["rows"]:
        return False
    hits, rows = int(judged["defaults"]), int(judged["rows"])
    return share_test(now["defaults"], now["rows"], training_hits=hits, training_rows=rows) <= alpha
