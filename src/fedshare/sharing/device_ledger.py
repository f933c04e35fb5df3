"""One person's ledger: what their device knows, the state of each pair, and the choices that stand.

A value: every step gives a new one. Arrays are ``(n_pairs_of_user,)``, ascending by item, and read-only. ``Ledger`` is
everybody's, for a simulation; on a real phone there is this one alone.

Which choice wins, from the top:

| the pair is | then it is | until |
| --- | --- | --- |
| erased | gone | for good |
| forbidden by a rule of its owner's | private | the rule is lifted |
| unshared by name | private | it is shared by name |
| shared by name | shared | it is unshared, by name or by a slider that goes down |
| taken by the slider | shared | the slider goes down |
| anything else | private | |

A proposal of somebody else's is no choice: it does nothing until its person accepts it, and then it is their slider.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from fedshare.sharing.rules import Purchases, Rule
from fedshare.sharing.state import MOVES, By, Kind, State

__all__ = ["NO_CHOICE", "Choices", "DeviceLedger", "NewPairs", "Picked"]


@final
@dataclass(frozen=True, slots=True)
class Choices:
    """What a person chose for things to come."""

    slider: float | None = None
    "Part of future purchases that is shared; None where they never moved it, which shares nothing."
    rules: tuple[Rule, ...] = ()
    proposal: float | None = None
    "Where somebody proposes the slider to stand; nothing follows from it."


NO_CHOICE = Choices()


class Picked(NamedTuple):
    """Some of a person's pairs, by their places in the arrays."""

    places: NDArray[np.intp]
    n: int
    "How many pairs of theirs are not erased."
    n_shared: int


class NewPairs(NamedTuple):
    """Purchases that a device has just seen, ``(n,)`` each, distinct and ascending by item."""

    items: NDArray[np.int32]
    timestamp: NDArray[np.int64] | None
    rating: NDArray[np.float32] | None
    gift: NDArray[np.bool_] | None


@final
@dataclass(frozen=True, slots=True, eq=False)
class DeviceLedger:
    """What one device knows and its owner chose."""

    user: int
    items: NDArray[np.int32]
    state: NDArray[np.int8]
    held_back: NDArray[np.bool_]
    timestamp: NDArray[np.int64] | None = None
    rating: NDArray[np.float32] | None = None
    gift: NDArray[np.bool_] | None = None
    choices: Choices = NO_CHOICE

    # -- reading ----------------------------------------------------------------------------------------------------

    def places(self, items: NDArray[np.integer]) -> NDArray[np.intp]:
        """Where items stand, -1 where there is no such pair."""
        if not len(self.items):
            return np.full(len(items), -1, dtype=np.intp)
        found = np.minimum(self.items.searchsorted(items), len(self.items) - 1)
        return np.where(self.items[found] == items, found, -1)

    def where(self, state: State) -> NDArray[np.intp]:
        """Places of the pairs in a state."""
        return np.flatnonzero(self.state == state)

    def picked(self, places: NDArray[np.intp]) -> Picked:
        """Some pairs with the counts that a slider needs."""
        n_shared = int(np.count_nonzero(self.state == State.SHARED))
        return Picked(places, int(np.count_nonzero(self.state != State.ERASED)), n_shared)

    def forbidden(self, ids: tuple[str, ...], categories: Any, now: int) -> NDArray[np.bool_]:
        """Which pairs the owner's rules forbid to share.

        Args:
            ids: Ids of :attr:`items`.
            categories: Item id to category.
            now: Seconds since 1970.
        """
        purchases = Purchases(ids, categories, self.timestamp, self.gift)
        mask = purchases.all(False)
        for rule in self.choices.rules:
            mask = mask | rule.forbids(purchases, now)
        return mask

    # -- moving -----------------------------------------------------------------------------------------------------

    def moved(self, places: NDArray[np.intp], kind: Kind, by: By) -> DeviceLedger:
        """After an event on some pairs. Whether it may happen, the caller has seen to."""
        state = self.state.copy()
        state[places] = MOVES[kind].to
        held_back = self.held_back
        if by == "hand" or kind == "erase":
            held_back = held_back.copy()
            held_back[places] = kind == "unshare"
        return self._with(state, held_back, self.choices)

    def choosing(self, **changed: Any) -> DeviceLedger:
        """With other choices."""
        return self._with(self.state, self.held_back, replace(self.choices, **changed))

    def _with(self, state: NDArray[np.int8], held_back: NDArray[np.bool_], choices: Choices) -> DeviceLedger:
        # by hand: dataclasses.replace takes longer than all the rest of an event
        return DeviceLedger(self.user, self.items, state, held_back, self.timestamp, self.rating, self.gift, choices)

    # -- growing ----------------------------------------------------------------------------------------------------

    def observed(self, new: NewPairs) -> tuple[DeviceLedger, NDArray[np.intp]]:
        """With purchases that the device has just seen.

        A purchase of a known item is no new pair: it keeps its earliest time, and once a gift it stays one. What was
        erased stays erased, also when it is bought again.

        Returns:
            The ledger after it, and the places in it of pairs that were not known.
        """
        old = self.places(new.items)
        fresh = old < 0
        again = old[~fresh]
        timestamp, gift = self.timestamp, self.gift
        if len(again):
            if timestamp is not None and new.timestamp is not None:
                timestamp = timestamp.copy()
                timestamp[again] = np.minimum(timestamp[again], new.timestamp[~fresh])
            if gift is not None and new.gift is not None:
                gift = gift.copy()
                gift[again] |= new.gift[~fresh]
        items = np.concatenate([self.items, new.items[fresh]])
        order = np.argsort(items, kind="stable")

        def joined(mine: NDArray[Any] | None, added: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if mine is None or added is None else np.concatenate([mine, added])[order]

        n = int(np.count_nonzero(fresh))
        grown = DeviceLedger(
            self.user,
            items[order],
            np.concatenate([self.state, np.full(n, State.PRIVATE, np.int8)])[order],
            np.concatenate([self.held_back, np.zeros(n, np.bool_)])[order],
            joined(timestamp, None if new.timestamp is None else new.timestamp[fresh]),
            joined(self.rating, None if new.rating is None else new.rating[fresh]),
            joined(gift, None if new.gift is None else new.gift[fresh]),
            self.choices,
        )
        return grown, np.flatnonzero(order >= len(self.items))
