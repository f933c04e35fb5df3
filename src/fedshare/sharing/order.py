"""The order in which a slider takes a person's pairs.

Every pair has a number that belongs to the seed, the user's id and the item's id alone, and a slider takes the pairs
with the smallest numbers first. So a smaller fraction is a part of a larger one, and a pair keeps its place before or
after another whatever else the person has, however ids are numbered inside, and on whichever split of the data. A
permutation drawn for the whole list would be another one as soon as the person buys one thing more.

The numbers themselves are in ``numbers.py``, which knows arrays only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.sharing.numbers import draw_numbers, stable_numbers

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
        ids = known.items.ids_at(mine)
        alone = np.zeros(len(ids), dtype=np.intp)
        return stable_numbers(seed, [known.users.id(user)], ids, alone, np.arange(len(ids)))
    return stable_numbers(seed, known.users.ids, known.items.ids, known.user, known.item)


def user_numbers(known: Interactions, seed: int) -> NDArray[np.uint64]:
    """The number of each user, shape ``(n_users,)``; a policy that draws users takes small ones first."""
    return draw_numbers(seed, known.users.ids)


def rank_within_users(known: Interactions, *keys: NDArray[Any]) -> NDArray[np.int64]:
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
