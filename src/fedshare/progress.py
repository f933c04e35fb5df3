"""Progress of long work, as one call: how much is done, how much there is, and what is being done."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress"]

Progress = Callable[[int, int, str], None]
"Called with the units done, all units, and what is being done or what is known of it."
