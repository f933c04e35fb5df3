"""What moves a person's pairs: finding them, the slider's order, and refusing what cannot be done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.errors import AlreadyErased, AlreadyShared, BadRequest, NotKnown, NotShared
from fedshare.sharing.book import Names
from fedshare.sharing.device_ledger import NO_CHOICE, DeviceLedger
from fedshare.sharing.event_log import BY, EventColumns
from fedshare.sharing.events import KINDS
from fedshare.sharing.state import MOVES, Kind, State

__all__ = [
    "all_kept",
    "all_shared",
    "check_move",
    "check_rules",
    "forbidden",
    "grouped_ids",
    "locate",
    "place_of",
    "policy_events",
    "replay",
]


def place_of(names: Names, mine: DeviceLedger, items: Iterable[str]) -> NDArray[np.intp]:
    """Where some of a person's pairs stand, ascending, each once, ``(n_items_named,)``.

    Raises:
        UnknownItem: No such item.
        NotKnown: They have no interaction with one of the items.
        BadRequest: ``items`` is one string instead of several.
    """
    _several(items)
    wanted = np.array(sorted({names.items.index(item) for item in items}), np.int64)
    places = mine.places(wanted)
    if len(places) and places.min() < 0:
        stranger = names.items.id(int(wanted[places < 0][0]))
        _not_known(names.users.id(mine.user), stranger, len(mine.items))
    return places


def locate(known: Interactions, user: str, items: Iterable[str]) -> NDArray[np.int64]:
    """Where some pairs of one user stand in everybody's arrays, ascending, each once, ``(n_items_named,)``.

    Raises:
        UnknownUser: No such user.
        UnknownItem: No such item.
        NotKnown: The user has no interaction with one of the items.
        BadRequest: ``items`` is one string instead of several.
    """
    index = known.users.index(user)
    _several(items)
    wanted = np.unique(known.items.indices(items))
    positions = known.positions(index, wanted)
    if (positions < 0).any():
        _not_known(user, known.items.id(int(wanted[positions < 0][0])), len(known.items_of(index)))
    return positions


def forbidden(names: Names, mine: DeviceLedger, now: int) -> NDArray[np.bool_]:
    """``(n_pairs_of_user,)``, what a person's rules forbid to share."""
    if not mine.choices.rules:
        return np.zeros(len(mine.items), np.bool_)
    return mine.forbidden(tuple(names.items.ids_at(mine.items)), names.categories, now)


def check_rules(names: Names, mine: DeviceLedger, places: NDArray[np.intp], now: int) -> None:
    """Refuse to share what a rule of its owner's forbids.

    Raises:
        BadRequest: A rule forbids one of the pairs.
    """
    if not mine.choices.rules:
        return
    wrong = places[forbidden(names, mine, now)[places]]
    if not len(wrong):
        return
    item, user = names.items.id(int(mine.items[wrong[0]])), names.users.id(mine.user)
    rule = next(each for each in mine.choices.rules if forbidden(names, mine.choosing(rules=(each,)), now)[wrong[0]])
    raise BadRequest(
        f"share: a rule of user '{user}' forbids item '{item}' ({rule.describe()}); expected items that none "
        "forbids. To share it, lift the rule first."
    )


def check_move(names: Names, mine: DeviceLedger, places: NDArray[np.intp], kind: Kind) -> None:
    """Refuse an event that does not fit the present state.

    Raises:
        AlreadyErased: A pair is gone.
        AlreadyShared: A pair to be shared is shared.
        NotShared: A pair to be unshared is private.
    """
    allowed = MOVES[kind].allowed
    states = mine.state[places].tolist()
    if all(state in allowed for state in states):
        return
    wrong = [place for place, state in zip(places.tolist(), states, strict=True) if state not in allowed]
    gone = [place for place in wrong if mine.state[place] == State.ERASED]
    user, item = names.users.id(mine.user), names.items.id(int(mine.items[(gone or wrong)[0]]))
    n_shared = len(mine.where(State.SHARED))
    if gone:
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


def all_shared(user: str, mine: DeviceLedger, standing: float) -> NDArray[np.intp]:
    """Places of all that somebody shares.

    Raises:
        NotShared: It is nothing, and nothing of what they buy later would be shared either.
    """
    places = mine.where(State.SHARED)
    if not len(places) and not standing:
        raise NotShared(f"user '{user}' shares nothing (0 items shared); expected shared items. Nothing to unshare.")
    return places


def all_kept(user: str, mine: DeviceLedger) -> NDArray[np.intp]:
    """Places of all that somebody has not erased.

    Raises:
        NotKnown: They never had an interaction.
        AlreadyErased: All are erased.
    """
    places = np.flatnonzero(mine.state != State.ERASED)
    if not len(mine.items):
        raise NotKnown(f"user '{user}' has no interaction; expected at least one. Nothing to erase.")
    if not len(places):
        raise AlreadyErased(
            f"user '{user}' has erased everything ({len(mine.items)} items); expected items that are not erased. "
            f"Nothing to erase."
        )
    return places


def policy_events(
    known: Interactions, chosen: NDArray[np.bool_], sliders: NDArray[np.float64] | None, seed: int
) -> EventColumns:
    """One share event for everybody for whom a policy chooses pairs or a slider, in the order of the ids.

    Their ids follow from the seed, so the same experiment has the same ledger.
    """
    places = np.flatnonzero(chosen)
    counts = np.bincount(known.user[places], minlength=known.n_users)
    concerned = counts > 0 if sliders is None else (counts > 0) | (sliders > 0)
    users = sorted(np.flatnonzero(concerned).tolist(), key=known.users.ids.__getitem__)
    starts = np.concatenate([[0], counts.cumsum()])
    items = [known.item[places[starts[user] : starts[user + 1]]] for user in users]
    n = len(users)
    fraction = np.full(n, np.nan) if sliders is None else sliders[users]
    return EventColumns(
        kind=np.full(n, KINDS.index("share"), np.uint8),
        by=np.full(n, BY.index("slider"), np.uint8),
        user=np.array(users, np.int32),
        offsets=np.concatenate([[0], counts[users].cumsum()]).astype(np.int64) if n else np.zeros(1, np.int64),
        item=np.concatenate([*items, np.empty(0, np.int32)]),
        fraction=fraction,
        rule=[None] * n,
        id=[f"{seed % 2**64:016x}{place:016x}" for place in range(n)],
        time=np.zeros(n, np.int64),
        actor=["policy"] * n,
        reason=[""] * n,
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


def replay(known: Interactions, columns: EventColumns) -> None:
    """Carry events out one after the other, to say which one cannot be.

    Raises:
        BadRequest: It.
    """
    names = Names(known.users, known.items, known.titles, known.categories, frozenset(), {})
    people: dict[int, DeviceLedger] = {}
    for place in range(len(columns)):
        event = columns.event(place, known.users, known.items)
        if event.kind not in MOVES or not event.items:
            continue
        user = known.users.index(event.user)
        mine = people.get(user) or _private(known, user)
        named = columns.item[columns.offsets[place] : columns.offsets[place + 1]]
        if len(np.unique(named)) < len(named):
            raise BadRequest(f"event {place} names an item twice, expected distinct items.")
        places = place_of(names, mine, event.items)
        check_move(names, mine, places, event.kind)
        if event.kind == "share" and event.by != "hand" and mine.held_back[places].any():
            raise BadRequest(
                f"share: event {place} shares by slider what user '{event.user}' has unshared by name; expected such a "
                "pair to stay private. The events are not those of one ledger."
            )
        people[user] = mine.moved(places, event.kind, event.by)


def _private(known: Interactions, user: int) -> DeviceLedger:
    items = known.items_of(user)
    return DeviceLedger(user, items, np.zeros(len(items), np.int8), np.zeros(len(items), np.bool_), choices=NO_CHOICE)


def _several(items: object) -> None:
    if isinstance(items, str):
        raise BadRequest(f"items: got the string '{items}', expected several ids. Write ['{items}'].")


def _not_known(user: str, item: str, n_known: int) -> NoReturn:
    raise NotKnown(
        f"user '{user}' has no interaction with item '{item}' ({n_known} items known); expected items of this user. "
        f"List them with private_items('{user}') and shared_items('{user}')."
    )
