"""Scores from trained vectors, with the item-item part added where a run has one.

Item-item sums are added to cosines as they are. A reg keeps them small where little was shared; on a common scale the
little that they say there would count as much as what they say where much was shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from fedshare.federation.tasks import DeviceCode
from fedshare.models.graph import SharedGraph
from fedshare.models.ragged import Ragged

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HistoryScorer", "LocalScorer", "SharedScorer", "VectorScorer", "history_scores"]

ItemItemPart = tuple[Tensor, float]
"Weights ``(n_items, n_items)`` and how much they count against the vectors."


@dataclass(frozen=True, eq=False)
class LocalScorer(DeviceCode):
    """What devices see: local views, published items, own history."""

    users: Float[Tensor, "users dim"]
    items: Float[Tensor, "items dim"]
    histories: Ragged
    item_item: ItemItemPart | None = None

    @property
    def n_users(self) -> int:
        return len(self.users)

    @property
    def n_items(self) -> int:
        return len(self.items)

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        """``(len(users), n_items)``; see :class:`fedshare.models.scorer.Scorer`."""
        rows = torch.from_numpy(np.asarray(users, dtype=np.int64)).to(self.items.device)
        scores = self.users[rows] @ self.items.t()
        if self.item_item is not None:
            weights, weight = self.item_item
            scores = scores + weight * history_scores(self.histories.select(rows), weights)
        return scores.cpu().numpy()


@dataclass(frozen=True, eq=False)
class SharedScorer:
    """What the server can say: global views, published items, shared history.

    A person who shares nothing has no row on the server. About such a stranger it can only guess the average sharer.
    """

    users: Float[Tensor, "users dim"]
    items: Float[Tensor, "items dim"]
    graph: SharedGraph
    item_item: ItemItemPart | None = None

    @property
    def n_users(self) -> int:
        return len(self.users)

    @property
    def n_items(self) -> int:
        return len(self.items)

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        """``(len(users), n_items)``; see :class:`fedshare.models.scorer.Scorer`."""
        rows = torch.from_numpy(np.asarray(users, dtype=np.int64)).to(self.items.device)
        scores = self.vectors_of_all()[rows] @ self.items.t()
        if self.item_item is not None:
            weights, weight = self.item_item
            scores = scores + weight * history_scores(self.graph.edges.select(rows), weights)
        return scores.cpu().numpy()

    def vectors_of_all(self) -> Float[Tensor, "users dim"]:
        """The vector that stands for each person."""
        shares = self.graph.user_degree > 0
        stranger = self.users[shares].mean(0) if bool(shares.any()) else self.items.mean(0)
        return torch.where(shares.unsqueeze(1), self.users, stranger)


@dataclass(frozen=True, eq=False)
class VectorScorer:
    """One vector a person against published items."""

    users: Float[Tensor, "users dim"]
    items: Float[Tensor, "items dim"]

    @property
    def n_users(self) -> int:
        return len(self.users)

    @property
    def n_items(self) -> int:
        return len(self.items)

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        """``(len(users), n_items)``; see :class:`fedshare.models.scorer.Scorer`."""
        rows = torch.from_numpy(np.asarray(users, dtype=np.int64)).to(self.items.device)
        return (self.users[rows] @ self.items.t()).cpu().numpy()


@dataclass(frozen=True, eq=False)
class HistoryScorer:
    """Item-item weights applied to histories, and nothing else."""

    rows: sparse.csr_matrix
    "``(n_users, n_items)`` ones: histories, or what is shared of them."
    weights: sparse.csr_matrix
    "``(n_items, n_items)``."

    @property
    def n_users(self) -> int:
        return self.rows.indptr.size - 1

    @property
    def n_items(self) -> int:
        return self.weights.indptr.size - 1

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        """``(len(users), n_items)``; see :class:`fedshare.models.scorer.Scorer`."""
        chosen = self.rows[np.asarray(users, dtype=np.int64)].astype(np.float32)
        return np.ascontiguousarray((chosen @ self.weights).toarray())


def history_scores(rows: Ragged, weights: Float[Tensor, "items items"]) -> Float[Tensor, "owners items"]:
    """Sum of the weight rows of each history, or of what is shared of it."""
    return rows.gather(weights.new_ones(rows.n_slots), weights)
