"""Renders the papers of a bundle: a self-contained HTML report with inline SVG plots, and a Markdown model card."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from credit_model.bundle import Document

_SIZE = 300
_PAD = 36


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("credit_model", "templates"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value, digits=2: f"{100 * value:.{digits}f} %"
    return environment


def render_report(document: Document) -> str:
    """HTML report of a model; needs nothing from the network."""
    plots = {name: (_roc(m["curves"]["roc"]), _reliability(m["curves"]["reliability"])) for name, m in _parts(document)}
    return _environment().get_template("report.html.j2").render(**_facts(document), plots=plots)


def render_card(document: Document) -> str:
    """Markdown model card: what the model is for, how good it is, where it comes from."""
    return _environment().get_template("model_card.md.j2").render(**_facts(document))


def _parts(document: Document) -> list[tuple[str, dict[str, Any]]]:
    return [(name, document.metrics[name]) for name in ("holdout", "cross_validation") if name in document.metrics]


def _facts(document: Document) -> dict[str, object]:
    ranked = sorted(document.importance.items(), key=lambda item: (-item[1], item[0]))
    return {
        "document": document,
        "parts": dict(_parts(document)),
        "importance": ranked[:20],
        "rows": [
            ("ROC AUC", "roc_auc", 4),
            ("Gini", "gini", 4),
            ("KS", "ks", 4),
            ("PR AUC", "pr_auc", 4),
            ("Brier score", "brier", 5),
            ("Log loss", "log_loss", 5),
            ("Calibration slope", "calibration_slope", 3),
            ("Calibration in the large", "calibration_in_the_large", 3),
        ],
    }


def _roc(curve: Sequence[Sequence[float]]) -> Markup:
    return _plot([(x, y) for x, y in curve], dots=False, label="ROC curve", x="False alarms", y="Defaults found")


def _reliability(table: Sequence[Sequence[float]]) -> Markup:
    top = max(max(mean, rate) for mean, rate, _ in table) * 1.05 or 1.0
    shown = [(mean / top, rate / top) for mean, rate, _ in table]
    return _plot(shown, dots=True, label=f"Calibration, 0 to {top:.1%}", x="Predicted PD", y="Observed rate")


def _plot(curve: Sequence[tuple[float, float]], *, dots: bool, label: str, x: str, y: str) -> Markup:
    """A square plot of points in the unit square with the diagonal for comparison."""
    side = _SIZE - 2 * _PAD
    places = [(_PAD + side * px, _SIZE - _PAD - side * py) for px, py in curve]
    line = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
    circles = "".join(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.5"/>' for px, py in places) if dots else ""
    low, high = _PAD, _SIZE - _PAD
    return Markup(  # noqa: S704 - only numbers and fixed words reach this text
        f'<svg viewBox="0 0 {_SIZE} {_SIZE}" role="img" aria-label="{label}">'
        f'<rect class="frame" x="{low}" y="{low}" width="{side}" height="{side}"/>'
        f'<line class="diagonal" x1="{low}" y1="{high}" x2="{high}" y2="{low}"/>'
        f'<polyline points="{line}"/>{circles}'
        f'<text x="{_SIZE / 2}" y="22" class="title">{label}</text>'
        f'<text x="{_SIZE / 2}" y="{_SIZE - 10}">{x}</text>'
        f'<text transform="translate(16 {_SIZE / 2}) rotate(-90)">{y}</text></svg>'
    )
