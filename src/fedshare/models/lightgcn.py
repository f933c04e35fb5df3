"""LightGCN propagation over the graph of shared interactions.

He et al., SIGIR 2020, eqs. 3-8: ``layers`` hops, then the mean over all of them, hop 0 included. No weights are
learned. A user who shares nothing has no edge and comes back as their own embedding divided by ``layers + 1``; callers
should not read that row. The operator is symmetric: the gradient of a propagation is the propagation of the gradient.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from fedshare.models.graph import SharedGraph

__all__ = ["propagate"]


def propagate(
    graph: SharedGraph, users: Float[Tensor, "users dim"], items: Float[Tensor, "items dim"], layers: int
) -> tuple[Float[Tensor, "users dim"], Float[Tensor, "items dim"]]:
    """The graph's representation of every user and item; differentiable in both tables.

    Args:
        graph: Shared interactions.
        users: User table.
        items: Item table.
        layers: Hops, 0 or above; 0 returns the tables.
    """
    return _Propagate.apply(users, items, graph, layers)  # type: ignore[return-value]


class _Propagate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, users: Tensor, items: Tensor, graph: SharedGraph, layers: int) -> tuple[Tensor, Tensor]:
        ctx.graph, ctx.layers = graph, layers
        return _mean_of_hops(graph, users, items, layers)

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        for_users, for_items = gradients
        return *_mean_of_hops(ctx.graph, for_users.contiguous(), for_items.contiguous(), ctx.layers), None, None


def _mean_of_hops(graph: SharedGraph, users: Tensor, items: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    user_sum, item_sum = users, items
    for _ in range(layers):
        users, items = graph.hop(users, items)
        user_sum, item_sum = user_sum + users, item_sum + items
    return user_sum / (layers + 1), item_sum / (layers + 1)
