"""Progress of a job made of several parts: one bar, however many trainings lie beneath it."""

from __future__ import annotations

from collections.abc import Callable

from fedshare.learning.algorithm import RoundInfo

__all__ = ["Meter", "Progress"]

Progress = Callable[[int, int, str], None]
"Called with the units done, all units, and what is being done."


class Meter:
    """Counts units of work, part by part.

    Args:
        total: Units of the whole job.
        progress: Who wants to know; None for nobody.

    Example:
        >>> meter = Meter(3, lambda done, total, what: print(done, total, what))
        >>> meter.begin("train", 2)
        0 3 train
        >>> meter.begin("judge", 1)
        2 3 judge
        >>> meter.end()
        3 3 done
    """

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._units = 0
        self._what = ""

    def begin(self, what: str, units: int) -> None:
        """The part before is over; the next one begins."""
        self._done += self._units
        self._what, self._units = what, units
        self._tell(0)

    def end(self) -> None:
        """Everything is over."""
        self._done, self._units, self._what = self._total, 0, "done"
        self._tell(0)

    def on_round(self, number: int, rounds: int, info: RoundInfo) -> None:
        """What :func:`fedshare.train` calls after each round: the same share of the part's units is done."""
        self._tell(self._units * number // max(rounds, 1))

    def _tell(self, more: int) -> None:
        if self._progress is not None:
            self._progress(min(self._done + more, self._total), self._total, self._what)
