"""One figure a row on a shared axis, with the band in which it should lie."""

from __future__ import annotations

from collections.abc import Sequence

from fedshare.demo.page.charts.axis import Scale, svg, text_width, tick_text, ticks_and_scale
from fedshare.demo.page.charts.marks import Dot, circle, value_beside
from fedshare.demo.page.markup import Html, tag

__all__ = ["dot_chart"]

_ROW, _HEAD = 44, 30
"Height of a row, and of what stands above the first one."


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
        label: What the chart shows, for readers who cannot see it.
        x_label: Of the axis.
        band: From, to.
        band_label: What the band is.
        origin: Where the stems begin: the figure that the others are compared with.
    """
    bottom = _HEAD + _ROW * len(dots)
    height = bottom + 44
    values = [dot.value for dot in dots] + [*band, origin]
    marks, x = ticks_and_scale(values, 5 if width > 500 else 4, 12, width - 24)
    parts = [*_band(band, band_label, x, bottom, width), *_x_axis(marks, x, bottom)]
    for index, dot in enumerate(dots):
        parts += _row(dot, x, _HEAD + _ROW * index + 30, origin, width)
    parts.append(tag("text", x_label, x=(x.start + x.stop) / 2, y=height - 6, class_="axis-name", text_anchor="middle"))
    return svg(width, height, label, parts)


def _band(band: tuple[float, float], label: str, x: Scale, bottom: float, width: int) -> list[Html]:
    left, right = x(band[0]), x(band[1])
    half = text_width(label) / 2
    middle = min(max((left + right) / 2, half), width - half)
    size = {"width": max(right - left, 1.0), "height": bottom - _HEAD + 6}
    return [
        tag("rect", x=left, y=_HEAD - 6, **size, class_="band"),
        tag("text", label, x=middle, y=14, class_="band-name", text_anchor="middle"),
    ]


def _x_axis(marks: Sequence[float], x: Scale, bottom: float) -> list[Html]:
    parts: list[Html] = []
    for mark in marks:
        parts.append(tag("line", x1=x(mark), x2=x(mark), y1=_HEAD - 6, y2=bottom, class_="grid"))
        text = tick_text(mark, marks)
        parts.append(tag("text", text, x=x(mark), y=bottom + 17, class_="tick", text_anchor="middle"))
    return parts


def _row(dot: Dot, x: Scale, y: float, origin: float, width: int) -> list[Html]:
    """The name above, the stem from the origin, the dot, and its figure."""
    return [
        tag("text", dot.label, x=x.start, y=y - 14, class_="row-name"),
        tag("line", x1=x(origin), x2=x(dot.value), y1=y, y2=y, class_=f"stem {dot.ink}"),
        circle(dot, x(dot.value), y),
        value_beside(dot, x(dot.value), y + 4, width, raised=12),  # on the left it would lie on the stem
    ]
