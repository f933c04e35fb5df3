"""Numbers that belong to pairs and people: the same wherever and whenever they are computed.

The number of a pair depends on the seed, the user's id and the item's id alone. It is a mix of two hashes, one of the
user and one of the item, rather than a hash of the pair: some thousands of hashes instead of some hundred thousands.
``_mix`` is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014, with the constants of Stafford's variant
13), in which every input bit moves about half of the output bits.

Device and server compute these numbers apart, each for the pairs that it knows, and agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_numbers", "item_bits", "mixed", "stable_numbers", "user_bits"]


def stable_numbers(
    seed: int,
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    user: NDArray[np.integer],
    item: NDArray[np.integer],
) -> NDArray[np.uint64]:
    """The number of each pair, ``(n_pairs,)``.

    Args:
        seed: Another seed, other numbers.
        user_ids: Ids that ``user`` points into.
        item_ids: Ids that ``item`` points into.
        user: ``(n_pairs,)``.
        item: ``(n_pairs,)``.
    """
    return _mix(_hashes(seed, "user", user_ids)[user] ^ item_bits(seed, item_ids)[item])


def item_bits(seed: int, item_ids: Sequence[str]) -> NDArray[np.uint64]:
    """What an item adds to the numbers of its pairs, ``(n_items,)``: for whoever asks for them again and again."""
    return _hashes(seed, "item", item_ids)


def user_bits(seed: int, user_id: str) -> np.uint64:
    """What a person adds to the numbers of their pairs."""
    return _hashes(seed, "user", [user_id])[0]


def mixed(user: np.uint64, items: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The numbers of one person's pairs, ``(n,)``, from their own bits and those of the items."""
    return _mix(user ^ items)


def draw_numbers(seed: int, user_ids: Sequence[str]) -> NDArray[np.uint64]:
    """The number of each user, ``(n_users,)``; whoever draws users takes small ones first."""
    return _hashes(seed, "draw", user_ids)


def _hashes(seed: int, purpose: str, ids: Sequence[str]) -> NDArray[np.uint64]:
    """64 bits for each id, ``(n_ids,)``."""
    start = hashlib.blake2b(f"{int(seed)}\x1fshare\x1f{purpose}\x1f".encode(), digest_size=8)
    digests = bytearray()
    for id in ids:
        each = start.copy()
        each.update(id.encode("utf-8", "surrogatepass"))
        digests += each.digest()
    return np.frombuffer(bytes(digests), dtype="<u8").astype(np.uint64)


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser; one to one, so different inputs never tie."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
