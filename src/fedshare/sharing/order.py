"""The order in which a slider takes a person's pairs.

Every pair has a number that belongs to the seed, the user's id and the item's id alone, and a slider takes the pairs
with the smallest numbers first. So a smaller fraction is a part of a larger one, and a pair keeps its place before or
after another whatever else the person has, however ids are numbered inside, and on whichever split of the data. A
permutation drawn for the whole list would be another one as soon as the person buys one thing more.

The number is a mix of two hashes, one of the user and one of the item, rather than a hash of the pair: some thousands
of hashes instead of some hundred thousands. ``_mix`` is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA
2014, with the constants of Stafford's variant 13), in which every input bit moves about half of the output bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions

__all__ = ["pair_numbers", "rank_within_users", "user_numbers"]


def pair_numbers(known: Interactions, seed: int, user: int | None = None) -> NDArray[np.uint64]:
    """The number of each pair; a slider takes small ones first.

    Args:
        known: The pairs.
        seed: Another seed, another order.
        user: The index of the only user to look at; None for everybody.

    Returns:
        Shape ``(n_pairs,)``, or ``(n_pairs_of_user,)``.
    """
    if user is not None:
        mine = known.items_of(user)
        of_user = _hashes(seed, "user", [known.users.id(user)])
        return _mix(of_user ^ _hashes(seed, "item", [known.items.ids[item] for item in mine.tolist()]))
    of_users, of_items = _hashes(seed, "user", known.users.ids), _hashes(seed, "item", known.items.ids)
    return _mix(of_users[known.user] ^ of_items[known.item])


def user_numbers(known: Interactions, seed: int) -> NDArray[np.uint64]:
    """The number of each user, shape ``(n_users,)``; a policy that draws users takes small ones first."""
    return _hashes(seed, "draw", known.users.ids)


def rank_within_users(known: Interactions, *keys: NDArray) -> NDArray[np.int64]:
    """The place of each pair among its user's pairs, from 0, when they are sorted.

    Args:
        known: The pairs.
        keys: What to sort by, ``(n_pairs,)`` each, first the one that decides most.

    Returns:
        Shape ``(n_pairs,)``.
    """
    order = np.lexsort((*reversed(keys), known.user))
    rank = np.empty(known.n_pairs, dtype=np.int64)
    rank[order] = np.arange(known.n_pairs) - known.offsets[known.user]  # each user's pairs stay in the user's range
    return rank


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
