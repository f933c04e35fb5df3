"""Everything that crosses between server and devices. What is not defined here does not cross.

Down: the item rows a device asked for and, if its owner shares, the owner's own global view. Up: gradients of the item
rows, bounded and possibly noisy; or, where a run asks for private contributions, whole numbers under a mask. A device's
private vector, its optimiser, its interactions and its scores stay where they are, and no message to a device carries
another user's vector. Item-item weights are published: every device may download all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from numpy.typing import NDArray
from torch import Tensor

__all__ = [
    "INDEX_BYTES",
    "VALUE_BYTES",
    "ClientUpdate",
    "Download",
    "MaskedContribution",
    "download_bytes",
    "update_bytes",
    "weights_bytes",
]

INDEX_BYTES = 4
VALUE_BYTES = 4


@dataclass(frozen=True)
class Download:
    """Server to one device: the rows it asked for and its own global view."""

    rows: Integer[Tensor, " rows"]
    "Item numbers, known and pseudo-items together, in ascending order: the order tells nothing."
    values: Float[Tensor, "rows dim"]
    "Unit vectors of those items."
    global_view: Float[Tensor, " dim"] | None
    "Unit vector of this device's owner in the graph of shared interactions; None for who shares nothing."

    @property
    def nbytes(self) -> int:
        return download_bytes(len(self.rows), self.values.shape[1], self.global_view is not None)


@dataclass(frozen=True)
class ClientUpdate:
    """One device to the server: gradients of the rows it downloaded."""

    rows: Integer[Tensor, " rows"]
    values: Float[Tensor, "rows dim"]

    @property
    def nbytes(self) -> int:
        return update_bytes(len(self.rows), self.values.shape[1])


@dataclass(frozen=True, eq=False)
class MaskedContribution:
    """One device to the server: numbers that say nothing alone; see :mod:`fedshare.federation.masking`."""

    values: NDArray[np.unsignedinteger]
    "``(n_values,)``, modulo the size of their type."

    @property
    def nbytes(self) -> int:
        return self.values.nbytes


def download_bytes(n_rows: int, dim: int, has_view: bool) -> int:
    """Size of a download on the wire, without envelope."""
    return n_rows * (INDEX_BYTES + dim * VALUE_BYTES) + (dim * VALUE_BYTES if has_view else 0)


def update_bytes(n_rows: int, dim: int) -> int:
    """Size of an update on the wire, without envelope."""
    return n_rows * (INDEX_BYTES + dim * VALUE_BYTES)


def weights_bytes(n_weights: int, n_items: int) -> int:
    """Size of published item-item weights on the wire: a number and an item for each weight, a count for each row.

    All devices download the same whole matrix, so that nobody's request says which rows they need.
    """
    return n_weights * (INDEX_BYTES + VALUE_BYTES) + n_items * INDEX_BYTES
