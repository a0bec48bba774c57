"""The papers of a bundle: a self-contained HTML report with inline SVG plots, and a Markdown model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment
from markupsafe import Markup

from credit_model.bundle.document import Document
from credit_model.bundle.evidence import Decisions, Influence
from credit_model.bundle.measurements import Curves, Densities, Measurements
from credit_model.contract.contract import Column, Contract
from credit_model.evaluation.fairness import gaps
from credit_model.metrics.logistic import sigmoid
from credit_model.report.choices import choice_plots, choices
from credit_model.report.summary import findings
from credit_model.report.svg import Axis, Series, chart, number, quartiles, swarm, whiskers
from credit_model.report.templating import environment

_PARTS = {"holdout": "Holdout", "cross_validation": "Out of fold"}
_MEASURES = (
    ("ROC AUC", "roc_auc", 4),
    ("Gini", "gini", 4),
    ("KS", "ks", 4),
    ("PR AUC", "pr_auc", 4),
    ("Brier score", "brier", 5),
    ("Log loss", "log_loss", 5),
    ("Calibration slope", "calibration_slope", 3),
    ("Calibration in the large", "calibration_in_the_large", 3),
)


@cache
def _environment() -> Environment:
    made = environment()
    made.filters["percent"] = lambda value, digits=2: f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"
    made.filters["whole"] = lambda value: f"{value:,.0f}"
    made.filters["short"] = number
    made.filters["money"] = lambda value: f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.1f}"
    made.filters["p"] = lambda value: "< 0.001" if value < 0.001 else f"{value:.3f}"
    return made


def render_report(document: Document, *, comparison: Mapping[str, Any] | None = None) -> str:
    """Render the HTML report of a model; it needs nothing from the network.

    Args:
        document: Content of bundle.json.
        comparison: The gate's verdict as JSON (`Verdict.model_dump`), where the model was compared with a champion.
    """
    facts = _facts(document) | {"comparison": comparison, "plots": _plots(document), "gaps": gaps}
    influence = document.evidence.influence
    if influence:
        lost = {entry[0]: entry for entry in influence.permutation}
        facts |= {"quartiles": quartiles, "swarm": swarm(influence.swarm), "permutation": lost}
        facts |= {"partial": _partial(document.contract, influence)}
        facts |= {"choices": choices(document), "choice_plots": choice_plots(document)}
    return _environment().get_template("report.html.j2").render(**facts)


def render_card(document: Document) -> str:
    """Render the Markdown model card: purpose, quality, limits, lineage, and what a reviewer decides."""
    return _environment().get_template("model_card.md.j2").render(**_facts(document))


def _parts(document: Document) -> dict[str, Measurements]:
    return {name: document.metrics[name] for name in _PARTS if name in document.metrics}


def _facts(document: Document) -> dict[str, Any]:
    parts = _parts(document)
    ranked = sorted(document.importance.items(), key=lambda item: (-item[1], item[0]))
    return {
        "document": document,
        "evidence": document.evidence,
        "parts": parts,
        "names": _PARTS,
        "best": next(iter(parts.values())),
        "basis": next(iter(parts)),
        "importance": ranked[:20],
        "rows": _MEASURES,
        "findings": findings(document),
    }


def _plots(document: Document) -> list[Markup]:
    plots = [_roc(document), _precision(document), _calibration(document)]
    best = document.metrics.best.curves
    if best and best.densities:
        plots.append(_densities(best.densities))
    if document.evidence.decisions:
        plots += [_grades(document), _profit(document.evidence.decisions)]
    return plots


def _curves(document: Document, name: str) -> list[Series]:
    looks = {"holdout": ("solid", 0), "cross_validation": ("dashed", 1)}
    return [
        Series(part.curves[name], _PARTS[label], look=looks[label][0], hue=looks[label][1])  # type: ignore[arg-type]
        for label, part in reversed(_parts(document).items())
        if part.curves and name in part.curves
    ]


def _roc(document: Document) -> Markup:
    unit = Axis("Non-defaulters flagged", 0, 1, percent=True)
    chance = Series([(0, 0), (1, 1)], "chance", look="thin", hue=2)
    return chart(
        "How well it ranks (ROC)",
        unit,
        Axis("Defaulters found", 0, 1, percent=True),
        [chance, *_curves(document, "roc")],
    )


def _precision(document: Document) -> Markup:
    rate = document.metrics.best.default_rate
    chance = Series([(0, rate), (1, rate)], "chance", look="thin", hue=2)
    return chart(
        "How pure the flagged are (precision, recall)",
        Axis("Defaulters found", 0, 1, percent=True),
        Axis("Defaulters among the flagged", 0, 1, percent=True),
        [chance, *_curves(document, "precision_recall")],
    )


def _calibration(document: Document) -> Markup:
    parts = _parts(document)
    spots = {
        name: [(mean, rate) for mean, rate, _ in (part.curves or Curves()).reliability if rate > 0]
        for name, part in parts.items()
    }
    values = [value for part in spots.values() for spot in part for value in spot]
    low, high = min(values) / 1.5, min(max(values) * 1.5, 1.0)
    looks = {"holdout": ("dots", 0), "cross_validation": ("diamonds", 1)}
    clouds = [Series(spots[name], _PARTS[name], look=looks[name][0], hue=looks[name][1]) for name in reversed(parts)]  # type: ignore[arg-type]
    return chart(
        "Are the PDs right? (tenths of the applicants)",
        Axis("Predicted PD", low, high, log=True, percent=True),
        Axis("Observed default rate", low, high, log=True, percent=True),
        [Series([(low, low), (high, high)], "ideal", look="thin", hue=2), *clouds],
    )


def _densities(densities: Densities) -> Markup:
    edges = densities.edges
    low, high = edges[0], edges[-1]
    pds = sigmoid(np.linspace(low, high, 5))
    ticks = tuple(
        (float(at), number(float(f"{pd:.2g}"), percent=True))
        for at, pd in zip(np.linspace(low, high, 5), pds, strict=True)
    )
    top = max(*densities.bad, *densities.good) * 1.05
    good, bad = ([*zip(edges, [*shares, shares[-1]], strict=True)] for shares in (densities.good, densities.bad))
    series = [Series(good, "repaid", look="steps", hue=0), Series(bad, "defaulted", look="dashed", hue=1)]
    return chart(
        "How far it separates defaulters from the others",
        Axis("Predicted PD (log-odds scale)", low, high, ticks=ticks),
        Axis("Share of each", 0, top, percent=True),
        series,
    )


def _grades(document: Document) -> Markup:
    table = [grade for grade in document.evidence.basis_grades if grade.rows]
    low = min(min(grade.mean_pd, max(grade.low, grade.mean_pd / 10)) for grade in table)
    x = Axis("Grade", -0.5, len(table) - 0.5, ticks=tuple((i, grade.grade) for i, grade in enumerate(table)))
    y = Axis("Default rate", low / 1.3, max(grade.high for grade in table), log=True, percent=True)
    ranges = [(float(i), max(grade.low, y.low), grade.high) for i, grade in enumerate(table)]
    return chart(
        "Grades: PD, observed rate, 95 % interval",
        x,
        y,
        [
            Series([(i, max(g.observed, y.low)) for i, g in enumerate(table)], "observed", look="dots", hue=0),
            Series([(i, g.mean_pd) for i, g in enumerate(table)], "PD", look="diamonds", hue=1),
        ],
        extra=whiskers(x, y, ranges),
    )


def _profit(decisions: Decisions) -> Markup:
    table, chosen = decisions.table, decisions.rules.chosen.approve_below
    profits = [profit for entry in table for profit in (entry.expected_profit, entry.realised_profit)]
    low, high = min(0.0, *profits), max(0.0, *profits) * 1.08 or 1.0
    return chart(
        "Profit at each approval rate",
        Axis("Approved", 0, 1, percent=True),
        Axis("Profit of approved loans", low, high),
        [
            Series([(e.approved, e.expected_profit) for e in table], "expected", look="dashed", hue=1),
            Series([(e.approved, e.realised_profit) for e in table], "realised", look="solid", hue=0),
            Series([(chosen.approved, chosen.realised_profit)], "approved today", look="dots", hue=0),
        ],
    )


def _partial(contract: Contract, influence: Influence) -> list[Markup]:
    """Draw the partial dependence of the top features on one common scale of PDs."""
    highest = max((mean for _, curve in influence.partial for _, mean in curve), default=1.0) * 1.1
    return [_curve(contract.column(name), curve, highest) for name, curve in influence.partial]


def _curve(column: Column, curve: Sequence[tuple[float | str, float]], highest: float) -> Markup:
    levels = bool(curve) and isinstance(curve[0][0], str)
    spots = [(float(i) if levels else float(at), mean) for i, (at, mean) in enumerate(curve)]
    ticks = tuple((float(i), _clipped(str(at), len(curve))) for i, (at, _) in enumerate(curve)) if levels else ()
    margin = 0.5 if levels else 0.0
    ends = (spots[0][0] - margin, spots[-1][0] + margin) if spots else (0.0, 1.0)
    x, y = Axis(column.reason, *ends, ticks=ticks), Axis("Mean PD", 0, highest, percent=True)
    return chart(column.name, x, y, [Series(spots, look="dots" if levels else "solid")])


def _clipped(text: str, count: int) -> str:
    room = max(44 // max(count, 1), 3)
    return text if len(text) <= room else text[: room - 1] + "…"
