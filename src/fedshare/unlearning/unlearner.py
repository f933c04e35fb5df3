"""The role of an unlearning method, and the one door through which all of them are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from fedshare.errors import RequestMismatch
from fedshare.evaluation.cost import Cost, CpuClock, peak_mib
from fedshare.learning.algorithm import RoundInfo
from fedshare.learning.run import Run
from fedshare.sharing.request import Request

__all__ = ["Progress", "Unlearner", "unlearn"]

Progress = Callable[[int, int, RoundInfo], None]


@runtime_checkable
class Unlearner(Protocol):
    """Makes a run in which a request's pairs have no influence any more. The run passed in is not touched."""

    @property
    def name(self) -> str:
        """How the command line and manifests call it."""
        ...

    def __call__(self, run: Run, request: Request, progress: Progress | None = None) -> Run:
        """The run after ``request``; its cost is filled in by :func:`unlearn`."""
        ...


def unlearn(run: Run, request: Request, *, method: Unlearner, progress: Progress | None = None) -> Run:
    """Take a request out of a run.

    Args:
        run: Trained on the ledger from which the request starts.
        request: What one or several people withdraw.
        method: How.
        progress: Called after each step with its number and the number of steps.

    Returns:
        A new run on the ledger after the request, with what unlearning alone cost.

    Raises:
        RequestMismatch: The run was trained on another share set, or other data, than the request starts from.
    """
    check_match(run, request)
    clock = CpuClock()
    with clock:
        after = method(run, request, progress) if len(request) else run.on(request.after)
    moved = after.cost if after.cost is not run.cost else Cost(cpu_s=0.0, wall_s=0.0)
    cost = Cost(
        cpu_s=clock.cpu_s,
        wall_s=clock.wall_s,
        rounds=moved.rounds,
        bytes_up_per_client=moved.bytes_up_per_client,
        bytes_down_per_client=moved.bytes_down_per_client,
        kept_bytes_server=after.kept_bytes,
        kept_bytes_per_device=0,
        peak_mib=peak_mib(),
    )
    return replace(after, method=method.name, cost=cost, test=run.test)


def check_match(run: Run, request: Request) -> None:
    """Raise unless ``request`` starts where ``run`` stands."""
    mine, theirs = run.ledger, request.before
    if mine.known.fingerprint() != theirs.known.fingerprint():
        raise RequestMismatch(
            f"request: it is about other data than the run ({theirs.known.name} and {mine.known.name}), expected the "
            "same people and items. Make the request from the run's own ledger: run.ledger."
        )
    if not np.array_equal(mine.state, theirs.state):
        different = int((mine.state != theirs.state).sum())
        raise RequestMismatch(
            f"request: it starts from event {theirs.position}, the run stands at event {mine.position}, and "
            f"{different} pairs differ. Make the request from run.ledger, or unlearn the requests in between first."
        )
