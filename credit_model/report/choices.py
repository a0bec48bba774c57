"""What the report shows of the choices made in training: candidate, constraints, calibration, search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from credit_model.bundle.document import Document
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
    """Facts for the section on choices.

    Returns:
        `candidate` and `calibration` in words; `rivals`, the studied alternatives with what they gain; `methods`, the
        calibrations tried; `search` with its best trials first; `scorecard`, its points; each empty where it was not
        measured.
    """
    evidence = document.evidence
    return {
        "candidate": CANDIDATES[document.settings["candidate"]],
        "calibration": CALIBRATIONS[document.calibration.method],
        "names": CALIBRATIONS,
        "rivals": _rivals(evidence.get("studies", {})),
        "study_rows": evidence.get("studies", {}).get("rows"),
        "calibrations": evidence.get("calibration"),
        "search": _search(evidence.get("search")),
        "scorecard": _by_feature(evidence.get("scorecard", [])),
    }


def choice_plots(document: Document) -> list[Markup]:
    """Learning curve and history of the search, where there are any."""
    evidence = document.evidence
    plots = []
    if "studies" in evidence:
        plots.append(_learning(evidence["studies"]["learning_curve"]))
    if "search" in evidence:
        plots.append(_history(evidence["search"]["trials"]))
    return plots


def _rivals(studies: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [studies[key] | {"label": label} for key, label in _QUESTIONS.items() if key in studies]


def _search(history: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if history is None:
        return None
    finished = [trial for trial in history["trials"] if trial["state"] == "complete"]
    ranked = sorted(finished, key=lambda trial: (trial["loss"], trial["number"]))
    start = history["trials"][0]
    gained = start["loss"] - ranked[0]["loss"]
    return {**history, "top": ranked[:_TRIALS_SHOWN], "gained": gained, "finished": len(finished)}


def _by_feature(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    table: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        table.setdefault(row["feature"], []).append(row)
    return table


def _learning(curve: Sequence[Mapping[str, float]]) -> Markup:
    """AUC against training rows; a curve that still rises says that more applications would help."""
    spots = [(point["rows"], point["roc_auc"]) for point in curve]
    aucs = [auc for _, auc in spots]
    room = max(max(aucs) - min(aucs), 0.01) / 2
    return chart(
        "Would more applications help?",
        Axis("Applications trained on", 0, max(rows for rows, _ in spots)),
        Axis("ROC AUC on rows held apart", max(min(aucs) - room, 0), min(max(aucs) + room, 1)),
        [Series(spots), Series(spots, look="dots")],
    )


def _history(trials: Sequence[Mapping[str, Any]]) -> Markup:
    """How far each finished trial is above the best, and the best so far; in thousandths of log loss."""
    done = [(float(trial["number"]), trial["loss"]) for trial in trials if trial["state"] == "complete"]
    lowest = min(loss for _, loss in done)
    spots = [(number, 1000 * (loss - lowest)) for number, loss in done]
    best = [(number, min(loss for other, loss in spots if other <= number)) for number, _ in spots]
    losses = sorted(loss for _, loss in spots)
    # One hopeless trial must not flatten the differences that matter.
    high = losses[int(0.9 * (len(losses) - 1))]
    room = max(high, 0.01) * 0.15
    shown = [(number, loss) for number, loss in spots if loss <= high + room]
    return chart(
        "What the search found",
        Axis("Trial", 0, max(number for number, _ in spots) or 1),
        Axis("Log loss above the best, in thousandths", -room, high + room),
        [Series(best, "best so far", look="steps", hue=0), Series(shown, "trial", look="dots", hue=1)],
    )
