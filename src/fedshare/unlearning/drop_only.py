"""A control: the pairs leave the share set and the graph, and nothing is unlearned."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fedshare.learning.run import Run
from fedshare.learning.snapshots import Snapshots
from fedshare.sharing.request import Request
from fedshare.unlearning.unlearner import Progress

__all__ = ["DropOnly"]


@dataclass(frozen=True)
class DropOnly:
    """Drops the edges, and snapshots with them. What tables learned from them stays: an audit should fail it."""

    @property
    def name(self) -> str:
        return "drop-only"

    def __call__(self, run: Run, request: Request, progress: Progress | None = None) -> Run:
        """The same state on the ledger after the request."""
        return replace(run.on(request.after), snapshots=Snapshots())
