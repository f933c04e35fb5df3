"""What a server may ask of devices, and the answers.

Server code never holds devices. It *yields* an order; whoever drives it carries the order to :class:`Devices` and sends
the answer back in (:func:`carry_out`). An answer is a sum over at least ``min_cohort`` people, and it knows how many
stand behind it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from torch import Tensor

from fedshare.cohort import MIN_COHORT
from fedshare.errors import BadMessage, CohortTooSmall
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import ClientTask, TrainingTask
from fedshare.federation.transforms import Transform
from fedshare.options import whole
from fedshare.sharing.holdout import Holdout

__all__ = [
    "MIN_COHORT",
    "Aggregate",
    "Ballot",
    "CountsCall",
    "Devices",
    "MaskedSum",
    "Order",
    "Outscored",
    "Probe",
    "Program",
    "Refit",
    "RoundOrder",
    "Votes",
    "ask",
    "carry_out",
    "check_cohort",
    "put",
]

A = TypeVar("A")
T = TypeVar("T")


def check_cohort(what: str, n_people: int, least: int) -> None:
    """Raise unless enough people stand behind an answer.

    Raises:
        CohortTooSmall: Fewer do.
    """
    if n_people < least:
        raise CohortTooSmall(
            f"min_cohort: {what} would rest on {n_people} people, expected {least} or more, so that a sum hides each "
            f"of them. Ask more people, or train with a lower bound: train --min-cohort {max(n_people, 1)} on the "
            f"command line, min_cohort={max(n_people, 1)} in Python. Manifest, report and output then name it."
        )


@dataclass(frozen=True, eq=False)
class _Answer:
    """What all answers have: how many people stand behind it, and how many must."""

    n_people: int
    min_cohort: int

    def __post_init__(self) -> None:
        whole("n_people", self.n_people)
        whole("min_cohort", self.min_cohort, 1)
        self.check(self.min_cohort)

    def check(self, least: int) -> None:
        """Raise unless at least so many people stand behind it.

        Raises:
            CohortTooSmall: Fewer do.
        """
        check_cohort(f"an answer of kind '{type(self).__name__}'", self.n_people, least)


@dataclass(frozen=True, eq=False)
class Aggregate(_Answer):
    """What a round of local work gives: sums of uploads."""

    tables: Mapping[str, Tensor]
    "``(n_items, ...)`` sums by name."
    arrays: Mapping[str, Tensor] = field(default_factory=dict)
    loss: float = 0.0
    bytes_up: int = 0
    "Of all devices together."
    bytes_down: int = 0


@dataclass(frozen=True, eq=False)
class Votes(_Answer):
    """How well validation clients' held-out items ranked under each candidate: sums over people."""

    totals: tuple[float, ...] = ()
    "NDCG summed, one for each candidate."
    gains: tuple[float, ...] = ()
    "NDCG less that of the first candidate, summed."
    squared_gains: tuple[float, ...] = ()
    "The same gains squared, summed."
    bytes_down: int = 0

    def check(self, least: int) -> None:
        """See :class:`_Answer`: where nobody holds anything out, there is nothing to tell."""
        if self.n_people:
            super().check(least)


@dataclass(frozen=True, eq=False)
class Outscored(_Answer):
    """How often withdrawn pairs outscore never-shared ones of the same person: a sum of fractions, one a pair."""

    total: float = 0.0
    n_pairs: int = 0


@dataclass(frozen=True, eq=False)
class MaskedSum(_Answer):
    """Whole numbers summed under masks."""

    values: Tensor = field(kw_only=True)
    "``(n_items (n_items + 1) / 2,)`` int64: the upper triangle, row by row."
    bytes_up: int = 0


class Order(Generic[A]):
    """Something to ask of devices; ``A`` is the answer. Those below are all there are."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RoundOrder(Order[Aggregate]):
    """A round of local work. Round 1 starts every device afresh."""

    payload: Payload
    task: TrainingTask
    number: int
    seed: int
    "Names the simulation's random numbers; a real device has its own."
    participation: float = 1.0
    holdout: Holdout | None = None
    "What people keep out of this round."
    votes_follow: bool = False
    "Whether validation clients will be asked; if they are too few for that, the first round says so."
    transforms: tuple[Transform, ...] = ()
    "What bounds and blurs an upload before it leaves its device, in this order."


@dataclass(frozen=True, eq=False, kw_only=True)
class Ballot(Order[Votes]):
    """Candidates for validation clients to rank their held-out items under. The first is what others have to beat."""

    payload: Payload
    task: ClientTask
    seed: int
    holdout: Holdout
    candidates: tuple[Mapping[str, float], ...]
    k: int
    items: Tensor | None = None
    "``(n_judged,)`` the part of the catalogue that is ranked, ascending; None for all of it."
    nothing_new: bool = False
    "Whether devices can make the payload's arrays of those of a larger ballot, so that they need no download."


@dataclass(frozen=True, eq=False, kw_only=True)
class Probe(Order["Outscored | None"]):
    """Global views of those who withdraw, as they stand; each compares withdrawn with never-shared pairs under theirs.

    The answer is None where fewer than ``min_cohort`` people can compare.
    """

    payload: Payload
    "Personal ``view`` and table ``items``; a score is their inner product."


@dataclass(frozen=True, eq=False, kw_only=True)
class CountsCall(Order[MaskedSum]):
    """For every two items: in how many histories they stand together without both being shared."""

    n_items: int
    seed: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Refit(Order[None]):
    """Who erased something fits their private state again, from the start, on what is left. Nothing is uploaded."""

    payload: Payload
    task: TrainingTask
    seed: int
    steps: int


@runtime_checkable
class Devices(Protocol):
    """All that a server can ask of people's devices. Every answer is a sum over at least ``min_cohort`` of them."""

    def train(self, order: RoundOrder) -> Aggregate:
        """A round of local work."""
        ...

    def validate(self, ballot: Ballot) -> Votes:
        """How candidates rank what validation clients held out."""
        ...

    def compare(self, probe: Probe) -> Outscored | None:
        """Whether withdrawn pairs still stand out for those who withdrew them."""
        ...

    def contribute(self, call: CountsCall) -> MaskedSum:
        """Counts of what is not shared, under masks."""
        ...

    def refit(self, order: Refit) -> None:
        """Fit private state again after an erasure."""
        ...


Program = Generator[Order[Any], Any, T]
"Server code that asks devices on its way: it yields orders, is sent the answers, and returns a value."


def ask(order: Order[A]) -> Generator[Order[Any], Any, A]:
    """Inside a program: ``answer = yield from ask(order)``."""
    return (yield order)


def put(order: Order[Any], devices: Devices) -> Any:
    """Ask devices, and bring back the answer. The one place where orders and devices meet.

    Args:
        order: One of those of this module. Of anything else no method is called: it came from server code.
        devices: Who answers.

    Raises:
        BadMessage: It is no order.
    """
    asked = {
        RoundOrder: devices.train,
        Ballot: devices.validate,
        Probe: devices.compare,
        CountsCall: devices.contribute,
        Refit: devices.refit,
    }.get(type(order))  # type: ignore[call-overload]
    if asked is None:
        raise BadMessage(f"order: got a {type(order).__name__}, expected one that federation/orders.py defines.")
    return asked(order)


def carry_out(program: Program[T], devices: Devices, min_cohort: int) -> T:
    """Drive a program: carry each of its orders to the devices and the answer back.

    Args:
        program: Server code.
        devices: Whoever stands for people's devices.
        min_cohort: People who have to stand behind every answer, whatever the devices' own bound is.

    Returns:
        What the program returns.

    Raises:
        CohortTooSmall: Fewer do.
        BadMessage: Something else than an order was yielded, or than an answer came back.
    """
    try:
        order = next(program)
        while True:
            answer = put(order, devices)
            if isinstance(answer, _Answer):
                answer.check(min_cohort)
            elif answer is not None:
                raise BadMessage(f"answer: got a {type(answer).__name__}, expected one of federation/orders.py.")
            order = program.send(answer)
    except StopIteration as done:
        return done.value
    finally:
        program.close()
