"""What all charts share: values to pixels, round tick marks, and the element around the parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fedshare.demo.page.markup import Html, join, tag

__all__ = ["Scale", "svg", "text_width", "tick_text", "ticks", "ticks_and_scale"]

_CHARACTER = 6.6
"Width of a character at 12 pixels, roughly; labels are placed by it."


@dataclass(frozen=True)
class Scale:
    """Values to pixels: ``low`` is drawn at ``start``, ``high`` at ``stop``."""

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


def ticks_and_scale(values: Sequence[float], count: int, start: float, stop: float) -> tuple[list[float], Scale]:
    """Tick marks that cover the values, and the scale that draws them between two places."""
    marks = ticks(min(values), max(values), count)
    return marks, Scale(marks[0], marks[-1] if len(marks) > 1 else marks[0] + 1e-6, start, stop)


def tick_text(mark: float, marks: Sequence[float]) -> str:
    """A tick's number, with as many digits as its axis needs."""
    step = marks[1] - marks[0] if len(marks) > 1 else mark
    digits = next((digits for digits in range(6) if abs(round(step, digits) - step) < 1e-9), 6)
    return f"{mark:.{digits}f}"


def text_width(text: str) -> float:
    """Pixels that a label takes, roughly."""
    return len(text) * _CHARACTER


def svg(width: int, height: float, label: str, parts: Sequence[Html]) -> Html:
    """A chart of its parts; ``label`` says what it shows, for readers who cannot see it."""
    return tag("svg", join(parts), view_box=f"0 0 {width} {height:g}", role="img", aria_label=label, class_="chart")
