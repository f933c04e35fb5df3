"""Two densities on one axis."""

from __future__ import annotations

from collections.abc import Sequence

from fedshare.demo.page.charts.axis import Scale, svg
from fedshare.demo.page.markup import Html, tag

__all__ = ["density_chart"]


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
        label: What the chart shows, for readers who cannot see it.
        ink: CSS class of the colour.
    """
    height = 150 if width > 200 else 120
    x = Scale(grid[0], grid[-1], 4, width - 4)
    y = Scale(0.0, top or 1.0, height - 22, 6)
    behind, before = _outline(grid, background, x, y), _outline(grid, foreground, x, y)
    floor = f"{x.stop:.1f},{y.start:.1f} {x.start:.1f},{y.start:.1f}"
    parts = [
        tag("polygon", points=f"{behind} {floor}", class_="area ink-grey"),
        tag("polygon", points=f"{before} {floor}", class_=f"area {ink}"),
        tag("polyline", points=behind, class_="line thin ink-grey"),
        tag("polyline", points=before, class_=f"line {ink}"),
        tag("line", x1=x.start, x2=x.stop, y1=y.start, y2=y.start, class_="base"),
        tag("text", "scored low", x=x.start, y=height - 6, class_="tick"),
        tag("text", "scored high", x=x.stop, y=height - 6, class_="tick", text_anchor="end"),
    ]
    return svg(width, height, label, parts)


def _outline(grid: Sequence[float], values: Sequence[float], x: Scale, y: Scale) -> str:
    return " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(grid, values, strict=True))
