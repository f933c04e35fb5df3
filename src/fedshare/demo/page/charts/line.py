"""Lines over a number, with horizontal levels to compare with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fedshare.demo.page.charts.axis import Scale, svg, text_width, tick_text, ticks_and_scale
from fedshare.demo.page.markup import Html, tag

__all__ = ["Level", "Series", "line_chart"]


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
        label: What the chart shows, for readers who cannot see it.
        x_label: Of the horizontal axis.
        y_label: Of the vertical axis.
        x_text: How its numbers are written.
    """
    height = 340 if width > 500 else 280
    values = [y for each in series for _, y in each.points] + [level.value for level in levels]
    marks, y = ticks_and_scale(values, 5, height - 46, 28)
    places = sorted({x for each in series for x, _ in each.points})
    x = Scale(min(places), max(places), 52, width - 16)
    parts = [
        tag("text", y_label, x=0, y=12, class_="axis-name"),
        *_y_axis(marks, x, y),
        *_x_axis(places, x, height - 26, x_text),
        tag("text", x_label, x=(x.start + x.stop) / 2, y=height - 4, class_="axis-name", text_anchor="middle"),
        *_levels(levels, x, y),
    ]
    for each in series:
        parts += _line(each, x, y, x_text)
    return svg(width, height, label, parts)


def _y_axis(marks: Sequence[float], x: Scale, y: Scale) -> list[Html]:
    """Grid lines with their numbers."""
    parts: list[Html] = []
    for mark in marks:
        parts.append(tag("line", x1=x.start, x2=x.stop, y1=y(mark), y2=y(mark), class_="grid"))
        text = tick_text(mark, marks)
        parts.append(tag("text", text, x=x.start - 8, y=y(mark) + 4, class_="tick", text_anchor="end"))
    return parts


def _x_axis(places: Sequence[float], x: Scale, y: float, text: Callable[[float], str]) -> list[Html]:
    """Tick labels at the places of the points, leaving out those that would touch the one before."""
    parts: list[Html] = []
    free = -math.inf
    for place in places:
        half = text_width(text(place)) / 2
        if x(place) - half >= free:
            free = x(place) + half + 4
            parts.append(tag("text", text(place), x=x(place), y=y, class_="tick", text_anchor="middle"))
    return parts


def _levels(levels: Sequence[Level], x: Scale, y: Scale) -> list[Html]:
    """Horizontal lines with their names; a name that would touch the one below it is lifted."""
    parts: list[Html] = []
    below: float | None = None
    for level in sorted(levels, key=lambda each: each.value):
        height = y(level.value)
        shift = -6 if below is None or below - height > 34 else -20
        below = height
        parts.append(tag("line", x1=x.start, x2=x.stop, y1=height, y2=height, class_="level"))
        parts.append(tag("text", level.label, x=x.stop, y=height + shift, class_="level-name", text_anchor="end"))
    return parts


def _line(series: Series, x: Scale, y: Scale, x_text: Callable[[float], str]) -> list[Html]:
    """The line and a mark at each of its points."""
    drawn = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in series.points)
    dashes = "6 5" if series.dashed else None
    line = tag("polyline", points=drawn, class_=f"line {series.ink}", stroke_dasharray=dashes)
    return [line, *(_point(series, a, b, x, y, x_text) for a, b in series.points)]


def _point(series: Series, a: float, b: float, x: Scale, y: Scale, x_text: Callable[[float], str]) -> Html:
    title = tag("title", f"{series.label}, {x_text(a)}: {b:.3f}")
    return tag("circle", title, cx=x(a), cy=y(b), r=4.5, class_=f"mark {series.ink}")
