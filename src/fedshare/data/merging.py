"""From rows to pairs: rows of one user and item become one pair.

The pair's time is that of its earliest row, since that is when the interest began; its rating that of its latest row,
since people change their minds; where rows are of one time, or of none, the highest. It is a gift if any of its rows
is, and in train if its earliest row is; then only ratings of train count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pairs", "keep_rated", "merged"]


@dataclass(frozen=True)
class Pairs:
    """Unique pairs in the order of user and item, all arrays as long as there are pairs."""

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    timestamp: NDArray[np.int64] | None
    rating: NDArray[np.float32] | None
    split: NDArray[np.int8] | None
    gift: NDArray[np.bool_] | None


def merged(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    timestamp: NDArray[np.int64] | None,
    rating: NDArray[np.float32] | None,
    split: NDArray[np.int8] | None,
    gift: NDArray[np.bool_] | None,
) -> Pairs:
    """The pairs of some rows, whatever the order of the rows; all arrays are of shape ``(n_rows,)``."""
    keys = _keys(user, item)
    order = np.argsort(keys, kind="stable")
    first = np.diff(keys[order], prepend=-1) > 0
    stars = rating
    if not first.all():  # only now does it matter which row of a pair comes first
        by = [column for column in (split, timestamp) if column is not None]
        order = np.lexsort((*by, keys))
        if rating is not None:
            part = None if split is None else split == split[order[first]][_pair_of_row(order, first)]
            stars = _latest(keys, timestamp, rating, first, part)
    kept = order[first]
    if stars is not None and stars is rating:
        stars = stars[kept]
    return Pairs(
        user=user[kept],
        item=item[kept],
        timestamp=None if timestamp is None else timestamp[kept],
        rating=stars,
        split=None if split is None else split[kept],
        gift=None if gift is None else np.logical_or.reduceat(gift[order], np.flatnonzero(first)),
    )


def keep_rated(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    timestamp: NDArray[np.int64] | None,
    rating: NDArray[np.float32],
    least: float,
) -> NDArray[np.bool_]:
    """Which rows are rated ``least`` or higher and belong to a pair whose latest rating is, shape ``(n_rows,)``."""
    keys = _keys(user, item)
    order = np.argsort(keys, kind="stable")
    first = np.diff(keys[order], prepend=-1) > 0
    latest = _latest(keys, timestamp, rating, first)
    of_row = latest[_pair_of_row(order, first)]
    return (rating >= np.float32(least)) & (of_row >= np.float32(least))


def _keys(user: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.int64]:
    return user.astype(np.int64) * (int(item.max(initial=0)) + 1) + item


def _pair_of_row(order: NDArray[np.intp], first: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The number of each row's pair, in the order of pairs."""
    number = np.empty(len(order), np.intp)
    number[order] = np.cumsum(first) - 1
    return number


def _latest(
    keys: NDArray[np.int64],
    timestamp: NDArray[np.int64] | None,
    rating: NDArray[np.float32],
    first: NDArray[np.bool_],
    counts: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """The latest rating of each pair, in the order of pairs, among rows that count; of several at one time the top."""
    by = [column for column in (rating, timestamp, counts) if column is not None]
    last = np.append(first[1:], True)
    return rating[np.lexsort((*by, keys))[last]]
