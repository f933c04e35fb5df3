"""Private contributions: what devices know and do not share, counted together under masks.

Each device sends, for every two items, whether it knows both and does not share both, masked so that only the sum over
all devices says anything (``federation/masking``). The server learns in how many histories two items stand together,
beyond what is shared, and of no single device anything. A device sends ``n_items (n_items + 1) / 2`` numbers whenever
anything changes: masks must never be used twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from fedshare.federation.masking import masked, sum_of_masked, word_for
from fedshare.federation.messages import MaskedContribution
from fedshare.learning.solution import shared_rows
from fedshare.models.gram import canonical, rows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.learning.algorithm import World

__all__ = ["collect"]


def collect(world: World) -> tuple[sparse.csr_matrix, int]:
    """The sum of all contributions, and the bytes that all devices sent together.

    Raises:
        TooSmall: Fewer than three devices.
    """
    n_users, n_items = world.n_users, world.n_items
    shared = shared_rows(world.server_view)
    known = rows_of(*world.ledger.device_pairs(), n_items)
    word = word_for(n_users)
    sent = 0

    def uploads() -> Iterator[MaskedContribution]:
        nonlocal sent
        for user in range(n_users):
            own = _pairs_of(known[user].indices, n_items, word) - _pairs_of(shared[user].indices, n_items, word)
            upload = masked(own, user, n_users, world.seed, f"gram {world.ledger.position}")
            sent += upload.nbytes
            yield upload

    return _symmetric(sum_of_masked(uploads(), n_users), n_items), sent


def _pairs_of(items: NDArray[np.int32], n_items: int, word: np.dtype) -> NDArray[np.unsignedinteger]:
    """One history's part of the Gram matrix: its upper triangle, row by row, ``(n_items (n_items + 1) / 2,)``."""
    pairs = np.zeros(n_items * (n_items + 1) // 2, dtype=word)
    first, second = np.meshgrid(np.sort(items).astype(np.int64), np.sort(items).astype(np.int64), indexing="ij")
    upper = first <= second
    first, second = first[upper], second[upper]
    pairs[first * n_items - first * (first - 1) // 2 + second - first] = 1
    return pairs


def _symmetric(pairs: NDArray[np.int64], n_items: int) -> sparse.csr_matrix:
    """The whole matrix of an upper triangle."""
    first, second = np.triu_indices(n_items)
    found = pairs.nonzero()[0]
    upper = sparse.csr_matrix((pairs[found].astype(np.int32), (first[found], second[found])), shape=(n_items, n_items))
    return canonical(upper + sparse.triu(upper, 1).T.tocsr())
