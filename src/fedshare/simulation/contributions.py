"""Private contributions, device side: what devices know and do not share, counted together under masks.

Each device sends, for every two items, whether it knows both and does not share both, masked so that only the sum over
all devices says anything (``federation/masking``). A device sends ``n_items (n_items + 1) / 2`` numbers whenever
anything changes: masks must never be used twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from fedshare.federation.masking import accumulator_dtype, masked, sum_of_masked
from fedshare.federation.messages import MaskedContribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.sharing.ledger import Ledger

__all__ = ["collect"]


def collect(ledger: Ledger, seed: int) -> tuple[NDArray[np.int64], int]:
    """The sum of all contributions, ``(n_items (n_items + 1) / 2,)``, and the bytes that all devices sent together.

    Args:
        ledger: What devices know and share.
        seed: Names the simulated masks, with the ledger's position.

    Raises:
        TooSmall: Fewer than three devices.
    """
    n_users, n_items = ledger.known.n_users, ledger.known.n_items
    shared = ledger.server_view()
    offsets, items = ledger.device_pairs()
    word = accumulator_dtype(n_users)
    sent = 0

    def uploads() -> Iterator[MaskedContribution]:
        nonlocal sent
        for user in range(n_users):
            own = _pairs_of(items[offsets[user] : offsets[user + 1]], n_items, word)
            own -= _pairs_of(shared.items_of(user), n_items, word)
            upload = masked(own, user, n_users, seed, f"gram {ledger.position}")
            sent += upload.nbytes
            yield upload

    return sum_of_masked(uploads(), n_users), sent


def _pairs_of(items: NDArray[np.int32], n_items: int, word: np.dtype) -> NDArray[np.unsignedinteger]:
    """One history's part of the Gram matrix: its upper triangle, row by row, ``(n_items (n_items + 1) / 2,)``."""
    pairs = np.zeros(n_items * (n_items + 1) // 2, dtype=word)
    first, second = np.meshgrid(np.sort(items).astype(np.int64), np.sort(items).astype(np.int64), indexing="ij")
    upper = first <= second
    first, second = first[upper], second[upper]
    pairs[first * n_items - first * (first - 1) // 2 + second - first] = 1
    return pairs
