"""What a share set amounts to in SharedEASE: counts, their inverse, and the weights that are published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from fedshare.models.gram import degree_of, history_matrix
from fedshare.models.item_item import weights_from
from fedshare.training.algorithm import Choice, ServerState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.sharing.views import ServerView

__all__ = ["EaseChoice", "Solution", "published", "shared_rows"]


@dataclass(frozen=True)
class EaseChoice(Choice):
    """What validation clients chose, or what was given."""

    reg: float
    popularity_penalty: float
    neighbours: int
    "Weights kept for each item."


@dataclass(frozen=True, eq=False)
class Solution:
    """All that a share set amounts to."""

    counts: sparse.csr_matrix
    "Gram matrix of what is shared."
    weights: sparse.csr_matrix
    "What is published."
    inverse: NDArray[np.floating] | None
    "``(n_items, n_items)``; None where it is not kept."
    contributed: sparse.csr_matrix | None = None
    "Counts that came by secure sum."

    @classmethod
    def of(cls, server: ServerState, n_items: int) -> Solution:
        """What a server state holds."""
        inverse = server.kept.get("inverse")
        return cls(
            _unpack(server.kept, "gram", n_items),
            _unpack(server.arrays, "weights", n_items),
            None if inverse is None else inverse.cpu().numpy(),
            _unpack(server.kept, "contributed", n_items) if "contributed.values" in server.kept else None,
        )

    def grown(self, n_items: int, reg: float) -> Solution:
        """The solution of the same histories in a larger catalogue: nobody has any of the new items.

        Their rows of the Gram matrix are zero, so the inverse has 1 / reg there, and nothing else changes.

        Args:
            n_items: Items by now.
            reg: The regulariser.
        """
        before = self.counts.indptr.size - 1
        if n_items == before:
            return self
        inverse = None
        if self.inverse is not None:
            inverse = np.zeros((n_items, n_items), self.inverse.dtype)
            inverse[:before, :before] = self.inverse
            new = np.arange(before, n_items)
            inverse[new, new] = 1 / reg
        contributed = None if self.contributed is None else _larger(self.contributed, n_items)
        return Solution(_larger(self.counts, n_items), _larger(self.weights, n_items), inverse, contributed)

    def server_state(self, chosen: EaseChoice) -> ServerState:
        """This as a server state; :meth:`of` reads it."""
        kept = _pack("gram", self.counts)
        if self.inverse is not None:
            kept["inverse"] = torch.from_numpy(self.inverse)
        if self.contributed is not None:
            kept |= _pack("contributed", self.contributed)
        return ServerState(arrays=_pack("weights", self.weights), chosen=chosen, kept=kept)


def published(inverse: NDArray[np.floating], counts: sparse.csr_matrix, chosen: EaseChoice) -> sparse.csr_matrix:
    """The weights that devices download."""
    return weights_from(inverse, degree_of(counts), chosen.popularity_penalty, chosen.neighbours)


def shared_rows(view: ServerView) -> sparse.csr_matrix:
    """``(n_users, n_items)`` what everybody shares."""
    return history_matrix(view.offsets, view.item, view.n_items)


def _larger(matrix: sparse.csr_matrix, n: int) -> sparse.csr_matrix:
    offsets = np.concatenate([matrix.indptr, np.full(n + 1 - len(matrix.indptr), matrix.indptr[-1])])
    parts = (matrix.data, matrix.indices, offsets.astype(matrix.indptr.dtype))
    return sparse.csr_matrix(parts, shape=(n, n))


def _pack(name: str, matrix: sparse.csr_matrix) -> dict[str, Tensor]:
    parts = {"offsets": matrix.indptr, "items": matrix.indices, "values": matrix.data}
    return {f"{name}.{part}": torch.from_numpy(array) for part, array in parts.items()}


def _unpack(arrays: Mapping[str, Tensor], name: str, n_items: int) -> sparse.csr_matrix:
    values, items, offsets = (arrays[f"{name}.{part}"].cpu().numpy() for part in ("values", "items", "offsets"))
    return sparse.csr_matrix((values, items, offsets), shape=(n_items, n_items))
