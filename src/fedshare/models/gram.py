"""The Gram matrix of shared histories: in how many of them two items stand together.

``G = X'X`` for the ``(n_owners, n_items)`` matrix ``X`` of ones. All of it is whole numbers, so taking rows out is
exact: what is left has the same bytes as if they had never been there. It is kept sparse and canonical (sorted columns,
no stored zeros, 32-bit numbers), so that equal matrices are equal bytes and one digest names each.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from fedshare.errors import BadOption

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["canonical", "degree_of", "digest", "gram", "history_matrix", "updated_gram"]

_MOST = np.iinfo(np.int32).max
"A count is at most the number of histories."


def history_matrix(offsets: NDArray[np.int64], items: NDArray[np.int32], n_items: int) -> sparse.csr_matrix:
    """Histories as a sparse ``(n_owners, n_items)`` matrix of ones.

    Args:
        offsets: ``(n_owners + 1,)``.
        items: ``(n_pairs,)`` items, owner by owner.
        n_items: Catalogue size.

    Raises:
        BadOption: More histories than a count can hold.
    """
    if len(offsets) - 1 > _MOST:
        raise BadOption(f"histories: got {len(offsets) - 1}, expected at most {_MOST}, so that 32-bit counts hold.")
    ones = np.ones(len(items), dtype=np.int32)
    return sparse.csr_matrix((ones, items, offsets), shape=(len(offsets) - 1, n_items))


def gram(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    """``(n_items, n_items)`` counts of histories with both items; ``rows`` as :func:`history_matrix` makes them."""
    return canonical(_square(rows))


def updated_gram(counts: sparse.csr_matrix, before: sparse.csr_matrix, after: sparse.csr_matrix) -> sparse.csr_matrix:
    """The Gram matrix when some histories change; byte for byte that of all histories as they are afterwards.

    Args:
        counts: The Gram matrix with the histories as they were.
        before: ``(n_changed, n_items)`` histories that change, as they were.
        after: ``(n_changed, n_items)`` the same histories as they are now.
    """
    return canonical(counts + (_square(after) - _square(before)))


def degree_of(counts: sparse.csr_matrix) -> NDArray[np.int32]:
    """``(n_items,)`` how many histories hold each item."""
    return np.asarray(counts.diagonal(), dtype=np.int32)


def canonical(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """A symmetric matrix of whole numbers in the one form that all equal matrices share."""
    if not counts.has_canonical_format:
        counts = counts.T.tocsr()  # linear, where sorting is not; the matrix is symmetric
    counts.eliminate_zeros()
    same = counts.indptr.dtype == counts.indices.dtype == counts.data.dtype == np.int32
    return counts if same else _of_32_bits(counts)


def digest(matrix: sparse.csr_matrix) -> str:
    """SHA-256 over the size and the three arrays of a canonical matrix, 64 hex digits; the same on every machine."""
    found = hashlib.sha256(f"fedshare csr 1\n{matrix.indptr.size - 1} {matrix.nnz} {matrix.data.dtype.kind}\n".encode())
    for part in (matrix.indptr, matrix.indices, matrix.data):
        little = np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<"))
        found.update(little.data)
    return found.hexdigest()


def _square(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    return rows.T.tocsr() @ rows


def _of_32_bits(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    if counts.nnz > _MOST:
        raise BadOption(f"gram: got {counts.nnz} pairs of items, expected at most {_MOST}. Leave rare items out.")
    parts = (counts.data.astype(np.int32), counts.indices.astype(np.int32), counts.indptr.astype(np.int32))
    return sparse.csr_matrix(parts, shape=counts.shape)
