"""Events, and the fold that makes the present state of them.

An event says that one person shared, unshared or erased some of their pairs; the events of a ledger are only ever
added to. Folding them from the first on, every pair private, gives each pair's state and whether it is *held back*:
its owner unshared it by name, and until they share it by name again no slider does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.errors import AlreadyErased, AlreadyShared, BadRequest, NotKnown, NotShared
from fedshare.sharing.state import State

__all__ = ["MOVES", "By", "Event", "Fold", "Kind", "check_move", "fold_events", "grouped_ids", "locate"]

Kind = Literal["share", "unshare", "erase"]
By = Literal["hand", "slider"]


class Move(NamedTuple):
    """What an event of one kind does to a pair."""

    allowed: tuple[State, ...]
    to: State


MOVES: dict[Kind, Move] = {
    "share": Move((State.PRIVATE,), State.SHARED),
    "unshare": Move((State.SHARED,), State.PRIVATE),
    "erase": Move((State.PRIVATE, State.SHARED), State.ERASED),
}


@final
@dataclass(frozen=True, slots=True)
class Event:
    """One person moved some of their pairs. Ids are strings, so an event outlives any numbering."""

    position: int
    "How many events came before: ``ledger.at(event.position)`` is the ledger just before this one."
    kind: Kind
    user: str
    items: tuple[str, ...]
    "Distinct, sorted, at least one."
    by: By = "hand"
    "Who chose the items: the person, by name, or a slider, a policy or a request for everything."


@final
@dataclass(frozen=True, eq=False)
class Fold:
    """What events add up to; both arrays are ``(n_pairs,)``."""

    state: NDArray[np.int8]
    "Values of ``State``."
    held_back: NDArray[np.bool_]
    "Unshared by name, and not shared by name since."

    @classmethod
    def start(cls, n_pairs: int) -> Fold:
        """No event yet: everything is private."""
        return cls(np.full(n_pairs, State.PRIVATE, dtype=np.int8), np.zeros(n_pairs, dtype=np.bool_))

    def copy(self) -> Fold:
        """The same in arrays that may be written to."""
        return Fold(self.state.copy(), self.held_back.copy())

    def freeze(self) -> Fold:
        """This, from now on read-only."""
        self.state.flags.writeable = self.held_back.flags.writeable = False
        return self

    def move(self, positions: NDArray[np.int64], kind: Kind, by: By) -> None:
        """Write one event into the arrays."""
        self.state[positions] = MOVES[kind].to
        if by == "hand" or kind == "erase":
            self.held_back[positions] = kind == "unshare"


def fold_events(known: Interactions, events: Iterable[Event]) -> Fold:
    """The state after these events, each of them checked.

    Raises:
        NotFound: An event names a user or an item that is not in the data.
        BadRequest: An event cannot be carried out after those before it.
    """
    fold = Fold.start(known.n_pairs)
    for event in events:
        positions = locate(known, event.user, event.items)
        check_move(known, fold, event.user, positions, event.kind)
        if event.kind == "share" and event.by == "slider" and fold.held_back[positions].any():
            raise BadRequest(
                f"share: event {event.position} shares by slider what user '{event.user}' has unshared by name; "
                f"expected such a pair to stay private. The events are not those of one ledger."
            )
        fold.move(positions, event.kind, event.by)
    return fold.freeze()


def locate(known: Interactions, user: str, items: Iterable[str]) -> NDArray[np.int64]:
    """Where some pairs of one user stand in the arrays, ascending, each once, shape ``(n_items_named,)``.

    Raises:
        UnknownUser: No such user.
        UnknownItem: No such item.
        NotKnown: The user has no interaction with one of the items.
        BadRequest: ``items`` is one string instead of several.
    """
    index = known.users.index(user)
    if isinstance(items, str):
        raise BadRequest(f"items: got the string '{items}', expected several ids. Write ['{items}'].")
    wanted = np.unique(known.items.indices(items))
    positions = known.positions(index, wanted)
    if (positions < 0).any():
        stranger = known.items.id(int(wanted[positions < 0][0]))
        n_known = len(known.items_of(index))
        raise NotKnown(
            f"user '{user}' has no interaction with item '{stranger}' ({n_known} items known); expected items of this "
            f"user. List them with private_items('{user}') and shared_items('{user}')."
        )
    return positions


def check_move(known: Interactions, fold: Fold, user: str, positions: NDArray[np.int64], kind: Kind) -> None:
    """Refuse an event that does not fit the present state.

    Raises:
        AlreadyErased: A pair is gone.
        AlreadyShared: A pair to be shared is shared.
        NotShared: A pair to be unshared is private.
    """
    wrong = positions[~np.isin(fold.state[positions], MOVES[kind].allowed)]
    if not len(wrong):
        return
    gone = wrong[fold.state[wrong] == State.ERASED]
    first = gone[0] if len(gone) else wrong[0]
    item = known.items.id(int(known.item[first]))
    index = known.users.index(user)
    n_shared = np.count_nonzero(fold.state[known.offsets[index] : known.offsets[index + 1]] == State.SHARED)
    if len(gone):
        raise AlreadyErased(
            f"user '{user}' has erased item '{item}'; expected an item that is not erased, as erasing is for good. "
            f"List what is gone with erased_items('{user}')."
        )
    if kind == "share":
        raise AlreadyShared(
            f"user '{user}' shares item '{item}' already ({n_shared} items shared); expected private items. "
            f"List them with private_items('{user}')."
        )
    raise NotShared(
        f"user '{user}' does not share item '{item}' ({n_shared} items shared); expected shared items. "
        f"List them with shared_items('{user}')."
    )


def grouped_ids(known: Interactions, mask: NDArray[np.bool_]) -> list[tuple[str, tuple[str, ...]]]:
    """The pairs where the mask is true as (user id, item ids), sorted by id, users without such a pair left out."""
    chosen = np.flatnonzero(mask)
    items = known.items.ids_at(known.item[chosen])
    user, first = np.unique(known.user[chosen], return_index=True)
    starts: list[int] = first.tolist()
    ends = [*starts[1:], len(items)]
    groups = zip(known.users.ids_at(user), starts, ends[: len(starts)], strict=True)
    return sorted((name, tuple(sorted(items[start:end]))) for name, start, end in groups)
