"""The bipartite graph of shared interactions, as the server sees it.

Edges carry the symmetric normalisation of LightGCN (He et al., SIGIR 2020, eq. 3), ``1 / sqrt(deg(u) deg(i))``.
A node without an edge stays a node: one hop sends nothing to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from fedshare.models.ragged import Ragged

if TYPE_CHECKING:
    from fedshare.sharing.views import ServerView

__all__ = ["SharedGraph"]


class SharedGraph:
    """Users, items and the shared pairs between them.

    Args:
        edges: ``(n_users, n_items)`` pattern of the shared pairs.
    """

    def __init__(self, edges: Ragged) -> None:
        self.edges = edges
        self.user_degree: Float[Tensor, " users"] = edges.counts.float()
        self.item_degree: Float[Tensor, " items"] = edges.column_counts.float()
        self.weights: Float[Tensor, " edges"] = (
            edges.spread(self.user_degree) * self.item_degree[edges.columns]
        ).rsqrt()

    @classmethod
    def of(cls, view: ServerView, device: str = "cpu") -> SharedGraph:
        """The graph of a server view."""
        return cls(Ragged.from_numpy(view.offsets, view.item, view.n_items, device))

    @property
    def is_empty(self) -> bool:
        return self.edges.n_slots == 0

    def hop(
        self, users: Float[Tensor, "users dim"], items: Float[Tensor, "items dim"]
    ) -> tuple[Float[Tensor, "users dim"], Float[Tensor, "items dim"]]:
        """One step of normalised neighbourhood averaging: what users get from items, and items from users."""
        return self.edges.gather(self.weights, items), self.edges.scatter(self.weights, users)
