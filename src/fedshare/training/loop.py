"""The training loop, server side: rounds, selections, what is recorded. It carries orders to devices and knows no more.

A round is a program (:func:`round_of`): it yields what it has to ask of devices, and whoever drives it brings the
answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fedshare.federation.orders import Program, RoundOrder, ask
from fedshare.federation.tasks import TrainingTask
from fedshare.progress import Progress
from fedshare.training.algorithm import Algorithm, Selecting, ServerState
from fedshare.training.certificate import Certifying
from fedshare.training.server_run import ServerRun
from fedshare.training.server_side import ServerSide

__all__ = ["AfterRound", "RoundInfo", "all_rounds", "more_rounds", "round_of", "start"]


@dataclass(frozen=True)
class RoundInfo:
    """What is known of a round, for people; the next round does not need it."""

    loss: float = 0.0

    def __str__(self) -> str:
        return f"loss {self.loss:,.4g}" if self.loss else ""


AfterRound = Callable[[ServerRun, RoundInfo], None]
"Called after each round with the run so far."


def round_of(
    algorithm: Algorithm, state: ServerState, server: ServerSide, number: int
) -> Program[tuple[ServerState, RoundInfo]]:
    """One round: publish, the devices run the task, update; then a selection, if it is time for one.

    Args:
        algorithm: What is trained.
        state: Before the round.
        server: Where the server works.
        number: From 1.
    """
    selecting = algorithm if isinstance(algorithm, Selecting) else None
    held_out = selecting.holdout(number, server) if selecting else None
    side = server if held_out is None else server.without(held_out)
    task, aggregate = algorithm.task(), None
    if isinstance(task, TrainingTask):
        aggregate = yield from ask(
            RoundOrder(
                payload=algorithm.publish(state, side),
                task=task,
                number=number,
                seed=server.seed,
                participation=algorithm.participation,
                holdout=held_out,
                votes_follow=held_out is not None and state.chosen is None,
                transforms=algorithm.transforms,
            )
        )
    state = replace(algorithm.update(state, aggregate, side, number), round=number)
    if selecting:
        state = yield from selecting.select(state, server, number)
    return state, RoundInfo(0.0 if aggregate is None else aggregate.loss)


def start(run: ServerRun, server: ServerSide) -> ServerRun:
    """The run before round 1. What was chosen already stays chosen."""
    begun = run.algorithm.start(server)
    return replace(run, state=replace(begun, chosen=run.state.chosen, round=0), finished=False)


def all_rounds(run: ServerRun, server: ServerSide, after_round: AfterRound | None = None) -> Program[ServerRun]:
    """Train from where a run stands to its last round.

    Args:
        run: As :func:`start` makes it, or a checkpoint.
        server: Where the server works.
        after_round: Called after each round.
    """
    version, sharers = run.share_set, run.sharers.to(server.device)
    for number in range(run.state.round + 1, run.rounds + 1):
        state, info = yield from round_of(run.algorithm, run.state, server, number)
        history = run.keep.record(run.history, state, sharers, version, run.rounds)
        run = replace(run, state=state, history=history)
        if after_round is not None:
            after_round(run, info)
    certificate = run.algorithm.certify(run.state, server) if isinstance(run.algorithm, Certifying) else None
    return replace(run, finished=True, certificate=certificate)


def more_rounds(run: ServerRun, rounds: int, told: Progress | None = None) -> Program[ServerRun]:
    """Go on training where a run stands, on its present share set; its own count of rounds stays.

    Args:
        run: A finished run.
        rounds: How many.
        told: Called after each.
    """
    server, state = run.side(), run.state
    for number in range(1, rounds + 1):
        state, info = yield from round_of(run.algorithm, state, server, run.state.round + number)
        if told is not None:
            told(number, rounds, str(info))
    return replace(run, state=replace(state, round=run.state.round))
