"""Popularity and chance: what every model has to beat.

Popularity counts what is shared, since that is what a server knows. With nothing shared every item is as popular as
any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedshare.learning.algorithm import RoundInfo, ServerState, State, World
from fedshare.rng import stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.models.scorer import Scorer

__all__ = ["Popularity", "Random"]


@dataclass(frozen=True)
class _Closed:
    """An algorithm without anything to train."""

    @property
    def keeps_snapshots(self) -> bool:
        return False

    @property
    def in_one_round(self) -> bool:
        return True

    def start(self, world: World) -> State:
        return State(ServerState())

    def step(self, state: State, world: World, round_number: int) -> tuple[State, RoundInfo]:
        return State(state.server, None, round_number), RoundInfo()

    def finish(self, state: State, world: World) -> State:
        return state


@dataclass(frozen=True)
class Popularity(_Closed):
    """Items by the number of people who share them."""

    @property
    def name(self) -> str:
        return "popularity"

    def device_scorer(self, state: State, world: World) -> Scorer:
        return self.server_scorer(state, world)

    def server_scorer(self, state: State, world: World) -> Scorer:
        return _SameForAll(world.n_users, world.graph.item_degree.cpu().numpy().astype(np.float32))


@dataclass(frozen=True)
class Random(_Closed):
    """Items in a seeded random order, another one for every person."""

    @property
    def name(self) -> str:
        return "random"

    def device_scorer(self, state: State, world: World) -> Scorer:
        return self.server_scorer(state, world)

    def server_scorer(self, state: State, world: World) -> Scorer:
        return _Shuffled(world.n_users, world.n_items, world.seed)


@dataclass(frozen=True, eq=False)
class _SameForAll:
    n_users: int
    item_scores: NDArray[np.float32]

    @property
    def n_items(self) -> int:
        return len(self.item_scores)

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        return np.tile(self.item_scores, (len(users), 1))


@dataclass(frozen=True)
class _Shuffled:
    n_users: int
    n_items: int
    seed: int

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        rows = [stream(self.seed, "random-scores", int(user)).random(self.n_items, dtype=np.float32) for user in users]
        return np.stack(rows) if rows else np.empty((0, self.n_items), dtype=np.float32)
