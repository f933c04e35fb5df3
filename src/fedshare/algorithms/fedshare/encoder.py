"""The server's global view: what shared interactions say, encoded for devices.

A view has parts. The graph part gives every sharer and every item a vector, on which devices train; other parts add
scores to a history on the device. The graph's word counts by how much was shared: an item's published vector is

    z_i = (1 - a_i) V_i + a_i (graph representation of i)
    a_i = graph_weight * degree_i / (degree_i + item_shrinkage)

so that an item nobody shared is its row of ``V``, and with nothing shared the federation is the plain one, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from fedshare.models.graph import SharedGraph
from fedshare.models.lightgcn import propagate
from fedshare.models.vectors import unit
from fedshare.options import above, whole, within

__all__ = ["Encoder", "GlobalView", "LightGCNEncoder"]


@dataclass(frozen=True)
class GlobalView:
    """Unit vectors of users and items, and the items' pure graph representation for the contrast on the server."""

    users: Float[Tensor, "users dim"]
    items: Float[Tensor, "items dim"]
    graph_items: Float[Tensor, "items dim"]


@runtime_checkable
class Encoder(Protocol):
    """Turns the server's tables and the shared graph into a global view; differentiable in both tables."""

    def __call__(self, users: Tensor, items: Tensor, graph: SharedGraph) -> GlobalView: ...

    def of_rows(self, users: Tensor, items: Tensor, graph: SharedGraph, rows: Tensor) -> Callable[[Tensor], Tensor]:
        """Unit views of some users as a function of their table rows alone, what these tell others held fixed."""
        ...


@dataclass(frozen=True, kw_only=True)
class LightGCNEncoder:
    """Propagation over the shared graph, mixed with the item table by evidence."""

    layers: int = 2
    graph_weight: float = 0.5
    "Weight of the graph for an item that everybody shares, 0 to 1."
    item_shrinkage: float = 10.0
    "Shared degree at which the graph has half of that weight."

    def __post_init__(self) -> None:
        whole("layers", self.layers)
        within("graph_weight", self.graph_weight, 0, 1)
        above("item_shrinkage", self.item_shrinkage, 0)

    def __call__(self, users: Tensor, items: Tensor, graph: SharedGraph) -> GlobalView:
        if graph.is_empty:
            return GlobalView(unit(users), unit(items), unit(items))
        graph_users, graph_items = propagate(graph, users, items, self.layers)
        weight = self.item_weight(graph)
        return GlobalView(unit(graph_users), unit((1 - weight) * items + weight * graph_items), unit(graph_items))

    def of_rows(self, users: Tensor, items: Tensor, graph: SharedGraph, rows: Tensor) -> Callable[[Tensor], Tensor]:
        """See :class:`Encoder`: a user's own row enters with ``1 / (layers + 1)``, beside what neighbours say."""
        from_others, _ = propagate(graph, users.index_fill(0, rows, 0.0), items, self.layers)
        fixed = from_others[rows]
        return lambda own: unit(fixed + own / (self.layers + 1))

    def item_weight(self, graph: SharedGraph) -> Float[Tensor, "items 1"]:
        """``a_i`` of the module's formula."""
        return (self.graph_weight * graph.item_degree / (graph.item_degree + self.item_shrinkage)).unsqueeze(1)
