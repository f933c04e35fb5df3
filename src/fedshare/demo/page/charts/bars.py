"""Horizontal bars from 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fedshare.demo.page.charts.axis import Scale, svg, text_width
from fedshare.demo.page.markup import Html, tag

__all__ = ["Bar", "bar_chart"]

_ROW = 46


class Bar(NamedTuple):
    """A length from 0."""

    label: str
    value: float
    text: str
    ink: str
    "CSS class of its colour."


def bar_chart(bars: Sequence[Bar], *, width: int, label: str) -> Html:
    """Horizontal bars from 0, each with its name above it and its figure at its end.

    Args:
        bars: The rows, at least one.
        width: In pixels.
        label: What the chart shows, for readers who cannot see it.
    """
    room = max(text_width(bar.text) for bar in bars) + 16
    x = Scale(0.0, max(bar.value for bar in bars), 0, width - room)
    parts = [part for index, bar in enumerate(bars) for part in _row(bar, x, _ROW * index)]
    return svg(width, _ROW * len(bars), label, parts)


def _row(bar: Bar, x: Scale, y: float) -> list[Html]:
    length = max(x(bar.value), 1.5)
    title = tag("title", f"{bar.label}: {bar.text}")
    return [
        tag("text", bar.label, x=0, y=y + 14, class_="row-name"),
        tag("rect", title, x=0, y=y + 20, width=length, height=17, rx=2, class_=f"bar {bar.ink}"),
        tag("text", bar.text, x=length + 8, y=y + 33, class_="value"),
    ]
