"""Central LightGCN: everything on the server, whatever people chose. A ceiling, never an offer.

He et al., SIGIR 2020, with cosine scores and the softmax loss of this library in place of BPR. It reads every
interaction that is not erased, private ones included.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedshare.errors import BadOption
from fedshare.learning.algorithm import RoundInfo, ServerState, State, World
from fedshare.learning.device import unit
from fedshare.learning.scorers import SharedScorer
from fedshare.learning.server import ServerObjective
from fedshare.models.lightgcn import propagate
from fedshare.models.scorer import Scorer
from fedshare.models.table import Table
from fedshare.rng import stream

__all__ = ["LightGCN"]


@dataclass(frozen=True, kw_only=True)
class LightGCN:
    """Hyperparameters of the central reference."""

    embedding_size: int = 64
    layers: int = 2
    learning_rate: float = 0.05
    temperature: float = 0.2
    activity: float = 0.5
    negatives: int = 1000

    def __post_init__(self) -> None:
        for name, least in (("embedding_size", 1), ("layers", 0), ("negatives", 1)):
            if getattr(self, name) < least:
                raise BadOption(f"{name}: got {getattr(self, name)}, expected {least} or more.")
        if not self.learning_rate > 0:
            raise BadOption(f"learning_rate: got {self.learning_rate}, expected a number above 0.")
        if not self.temperature >= 0.03:
            raise BadOption(f"temperature: got {self.temperature}, expected 0.03 or more: below, exponentials vanish.")
        if not 0 <= self.activity <= 1:
            raise BadOption(f"activity: got {self.activity}, expected 0 to 1.")

    @property
    def name(self) -> str:
        return "lightgcn"

    @property
    def keeps_snapshots(self) -> bool:
        return False

    @property
    def in_one_round(self) -> bool:
        return False

    def start(self, world: World) -> State:
        tables = {
            "items": Table.random(world.n_items, self.embedding_size, world.seed, "item-table", device=world.device),
            "users": Table.random(world.n_users, self.embedding_size, world.seed, "user-table", device=world.device),
        }
        return State(ServerState(tables=tables))

    def step(self, state: State, world: World, round_number: int) -> tuple[State, RoundInfo]:
        users, items = state.server.tables["users"], state.server.tables["items"]
        free_users = users.values.clone().requires_grad_()
        free_items = items.values.clone().requires_grad_()
        graph = world.central_graph
        objective = ServerObjective(
            server_weight=1.0,
            contrast=0.0,
            temperature=self.temperature,
            activity=self.activity,
            user_evidence=0.0,
            item_evidence=0.0,
            negatives=self.negatives,
        )
        user_view, item_view = propagate(graph, free_users, free_items, self.layers)
        drawn = stream(world.seed, "server-negatives", round_number).permutation(world.n_items)[: self.negatives]
        negatives = torch.from_numpy(drawn).to(world.device)
        weights = objective.pair_weights(graph)
        loss = objective.ranking(unit(user_view), unit(item_view), graph.edges, weights, negatives)
        by_users, by_items = torch.autograd.grad(loss, (free_users, free_items))
        server = state.server.with_tables(
            users=users.descend(by_users, self.learning_rate), items=items.descend(by_items, self.learning_rate)
        )
        return State(server, None, round_number), RoundInfo(float(loss.detach()))

    def finish(self, state: State, world: World) -> State:
        return state

    def device_scorer(self, state: State, world: World) -> Scorer:
        return self.server_scorer(state, world)

    def server_scorer(self, state: State, world: World) -> Scorer:
        graph = world.central_graph
        tables = state.server.tables
        users, items = propagate(graph, tables["users"].values, tables["items"].values, self.layers)
        return SharedScorer(unit(users), unit(items), graph)
