"""Small charts as inline SVG: lines, densities, dots with a band, bars, and dots on a logarithmic axis.

A chart is drawn for a width in pixels, so that its text keeps its size: a page draws each twice, for wide and for
narrow screens. Colours are CSS classes (``ink-1`` and so on), so that a page can choose them for light and dark.
Every chart says in its label what it shows, and marks carry their figures as tooltips.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fedshare.demo.page.markup import Html, join, tag

__all__ = [
    "Bar",
    "Dot",
    "Level",
    "Series",
    "bar_chart",
    "density_chart",
    "dot_chart",
    "line_chart",
    "log_chart",
    "ticks",
]

_CHARACTER = 6.6
"Width of a character at 12 pixels, roughly; labels are placed by it."


class Series(NamedTuple):
    """A line of points."""

    label: str
    ink: str
    "CSS class of its colour."
    points: Sequence[tuple[float, float]]
    dashed: bool = False


class Level(NamedTuple):
    """A horizontal line to compare with."""

    label: str
    value: float


class Dot(NamedTuple):
    """A figure on an axis that all rows share."""

    label: str
    value: float
    text: str
    ink: str


class Bar(NamedTuple):
    """A length from 0."""

    label: str
    value: float
    text: str
    ink: str


@dataclass(frozen=True)
class _Scale:
    """Values to pixels."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        return self.start + (value - self.low) / (span if span else 1.0) * (self.stop - self.start)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that cover a range, about ``count`` of them.

    Example:
        >>> ticks(0.0, 1.0)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    raw = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def line_chart(
    series: Sequence[Series],
    levels: Sequence[Level],
    *,
    width: int,
    label: str,
    x_label: str,
    y_label: str,
    x_text: Callable[[float], str],
) -> Html:
    """Lines over a number, with horizontal levels to compare with.

    Args:
        series: The lines; at least one point in all.
        levels: Horizontal lines. They stretch the axis, so leave out what lies far away.
        width: In pixels.
        label: What the chart shows, for who cannot see it.
        x_label: Of the horizontal axis.
        y_label: Of the vertical axis.
        x_text: How its numbers are written.
    """
    height = 340 if width > 500 else 280
    values = [y for each in series for _, y in each.points] + [level.value for level in levels]
    marks = ticks(min(values), max(values), 5)
    places = sorted({x for each in series for x, _ in each.points})
    x = _Scale(min(places), max(places), 52, width - 16)
    y = _Scale(marks[0], marks[-1] if len(marks) > 1 else marks[0] + 1e-6, height - 46, 28)
    parts = [tag("text", y_label, x=0, y=12, class_="axis-name")]
    for mark in marks:
        parts.append(tag("line", x1=x.start, x2=x.stop, y1=y(mark), y2=y(mark), class_="grid"))
        parts.append(tag("text", _plain(mark, marks), x=x.start - 8, y=y(mark) + 4, class_="tick", text_anchor="end"))
    parts += _x_axis(places, x, height - 26, x_text)
    parts.append(tag("text", x_label, x=(x.start + x.stop) / 2, y=height - 4, class_="axis-name", text_anchor="middle"))
    above = -math.inf
    for level in sorted(levels, key=lambda each: each.value):
        height_of = y(level.value)
        shift = -6 if above == -math.inf or above - height_of > 34 else -20
        above = height_of
        parts.append(tag("line", x1=x.start, x2=x.stop, y1=height_of, y2=height_of, class_="level"))
        parts.append(tag("text", level.label, x=x.stop, y=height_of + shift, class_="level-name", text_anchor="end"))
    for each in series:
        drawn = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in each.points)
        dashes = "6 5" if each.dashed else None
        parts.append(tag("polyline", points=drawn, class_=f"line {each.ink}", stroke_dasharray=dashes))
        parts += [
            tag(
                "circle",
                tag("title", f"{each.label}, {x_text(a)}: {b:.3f}"),
                cx=x(a),
                cy=y(b),
                r=4.5,
                class_=f"mark {each.ink}",
            )
            for a, b in each.points
        ]
    return _svg(width, height, label, parts)


def density_chart(
    grid: Sequence[float],
    background: Sequence[float],
    foreground: Sequence[float],
    *,
    width: int,
    top: float,
    label: str,
    ink: str,
) -> Html:
    """Two densities on one axis: a grey one to compare with, and a coloured one in front.

    Args:
        grid: Where the densities are given.
        background: The grey one.
        foreground: The coloured one.
        width: In pixels.
        top: The density at the upper edge, so that several charts are comparable.
        label: What the chart shows, for who cannot see it.
        ink: CSS class of the colour.
    """
    height = 150 if width > 200 else 120
    x = _Scale(grid[0], grid[-1], 4, width - 4)
    y = _Scale(0.0, top or 1.0, height - 22, 6)

    def outline(values: Sequence[float]) -> str:
        return " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(grid, values, strict=True))

    floor = f"{x.stop:.1f},{y.start:.1f} {x.start:.1f},{y.start:.1f}"
    parts = [
        tag("polygon", points=f"{outline(background)} {floor}", class_="area ink-grey"),
        tag("polygon", points=f"{outline(foreground)} {floor}", class_=f"area {ink}"),
        tag("polyline", points=outline(background), class_="line thin ink-grey"),
        tag("polyline", points=outline(foreground), class_=f"line {ink}"),
        tag("line", x1=x.start, x2=x.stop, y1=y.start, y2=y.start, class_="base"),
        tag("text", "scored low", x=x.start, y=height - 6, class_="tick"),
        tag("text", "scored high", x=x.stop, y=height - 6, class_="tick", text_anchor="end"),
    ]
    return _svg(width, height, label, parts)


def dot_chart(
    dots: Sequence[Dot],
    *,
    width: int,
    label: str,
    x_label: str,
    band: tuple[float, float],
    band_label: str,
    origin: float,
) -> Html:
    """One figure a row on a shared axis, with the band in which it should lie.

    Args:
        dots: The rows, at least one.
        width: In pixels.
        label: What the chart shows, for who cannot see it.
        x_label: Of the axis.
        band: From, to.
        band_label: What the band is.
        origin: Where the stems begin: what the figures are held against.
    """
    row, head = 44, 30
    bottom = head + row * len(dots)
    height = bottom + 44
    values = [dot.value for dot in dots] + [*band, origin]
    marks = ticks(min(values), max(values), 5 if width > 500 else 4)
    x = _Scale(marks[0], marks[-1] if len(marks) > 1 else marks[0] + 1e-6, 12, width - 24)
    left, right = x(band[0]), x(band[1])
    half = len(band_label) * _CHARACTER / 2
    middle = min(max((left + right) / 2, half), width - half)
    parts = [
        tag("rect", x=left, y=head - 6, width=max(right - left, 1.0), height=bottom - head + 6, class_="band"),
        tag("text", band_label, x=middle, y=14, class_="band-name", text_anchor="middle"),
    ]
    for mark in marks:
        parts.append(tag("line", x1=x(mark), x2=x(mark), y1=head - 6, y2=bottom, class_="grid"))
        parts.append(tag("text", _plain(mark, marks), x=x(mark), y=bottom + 17, class_="tick", text_anchor="middle"))
    for index, dot in enumerate(dots):
        middle = head + row * index + 30
        parts.append(tag("text", dot.label, x=x.start, y=middle - 14, class_="row-name"))
        parts.append(tag("line", x1=x(origin), x2=x(dot.value), y1=middle, y2=middle, class_=f"stem {dot.ink}"))
        parts.append(
            tag(
                "circle",
                tag("title", f"{dot.label}: {dot.text}"),
                cx=x(dot.value),
                cy=middle,
                r=6.5,
                class_=f"mark {dot.ink}",
            )
        )
        fits = x(dot.value) + 14 + len(dot.text) * _CHARACTER < width
        shift, anchor = (13, "start") if fits else (-13, "end")
        parts.append(
            tag(
                "text",
                dot.text,
                x=x(dot.value) + shift,
                y=middle + 4 - (0 if fits else 12),
                class_="value",
                text_anchor=anchor,
            )
        )
    parts.append(tag("text", x_label, x=(x.start + x.stop) / 2, y=height - 6, class_="axis-name", text_anchor="middle"))
    return _svg(width, height, label, parts)


def bar_chart(bars: Sequence[Bar], *, width: int, label: str) -> Html:
    """Horizontal bars from 0, each with its name above it and its figure at its end.

    Args:
        bars: The rows, at least one.
        width: In pixels.
        label: What the chart shows, for who cannot see it.
    """
    row = 46
    room = max(len(bar.text) for bar in bars) * _CHARACTER + 16
    x = _Scale(0.0, max(bar.value for bar in bars), 0, width - room)
    parts: list[Html] = []
    for index, bar in enumerate(bars):
        y = row * index
        length = max(x(bar.value), 1.5)
        parts.append(tag("text", bar.label, x=0, y=y + 14, class_="row-name"))
        parts.append(
            tag(
                "rect",
                tag("title", f"{bar.label}: {bar.text}"),
                x=0,
                y=y + 20,
                width=length,
                height=17,
                rx=2,
                class_=f"bar {bar.ink}",
            )
        )
        parts.append(tag("text", bar.text, x=length + 8, y=y + 33, class_="value"))
    return _svg(width, row * len(bars), label, parts)


def log_chart(dots: Sequence[Dot], *, width: int, label: str, x_text: Callable[[float], str]) -> Html:
    """Dots on a logarithmic axis, for figures of very different size; there is no 0, so there are no bars.

    Args:
        dots: The rows, at least one, all above 0.
        width: In pixels.
        label: What the chart shows, for who cannot see it.
        x_text: How the axis writes powers of ten.
    """
    row = 46
    low = math.floor(math.log10(min(dot.value for dot in dots)))
    high = max(math.ceil(math.log10(max(dot.value for dot in dots))), low + 1)
    x = _Scale(low, high, 10, width - 30)
    bottom = row * len(dots)
    step = 1 if (high - low) * 60 < width else 2
    parts: list[Html] = []
    for power in range(low, high + 1):
        parts.append(tag("line", x1=x(power), x2=x(power), y1=0, y2=bottom, class_="grid"))
        if (power - low) % step == 0:
            parts.append(
                tag("text", x_text(10.0**power), x=x(power), y=bottom + 16, class_="tick", text_anchor="middle")
            )
    for index, dot in enumerate(dots):
        place, y = x(math.log10(dot.value)), row * index
        parts.append(tag("line", x1=x.start, x2=place, y1=y + 29, y2=y + 29, class_="lead"))
        parts.append(tag("text", dot.label, x=x.start, y=y + 14, class_="row-name"))
        parts.append(
            tag(
                "circle", tag("title", f"{dot.label}: {dot.text}"), cx=place, cy=y + 29, r=6.5, class_=f"mark {dot.ink}"
            )
        )
        fits = place + 14 + len(dot.text) * _CHARACTER < width
        shift, anchor = (13, "start") if fits else (-13, "end")
        parts.append(tag("text", dot.text, x=place + shift, y=y + 33, class_="value", text_anchor=anchor))
    return _svg(width, bottom + 24, label, parts)


def _plain(mark: float, marks: Sequence[float]) -> str:
    """A tick's number, with as many digits as its axis needs."""
    step = marks[1] - marks[0] if len(marks) > 1 else mark
    digits = next((digits for digits in range(6) if abs(round(step, digits) - step) < 1e-9), 6)
    return f"{mark:.{digits}f}"


def _x_axis(places: Sequence[float], x: _Scale, y: float, text: Callable[[float], str]) -> list[Html]:
    """Tick labels at the places of the points, leaving out those that would touch the one before."""
    parts, free = [], -math.inf
    for place in places:
        half = len(text(place)) * _CHARACTER / 2
        if x(place) - half < free:
            continue
        free = x(place) + half + 4
        parts.append(tag("text", text(place), x=x(place), y=y, class_="tick", text_anchor="middle"))
    return parts


def _svg(width: int, height: float, label: str, parts: Sequence[Html]) -> Html:
    return tag("svg", join(parts), view_box=f"0 0 {width} {height:g}", role="img", aria_label=label, class_="chart")
