"""Some (user, item) pairs as two arrays, and looking scores up in a model by pair or by user.

The one place where evaluation calls a scorer: in batches of users, so that a catalogue of 40,000 items times
30,000 users never stands in memory at once, and refusing scores that are not numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedshare.errors import BadOption, InputError
from fedshare.models.scorer import Ranker, Scorer

__all__ = ["PairScores", "Pairs", "pairs_of", "ranking_batches", "score_batches", "score_pairs"]

_SCORES_AT_ONCE = 4_000_000  # 16 MB of float32: large enough to be fast, small enough to stay near the cache


class Pairs(NamedTuple):
    """Pairs of internal indices, sorted by user and then item, each at most once; both arrays are ``(n_pairs,)``."""

    user: NDArray[np.int32]
    item: NDArray[np.int32]

    @property
    def n_pairs(self) -> int:
        return len(self.user)

    def users(self) -> NDArray[np.int32]:
        """The users that occur, ascending, each once."""
        return np.unique(self.user)

    def take(self, mask: NDArray[np.bool_]) -> Pairs:
        """The pairs where the mask is true."""
        return Pairs(self.user[mask], self.item[mask])

    def contains(self, users: NDArray[np.integer], items: NDArray[np.integer], n_items: int) -> NDArray[np.bool_]:
        """Which of these pairs are among mine; users and items broadcast against each other, items may be -1."""
        mine = self.user.astype(np.int64) * n_items + self.item
        asked = np.asarray(users, dtype=np.int64) * n_items + items
        if not len(mine):
            return np.zeros(asked.shape, dtype=bool)
        place = np.minimum(np.searchsorted(mine, asked), len(mine) - 1)
        return (mine[place] == asked) & (np.broadcast_to(items, asked.shape) >= 0)

    def within(self, users: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """The pairs of these users (ascending), as (place in ``users``, item)."""
        start, stop = np.searchsorted(self.user, users), np.searchsorted(self.user, users, side="right")
        lengths = stop - start
        inside = np.repeat(stop - np.cumsum(lengths), lengths) + np.arange(int(lengths.sum()))
        return np.repeat(np.arange(len(users)), lengths), self.item[inside]


class PairScores(NamedTuple):
    """What a scorer says about some pairs; both arrays are ``(n_pairs,)`` in the order of the pairs."""

    raw: NDArray[np.float64]
    standardised: NDArray[np.float64]
    "Less the user's mean over the whole catalogue, divided by the user's standard deviation; 0 where that is 0."


def pairs_of(user: ArrayLike, item: ArrayLike) -> Pairs:
    """Pairs from arrays in any order; repeated pairs count once."""
    both = np.unique(np.stack([np.asarray(user, np.int32), np.asarray(item, np.int32)]), axis=1)
    return Pairs(both[0], both[1])


def score_batches(scorer: Scorer, users: NDArray[np.integer]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """The scores of these users in batches: (users of the batch, scores ``(batch, n_items)``, yours to change).

    Raises:
        BadOption: The scorer answers with another shape than it should.
        InputError: A score is NaN or infinite.
    """
    step = max(1, _SCORES_AT_ONCE // max(1, scorer.n_items))
    for start in range(0, len(users), step):
        batch = np.asarray(users[start : start + step], dtype=np.intp)
        scores = np.array(scorer.scores(batch), dtype=np.float32)
        if scores.shape != (len(batch), scorer.n_items):
            raise BadOption(
                f"scorer: got scores of shape {scores.shape}, expected {(len(batch), scorer.n_items)}. "
                "One row per user asked for, one column per item."
            )
        if not np.isfinite(scores).all():
            bad = int(batch[~np.isfinite(scores).all(axis=1)][0])
            raise InputError(
                f"scorer: got a score that is not finite for user index {bad}, expected numbers only. "
                "Training has probably diverged: lower the learning rate."
            )
        yield batch, scores


def ranking_batches(
    scorer: Scorer, users: NDArray[np.integer]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Likewise, but what lists are made of: the scorer may know better than its scores where these say nothing."""
    for batch, scores in score_batches(scorer, users):
        yield batch, scorer.rank_by(batch, scores) if isinstance(scorer, Ranker) else scores


def score_pairs(scorer: Scorer, pairs: Pairs) -> PairScores:
    """The scores of some pairs, raw and standardised per user over the whole catalogue."""
    raw, standardised = [np.empty(0)], [np.empty(0)]
    for batch, scores in score_batches(scorer, pairs.users()):
        row, item = pairs.within(batch)
        mean = scores.mean(axis=1, dtype=np.float64)
        deviation = scores.std(axis=1, dtype=np.float64)
        level = deviation <= 1e-6 * np.abs(mean)  # equal scores, but for rounding: nothing stands out
        scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=~level)
        values = scores[row, item].astype(np.float64)
        raw.append(values)
        standardised.append((values - mean[row]) * scale[row])
    return PairScores(np.concatenate(raw), np.concatenate(standardised))
