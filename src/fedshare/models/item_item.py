"""Item-item weights in closed form from the Gram matrix of shared rows, and how they follow when rows change.

EASE (Steck, WWW 2019, eqs. 5-8): ``P = (G + reg I)^-1`` and ``B = -P / diag(P)`` with a zero diagonal. The inverse is
LAPACK's, by Cholesky, in float64 unless said otherwise, and on one thread: with more, the order of additions and so the
last bits would depend on how many. Weights are rounded to float32.

When the rows of ``k`` people change from ``x`` to ``x'``, the Gram matrix changes by a matrix of rank ``2k``, and
Woodbury's identity gives the new inverse from the old one:

    U = [x, x'],  C = diag(-1, .., +1, ..),  Y = P U        P' = P - Y (C^-1 + U'Y)^-1 Y'

``Y`` is corrected by iterative refinement against the counts themselves, so that what earlier updates left in ``P`` is
not multiplied. The result equals a new factorisation to a tolerance, not to the bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.linalg import get_lapack_funcs
from threadpoolctl import threadpool_limits

from fedshare.errors import BadOption
from fedshare.models.gram import degree_of
from fedshare.rng import stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["inverse_error", "inverse_of", "item_item_weights", "penalty_of", "updated_inverse", "weights_from"]

_BLOCK = 256
"Rows at a time: what is worked on fits a processor's cache."

_PENALTY_OFFSET = 10
"Items that hardly anybody shares are alike to the popularity_penalty."

_REFINEMENTS = 3
"Corrections of Y at most; one is enough unless the inverse is far off, and then a factorisation is due."


def inverse_of(counts: sparse.csr_matrix, reg: float, kind: type[np.floating] = np.float64) -> NDArray[np.floating]:
    """``(G + reg I)^-1``; equal counts give equal bytes on one machine, whatever the number of threads.

    Needs one ``(n_items, n_items)`` array, factorised and inverted in place.

    Args:
        counts: ``(n_items, n_items)`` Gram matrix.
        reg: L2 regularisation of the ridge regression, above 0.
        kind: ``numpy.float64``, or ``numpy.float32`` for half of the time where nothing is updated afterwards.

    Returns:
        ``(n_items, n_items)``, symmetric to the bit.

    Raises:
        BadOption: ``reg`` is not above 0, or too small for this kind of number.
    """
    if not reg > 0:
        raise BadOption(f"reg: got {reg}, expected a number above 0. Common values are 50 to 1000.")
    n = counts.indptr.size - 1
    matrix = np.empty((n, n), dtype=kind)
    for rows in _blocks(n):
        matrix[rows] = counts[rows].toarray()
    matrix.flat[:: n + 1] += reg
    with threadpool_limits(limits=1, user_api="blas"):
        # the transpose is what LAPACK calls column-major: its lower triangle is our upper one
        potrf, potri = get_lapack_funcs(("potrf", "potri"), dtype=kind)
        factor, failed = potrf(matrix.T, lower=1, clean=0, overwrite_a=1)
        if failed:
            raise BadOption(
                f"reg: {reg} leaves the Gram matrix singular in {np.dtype(kind).name}. Choose a larger one."
            )
        inverse, _ = potri(factor, lower=1, overwrite_c=1)
    inverse = inverse.T
    for rows in _blocks(n):  # mirror the triangle that was computed
        block = inverse[rows, rows]
        block[:] = np.triu(block) + np.triu(block, 1).T
        inverse[rows.stop :, rows] = inverse[rows, rows.stop :].T
    return inverse


def updated_inverse(
    inverse: NDArray[np.floating],
    rows: sparse.csr_matrix,
    reg: float,
    before: sparse.csr_matrix,
    after: sparse.csr_matrix,
    tolerance: float,
) -> NDArray[np.floating]:
    """The inverse when some histories change, by a low-rank update; see the module.

    Args:
        inverse: ``(n_items, n_items)`` of all histories as they were; not changed.
        rows: All histories as they were.
        reg: As it was.
        before: ``(n_changed, n_items)`` histories that change, as they were.
        after: ``(n_changed, n_items)`` the same histories as they are now.
        tolerance: Largest residual ``|U - (G + reg I) Y|`` that is left uncorrected.
    """
    change = sparse.vstack([before, after]).tocsr().astype(np.float64)
    signs = np.repeat([-1.0, 1.0], before.indptr.size - 1)
    solved: NDArray[np.floating] = change @ inverse  # Y', since the inverse is symmetric
    for _ in range(_REFINEMENTS):
        residual = change.toarray() - _times(rows, reg, solved.T).T
        if np.abs(residual).max(initial=0.0) <= tolerance:
            break
        solved += residual @ inverse
    core = np.diag(signs) + change @ solved.T
    weighed = np.linalg.solve(core, solved)
    moved = np.empty_like(inverse)
    for block in _blocks(len(inverse)):
        np.subtract(inverse[block], solved[:, block].T @ weighed, out=moved[block])
    return moved


def inverse_error(inverse: NDArray[np.floating], rows: sparse.csr_matrix, reg: float) -> float:
    """How far an inverse is from being one: the largest ``|z - (G + reg I) P z|`` over some random signs ``z``.

    An error anywhere in ``P`` shows in almost every such product (Freivalds, 1977), and a product costs a thousandth
    of a factorisation.
    """
    probes = stream(0, "inverse-probe").choice([-1.0, 1.0], size=(4, len(inverse)))
    return float(np.abs(probes - _times(rows, reg, (probes @ inverse).T).T).max(initial=0.0))


def weights_from(
    inverse: NDArray[np.floating],
    degree: NDArray[np.integer],
    popularity_penalty: float = 0.0,
    neighbours: int | None = None,
) -> sparse.csr_matrix:
    """Weights to score with: ``history @ weights`` scores all items for a history.

    Args:
        inverse: ``(n_items, n_items)``.
        degree: ``(n_items,)`` how many people share each item.
        popularity_penalty: How much popular items are held down, 0 or more: the column of an item that ``n`` people
            share is divided by ``(n + 10) ** popularity_penalty``. Not part of EASE; 0 leaves it as published.
        neighbours: How many weights of each column are kept, the largest by magnitude; those that tie with the last
            one stay as well, so that their order decides nothing. None keeps all.

    Returns:
        ``(n_items, n_items)`` float32, canonical, nothing on the diagonal.
    """
    n = len(inverse)
    scale = -np.diagonal(inverse) * penalty_of(degree, popularity_penalty)
    kept_columns, kept_values, counts = [], [], []
    for block in _blocks(n):  # row i of the inverse is column i of the weights
        values = (inverse[block] / scale[block, None]).astype(np.float32)
        values[np.arange(len(values)), np.arange(block.start, block.stop)] = 0.0
        kept = values != 0
        if neighbours is not None and neighbours < n:
            size = np.abs(values)
            kept &= size >= np.partition(size, n - neighbours, axis=1)[:, [n - neighbours]]
        kept_columns.append(np.nonzero(kept)[1].astype(np.int32))
        kept_values.append(values[kept])
        counts.append(kept.sum(1))
    offsets = np.concatenate([[0], np.concatenate(counts).cumsum()])
    by_target = sparse.csr_matrix((np.concatenate(kept_values), np.concatenate(kept_columns), offsets), shape=(n, n))
    return by_target.T.tocsr()


def item_item_weights(
    counts: sparse.csr_matrix, reg: float, popularity_penalty: float = 0.0, neighbours: int | None = None
) -> sparse.csr_matrix:
    """The weights of a Gram matrix, factorised afresh; arguments as in :func:`inverse_of` and :func:`weights_from`."""
    return weights_from(inverse_of(counts, reg), degree_of(counts), popularity_penalty, neighbours)


def penalty_of(degree: NDArray[np.integer], popularity_penalty: float) -> NDArray[np.float64]:
    """``(n_items,)`` what each column of the weights is divided by; see :func:`weights_from`."""
    return (degree + _PENALTY_OFFSET).astype(np.float64) ** popularity_penalty


def _times(rows: sparse.csr_matrix, reg: float, vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """``(G + reg I)`` times some vectors, by way of the histories, which have far fewer entries than ``G``."""
    return rows.T @ (rows @ vectors) + reg * vectors


def _blocks(n: int) -> list[slice]:
    return [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]
