"""What devices score and rank by: the model, and popularity among what is shared where the model has nothing to say.

``scores`` are the model's, to the bit. Lists are made of ``rank_by`` and ``tie_order``:

- Equal scores are listed by popularity: how many people share the item, which the server publishes. Equally popular
  items stand in a drawn order, the same for everybody: else those whose ids begin with A would always come first.
- Somebody without any interaction is ranked by popularity alone: whatever the model says of them, it says by chance.
- Where the model says the same of everything that somebody does not have, popularity decides by the rule above. The
  same holds if no item is known to two people: then nothing can be learned from anybody.
- An item that nobody has stands last. Its row is as it was drawn. The simulation knows such items because it plays all
  devices; a shop knows them because it has just put them into its catalogue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fedshare.evaluation.pairs import Pairs
from fedshare.sharing.state import State

if TYPE_CHECKING:
    from fedshare.models.scorer import Scorer
    from fedshare.sharing.ledger import Ledger

__all__ = ["DeviceScorer"]

_ROUNDING = 1e-6
"Scores that differ by less than this, relative to the largest, are equal but for rounding."


@final
class DeviceScorer:
    """A scorer that has an answer for everybody.

    Args:
        scorer: The model on the devices.
        ledger: What people know.
        popularity: ``(n_items,)`` how many people share each item; None where it was not published.
    """

    def __init__(self, scorer: Scorer, ledger: Ledger, popularity: NDArray[np.float32] | None = None) -> None:
        self._scorer = scorer
        known = ledger.known
        self.popularity = np.zeros(known.n_items, dtype=np.float32) if popularity is None else popularity
        self._own = Pairs(known.user, known.item).take(ledger.state != State.ERASED)
        owners = np.bincount(self._own.item, minlength=known.n_items)
        self._unseen = owners == 0
        self._in_common = bool((owners > 1).any())
        self._newcomer = np.bincount(self._own.user, minlength=known.n_users) == 0
        drawn = np.fromiter((crc32(id.encode("utf-8", "surrogatepass")) for id in known.items.ids), dtype=np.int64)
        self.tie_order: NDArray[np.int64] = np.lexsort((drawn, -self.popularity, self._unseen)).astype(np.int64)
        "All items, the most shared first, those that nobody has last."

    @property
    def n_users(self) -> int:
        return self._scorer.n_users

    @property
    def n_items(self) -> int:
        return self._scorer.n_items

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        """What the model says of every item, ``(len(users), n_items)``."""
        return self._scorer.scores(users)

    def rank_by(self, users: NDArray[np.intp], scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """What lists of these users are made of, ``(len(users), n_items)``.

        Args:
            users: Who, each once.
            scores: What :meth:`scores` said of them.
        """
        ranking = scores.copy()
        newcomers = self._newcomer[users]
        ranking[newcomers] = self.popularity
        for row in np.flatnonzero(self._is_level(users, scores) & ~newcomers):
            free = np.ones(self.n_items, dtype=np.bool_)
            free[self._own.within(users[row : row + 1])[1]] = False
            ranking[row, free] = ranking[row, free].min() if free.any() else 0.0
        if self._unseen.any() and not self._unseen.all():
            least = ranking[:, ~self._unseen].min(axis=1, keepdims=True)
            ranking[:, self._unseen] = np.minimum(ranking[:, self._unseen], least)  # among equals they stand last
        return ranking

    def notes(self, users: NDArray[np.intp], scores: NDArray[np.float32]) -> list[str]:
        """Why somebody's list is popularity; "" where it is the model's.

        Args:
            users: Who, ``(len(users),)``.
            scores: What :meth:`rank_by` said of them.
        """
        told = "the list is what most people share"
        if not self.popularity.any():
            told = "nobody shares anything that would tell what is popular, so the order means nothing"
        why = np.full(len(users), "", dtype=object)
        if self._in_common:
            why[self._is_level(users, scores)] = f"the model says the same of everything new to this person; {told}"
        else:
            why[:] = f"no item is known to two people, so there is nothing to learn from; {told}"
        why[self._newcomer[users]] = f"nothing is known of this person yet; {told}"
        return why.tolist()

    def _is_level(self, users: NDArray[np.intp], scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whose scores say nothing, ``(len(users),)``: equal, but for rounding, outside of what the person has."""
        if not self._in_common:
            return np.ones(len(users), dtype=np.bool_)
        order = np.argsort(users, kind="stable")
        place, item = self._own.within(users[order])
        own = order[place], item
        high, low = scores.copy(), scores.copy()
        high[own], low[own] = -np.inf, np.inf
        highest, lowest = high.max(axis=1), low.min(axis=1)
        largest = np.maximum(np.abs(highest), np.abs(lowest))
        with np.errstate(invalid="ignore"):  # of somebody who has everything
            return highest - lowest <= _ROUNDING * largest
