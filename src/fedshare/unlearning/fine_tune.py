"""A control: a few more rounds on what is retained, in the hope that the rest fades."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fedshare.errors import BadOption
from fedshare.evaluation.cost import Cost
from fedshare.learning.run import Run
from fedshare.learning.snapshots import Snapshots
from fedshare.sharing.request import Request
from fedshare.unlearning.unlearner import Progress

__all__ = ["FineTune", "more_rounds"]


@dataclass(frozen=True, kw_only=True)
class FineTune:
    """Goes on training on the retain set for ``rounds`` rounds. Snapshots, which it has no use for, expire."""

    rounds: int = 5

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise BadOption(f"rounds: got {self.rounds}, expected 1 or more.")

    @property
    def name(self) -> str:
        return "fine-tune"

    def __call__(self, run: Run, request: Request, progress: Progress | None = None) -> Run:
        """The run after some rounds without the pairs."""
        return more_rounds(replace(run.on(request.after), snapshots=Snapshots()), self.rounds, progress)


def more_rounds(run: Run, rounds: int, progress: Progress | None = None) -> Run:
    """Go on training where a run stands; its cost becomes what these rounds moved.

    Args:
        run: On the ledger to train on.
        rounds: How many.
        progress: Called after each.
    """
    state, up, down = run.state, 0, 0
    for number in range(1, rounds + 1):
        state, info = run.algorithm.step(state, run.world, run.state.round + number)
        up, down = up + info.bytes_up, down + info.bytes_down
        if progress is not None:
            progress(number, rounds, info)
    state = replace(state, round=run.state.round)  # the run's own rounds: what comes later must not depend on requests
    n_users = run.world.n_users
    cost = Cost(
        cpu_s=0.0, wall_s=0.0, rounds=rounds, bytes_up_per_client=up / n_users, bytes_down_per_client=down / n_users
    )
    return replace(run, state=state, cost=cost)
