"""Numbers and names as people read them."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedshare.demo.figures import DataFigures

__all__ = [
    "NOTHING",
    "by_factor",
    "byte_size",
    "figure",
    "of_100",
    "ratio",
    "readable",
    "seconds",
    "source",
]

NOTHING = "\N{EN DASH}"
"Stands where nothing was measured."


def figure(value: float | None, digits: int = 3) -> str:
    """A figure with a fixed number of digits."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def of_100(value: float | None) -> str:
    """A fraction as so many of a hundred."""
    return NOTHING if value is None else f"{100 * value:.0f}"


def ratio(value: float | None, to: float | None) -> float | None:
    """``value / to``; None where one of them was not measured or the divisor is 0."""
    return value / to if value is not None and to else None


def by_factor(factor: float, *, sign: bool = False) -> str:
    """So many times; with a multiplication sign where there is no room for the word.

    Example:
        >>> by_factor(13.6), by_factor(1.52)
        ('14 times', '1.5 times')
    """
    times = "\N{MULTIPLICATION SIGN}" if sign else "times"
    return f"{factor:.0f} {times}" if factor >= 9.5 else f"{factor:.1f} {times}"


def seconds(value: float) -> str:
    """Seconds with three digits or so."""
    return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"


def byte_size(size: float) -> str:
    """Bytes in decimal units.

    Example:
        >>> byte_size(4_044_288), byte_size(512)
        ('4.04 MB', '512 bytes')
    """
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= step * 0.9995:
            value = size / step
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{size:.0f} bytes"


def readable(title: str) -> str:
    """A title in capitals, written as people read.

    Example:
        >>> readable("ALARM CLOCK BAKELIKE RED"), readable("Tea")
        ('Alarm Clock Bakelike Red', 'Tea')
    """
    return string.capwords(title) if title.isupper() else title


def source(data: DataFigures) -> str:
    """The name of the data."""
    return "UCI Online Retail" if data["embedded"] else (data["name"] or "unnamed data")
