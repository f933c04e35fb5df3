"""The role of an unlearning method: server code that asks devices on its way.

The door through which people call all of them is :func:`fedshare.simulation.unlearn.unlearn`.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from fedshare.federation.orders import Program
from fedshare.progress import Progress
from fedshare.training.server_run import ServerRun
from fedshare.unlearning.withdrawal import Withdrawal

__all__ = ["Unlearner"]


@runtime_checkable
class Unlearner(Protocol):
    """Makes a run in which withdrawn pairs have no influence any more. The run passed in is not touched."""

    name: ClassVar[str]
    "How the command line and manifests call it."

    def unlearn(self, run: ServerRun, withdrawal: Withdrawal, told: Progress | None = None) -> Program[ServerRun]:
        """The run on ``withdrawal.after``.

        Args:
            run: Trained on the share set before it.
            withdrawal: What leaves.
            told: Called after each step with its number and the number of steps.
        """
        ...
