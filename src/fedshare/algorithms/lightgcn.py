"""Central LightGCN: everything on the server, whatever people chose. A ceiling, never an offer.

He et al., SIGIR 2020, with cosine scores and the softmax loss of this library in place of BPR. It reads every
interaction that is not erased, private ones included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from fedshare.algorithms.fedshare.server_objective import ServerObjective
from fedshare.algorithms.scorers import SharedScorer, VectorScorer
from fedshare.federation.orders import Aggregate
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import ClientTask
from fedshare.models.lightgcn import propagate
from fedshare.models.ragged import Ragged
from fedshare.models.table import Table
from fedshare.models.vectors import unit
from fedshare.options import above, at_least, whole, within
from fedshare.rng import stream
from fedshare.training.algorithm import Choice, DevicesDoNotTrain, ServerState
from fedshare.training.server_side import ServerSide

if TYPE_CHECKING:
    from fedshare.models.scorer import Scorer

__all__ = ["LightGCN", "OwnVector"]


@dataclass(frozen=True, kw_only=True)
class LightGCN(DevicesDoNotTrain):
    """Hyperparameters of the central reference."""

    name: ClassVar[str] = "lightgcn"
    closed_form: ClassVar[bool] = False
    central: ClassVar[bool] = True
    choice: ClassVar[type[Choice] | None] = None

    embedding_size: int = 64
    layers: int = 2
    learning_rate: float = 0.05
    temperature: float = 0.2
    activity: float = 0.5
    negatives: int = 1000

    def __post_init__(self) -> None:
        for name, least in (("embedding_size", 1), ("layers", 0), ("negatives", 1)):
            whole(name, getattr(self, name), least)
        above("learning_rate", self.learning_rate, 0)
        at_least("temperature", self.temperature, 0.03, hint="Below, exponentials vanish.")
        within("activity", self.activity, 0, 1)

    def task(self) -> OwnVector:
        """Devices score with the vector that the server has of them."""
        return OwnVector()

    def start(self, server: ServerSide) -> ServerState:
        """Random tables."""
        size, seed, device = self.embedding_size, server.seed, server.device
        return ServerState(
            tables={
                "items": Table.random(server.n_items, size, seed, "item-table", device=device),
                "users": Table.random(server.n_users, size, seed, "user-table", device=device),
            }
        )

    def update(self, state: ServerState, aggregate: Aggregate | None, server: ServerSide, number: int) -> ServerState:
        """A step on every pair that the server was given."""
        users, items = state.tables["users"], state.tables["items"]
        free_users = users.values.clone().requires_grad_()
        free_items = items.values.clone().requires_grad_()
        graph = server.graph
        objective = ServerObjective(
            server_weight=1.0,
            contrast=0.0,
            temperature=self.temperature,
            activity=self.activity,
            user_shrinkage=0.0,
            item_shrinkage=0.0,
            negatives=self.negatives,
        )
        user_view, item_view = propagate(graph, free_users, free_items, self.layers)
        drawn = stream(server.seed, "server-negatives", number).permutation(server.n_items)[: self.negatives]
        negatives = torch.from_numpy(drawn).to(server.device)
        weights = objective.pair_weights(graph)
        loss = objective.ranking(unit(user_view), unit(item_view), graph.edges, weights, negatives)
        by_users, by_items = torch.autograd.grad(loss, (free_users, free_items))
        return state.with_tables(
            users=users.descend(by_users, self.learning_rate), items=items.descend(by_items, self.learning_rate)
        )

    def release(self, state: ServerState, server: ServerSide) -> Payload:
        """Unit item vectors for everybody, and to each person their own."""
        scorer = self._scorer(state, server)
        everybody = torch.ones(server.n_users, dtype=torch.bool, device=server.device)
        return Payload(tables={"items": scorer.items}, personal={"view": scorer.vectors_of_all()}, recipients=everybody)

    def server_scorer(self, state: ServerState, released: Payload, server: ServerSide) -> Scorer:
        """The same scores."""
        return self._scorer(state, server)

    def _scorer(self, state: ServerState, server: ServerSide) -> SharedScorer:
        tables = state.tables
        users, items = propagate(server.graph, tables["users"].values, tables["items"].values, self.layers)
        return SharedScorer(unit(users), unit(items), server.graph)


@dataclass(frozen=True)
class OwnVector(ClientTask):
    """A device scores items with the vector that it was sent."""

    name: ClassVar[str] = "own-vector"

    def scorer(self, released: Payload, private: Mapping[str, Tensor], known: Ragged) -> Scorer:
        """Inner products."""
        return VectorScorer(released.personal["view"], released.tables["items"])
