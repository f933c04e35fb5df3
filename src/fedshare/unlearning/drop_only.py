"""A control: the pairs leave the share set and the graph, and nothing is unlearned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from fedshare.federation.orders import Program
from fedshare.progress import Progress
from fedshare.training.history import History
from fedshare.training.server_run import ServerRun
from fedshare.unlearning.withdrawal import Withdrawal

__all__ = ["DropOnly"]


@dataclass(frozen=True)
class DropOnly:
    """Drops the edges, and snapshots with them. What tables learned from them stays: an audit should fail it."""

    name: ClassVar[str] = "drop-only"

    def unlearn(self, run: ServerRun, withdrawal: Withdrawal, told: Progress | None = None) -> Program[ServerRun]:
        """The same state on the share set after the request."""
        yield from ()
        return replace(run.on(withdrawal.after), history=History())
