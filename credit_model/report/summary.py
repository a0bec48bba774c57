"""The report's summary: what the evidence shows, and what a reviewer should look at."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from credit_model.bundle.document import Document
from credit_model.bundle.measurements import Measurements
from credit_model.evaluation.fairness import gaps

# Rules of thumb, named in the report wherever they are used.
_PSI_MOVED = 0.1
_LOW_P = 0.05
_APPROVAL_RATIO = 0.8


@dataclass(frozen=True)
class Finding:
    """One line of the summary: a question, what was found, and whether a reviewer should look closer."""

    question: str
    answer: str
    fine: bool


def findings(document: Document) -> list[Finding]:
    """Answer the questions that a reviewer asks first, from the evidence alone."""
    best = document.metrics.best
    found: list[Finding | None] = [_ranking(document, best), _calibration(best)]
    if document.evidence:
        found += [_grades(document), _drift(document), _fairness(document)]
    return [finding for finding in found if finding]


def _ranking(document: Document, best: Measurements) -> Finding:
    out_of_fold = document.metrics.cross_validation.roc_auc
    text = f"ROC AUC {best.roc_auc:.3f}, 95 % interval {best.roc_auc_low:.3f} to {best.roc_auc_high:.3f}"
    if document.metrics.holdout is None:
        return Finding("Does it rank risk?", f"{text}, out of fold; there was no holdout", fine=False)
    fine = best.roc_auc_low > 0.5 and best.roc_auc_high >= out_of_fold
    word = "no worse than" if fine else "below"
    return Finding("Does it rank risk?", f"{text}; {word} out of fold ({out_of_fold:.3f})", fine=fine)


def _calibration(best: Measurements) -> Finding:
    slope, large = best.calibration_slope, best.calibration_in_the_large
    low, high = best.intervals.get("calibration_slope", (slope, slope))
    below, above = best.intervals.get("calibration_in_the_large", (large, large))
    text = f"mean PD {best.mean_pd:.2%}, observed {best.default_rate:.2%}; "
    text += f"slope {slope:.2f} ({low:.2f} to {high:.2f})"
    fine = low <= 1 <= high and below <= 0 <= above
    return Finding("Are the PDs right?", text + ("" if fine else ", beyond what chance explains"), fine=fine)


def _grades(document: Document) -> Finding:
    table = [grade for grade in document.evidence.basis_grades if grade.rows]
    low = [grade.grade for grade in table if grade.p_value < _LOW_P]
    rates = [grade.observed for grade in table]
    rising = all(first <= second for first, second in pairwise(rates))
    text = f"{len(table)} grades, observed rates {'rise' if rising else 'do not always rise'} with the PD; "
    text += f"PD too low in {', '.join(low)} (Jeffreys p < {_LOW_P:g})" if low else "no PD too low (Jeffreys test)"
    return Finding("Do the grades hold?", text, fine=rising and not low)


def _drift(document: Document) -> Finding | None:
    drift = document.evidence.drift
    if drift is None:
        return None
    moved = [name for name, value in sorted(drift.features.items()) if value >= _PSI_MOVED]
    text = f"PSI of the score {drift.score:.3f}; {len(moved)} features moved (PSI of {_PSI_MOVED:g} or more)"
    text += f": {', '.join(moved[:5])}" if moved else ""
    return Finding("Is the population stable?", text, fine=drift.score < _PSI_MOVED and not moved)


def _fairness(document: Document) -> Finding:
    tables = document.evidence.fairness
    ratios = {name: found["approval_ratio"] for name, table in tables.items() if (found := gaps(table))}
    if not ratios:
        text = "not measured: no protected attribute of the contract has two large groups in these rows"
        return Finding("Are groups treated alike?", text, fine=False)
    worst = min(ratios, key=lambda name: ratios[name])
    text = f"lowest approval rate over highest: {', '.join(f'{name} {ratio:.2f}' for name, ratio in ratios.items())}"
    return Finding("Are groups treated alike?", text, fine=ratios[worst] >= _APPROVAL_RATIO)
