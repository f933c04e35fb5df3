"""Dots on a logarithmic axis, for figures of very different size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from fedshare.demo.page.charts.axis import Scale, svg
from fedshare.demo.page.charts.marks import Dot, circle, value_beside
from fedshare.demo.page.markup import Html, tag

__all__ = ["log_chart"]

_ROW = 46


def log_chart(dots: Sequence[Dot], *, width: int, label: str, x_text: Callable[[float], str]) -> Html:
    """Dots on a logarithmic axis. Such an axis has no 0, so there are no bars.

    Args:
        dots: The rows, at least one, all above 0.
        width: In pixels.
        label: What the chart shows, for readers who cannot see it.
        x_text: How the axis writes powers of ten.
    """
    low = math.floor(math.log10(min(dot.value for dot in dots)))
    high = max(math.ceil(math.log10(max(dot.value for dot in dots))), low + 1)
    x = Scale(low, high, 10, width - 30)
    bottom = _ROW * len(dots)
    parts = _x_axis(low, high, x, bottom, width, x_text)
    for index, dot in enumerate(dots):
        parts += _row(dot, x, _ROW * index, width)
    return svg(width, bottom + 24, label, parts)


def _x_axis(low: int, high: int, x: Scale, bottom: float, width: int, text: Callable[[float], str]) -> list[Html]:
    """A line for each power of ten; every other number where they would touch."""
    step = 1 if (high - low) * 60 < width else 2
    parts: list[Html] = []
    for power in range(low, high + 1):
        parts.append(tag("line", x1=x(power), x2=x(power), y1=0, y2=bottom, class_="grid"))
        if (power - low) % step == 0:
            number = text(10.0**power)
            parts.append(tag("text", number, x=x(power), y=bottom + 16, class_="tick", text_anchor="middle"))
    return parts


def _row(dot: Dot, x: Scale, y: float, width: int) -> list[Html]:
    place = x(math.log10(dot.value))
    return [
        tag("line", x1=x.start, x2=place, y1=y + 29, y2=y + 29, class_="lead"),
        tag("text", dot.label, x=x.start, y=y + 14, class_="row-name"),
        circle(dot, place, y + 29),
        value_beside(dot, place, y + 33, width),
    ]
