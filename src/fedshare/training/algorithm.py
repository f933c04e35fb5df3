"""What an algorithm is. Algorithms are server code, in three steps, and never see a device.

Per round an algorithm **publishes** a payload, devices run its **task** on it, and it **updates** its state with the
sum that comes back. In the end it **releases** what devices recommend with. States are values: nothing is changed in
place, and the next round needs the state only.

An algorithm that has to ask devices more than that, such as which of several options is best, is a :class:`Selecting`
one: it yields orders, and the loop carries them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor

from fedshare.federation.orders import Aggregate, Program
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import ClientTask
from fedshare.federation.transforms import Transform
from fedshare.models.scorer import Scorer
from fedshare.models.table import Table
from fedshare.sharing.holdout import Holdout
from fedshare.training.server_side import ServerSide

__all__ = ["Algorithm", "Choice", "DevicesDoNotTrain", "Selecting", "ServerState"]


@dataclass(frozen=True)
class Choice:
    """What validation clients chose: a frozen dataclass of plain numbers, one class an algorithm."""

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class ServerState:
    """What the server holds: trained tables, computed arrays, what was chosen. No private vector, by construction."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    arrays: Mapping[str, Tensor] = field(default_factory=dict)
    chosen: Choice | None = None
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    "Arrays that nothing but later unlearning reads."
    round: int = 0

    @property
    def kept_bytes(self) -> int:
        """Size of what is kept for unlearning alone."""
        return sum(each.numel() * each.element_size() for each in self.kept.values())

    def with_tables(self, **tables: Table) -> ServerState:
        """This state with some tables replaced."""
        return replace(self, tables={**self.tables, **tables})


@runtime_checkable
class Algorithm(Protocol):
    """The role of an algorithm; implementations are frozen dataclasses of their hyperparameters."""

    name: ClassVar[str]
    "How the command line calls it."
    closed_form: ClassVar[bool]
    "Whether more rounds would change nothing."
    central: ClassVar[bool]
    "Whether it is a reference that is given everybody's pairs, whatever people chose."
    choice: ClassVar[type[Choice] | None]
    "What validation clients choose; None for nothing."

    @property
    def participation(self) -> float:
        """Fraction of the devices in a round."""
        ...

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """What bounds and blurs uploads."""
        ...

    def start(self, server: ServerSide) -> ServerState:
        """The state before round 1."""
        ...

    def publish(self, state: ServerState, server: ServerSide) -> Payload:
        """What devices train on in the next round."""
        ...

    def task(self) -> ClientTask:
        """What devices run; a ``TrainingTask`` if they train."""
        ...

    def update(self, state: ServerState, aggregate: Aggregate | None, server: ServerSide, number: int) -> ServerState:
        """The state after round ``number``.

        Args:
            state: Before it.
            aggregate: Sums of the devices' uploads; None if devices do not train.
            server: Where the server works.
            number: From 1.
        """
        ...

    def release(self, state: ServerState, server: ServerSide) -> Payload:
        """What devices recommend with."""
        ...

    def server_scorer(self, state: ServerState, released: Payload, server: ServerSide) -> Scorer:
        """What the server can say about users from its own state and the shared pairs: an attacker's view."""
        ...


class DevicesDoNotTrain:
    """What is the same for every algorithm whose devices have no rounds of local work."""

    @property
    def participation(self) -> float:
        """Nobody is asked, so everybody might be."""
        return 1.0

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """Nothing is uploaded."""
        return ()

    def publish(self, state: ServerState, server: ServerSide) -> Payload:
        """Nothing to train on."""
        return Payload()


@runtime_checkable
class Selecting(Protocol):
    """An algorithm that asks devices for more than rounds."""

    def holdout(self, number: int, server: ServerSide) -> Holdout | None:
        """What people keep out of round ``number``; None for nothing."""
        ...

    def select(self, state: ServerState, server: ServerSide, number: int) -> Program[ServerState]:
        """After round ``number``: ask, and choose."""
        ...
