"""Leaving out what is too thin to learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.errors import EmptyData, MissingColumn
from fedshare.options import whole

__all__ = ["at_least_rated", "k_core"]


def k_core(interactions: Interactions, k: int) -> Interactions:
    """The largest part in which every user and every item has at least ``k`` pairs.

    Dropping a thin user can make an item thin, so users and items are dropped in turn until nothing changes. The
    result does not depend on the order of dropping. Vocabularies are compacted: indices change, ids do not.

    Args:
        interactions: The pairs to filter.
        k: 1 or above.

    Raises:
        BadOption: ``k`` is no whole number, or below 1.
        EmptyData: No pair is left; the message says which ``k`` would leave some.

    Example:
        >>> from fedshare.data.synthetic import two_taste_world
        >>> k_core(two_taste_world(6, 6, liked_share=1.0), k=3).n_pairs
        18
    """
    whole("k", k, 1, hint="A 5-core is usual.")
    kept = _core(interactions, k)
    if not kept.any():
        if not interactions.n_pairs:
            raise EmptyData("k_core: got no interaction, expected at least one. Nothing can be filtered.")
        raise EmptyData(
            f"k_core: no interaction is left at k = {k}, expected a k of at most {_largest_k(interactions, k)} "
            f"for these {interactions.n_pairs:,} interactions. Choose a smaller k."
        )
    return interactions.select(kept).compact()


def at_least_rated(interactions: Interactions, min_rating: float) -> Interactions:
    """The pairs rated ``min_rating`` or higher; users and items without such a pair are dropped.

    Raises:
        MissingColumn: There are no ratings.
        EmptyData: No pair is left; the message has the highest rating.
    """
    if interactions.rating is None:
        raise MissingColumn(
            f"min_rating: got {min_rating}, but '{interactions.name}' has no ratings. "
            f"Leave min_rating out, or name the column with rating=..."
        )
    kept = interactions.rating >= np.float32(min_rating)
    if not kept.any():
        raise EmptyData(
            f"min_rating: no interaction is rated {min_rating} or higher, expected at most "
            f"{interactions.rating.max(initial=-np.inf):g}, the highest rating of '{interactions.name}'."
        )
    return interactions.select(kept).compact()


def _core(interactions: Interactions, k: int) -> NDArray[np.bool_]:
    """Which pairs belong to the k-core, shape ``(n_pairs,)``."""
    user, item = interactions.user, interactions.item
    kept = np.arange(len(user))
    while True:
        thick_user = np.bincount(user[kept], minlength=interactions.n_users) >= k
        thick_item = np.bincount(item[kept], minlength=interactions.n_items) >= k
        still = thick_user[user[kept]] & thick_item[item[kept]]
        if still.all():
            break
        kept = kept[still]
    mask = np.zeros(len(user), dtype=np.bool_)
    mask[kept] = True
    return mask


def _largest_k(interactions: Interactions, too_large: int) -> int:
    """The largest ``k`` with a k-core: k-cores are nested, so halving finds it. Needs at least one pair."""
    possible, impossible = 1, min(too_large, int(interactions.user_degree().max()) + 1)
    while impossible - possible > 1:
        middle = (possible + impossible) // 2
        if _core(interactions, middle).any():
            possible = middle
        else:
            impossible = middle
    return possible
