"""What the server learns from shared pairs, and how it takes a step.

The devices' summed gradient arrives with respect to the published unit vectors; the chain rule carries it through
encoder and mixing into the tables. To it the server adds, over the shared pairs alone,

    server_weight * sum of w_ui * softmax loss(z_u . z_i; negatives)  +  contrast * sum of InfoNCE(graph item; table
    item)

where the contrast aligns what the graph says of an item with what the devices, together, made of it. A pair weighs
more the more is known, since thin shares would otherwise do harm:

    w_ui = |S_u|^-activity * |S_u| / (|S_u| + user_shrinkage) * deg_i / (deg_i + item_shrinkage)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from fedshare.algorithms.fedshare.encoder import GlobalView
from fedshare.models.graph import SharedGraph
from fedshare.models.losses import info_nce
from fedshare.models.ragged import Ragged
from fedshare.rng import stream

__all__ = ["ServerObjective"]


@dataclass(frozen=True, kw_only=True)
class ServerObjective:
    """The server's loss on shared pairs."""

    server_weight: float
    contrast: float
    temperature: float
    activity: float
    user_shrinkage: float
    item_shrinkage: float
    negatives: int
    contrast_items: int = 512

    def __call__(
        self, view: GlobalView, items: Float[Tensor, "items dim"], graph: SharedGraph, seed: int, round_number: int
    ) -> Float[Tensor, ""]:
        """Loss of one round; differentiable in the view and in the item table.

        Args:
            view: Encoded from the tables.
            items: Unit rows of the item table.
            graph: Shared interactions, at least one.
            seed: The run's seed.
            round_number: From 1; names the negatives.
        """
        drawn = stream(seed, "server-negatives", round_number).permutation(len(items))[: self.negatives]
        negatives = torch.from_numpy(drawn).to(items.device)
        ranking = self.ranking(view.users, view.items, graph.edges, self.pair_weights(graph), negatives)
        if self.contrast == 0:
            return self.server_weight * ranking
        some = negatives[: self.contrast_items]
        contrast = info_nce(view.graph_items[some], items[some], self.temperature)
        return self.server_weight * ranking + self.contrast * (graph.item_degree[some].sqrt() * contrast).sum()

    def ranking(
        self,
        users: Float[Tensor, "owners dim"],
        items: Float[Tensor, "items dim"],
        edges: Ragged,
        weights: Float[Tensor, " edges"],
        negatives: Integer[Tensor, " negatives"],
    ) -> Float[Tensor, ""]:
        """Weighted softmax loss of pairs against common negatives; an owner's own items are left out of these.

        Args:
            users: Unit vectors of the owners of ``edges``.
            items: Unit vectors of items.
            edges: The pairs.
            weights: Weight of each pair.
            negatives: Item numbers, each once.
        """
        good = torch.exp((edges.dot(users, items) - 1) / self.temperature)
        bad = torch.exp((users @ items[negatives].t() - 1) / self.temperature)
        bad = bad.masked_fill(_own_items(edges, negatives), 0.0)
        return -(weights * torch.log(good / (good + edges.spread(bad.sum(1))))).sum()

    def pair_weights(self, graph: SharedGraph) -> Float[Tensor, " edges"]:
        """``w_ui`` of the module's formula."""
        degree = graph.user_degree
        per_user = degree.clamp(min=1) ** -self.activity * degree / (degree + self.user_shrinkage)
        per_item = graph.item_degree / (graph.item_degree + self.item_shrinkage)
        return graph.edges.spread(per_user) * per_item[graph.edges.columns]


def _own_items(edges: Ragged, negatives: Tensor) -> Tensor:
    """``(n_owners, n_negatives)``: where a drawn negative is among the owner's own items."""
    place = torch.full((edges.n_columns,), -1, dtype=torch.long, device=negatives.device)
    place[negatives] = torch.arange(len(negatives), device=negatives.device)
    drawn = place[edges.columns]
    hit = drawn >= 0
    mask = torch.zeros(edges.n_owners, len(negatives), dtype=torch.bool, device=negatives.device)
    mask[edges.owners[hit], drawn[hit]] = True
    return mask
