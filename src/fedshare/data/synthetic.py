"""Small generated worlds for tests and examples, where the right answer is known beforehand.

Ids are zero-padded ("u03", "i11"), so that their sorted order is the order of their numbers: in these worlds the index
of user "u03" is 3. Users and items that drew no pair stay in the vocabularies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.options import whole, within
from fedshare.rng import stream

__all__ = ["random_world", "two_taste_world"]

_START = 1_600_000_000  # 2020-09-13, an ordinary time of day and year
_MINUTE_S = 60


def two_taste_world(
    n_users: int = 20, n_items: int = 20, *, liked_share: float = 0.6, noise: float = 0.0, seed: int = 0
) -> Interactions:
    """Even users like even items, odd users like odd items.

    A recommender that learned anything ranks the even items an even user does not have yet above the odd ones, so a
    withheld even item is in the upper half.

    Args:
        n_users: 2 or above.
        n_items: 2 or above.
        liked_share: The share of the items of their taste that each user has, in 0..1; at least one item.
        noise: The share of the items of the other taste that each user has as well, in 0..1.
        seed: Which items, and in which order of time (a minute apart).

    Raises:
        BadOption: A number is outside its range.

    Example:
        >>> world = two_taste_world(4, 6, liked_share=1.0)
        >>> [world.items.id(item) for item in world.items_of(1)]
        ['i1', 'i3', 'i5']
    """
    whole("n_users", n_users, 2)
    whole("n_items", n_items, 2)
    within("liked_share", liked_share, 0, 1)
    within("noise", noise, 0, 1)
    rng = stream(seed, "two_taste_world")
    taste = np.arange(n_users)[:, None] % 2 == np.arange(n_items)[None, :] % 2
    draw = rng.random((n_users, n_items))
    rank = np.where(taste, draw, 2.0).argsort(axis=1).argsort(axis=1)  # 0 for the liked item that is drawn first
    n_liked = np.maximum(1, np.rint(liked_share * taste.sum(axis=1, keepdims=True)))
    n_other = np.rint(noise * (~taste).sum(axis=1, keepdims=True))
    rank_other = np.where(taste, 2.0, draw).argsort(axis=1).argsort(axis=1)
    has = (taste & (rank < n_liked)) | (~taste & (rank_other < n_other))
    user, item = np.nonzero(has)
    return _world(f"two-taste-{seed}", n_users, n_items, user, item, rng.permutation(len(user)))


def random_world(seed: int, n_users: int = 30, n_items: int = 40, n_pairs: int = 300) -> Interactions:
    """Pairs without any structure: there is nothing to learn, whatever a recommender claims.

    Args:
        seed: Which pairs, and in which order of time (a minute apart).
        n_users: 1 or above.
        n_items: 1 or above.
        n_pairs: 1 to ``n_users * n_items``, all different.

    Raises:
        BadOption: A number is outside its range.

    Example:
        >>> len(random_world(0, n_users=5, n_items=5, n_pairs=12))
        12
    """
    whole("n_users", n_users, 1)
    whole("n_items", n_items, 1)
    whole("n_pairs", n_pairs, 1, most=n_users * n_items, hint="No more are different: n_users * n_items.")
    rng = stream(seed, "random_world")
    keys = np.sort(rng.choice(n_users * n_items, size=n_pairs, replace=False))
    return _world(f"random-{seed}", n_users, n_items, keys // n_items, keys % n_items, rng.permutation(n_pairs))


def _world(
    name: str,
    n_users: int,
    n_items: int,
    user: NDArray[np.integer],
    item: NDArray[np.integer],
    minute: NDArray[np.integer],
) -> Interactions:
    items = Vocabulary("item", _ids("i", n_items))
    return Interactions(
        users=Vocabulary("user", _ids("u", n_users)),
        items=items,
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        timestamp=_START + _MINUTE_S * minute.astype(np.int64),
        titles={id: f"Item {number}" for number, id in enumerate(items)},
        name=name,
    )


def _ids(prefix: str, n: int) -> tuple[str, ...]:
    width = len(str(n - 1))
    return tuple(f"{prefix}{number:0{width}}" for number in range(n))
