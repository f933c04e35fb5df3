"""What a share set amounts to in SharedEASE: counts, their inverse, and the weights that are published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from scipy import sparse
from torch import Tensor

from fedshare.models.gram import degree_of, history_matrix
from fedshare.models.item_item import weights_from
from fedshare.training.algorithm import Choice, ServerState

if TYPE_CHECKING:
    import numpy as np
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


def _pack(name: str, matrix: sparse.csr_matrix) -> dict[str, Tensor]:
    parts = {"offsets": matrix.indptr, "items": matrix.indices, "values": matrix.data}
    return {f"{name}.{part}": torch.from_numpy(array) for part, array in parts.items()}


def _unpack(arrays: Mapping[str, Tensor], name: str, n_items: int) -> sparse.csr_matrix:
    values, items, offsets = (arrays[f"{name}.{part}"].cpu().numpy() for part in ("values", "items", "offsets"))
    return sparse.csr_matrix((values, items, offsets), shape=(n_items, n_items))
