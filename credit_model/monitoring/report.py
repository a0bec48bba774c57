"""The monitoring report: one self-contained HTML page with the months of a model as inline SVG plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from jinja2 import Environment
from markupsafe import Markup

from credit_model.bundle.document import Document
from credit_model.monitoring.month import MonthReport
from credit_model.monitoring.words import TITLES
from credit_model.report.svg import Axis, Series, chart
from credit_model.report.templating import environment

_MOST_TICKS = 7
_FEATURES = 15
_LINES = 3


@cache
def _environment() -> Environment:
    made = environment()
    made.filters["percent"] = lambda value, digits=1: f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"
    made.filters["whole"] = lambda value: f"{value:,}"
    return made


def render_monitoring(
    document: Document, months: Sequence[MonthReport], *, portfolio: str, version: str, scored_on: str
) -> str:
    """Render the page; it needs nothing from the network.

    Args:
        document: Of the model.
        months: Its months, in order.
        portfolio: Name of the portfolio.
        version: Version of the model.
        scored_on: Day of the scores.
    """
    moved = _most_moved(months)
    facts = {
        "document": document,
        "months": months,
        "last": months[-1] if months else None,
        "alarmed": [month for month in months if month.alarms],
        "plots": _plots(months, moved) if months else [],
        "moved": moved[:_FEATURES],
        "shown": months[-12:],
        "titles": TITLES,
        "portfolio": portfolio,
        "version": version,
        "scored_on": scored_on,
    }
    return _environment().get_template("monitoring.html.j2").render(**facts)


def _most_moved(months: Sequence[MonthReport]) -> list[str]:
    """Sort features by their highest PSI in any month that training did not see, then by name."""
    highest: dict[str, float] = {}
    for month in months:
        for measure in month.measures:
            if measure.name == "feature_psi":
                value = 0.0 if month.trained_on else measure.value
                highest[measure.feature] = max(value, highest.get(measure.feature, 0.0))
    return sorted(highest, key=lambda name: (-highest[name], name))


def _plots(months: Sequence[MonthReport], moved: Sequence[str]) -> list[Markup]:
    time = _Time(months)
    looks = [("solid", 0), ("dashed", 1), ("steps", 2)]
    features = [time.line("feature_psi", name, name, *looks[place]) for place, name in enumerate(moved[:_LINES])]
    return [
        time.chart("Have the scores moved?", "PSI of the score", [time.line("score_psi"), *time.limit("score_psi")]),
        time.chart(
            "Features that moved most (dotted: limit)",
            "PSI",
            [*features, *time.limit("feature_psi", moved[0] if moved else "", label="")],
        ),
        time.chart(
            "Who is approved", "Approval rate", [time.line("approval_rate"), *time.base("approval_rate")], percent=True
        ),
        time.chart(
            "PD and realised default rate",
            "Share that defaults",
            [time.line("mean_pd", label="mean PD"), time.line("default_rate", "", "defaulted", "dots", 1)],
            percent=True,
        ),
        time.chart(
            "Does it still rank?",
            "ROC AUC",
            [time.line("roc_auc", "", "", "dots"), *time.base("roc_auc")],
            low=0.5,
            high=1,
        ),
        time.chart(
            "Are the PDs as a whole right?",
            "Log-odds too low (+) or too high (-)",
            [time.line("calibration_in_the_large", "", "", "dots"), *time.base("calibration_in_the_large", "right")],
            low=-1,
            high=1,
        ),
    ]


class _Time:
    """Plots over the months, on one axis."""

    def __init__(self, months: Sequence[MonthReport]) -> None:
        self._months = months
        every = -(-len(months) // _MOST_TICKS)
        ticks = tuple((float(at), month.month) for at, month in enumerate(months) if at % every == 0)
        self._axis = Axis("Month of application", -0.5, len(months) - 0.5, ticks=ticks)

    def _points(self, name: str, feature: str, of: Callable[..., float | None]) -> list[tuple[float, float]]:
        found = [(float(at), month.of(name, feature)) for at, month in enumerate(self._months)]
        values = [(at, of(measure)) for at, measure in found if measure is not None]
        return [(at, value) for at, value in values if value is not None]

    def line(self, name: str, feature: str = "", label: str = "", look: str = "solid", hue: int = 0) -> Series:
        """Return the values of a measure; a single month is drawn as a dot, because a line needs two."""
        points = self._points(name, feature, lambda measure: measure.value)
        return Series(points, label, look="dots" if len(points) < 2 else look, hue=hue)  # type: ignore[arg-type]

    def limit(self, name: str, feature: str = "", label: str = "limit") -> list[Series]:
        """Return the limit of a measure, as a thin line through all months."""
        return self._level(self._points(name, feature, lambda measure: measure.limit), label)

    def base(self, name: str, label: str = "at training") -> list[Series]:
        """Return the baseline of a measure, as a thin line through all months."""
        return self._level(self._points(name, "", lambda measure: measure.baseline), label)

    def _level(self, points: list[tuple[float, float]], label: str) -> list[Series]:
        if not points:
            return []
        return [Series([(-0.5, points[-1][1]), (len(self._months) - 0.5, points[-1][1])], label, look="thin", hue=2)]

    def chart(
        self,
        title: str,
        label: str,
        series: list[Series],
        *,
        percent: bool = False,
        low: float = 0.0,
        high: float = 0.0,
    ) -> Markup:
        """Draw the series that have a point, from `low` or less to `high` or more."""
        drawn = [entry for entry in series if entry.points]
        values = [y for entry in drawn for _, y in entry.points]
        top, bottom = max([high, *(1.1 * y for y in values)]), min([low, *(1.1 * y for y in values)])
        if low > 0:
            top, bottom = min(top, high), min([low, *values])
        return chart(title, self._axis, Axis(label, bottom, top or 1.0, percent=percent), drawn)
