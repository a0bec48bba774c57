"""The report's section on the choices made in training: candidate, constraints, calibration, search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from credit_model.bundle.document import Document
from credit_model.bundle.evidence import CurvePoint, ScorecardRow, SearchHistory, Studies, Trial
from credit_model.report.svg import Axis, Series, chart

CANDIDATES = {
    "lightgbm": "Gradient-boosted trees (LightGBM)",
    "random_forest": "Random forest (LightGBM)",
    "scorecard": "Points scorecard (weight of evidence)",
}
CALIBRATIONS = {
    "none": "none: the model's own log-odds",
    "sigmoid": "sigmoid (Platt)",
    "isotonic": "isotonic regression",
    "venn_abers": "Venn-Abers",
}
_QUESTIONS = {
    "unconstrained": "Without the monotone constraints",
    "scorecard": "A points scorecard instead",
}
_TRIALS_SHOWN = 10


def choices(document: Document) -> dict[str, Any]:
    """Return the facts for the section on choices.

    Returns:
        Titles of `candidate` and `calibration`; `rivals`, the studied alternatives with what they gain; `calibrations`,
        the ones tried; `search` with its best trials first; `scorecard`, its points. Each is empty if not measured.
    """
    evidence = document.evidence
    return {
        "candidate": CANDIDATES[document.settings.candidate],
        "calibration": CALIBRATIONS[document.calibration.method],
        "names": CALIBRATIONS,
        "rivals": _rivals(evidence.studies) if evidence.studies else [],
        "study_rows": evidence.studies.rows if evidence.studies else None,
        "calibrations": evidence.calibration,
        "search": _search(evidence.search) if evidence.search else None,
        "scorecard": _by_feature(evidence.scorecard),
    }


def choice_plots(document: Document) -> list[Markup]:
    """Draw the learning curve and the history of the search, where there are any."""
    evidence = document.evidence
    plots = []
    if evidence.studies:
        plots.append(_learning(evidence.studies.learning_curve))
    if evidence.search:
        plots.append(_history(evidence.search.trials))
    return plots


def _rivals(studies: Studies) -> list[dict[str, Any]]:
    found = [(label, getattr(studies, name)) for name, label in _QUESTIONS.items()]
    return [{"label": label, **comparison} for label, comparison in found if comparison]


def _search(history: SearchHistory) -> dict[str, Any]:
    ranked = sorted(_finished(history.trials))
    gained = (history.trials[0].loss or 0.0) - ranked[0][0]
    top = [history.trials[number] for _, number in ranked[:_TRIALS_SHOWN]]
    return {**history, "top": top, "gained": gained, "finished": len(ranked)}


def _finished(trials: Sequence[Trial]) -> list[tuple[float, int]]:
    """Return loss and number of the trials that ran to their end."""
    return [(trial.loss, trial.number) for trial in trials if trial.state == "complete" and trial.loss is not None]


def _by_feature(rows: Sequence[ScorecardRow]) -> dict[str, list[ScorecardRow]]:
    table: dict[str, list[ScorecardRow]] = {}
    for row in rows:
        table.setdefault(row.feature, []).append(row)
    return table


def _learning(curve: Sequence[CurvePoint]) -> Markup:
    """Draw AUC against training rows; if the curve still rises, more applications would help."""
    spots = [(point.rows, point.roc_auc) for point in curve]
    aucs = [auc for _, auc in spots]
    room = max(max(aucs) - min(aucs), 0.01) / 2
    return chart(
        "Would more applications help?",
        Axis("Applications trained on", 0, max(rows for rows, _ in spots)),
        Axis("ROC AUC on held-out rows", max(min(aucs) - room, 0), min(max(aucs) + room, 1)),
        [Series(spots), Series(spots, look="dots")],
    )


def _history(trials: Sequence[Trial]) -> Markup:
    """Draw how far each finished trial is above the best, and the best so far; in thousandths of log loss."""
    done = [(float(number), loss) for loss, number in _finished(trials)]
    lowest = min(loss for _, loss in done)
    spots = [(number, 1000 * (loss - lowest)) for number, loss in done]
    best = [(number, min(loss for other, loss in spots if other <= number)) for number, _ in spots]
    losses = sorted(loss for _, loss in spots)
    # One bad trial must not flatten the differences that matter.
    high = losses[int(0.9 * (len(losses) - 1))]
    room = max(high, 0.01) * 0.15
    shown = [(number, loss) for number, loss in spots if loss <= high + room]
    return chart(
        "What the search found",
        Axis("Trial", 0, max(number for number, _ in spots) or 1),
        Axis("Log loss above the best, in thousandths", -room, high + room),
        [Series(best, "best so far", look="steps", hue=0), Series(shown, "trial", look="dots", hue=1)],
    )
