"""A control: a few more rounds on what is retained, in the hope that the rest fades."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from fedshare.federation.orders import Program
from fedshare.options import whole
from fedshare.progress import Progress
from fedshare.training.history import History
from fedshare.training.loop import more_rounds
from fedshare.training.server_run import ServerRun
from fedshare.unlearning.withdrawal import Withdrawal

__all__ = ["FineTune"]


@dataclass(frozen=True, kw_only=True)
class FineTune:
    """Goes on training on the retain set for ``rounds`` rounds. Snapshots, which it has no use for, expire."""

    name: ClassVar[str] = "fine-tune"

    rounds: int = 5

    def __post_init__(self) -> None:
        whole("rounds", self.rounds, 1)

    def unlearn(self, run: ServerRun, withdrawal: Withdrawal, told: Progress | None = None) -> Program[ServerRun]:
        """The run after some rounds without the pairs."""
        dropped = replace(run.on(withdrawal.after), history=History())
        return (yield from more_rounds(dropped, self.rounds, told))
