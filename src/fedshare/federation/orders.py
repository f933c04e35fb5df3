"""What a server may ask of devices, and the answers.

Server code never holds devices. It *yields* an order; whoever drives it carries the order to :class:`Devices` and sends
the answer back in (:func:`carry_out`). An answer is a sum over at least ``min_cohort`` people, and it knows how many
stand behind it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import Tensor

from fedshare.cohort import MIN_COHORT
from fedshare.errors import CohortTooSmall
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import ClientTask, TrainingTask
from fedshare.federation.transforms import Transform
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
]

A = TypeVar("A")
T = TypeVar("T")
A_co = TypeVar("A_co", covariant=True)


def check_cohort(what: str, n_people: int, least: int) -> None:
    """Raise unless enough people stand behind an answer.

    Raises:
        CohortTooSmall: Fewer do.
    """
    if n_people < least:
        raise CohortTooSmall(
            f"min_cohort: {what} would rest on {n_people} people, expected {least} or more, so that a sum hides each "
            f"of them. Ask more people, or lower the bound by name: --min-cohort {max(n_people, 1)} on the command "
            f"line, min_cohort={max(n_people, 1)} in Python. It is then named in manifest, report and output."
        )


@dataclass(frozen=True, eq=False)
class _Answer:
    """What all answers have: how many people stand behind it, and how many must."""

    n_people: int
    min_cohort: int

    def __post_init__(self) -> None:
        check_cohort(f"an answer of kind '{type(self).__name__}'", self.n_people, self.min_cohort)


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

    def __post_init__(self) -> None:
        if self.n_people:  # where nobody holds anything out, there is nothing to tell
            super().__post_init__()


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


@runtime_checkable
class Order(Protocol[A_co]):
    """Something to ask of devices."""

    def put_to(self, devices: Devices) -> A_co:
        """Ask, and bring back the answer."""
        ...


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

    def put_to(self, devices: Devices) -> Aggregate:
        """See :class:`Order`."""
        return devices.train(self)


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

    def put_to(self, devices: Devices) -> Votes:
        """See :class:`Order`."""
        return devices.validate(self)


@dataclass(frozen=True, eq=False, kw_only=True)
class Probe(Order["Outscored | None"]):
    """Global views of those who withdraw, as they stand; each compares withdrawn with never-shared pairs under theirs.

    The answer is None where fewer than ``min_cohort`` people can compare.
    """

    payload: Payload
    "Personal ``view`` and table ``items``; a score is their inner product."

    def put_to(self, devices: Devices) -> Outscored | None:
        """See :class:`Order`."""
        return devices.compare(self)


@dataclass(frozen=True, eq=False, kw_only=True)
class CountsCall(Order[MaskedSum]):
    """For every two items: in how many histories they stand together without both being shared."""

    n_items: int
    seed: int

    def put_to(self, devices: Devices) -> MaskedSum:
        """See :class:`Order`."""
        return devices.contribute(self)


@dataclass(frozen=True, eq=False, kw_only=True)
class Refit(Order[None]):
    """Who erased something fits their private state again, from the start, on what is left. Nothing is uploaded."""

    payload: Payload
    task: TrainingTask
    seed: int
    steps: int

    def put_to(self, devices: Devices) -> None:
        """See :class:`Order`."""
        devices.refit(self)


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


def carry_out(program: Program[T], devices: Devices) -> T:
    """Drive a program: carry each of its orders to the devices and the answer back.

    Args:
        program: Server code.
        devices: Whoever stands for people's devices.

    Returns:
        What the program returns.
    """
    try:
        order = next(program)
        while True:
            order = program.send(order.put_to(devices))
    except StopIteration as done:
        return done.value
    finally:
        program.close()
