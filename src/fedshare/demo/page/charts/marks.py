"""Dots with their figures, as two charts draw them."""

from __future__ import annotations

from typing import NamedTuple

from fedshare.demo.page.charts.axis import text_width
from fedshare.demo.page.markup import Html, tag

__all__ = ["Dot", "circle", "value_beside"]


class Dot(NamedTuple):
    """A figure on an axis that all rows share."""

    label: str
    value: float
    text: str
    ink: str
    "CSS class of its colour."


def circle(dot: Dot, x: float, y: float) -> Html:
    """The dot, with its figure as a tooltip."""
    return tag("circle", tag("title", f"{dot.label}: {dot.text}"), cx=x, cy=y, r=6.5, class_=f"mark {dot.ink}")


def value_beside(dot: Dot, x: float, y: float, width: int, *, raised: float = 0) -> Html:
    """The dot's figure on its right; on its left, and higher by ``raised``, where the chart ends before that."""
    fits = x + 14 + text_width(dot.text) < width
    shift, anchor = (13, "start") if fits else (-13, "end")
    return tag("text", dot.text, x=x + shift, y=y if fits else y - raised, class_="value", text_anchor=anchor)
