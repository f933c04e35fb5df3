"""Progress of a job that has several parts: one bar, however many trainings it consists of."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Meter", "Progress"]

Progress = Callable[[int, int, str], None]
"Called with the units done, the units in all, and what is being done."


class Meter:
    """Counts units of work, part by part, and reports them.

    Args:
        total: Units of the whole job.
        progress: Receives every report; None for nobody.

    Example:
        >>> meter = Meter(3, lambda done, total, what: print(done, total, what))
        >>> meter.begin("train", 2)
        0 3 train
        >>> meter.begin("audit", 1)
        2 3 audit
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
        """End the part before, if any, and begin the next one."""
        self._done += self._units
        self._what, self._units = what, units
        self._tell(0)

    def end(self) -> None:
        """End the job: all units are done."""
        self._done, self._units, self._what = self._total, 0, "done"
        self._tell(0)

    def on_round(self, number: int, rounds: int, what: object) -> None:
        """Report one round of the current part; has the shape of the ``progress`` that ``fedshare.train`` takes.

        Args:
            number: Rounds done, from 1.
            rounds: Rounds of the part.
            what: What is known of the round; not looked at.
        """
        self._tell(self._units * number // max(rounds, 1))

    def _tell(self, more: int) -> None:
        if self._progress is not None:
            self._progress(min(self._done + more, self._total), self._total, self._what)
