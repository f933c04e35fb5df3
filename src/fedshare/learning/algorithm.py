"""What an algorithm is to the training loop, and what a training run takes place in.

Two functions make an algorithm: ``start`` gives the first state, ``step`` moves it by one round. ``finish`` runs once
after the last round. States are values: nothing is changed in place, and the next round needs the state only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from torch import Tensor

from fedshare.federation.clients import Clients, ClientStore
from fedshare.federation.engines import Batched, Engine
from fedshare.models.graph import SharedGraph
from fedshare.models.ragged import Ragged
from fedshare.models.table import Table

if TYPE_CHECKING:
    from fedshare.models.scorer import Scorer
    from fedshare.sharing.ledger import Ledger
    from fedshare.sharing.views import ServerView

T = TypeVar("T")

__all__ = ["Algorithm", "RoundInfo", "ServerState", "State", "World"]


@dataclass(frozen=True, eq=False)
class ServerState:
    """What the server holds: trained tables, computed arrays, chosen numbers. No private vector, by construction."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    arrays: Mapping[str, Tensor] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    "Arrays that nothing but later unlearning reads."

    @property
    def kept_bytes(self) -> int:
        """Size of what is kept for unlearning alone."""
        return sum(each.numel() * each.element_size() for each in self.kept.values())

    def with_tables(self, **tables: Table) -> ServerState:
        """This state with some tables replaced."""
        return replace(self, tables={**self.tables, **tables})

    def with_numbers(self, **numbers: float) -> ServerState:
        """This state with some numbers replaced."""
        return replace(self, numbers={**self.numbers, **numbers})


@dataclass(frozen=True, eq=False)
class State:
    """A model between two rounds: the server's part, and the devices' part beside it."""

    server: ServerState
    clients: ClientStore | None = None
    round: int = 0


@dataclass(frozen=True)
class RoundInfo:
    """For people; the next round does not need it."""

    loss: float = 0.0
    bytes_up: int = 0
    bytes_down: int = 0


@dataclass(frozen=True, eq=False)
class World:
    """Where a run takes place: the ledger's two sides, a seed, an engine, a torch device.

    Server code gets :attr:`server_view` and :attr:`graph`, made from shared pairs alone; :meth:`clients` is handed to
    the engine.
    """

    ledger: Ledger
    seed: int = 0
    engine: Engine = field(default_factory=Batched)
    device: str = "cpu"
    rounds: int = 60
    "Rounds of the whole run."

    @cached_property
    def server_view(self) -> ServerView:
        """All that server code may read of anybody's interactions."""
        return self.ledger.server_view()

    @cached_property
    def graph(self) -> SharedGraph:
        """The graph of shared pairs."""
        return SharedGraph.of(self.server_view, self.device)

    @cached_property
    def empty_graph(self) -> SharedGraph:
        """The graph of a federation in which nobody shares."""
        offsets, items = np.zeros(self.n_users + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
        return SharedGraph(Ragged.from_numpy(offsets, items, self.n_items, self.device))

    @cached_property
    def central_graph(self) -> SharedGraph:
        """The graph of every pair that is not erased, private ones included: for central references only."""
        return SharedGraph(self.histories)

    @cached_property
    def _kept(self) -> dict[Hashable, Any]:
        return {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives, made once in this world: a place for algorithms to keep what does not change."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def forget_clients(self) -> None:
        """Let go of the devices' patterns, by far the largest thing here; :meth:`clients` builds them again."""
        for key in [key for key in self._kept if "clients" in str(key)]:
            del self._kept[key]

    @cached_property
    def histories(self) -> Ragged:
        """What each device knows."""
        return Ragged.from_numpy(*self.ledger.device_pairs(), self.n_items, self.device)

    def clients(self, pseudo_items: int, pseudo_ratio: float) -> Clients:
        """The devices with all they know, and their pseudo-items."""

        def build() -> Clients:
            offsets, items = self.ledger.device_pairs()
            names = self.ledger.known.users.ids
            return Clients.build(
                offsets,
                items,
                names,
                self.n_items,
                pseudo_items=pseudo_items,
                pseudo_ratio=pseudo_ratio,
                seed=self.seed,
                device=self.device,
            )

        return self.once(("clients", pseudo_items, pseudo_ratio), build)

    @property
    def n_users(self) -> int:
        return self.ledger.known.n_users

    @property
    def n_items(self) -> int:
        return self.ledger.known.n_items


@runtime_checkable
class Algorithm(Protocol):
    """The role of an algorithm; implementations are frozen dataclasses of their hyperparameters."""

    @property
    def name(self) -> str:
        """How the command line calls it."""
        ...

    @property
    def in_one_round(self) -> bool:
        """Whether it is a closed form: more rounds would change nothing."""
        ...

    @property
    def keeps_snapshots(self) -> bool:
        """Whether an unlearning method has use for snapshots of its tables."""
        ...

    def start(self, world: World) -> State: ...

    def step(self, state: State, world: World, round_number: int) -> tuple[State, RoundInfo]: ...

    def finish(self, state: State, world: World) -> State: ...

    def device_scorer(self, state: State, world: World) -> Scorer:
        """What devices recommend from: their own history and vector, and what the server publishes."""
        ...

    def server_scorer(self, state: State, world: World) -> Scorer:
        """What the server can say about users from its own state and the shared pairs: an attacker's view."""
        ...
