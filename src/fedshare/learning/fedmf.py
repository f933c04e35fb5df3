"""FedMF: the federation with nothing shared.

Federated collaborative filtering (Ammad-ud-din et al., arXiv 1901.09888) with this library's device objective: item
vectors on the server, private vectors on devices, gradients in between. It is FedShare on an empty share set, number
for number, whatever the ledger says: the reference that sharing has to beat.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from fedshare.errors import NotMeasured
from fedshare.learning.algorithm import RoundInfo, State, World
from fedshare.learning.fedshare import FedShare
from fedshare.models.scorer import Scorer

__all__ = ["FedMF"]


@dataclass(frozen=True, kw_only=True)
class FedMF:
    """Hyperparameters of FedMF; meanings and defaults are those of :class:`fedshare.FedShare`."""

    embedding_size: int = 64
    learning_rate: float = 0.05
    item_learning_rate: float = 0.02
    temperature: float = 0.15
    ranking: Literal["softmax", "bpr"] = "softmax"
    ego_weight: float = 1.0
    activity: float = 0.5
    pseudo_items: int = 1000
    pseudo_ratio: float = 4.0
    participation: float = 1.0
    local_epochs: int = 1
    clip_norm: float | None = 10.0
    noise_multiplier: float = 0.0

    def __post_init__(self) -> None:
        _ = self._federation  # checks the options

    @property
    def name(self) -> str:
        return "fedmf"

    @property
    def keeps_snapshots(self) -> bool:
        return False

    @property
    def in_one_round(self) -> bool:
        return False

    @property
    def _federation(self) -> FedShare:
        return FedShare(item_item=None, **{each.name: getattr(self, each.name) for each in fields(self)})

    def start(self, world: World) -> State:
        return self._federation.start(world)

    def step(self, state: State, world: World, round_number: int) -> tuple[State, RoundInfo]:
        clients = self._federation.clients(world)
        return self._federation.step_on(world.empty_graph, clients, state, world, round_number)

    def finish(self, state: State, world: World) -> State:
        return state

    def device_scorer(self, state: State, world: World) -> Scorer:
        return self._federation.device_scorer_on(world.empty_graph, state, world)

    def server_scorer(self, state: State, world: World) -> Scorer:
        """There is none: the server has no vector of anybody."""
        raise NotMeasured(
            "fedmf: the server holds no user vectors, so it has no scores. Attack a FedShare run instead."
        )
