"""Item-item weights in closed form from the Gram matrix of shared rows.

EASE (Steck, WWW 2019, eqs. 5-8): ``P = (G + ridge I)^-1`` and ``B = -P / diag(P)`` with a zero diagonal, where
``G = X'X`` counts in how many shared histories two items stand together. ``G`` is made of integers, so taking pairs
out of it is exact: what is left has the same bytes as if the pairs had never been there. The factorisation is LAPACK's
Cholesky in float64; the weights are rounded to float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from fedshare.errors import BadOption

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["gram", "item_item_weights", "rows_of"]


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


def item_item_weights(counts: NDArray[np.int32], ridge: float) -> NDArray[np.float32]:
    """EASE weights; ``history @ weights`` scores all items for a history.

    Args:
        counts: ``(n_items, n_items)`` Gram matrix.
        ridge: Ridge weight, above 0.

    Raises:
        BadOption: ``ridge`` is not above 0.
    """
    if not ridge > 0:
        raise BadOption(f"ridge: got {ridge}, expected a number above 0. Common values are 50 to 1000.")
    matrix = counts.astype(np.float64, order="F")
    matrix[np.diag_indices_from(matrix)] += ridge
    factor, info = lapack.dpotrf(matrix, lower=1, clean=0, overwrite_a=1)
    if info == 0:
        factor, info = lapack.dpotri(factor, lower=1, overwrite_c=1)
    if info != 0:
        raise BadOption(f"ridge: {ridge} leaves the Gram matrix singular in float64. Choose a larger one.")
    # LAPACK filled the lower triangle. B = -P / diag(P) column by column, with P symmetric.
    diagonal = factor.diagonal().copy()
    lower = np.tril(factor, -1)
    weights = (lower + lower.T) / -diagonal
    return weights.astype(np.float32)
