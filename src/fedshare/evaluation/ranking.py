"""Ranking metrics over one ranked list, and the ranking itself.

The metrics take the items of one person in the order they were recommended, best first and without
repetition, and the set of items that the person really chose. Relevance is yes or no.

- recall: hits in the first k over the number of relevant items (not over k).
- ndcg: a hit at place p (from 1) counts ``1 / log2(p + 1)``; divided by the best possible sum, which has
  ``min(k, n_relevant)`` hits at the top.
- hit_rate: 1 if any of the first k is relevant.
- reciprocal_rank: 1 over the place of the first hit, 0 if it is beyond k.
- precision: hits in the first k over k, however short the list is.
- average_precision: precision at the place of each hit in the first k, summed, over ``min(k, n_relevant)``. Its mean
  over people is MAP. Manning, Raghavan and Schuetze, Introduction to Information Retrieval, 2008, section 8.4, for
  whole lists; where a list is cut at k, no more than k relevant items can be found, hence the minimum.

Two more are of many lists together:

- coverage: items that stand in at least one list, over all items of the catalogue. Ge, Delgado-Battenfeld and Jannach,
  RecSys 2010, catalog coverage.
- novelty: mean self-information of the recommended items in bits, ``log2(n_users / n_who_have_it)``, over each list and
  then over the lists. Zhou et al., PNAS 107, 2010. An item that nobody has counts as if one person had it.

`metric_table` is the same for many lists at once; `top_k` makes the lists. Equal scores are ordered by item index,
lowest first, or by an order that is handed in, so a ranking is a function of both and of nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from fedshare.options import not_empty, whole

__all__ = [
    "METRICS",
    "NOTHING",
    "average_precision",
    "coverage",
    "hit_rate",
    "metric_table",
    "ndcg",
    "novelty",
    "precision",
    "recall",
    "reciprocal_rank",
    "self_information",
    "top_k",
]

METRICS = ("recall", "ndcg", "hr", "mrr", "precision", "map", "coverage", "novelty")
"Names of the figures of an evaluation; each has ``@k`` behind it."

NOTHING = -1
"Stands in a ranked list where no item is left to recommend."


def recall(ranked: Sequence[int], relevant: Collection[int], k: int) -> float:
    """Share of the relevant items that are among the first k.

    Raises:
        BadOption: k is below 1, or nothing is relevant.

    Example:
        >>> recall([5, 3, 8], {3, 9}, k=2)
        0.5
    """
    _check(relevant, k)
    return sum(item in relevant for item in ranked[:k]) / len(relevant)


def ndcg(ranked: Sequence[int], relevant: Collection[int], k: int) -> float:
    """Normalised discounted cumulative gain, Järvelin and Kekäläinen, TOIS 2002, with yes-or-no relevance.

    Raises:
        BadOption: k is below 1, or nothing is relevant.

    Example:
        >>> ndcg([3, 5], {3}, k=2)
        1.0
    """
    _check(relevant, k)
    gain = sum(1 / math.log2(place + 2) for place, item in enumerate(ranked[:k]) if item in relevant)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(k, len(relevant))))


def hit_rate(ranked: Sequence[int], relevant: Collection[int], k: int) -> float:
    """1.0 if one of the first k is relevant, else 0.0.

    Raises:
        BadOption: k is below 1, or nothing is relevant.
    """
    _check(relevant, k)
    return float(any(item in relevant for item in ranked[:k]))


def reciprocal_rank(ranked: Sequence[int], relevant: Collection[int], k: int) -> float:
    """One over the place of the first relevant item; 0.0 if it is not among the first k.

    Raises:
        BadOption: k is below 1, or nothing is relevant.

    Example:
        >>> reciprocal_rank([5, 3, 8], {3, 8}, k=3)
        0.5
    """
    _check(relevant, k)
    return next((1 / (place + 1) for place, item in enumerate(ranked[:k]) if item in relevant), 0.0)


def precision(ranked: Sequence[int], relevant: Collection[int], k: int) -> float:
    """Share of the k places that hold a relevant item.

    Raises:
        BadOption: k is below 1, or nothing is relevant.

    Example:
        >>> precision([5, 3, 8], {3, 9}, k=2)
        0.5
    """
    _check(relevant, k)
    return sum(item in relevant for item in ranked[:k]) / k


def average_precision(ranked: Sequence[int], relevant: Collection[int], k: int) -> float:
    """Mean of the precision at every hit in the first k, over as many hits as there could be.

    Raises:
        BadOption: k is below 1, or nothing is relevant.

    Example:
        >>> average_precision([3, 5, 8], {3, 8}, k=3) == (1 / 1 + 2 / 3) / 2
        True
    """
    _check(relevant, k)
    places = [place for place, item in enumerate(ranked[:k], 1) if item in relevant]
    return sum(hits / place for hits, place in enumerate(places, 1)) / min(k, len(relevant))


def coverage(lists: NDArray[np.int32], n_items: int) -> float:
    """Share of the catalogue that stands in at least one of the lists, ``(n_lists, k)``; 0.0 without a list.

    Example:
        >>> coverage(np.array([[0, 1], [1, NOTHING]], dtype=np.int32), n_items=4)
        0.5
    """
    return len(np.unique(lists[lists != NOTHING])) / max(1, n_items)


def self_information(n_who_have_it: NDArray[np.integer], n_users: int) -> NDArray[np.float64]:
    """``log2(n_users / n_who_have_it)`` bits of every item, ``(n_items,)``; nobody counts as one person.

    Example:
        >>> self_information(np.array([8, 2, 0]), n_users=8).tolist()
        [0.0, 2.0, 3.0]
    """
    return np.log2(max(1, n_users) / np.maximum(1, n_who_have_it))


def novelty(lists: NDArray[np.int32], information: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean self-information of every list, ``(n_lists,)``; 0.0 of an empty one.

    Args:
        lists: ``(n_lists, k)`` item indices.
        information: Of every item, as :func:`self_information` gives it.
    """
    taken = lists != NOTHING
    bits = np.where(taken, information[lists], 0.0).sum(axis=1)
    return bits / np.maximum(1, taken.sum(axis=1))


def metric_table(
    hits: NDArray[np.bool_], n_relevant: NDArray[np.integer], ks: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """The metrics of many lists at once, under "recall@k", "ndcg@k", "hr@k", "mrr@k", "precision@k" and "map@k".

    Args:
        hits: Whether the item at each place is relevant, ``(n_lists, max(ks))``, best place first.
        n_relevant: Relevant items of each list, at least 1, ``(n_lists,)``.
        ks: Lengths to cut the lists at.

    Returns:
        One value per list, ``(n_lists,)`` each.
    """
    discount = 1 / np.log2(np.arange(max(ks)) + 2)  # (max(ks),)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])
    first = np.where(hits.any(axis=1), hits.argmax(axis=1), max(ks))  # place of the first hit, from 0
    table: dict[str, NDArray[np.float64]] = {}
    # both sums run from the top: in another order of addition a perfect list comes out above 1
    gain = np.cumsum(hits * discount, axis=1)  # (n_lists, max(ks))
    found = np.cumsum(hits, axis=1)  # (n_lists, max(ks))
    precisions = np.cumsum(hits * (found / (np.arange(max(ks)) + 1)), axis=1)  # summed over the hits so far
    for k in ks:
        table[f"recall@{k}"] = hits[:, :k].sum(axis=1) / n_relevant
        table[f"ndcg@{k}"] = gain[:, k - 1] / ideal[np.minimum(k, n_relevant)]
        table[f"hr@{k}"] = (first < k).astype(np.float64)
        table[f"mrr@{k}"] = np.where(first < k, 1 / (first + 1), 0.0)
        table[f"precision@{k}"] = found[:, k - 1] / k
        table[f"map@{k}"] = precisions[:, k - 1] / np.minimum(k, n_relevant)
    return table


def top_k(scores: NDArray[np.floating], k: int, order: NDArray[np.integer] | None = None) -> NDArray[np.int32]:
    """The k best items of every row, best first; equal scores by item index, lowest first, or by ``order``.

    Args:
        scores: ``(n_rows, n_items)``; -inf marks an item that must not be recommended.
        k: Length of the lists.
        order: Items in the order in which equal scores are listed. It may leave items out, which are not recommended
            then.

    Returns:
        Item indices, ``(n_rows, k)``, filled up with `NOTHING` where a row has fewer than k items to recommend.
    """
    if order is not None:
        places = top_k(scores[:, order], k)
        listed = np.append(order, NOTHING).astype(np.int32)  # the last one, -1, is what NOTHING points to
        return listed[places]
    n_rows, n_items = scores.shape
    width = min(k, n_items)
    if not width:
        return np.full((n_rows, k), NOTHING, dtype=np.int32)
    chosen = np.argpartition(scores, n_items - width, axis=1)[:, n_items - width :]  # (n_rows, width), no order
    edge = np.take_along_axis(scores, chosen, axis=1).min(axis=1, initial=np.inf)
    # argpartition takes any of the items that tie at the edge; the few rows where that happens are put right
    for row in np.flatnonzero(np.count_nonzero(scores >= edge[:, None], axis=1) > width):
        above = np.flatnonzero(scores[row] > edge[row])
        level = np.flatnonzero(scores[row] == edge[row])
        chosen[row] = np.concatenate([above, level[: width - len(above)]])
    values = np.take_along_axis(scores, chosen, axis=1)
    order = np.lexsort((chosen, -values), axis=1)
    best = np.full((n_rows, k), NOTHING, dtype=np.int32)
    best[:, :width] = np.take_along_axis(np.where(np.isneginf(values), NOTHING, chosen), order, axis=1)
    return best


def _check(relevant: Collection[int], k: int) -> None:
    whole("k", k, 1, hint="Pass the length of the list to look at.")
    not_empty("relevant items", relevant, hint="Leave out users without test pairs.")
