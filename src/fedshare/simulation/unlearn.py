"""The door through which people call unlearning methods."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fedshare.cost import Cost
from fedshare.errors import RequestMismatch
from fedshare.options import instance
from fedshare.progress import Progress
from fedshare.sharing.request import Request
from fedshare.simulation.advice import warn_of_size
from fedshare.simulation.carrying import carried_out
from fedshare.simulation.run import Run, server_view_of
from fedshare.simulation.successors import note_successor, warn_of_lost
from fedshare.unlearning.unlearner import Unlearner
from fedshare.unlearning.withdrawal import Withdrawal

__all__ = ["unlearn", "withdrawal_of"]


def unlearn(run: Run, request: Request, *, method: Unlearner, progress: Progress | None = None) -> Run:
    """Take a request out of a run.

    Args:
        run: Trained on the ledger from which the request starts.
        request: What one or several people withdraw.
        method: How.
        progress: Called after each step with its number, the number of steps, and what is known of it.

    Returns:
        A new run on the ledger after the request, with what unlearning alone cost.

    Raises:
        RequestMismatch: The run was trained on another share set, or other data, than the request starts from.
        CohortTooSmall: Fewer people than the run's ``min_cohort`` would stand behind an answer.
        BadOption: An argument is of another kind.

    Warns:
        LargeWithdrawal: So much is taken back that training again would serve the request better.
        SecondWithdrawal: Another run was made from this one, without pairs that this request leaves in.
    """
    hint = "Write fs.unlearn(run, request, method=fs.Retrain())."
    instance("run", run, Run, "a run", hint=hint)
    instance("request", request, Request, "a request", hint="ledger.unshare and ledger.erase make one.")
    instance("method", method, Unlearner, "an unlearning method", hint=hint)
    check_match(run, request)
    warn_of_lost(run, request)
    warn_of_size(run, request, method)
    if not len(request):
        nothing = Cost(cpu_s=0.0, wall_s=0.0, kept_bytes_server=run.kept_bytes)
        devices = replace(run.devices, ledger=request.after)
        return replace(run, devices=devices, method=method.name, cost=nothing)
    program = method.unlearn(run.server, withdrawal_of(run, request), progress)
    after = carried_out(run, request.after, program, method.name, request)
    note_successor(run, after, request)
    return after


def withdrawal_of(run: Run, request: Request) -> Withdrawal:
    """What the server learns of a request."""
    before, after = run.server.view, server_view_of(run.algorithm, request.after)
    gone = ~np.isin(before.keys, after.keys)
    return Withdrawal(after, before.user[gone], before.item[gone], bool(request.erased.any()))


def check_match(run: Run, request: Request) -> None:
    """Raise unless ``request`` starts where ``run`` stands."""
    mine, theirs = run.ledger, request.before
    if mine is theirs:
        return
    if mine.known is not theirs.known and mine.known.fingerprint() != theirs.known.fingerprint():
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
