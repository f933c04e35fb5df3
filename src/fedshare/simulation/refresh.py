"""Bringing a run up to date with its world: what was withdrawn is unlearned, what is new is learned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.cost import Cost, CpuClock
from fedshare.errors import RequestMismatch, RunError
from fedshare.federation.orders import Program
from fedshare.options import whole
from fedshare.progress import Progress
from fedshare.sharing.ledger import Ledger, due
from fedshare.sharing.moments import Moment
from fedshare.sharing.request import Request
from fedshare.sharing.state import State
from fedshare.simulation.carrying import carried_out
from fedshare.simulation.newcomers import welcomed
from fedshare.simulation.run import Run, server_view_of
from fedshare.simulation.train import catalogue_of, train
from fedshare.simulation.unlearn import unlearn
from fedshare.training.algorithm import Selecting
from fedshare.training.growth import grown, rounds_from_here
from fedshare.training.server_run import ServerRun
from fedshare.unlearning.exact import ExactUnlearning
from fedshare.unlearning.registry import method, suited_to
from fedshare.unlearning.unlearner import Unlearner

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions
    from fedshare.sharing.views import ServerView
    from fedshare.training.server_side import Catalogue

__all__ = ["refresh"]

_LEAST = 3
"Rounds of a refresh, at least, if anything is new."


def refresh(
    run: Run,
    ledger: Ledger | None = None,
    *,
    now: Moment | None = None,
    rounds: int | None = None,
    method: Unlearner | None = None,
    progress: Progress | None = None,
) -> Run:
    """Bring a run up to date: with later events of its ledger, and with what has become due by now.

    1. What its owners' rules forbid by ``now`` is withdrawn (:func:`fedshare.due`), as a request like any other.
    2. What is not shared any more, or erased, is unlearned.
    3. New people, items and pairs find their place, and the model learns what is new: ``SharedEASE`` exactly, with the
       options that were chosen; trained models in a few rounds from where they stand.

    Test pairs that a run carries along and that have been bought by now are not test pairs any more. Nothing is trained
    where nothing is new. Where somebody shares for the first time, and the algorithm lets people
    choose how far to trust what is shared, the run is trained anew: only then can they choose.

    Args:
        run: A finished run.
        ledger: One that goes on from the run's own; the run's own without.
        now: When rules are asked; the present without.
        rounds: Rounds of a trained model; without, the part of the run's own that new pairs are of all pairs, at
            least 3.
        method: How withdrawals are unlearned; without, the method that suits the algorithm. ``ExactUnlearning`` says
            how SharedEASE follows: with ``refresh="factorise"`` its weights have the bytes of training on ``ledger``.
        progress: Called after each round.

    Returns:
        A new run, with what this cost.

    Raises:
        RequestMismatch: ``ledger`` does not go on from the run's.
        RunError: The run is not finished.
        BadOption: ``rounds`` below 1.
        CohortTooSmall: Fewer people than the run's ``min_cohort`` would stand behind an answer.
    """
    if rounds is not None:
        whole("rounds", rounds, 1)
    if not run.finished:
        raise RunError("refresh: the run is a checkpoint of training that did not end; expected a finished run.")
    ledger = run.ledger if ledger is None else ledger
    if not ledger.extends(run.ledger):
        raise RequestMismatch(
            f"refresh: {ledger!r} does not go on from the run's {run.ledger!r}; expected the same data, seed and "
            "events, with events added. Make it from run.ledger."
        )
    ledger = due(ledger, now).after
    run = replace(run, devices=replace(run.devices, test=_still_held_out(run.test, ledger)))
    if isinstance(run.algorithm, SharedEASE):
        return _followed(run, ledger, method if isinstance(method, ExactUnlearning) else ExactUnlearning())
    run, spent = _withdrawn(run, ledger, method, progress)
    view, catalogue = server_view_of(run.algorithm, ledger), catalogue_of(ledger)
    if _chooses_first(run, view):
        after = train(
            run.algorithm, ledger, rounds=run.rounds, seed=run.seed, engine=run.devices.engine, keep=run.server.keep,
            min_cohort=run.min_cohort, device=run.devices.device, progress=progress, test=run.test,
        )  # fmt: skip
        return replace(after, cost=spent + after.cost, method="refresh")
    after = _learned(run, ledger, view, catalogue, rounds, progress)
    return replace(after, cost=spent + after.cost)


def _followed(run: Run, ledger: Ledger, how: ExactUnlearning) -> Run:
    """SharedEASE: counts follow the share set, whatever has changed in it."""
    view, catalogue = server_view_of(run.algorithm, ledger), catalogue_of(ledger)
    program = how.follow(run.server, view, catalogue)
    devices = replace(run.devices, ledger=ledger)
    return carried_out(replace(run, devices=devices), ledger, program, how.name, None)


def _withdrawn(run: Run, ledger: Ledger, method: Unlearner | None, progress: Progress | None) -> tuple[Run, Cost]:
    """The run without what is withdrawn by now, still in its old world; and the cost."""
    nothing = Cost(cpu_s=0.0, wall_s=0.0)
    gone = ledger.withdrawn_since(run.ledger)
    if not len(gone.user):
        return run, nothing
    users, items = run.ledger.ids
    then = run.ledger
    for user in np.unique(gone.user).tolist():
        mine = gone.user == user
        for way, chosen in (("unshare", mine & ~gone.erased), ("erase", mine & gone.erased)):
            if chosen.any():
                then, _ = getattr(then, way)(users[user], [items[item] for item in gone.item[chosen].tolist()])
    after = unlearn(run, Request(run.ledger, then), method=method or _suited(run), progress=progress)
    return after, after.cost


def _suited(run: Run) -> Unlearner:
    return method(suited_to(run.algorithm))


def _chooses_first(run: Run, view: ServerView) -> bool:
    """Whether there is something to choose for which nobody could choose when the run was trained."""
    algorithm = run.algorithm
    return isinstance(algorithm, Selecting) and algorithm.choice is not None and run.chosen is None and len(view) > 0


def _learned(
    run: Run, ledger: Ledger, view: ServerView, catalogue: Catalogue, rounds: int | None, progress: Progress | None
) -> Run:
    """The run in its new world."""
    server = grown(run.server, view, catalogue)
    clock = CpuClock()
    with clock:
        with torch.no_grad():
            payload = run.algorithm.publish(server.state, server.side())
        devices = welcomed(run.devices, ledger, payload, run.seed)
    spent = Cost(cpu_s=clock.cpu_s, wall_s=clock.wall_s)
    same = server.share_set == run.server.share_set and _same_pairs(ledger, run.ledger)
    if run.algorithm.closed_form or same:
        server = replace(server, history=run.server.history) if same else server
        after = carried_out(replace(run, server=server, devices=devices), ledger, _nothing(server), "refresh", None)
    else:
        n = rounds or max(_LEAST, round(run.rounds * _new_part(run.ledger, ledger)))
        program = rounds_from_here(server, n, progress)
        after = carried_out(replace(run, server=server, devices=devices), ledger, program, "refresh", None)
    return replace(after, cost=spent + after.cost)


def _same_pairs(one: Ledger, other: Ledger) -> bool:
    """Whether devices know the same pairs, erased ones left out."""
    a, b = (ledger.known.select(ledger.state != State.ERASED) for ledger in (one, other))
    return np.array_equal(a.user, b.user) and np.array_equal(a.item, b.item)


def _still_held_out(test: Interactions | None, ledger: Ledger) -> Interactions | None:
    """Test pairs that devices do not know by now: what is trained on tests nothing."""
    if test is None:
        return None
    unknown = ledger.known.positions(test.user, test.item) < 0
    return test if unknown.all() else test.select(unknown) if unknown.any() else None


def _new_part(before: Ledger, after: Ledger) -> float:
    """New pairs over all pairs."""
    n_before, n_after = before.known.n_pairs, after.known.n_pairs
    return (n_after - n_before) / max(1, n_after)


def _nothing(server: ServerRun) -> Program[ServerRun]:
    return server
    yield  # makes it a program
