"""The report's plots as inline SVG, readable in print and without colour: series differ in shape and dashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Literal

from markupsafe import Markup, escape

Point = tuple[float, float]
Look = Literal["solid", "dashed", "dots", "diamonds", "steps", "thin"]

_WIDTH, _HEIGHT = 440, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 24, 48, 44


@dataclass(frozen=True)
class Axis:
    """One axis of a plot.

    Attributes:
        label: What it shows.
        low: Value at the start.
        high: Value at the end.
        log: Whether the scale is logarithmic.
        percent: Whether ticks are written in per cent.
        ticks: Ticks with their labels; chosen by range when empty.
    """

    label: str
    low: float
    high: float
    log: bool = False
    percent: bool = False
    ticks: tuple[tuple[float, str], ...] = ()

    def share(self, value: float) -> float:
        """Return the position of a value between the start (0) and the end (1), clipped."""
        low, high, value = (log10(max(v, 1e-9)) if self.log else v for v in (self.low, self.high, value))
        return min(max((value - low) / ((high - low) or 1.0), 0.0), 1.0)

    def marks(self) -> list[tuple[float, str]]:
        """Return the ticks and their labels."""
        if self.ticks:
            return list(self.ticks)
        values = _decades(self.low, self.high) if self.log else _steps(self.low, self.high)
        return [(value, number(value, percent=self.percent)) for value in values]


@dataclass(frozen=True)
class Series:
    """One line or cloud: points, name in the legend, look, and the number (0 to 2) of its colour."""

    points: Sequence[Point]
    name: str = ""
    look: Look = "solid"
    hue: int = 0


def number(value: float, *, percent: bool = False) -> str:
    """Return a number as short text.

    >>> number(0.1234), number(1_234_567)
    ('0.1234', '1.235 M')
    """
    scaled = 100 * value if percent else value
    if abs(scaled) >= 10_000:
        text = f"{scaled:,.0f}" if abs(scaled) < 1e6 else f"{scaled / 1e6:.4g} M"
    else:
        text = f"{scaled:.4g}"
    return f"{text}\N{NO-BREAK SPACE}%" if percent else text


def chart(title: str, x: Axis, y: Axis, series: Sequence[Series], *, extra: str = "") -> Markup:
    """Draw a plot of several series.

    Args:
        title: Text above it.
        x: Horizontal axis.
        y: Vertical axis.
        series: What to draw, the first at the bottom.
        extra: SVG drawn below the series.
    """
    body = "".join(_series(entry, x, y) for entry in series)
    return Markup(  # noqa: S704 - only numbers and escaped text
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<text x="{_LEFT}" y="16" class="title">{escape(title)}</text>'
        f"{_legend(series)}{_axes(x, y)}{extra}{body}</svg>"
    )


def place(x: Axis, y: Axis, point: Point) -> Point:
    """Return where a point is in the picture."""
    left = _LEFT + x.share(point[0]) * (_WIDTH - _LEFT - _RIGHT)
    return left, _HEIGHT - _BOTTOM - y.share(point[1]) * (_HEIGHT - _TOP - _BOTTOM)


def whiskers(x: Axis, y: Axis, ranges: Sequence[tuple[float, float, float]]) -> str:
    """Draw vertical ranges (x, low, high) for `chart`'s extra."""
    parts = []
    for at, low, high in ranges:
        left, bottom = place(x, y, (at, low))
        _, top = place(x, y, (at, high))
        parts.append(
            f'<path class="whisker" d="M{left - 5:.1f} {bottom:.1f}h10m-5 0V{top:.1f}m-5 0h10"/>',
        )
    return "".join(parts)


def swarm(rows: Sequence[tuple[str, Sequence[Sequence[float | None]]]]) -> Markup:
    """Draw a beeswarm: for each feature a strip of dots, one for each applicant.

    A dot is at the feature's contribution; its fill runs from light (low value) to dark (high value), and a missing
    value is an open ring.

    Args:
        rows: Name and pairs of contribution and rank of the value (0 to 1, None for missing), from top to bottom.
    """
    reach = max((abs(push or 0.0) for _, dots in rows for push, _ in dots), default=1.0) or 1.0
    axis = Axis("Contribution to the log-odds of default", -reach, reach)
    band, width = 30, 900
    left = round(24 + 6.6 * max((len(name) for name, _ in rows), default=0))
    height = band * len(rows) + 46
    parts = [f'<line class="zero" x1="{(left + width) / 2}" x2="{(left + width) / 2}" y1="4" y2="{height - 40}"/>']
    for line, (name, dots) in enumerate(rows):
        middle = band * line + band / 2 + 4
        parts.append(f'<text x="{left - 12}" y="{middle + 4}" class="end">{escape(name)}</text>')
        parts += _strip(dots, axis, middle=middle, left=left, width=width)
    for value, label in axis.marks():
        at = left + axis.share(value) * (width - left)
        parts.append(f'<text x="{at:.1f}" y="{height - 24}">{label}</text>')
    parts.append(f'<text x="{(left + width) / 2}" y="{height - 6}" class="label">{axis.label}</text>')
    svg = f'<svg class="swarm" viewBox="0 0 {width + 14} {height}" role="img" aria-label="Contributions">'
    return Markup(svg + "".join(parts) + "</svg>")  # noqa: S704 - only numbers and escaped text


def quartiles(bad: Sequence[float], good: Sequence[float]) -> Markup:
    """Draw two small inter-quartile ranges: defaulters above (dark), the others below (light)."""
    low, high = min(bad[0], good[0]), max(bad[2], good[2])
    axis = Axis("", low, high)
    parts = []
    for top, part, kind in ((2, bad, "bad"), (11, good, "good")):
        start, middle, end = (4 + axis.share(value) * 112 for value in part)
        parts.append(
            f'<rect class="{kind}" x="{start:.1f}" y="{top}" width="{max(end - start, 2):.1f}" height="7"/>'
            f'<path class="median" d="M{middle:.1f} {top - 1}v9"/>'
        )
    return Markup(f'<svg class="mini" viewBox="0 0 120 20">{"".join(parts)}</svg>')  # noqa: S704 - numbers only


def _strip(
    dots: Sequence[Sequence[float | None]], axis: Axis, *, middle: float, left: float, width: float
) -> list[str]:
    """Draw dots side by side where they would cover each other, as far as the strip is wide."""
    taken: dict[int, int] = {}
    parts = []
    for push, rank in dots:
        at = left + axis.share(push or 0.0) * (width - left)
        stacked = taken.get(round(at / 4), 0)
        taken[round(at / 4)] = stacked + 1
        lift = min((stacked + 1) // 2 * 2.2, 12) * (1 if stacked % 2 else -1)
        look = 'class="ring"' if rank is None else f'fill="{_shade(rank)}"'
        parts.append(f'<circle {look} cx="{at:.1f}" cy="{middle + lift:.1f}" r="2.4"/>')
    return parts


def _shade(rank: float) -> str:
    """Return a colour from pale yellow (0) to dark blue (1), which also reads in grey (like Cividis)."""
    light, dark = (240, 215, 95), (10, 45, 110)
    red, green, blue = (round(a + (b - a) * rank) for a, b in zip(light, dark, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _series(series: Series, x: Axis, y: Axis) -> str:
    spots = [place(x, y, point) for point in series.points]
    hue = f"hue{series.hue}"
    if series.look == "dots":
        return "".join(f'<circle class="{hue} fill" cx="{px:.1f}" cy="{py:.1f}" r="4"/>' for px, py in spots)
    if series.look == "diamonds":
        return "".join(f'<path class="{hue} open" d="M{px:.1f} {py - 5:.1f}l5 5l-5 5l-5-5z"/>' for px, py in spots)
    text = " ".join(f"{px:.1f},{py:.1f}" for px, py in (_stepped(spots) if series.look == "steps" else spots))
    return f'<polyline class="{hue} {series.look}" points="{text}"/>'


def _stepped(spots: Sequence[Point]) -> list[Point]:
    corners = [(spots[i + 1][0], spots[i][1]) for i in range(len(spots) - 1)]
    return [point for pair in zip(spots, [*corners, spots[-1]], strict=True) for point in pair]


def _legend(series: Sequence[Series]) -> str:
    parts, left = [], float(_LEFT)
    for entry in (entry for entry in series if entry.name):
        hue = f"hue{entry.hue}"
        if entry.look == "dots":
            mark = f'<circle class="{hue} fill" cx="{left + 10}" cy="32" r="4"/>'
        elif entry.look == "diamonds":
            mark = f'<path class="{hue} open" d="M{left + 10} 27l5 5l-5 5l-5-5z"/>'
        else:
            mark = f'<polyline class="{hue} {entry.look}" points="{left},32 {left + 20},32"/>'
        parts.append(f'{mark}<text class="name" x="{left + 26}" y="36">{escape(entry.name)}</text>')
        left += 46 + 6.2 * len(entry.name)
    return "".join(parts)


def _axes(x: Axis, y: Axis) -> str:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = [f'<path class="frame" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>']
    for value, label in x.marks():
        at = place(x, y, (value, y.low))[0]
        parts.append(f'<text x="{at:.1f}" y="{bottom + 15}">{escape(label)}</text>')
    for value, label in y.marks():
        at = place(x, y, (x.low, value))[1]
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="end" x="{_LEFT - 6}" y="{at + 4:.1f}">{escape(label)}</text>')
    middle = (_TOP + bottom) / 2
    parts.append(f'<text class="label" x="{(_LEFT + right) / 2}" y="{_HEIGHT - 8}">{escape(x.label)}</text>')
    parts.append(f'<text class="label" transform="translate(13 {middle}) rotate(-90)">{escape(y.label)}</text>')
    return "".join(parts)


def _decades(low: float, high: float) -> list[float]:
    powers = range(floor(log10(max(low, 1e-9))), ceil(log10(max(high, 1e-9))) + 1)
    factors = (1, 2, 5) if high / max(low, 1e-9) < 200 else (1,)
    return [f * 10.0**power for power in powers for f in factors if low <= f * 10.0**power <= high * 1.0001]


def _steps(low: float, high: float) -> list[float]:
    rough = (high - low) / 5 or 1.0
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return [round(k * step, 12) for k in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]
