"""Item-item weights in closed form from the Gram matrix of shared rows.

EASE (Steck, WWW 2019, eqs. 5-8): ``P = (G + ridge I)^-1`` and ``B = -P / diag(P)`` with a zero diagonal, where
``G = X'X`` counts in how many shared histories two items stand together. ``G`` is made of integers, so taking pairs
out of it is exact: what is left has the same bytes as if the pairs had never been there. The factorisation is LAPACK's
Cholesky in float64; the weights are rounded to float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from fedshare.errors import BadOption

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["gram", "item_item_weights", "rows_of"]


_DAMPING_OFFSET = 10
"Items that hardly anybody shares are alike to the damping."


def rows_of(offsets: NDArray[np.int64], items: NDArray[np.int32], n_items: int) -> sparse.csr_matrix:
    """Histories as a sparse ``(n_owners, n_items)`` matrix of ones.

    Args:
        offsets: ``(n_owners + 1,)``.
        items: ``(n_pairs,)`` items, owner by owner.
        n_items: Catalogue size.
    """
    ones = np.ones(len(items), dtype=np.int32)
    return sparse.csr_matrix((ones, items, offsets), shape=(len(offsets) - 1, n_items))


def gram(offsets: NDArray[np.int64], items: NDArray[np.int32], n_items: int) -> NDArray[np.int32]:
    """``(n_items, n_items)`` counts of histories that hold both items; arguments as in :func:`rows_of`."""
    rows = rows_of(offsets, items, n_items)
    return (rows.T @ rows).toarray()


def item_item_weights(counts: NDArray[np.int32], ridge: float, damping: float = 0.0) -> NDArray[np.float32]:
    """EASE weights; ``history @ weights`` scores all items for a history.

    Args:
        counts: ``(n_items, n_items)`` Gram matrix.
        ridge: Ridge weight, above 0.
        damping: How much popular items are held down, 0 or more: the column of an item that ``n`` people share is
            divided by ``(n + 10) ** damping``. Not part of EASE; 0 leaves it as published.

    Raises:
        BadOption: ``ridge`` is not above 0.
    """
    if not ridge > 0:
        raise BadOption(f"ridge: got {ridge}, expected a number above 0. Common values are 50 to 1000.")
    matrix = torch.from_numpy(counts).double()
    matrix.diagonal().add_(ridge)
    factor, info = torch.linalg.cholesky_ex(matrix)
    if int(info) != 0:
        raise BadOption(f"ridge: {ridge} leaves the Gram matrix singular in float64. Choose a larger one.")
    del matrix  # three of these at once are the peak of a whole training run
    inverse = torch.cholesky_inverse(factor)
    del factor
    scale = -inverse.diagonal() * (torch.from_numpy(counts).diagonal() + _DAMPING_OFFSET).double() ** damping
    weights = inverse.div_(scale).float().contiguous()  # LAPACK leaves columns in a row; histories sum rows
    return weights.fill_diagonal_(0.0).numpy()
