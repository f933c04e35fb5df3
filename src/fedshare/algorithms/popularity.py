"""Popularity and chance: what every model has to beat.

Popularity counts what is shared, since that is what a server knows. With nothing shared every item is as popular as
any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from torch import Tensor

from fedshare.federation.orders import Aggregate
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import ClientTask
from fedshare.models.ragged import Ragged
from fedshare.rng import stream
from fedshare.training.algorithm import Choice, DevicesDoNotTrain, ServerState
from fedshare.training.server_side import ServerSide

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.models.scorer import Scorer

__all__ = ["Popularity", "Random", "SameForAll", "Shuffle"]


@dataclass(frozen=True)
class _Untrained(DevicesDoNotTrain):
    """An algorithm without anything to train."""

    closed_form: ClassVar[bool] = True
    central: ClassVar[bool] = False
    choice: ClassVar[type[Choice] | None] = None

    def start(self, server: ServerSide) -> ServerState:
        """Nothing."""
        return ServerState()

    def update(self, state: ServerState, aggregate: Aggregate | None, server: ServerSide, number: int) -> ServerState:
        """As it was."""
        return state


@dataclass(frozen=True)
class Popularity(_Untrained):
    """Items by the number of people who share them."""

    name: ClassVar[str] = "popularity"

    def task(self) -> SameForAll:
        """The same list for everybody."""
        return SameForAll()

    def release(self, state: ServerState, server: ServerSide) -> Payload:
        """How many people share each item."""
        return Payload(tables={"sharers": server.graph.item_degree})

    def server_scorer(self, state: ServerState, released: Payload, server: ServerSide) -> Scorer:
        """The same for everybody."""
        return _SameScores(server.n_users, released.tables["sharers"].cpu().numpy().astype(np.float32))


@dataclass(frozen=True)
class Random(_Untrained):
    """Items in a seeded random order, another one for every person."""

    name: ClassVar[str] = "random"

    def task(self) -> Shuffle:
        """Another order for everybody."""
        return Shuffle()

    def release(self, state: ServerState, server: ServerSide) -> Payload:
        """A seed and the size of the catalogue."""
        return Payload(numbers={"seed": server.seed, "n_items": server.n_items})

    def server_scorer(self, state: ServerState, released: Payload, server: ServerSide) -> Scorer:
        """The same orders."""
        return _ShuffledScores(server.n_users, server.n_items, server.seed)


@dataclass(frozen=True)
class SameForAll(ClientTask):
    """A device ranks items by a published number."""

    name: ClassVar[str] = "same-for-all"

    def scorer(self, released: Payload, private: Mapping[str, Tensor], known: Ragged) -> Scorer:
        """The published numbers."""
        return _SameScores(known.n_owners, released.tables["sharers"].cpu().numpy().astype(np.float32))


@dataclass(frozen=True)
class Shuffle(ClientTask):
    """A device ranks items by chance."""

    name: ClassVar[str] = "shuffle"

    def scorer(self, released: Payload, private: Mapping[str, Tensor], known: Ragged) -> Scorer:
        """An order of each person's own."""
        return _ShuffledScores(known.n_owners, int(released.numbers["n_items"]), int(released.numbers["seed"]))


@dataclass(frozen=True, eq=False)
class _SameScores:
    n_users: int
    item_scores: NDArray[np.float32]

    @property
    def n_items(self) -> int:
        return len(self.item_scores)

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        return np.tile(self.item_scores, (len(users), 1))


@dataclass(frozen=True)
class _ShuffledScores:
    n_users: int
    n_items: int
    seed: int

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        rows = [stream(self.seed, "random-scores", int(user)).random(self.n_items, dtype=np.float32) for user in users]
        return np.stack(rows) if rows else np.empty((0, self.n_items), dtype=np.float32)
