"""The fold: what events add up to, for everybody's pairs at once.

``Ledger`` carries its state from event to event; here it is computed from the events alone, a column at a time, which
takes about a second for a million of them. An event that cannot be carried out after those before it is found here and
described by :func:`fedshare.sharing.ledger.replay`, which goes one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.errors import BadData
from fedshare.sharing.device_ledger import NO_CHOICE, Choices
from fedshare.sharing.event_log import BY, EventColumns
from fedshare.sharing.events import KINDS
from fedshare.sharing.forgotten import Forgotten
from fedshare.sharing.rules import rule_from
from fedshare.sharing.state import MOVES, State

__all__ = ["Fold", "fold", "fold_choices", "known_before"]

_MOVES = tuple(MOVES)
_NOT_YET = np.int8(-1)
"Of a pair that a device has not seen."


@final
@dataclass(frozen=True, eq=False)
class Fold:
    """The state of everybody's pairs, ``(n_pairs,)`` each, and of everybody's choices."""

    state: NDArray[np.int8]
    held_back: NDArray[np.bool_]
    choices: dict[int, Choices]
    "By user index; who chose nothing is not in it."
    retired: frozenset[int]
    "Items that are not recommended."
    forgotten: Mapping[int, Forgotten] = field(default_factory=dict[int, Forgotten])
    "By user index: what their device has erased and purged, of which no event tells."


class _Rows(NamedTuple):
    """One row for each item of each event about pairs, in the order of pairs and, within one, of events."""

    place: NDArray[np.int64]
    "Where the pair stands; -1 where there is none."
    event: NDArray[np.int64]
    kind: NDArray[np.uint8]
    by: NDArray[np.uint8]
    first: NDArray[np.bool_]
    "Whether it is its pair's first."


def fold(known: Interactions, columns: EventColumns) -> Fold | None:
    """What events add up to; None where one of them cannot be carried out after those before it.

    Args:
        known: All pairs, those that events observe included.
        columns: The events.
    """
    rows = _rows(known, columns)
    if len(rows.place) and (rows.place.min() < 0 or (columns.user[rows.event] < 0).any()):
        return None
    to = np.array([MOVES[kind].to for kind in _MOVES] + [State.PRIVATE], np.int8)  # observed pairs are private
    start = np.full(len(rows.place), State.PRIVATE, np.int8)
    start[rows.first & (rows.kind == _OBSERVE)] = _NOT_YET
    before = np.where(rows.first, start, np.roll(to[_code(rows.kind)], 1))
    allowed = np.zeros((len(_MOVES) + 1, 4), np.bool_)
    for code, kind in enumerate(_MOVES):
        allowed[code, [state + 1 for state in MOVES[kind].allowed]] = True
    allowed[len(_MOVES), 0] = True  # a pair is observed once, and first of all
    if not allowed[_code(rows.kind), before + 1].all():
        return None
    held_after = _held_after(rows)
    held_before = np.where(rows.first, False, np.roll(held_after, 1))
    if (held_before & (rows.kind == KINDS.index("share")) & (rows.by != BY.index("hand"))).any():
        return None
    last = np.roll(rows.first, -1)
    if len(last):
        last[-1] = True
    state = np.full(known.n_pairs, State.PRIVATE, np.int8)
    held_back = np.zeros(known.n_pairs, np.bool_)
    state[rows.place[last]] = to[_code(rows.kind[last])]
    held_back[rows.place[last]] = held_after[last]
    choices, retired = _choices(columns), _retired(columns)
    return None if choices is None or retired is None else Fold(state, held_back, choices, retired)


def fold_choices(
    known: Interactions, columns: EventColumns, state: NDArray[np.int8], held_back: NDArray[np.bool_]
) -> Fold:
    """The same where the state of pairs is known already.

    Raises:
        BadData: It is not one of so many pairs, or choices cannot have been made one after the other.
    """
    fits = state.shape == held_back.shape == (known.n_pairs,)
    if not fits or not np.isin(state, list(State)).all() or (held_back & (state != State.PRIVATE)).any():
        raise BadData(f"ledger: got a state that is not one of {known.n_pairs:,} pairs. The file is damaged.")
    choices, retired = _choices(columns), _retired(columns)
    if choices is None or retired is None:
        raise BadData("ledger events: a rule is lifted or an item comes back that was not there. They are damaged.")
    return Fold(state.astype(np.int8), held_back.astype(np.bool_), choices, retired)


def known_before(known: Interactions, columns: EventColumns, n: int) -> Interactions:
    """What was known after the first ``n`` events: without what later ones observed, listed or welcomed.

    Args:
        known: All pairs.
        columns: All events.
        n: How many of them.
    """
    rows = _rows(known, columns)
    there = np.ones(known.n_pairs, np.bool_)
    there[rows.place[(rows.kind == _OBSERVE) & (rows.event >= n)]] = False
    later = columns.kind[n:]
    n_users = known.n_users - int(np.count_nonzero(later == KINDS.index("join")))
    listed = np.repeat(later == KINDS.index("list"), np.diff(columns.offsets[n:]))
    n_items = known.n_items - int(np.count_nonzero(listed))
    if there.all() and (n_users, n_items) == (known.n_users, known.n_items):
        return known
    return replace(
        known.select(there),
        users=Vocabulary("user", known.users.ids[:n_users]),
        items=Vocabulary("item", known.items.ids[:n_items]),
    )


_OBSERVE = KINDS.index("observe")
_PAIRS = tuple(KINDS.index(kind) for kind in (*_MOVES, "observe"))


def _code(kind: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Places in ``_MOVES``, the one after them for what was observed."""
    table = np.zeros(len(KINDS), np.intp)
    table[list(_PAIRS)] = np.arange(len(_PAIRS))
    return table[kind]


def _rows(known: Interactions, columns: EventColumns) -> _Rows:
    event = np.repeat(np.arange(len(columns)), np.diff(columns.offsets))
    about_pairs = np.isin(columns.kind, _PAIRS)[event]
    event, item = event[about_pairs], columns.item[about_pairs]
    user = columns.user[event]
    key = user.astype(np.int64) * known.n_items + item
    order = np.argsort(key, kind="stable")  # events stay in their order
    key, event = key[order], event[order]
    place = np.minimum(np.searchsorted(known.keys, key), max(0, known.n_pairs - 1))
    if known.n_pairs:
        place[known.keys[place] != key] = -1
    elif len(place):
        place[:] = -1
    return _Rows(place, event, columns.kind[event], columns.by[event], np.diff(key, prepend=-1) != 0)


def _held_after(rows: _Rows) -> NDArray[np.bool_]:
    """Whether the pair is held back after each row."""
    says = (rows.by == BY.index("hand")) & (rows.kind != _OBSERVE) | (rows.kind == KINDS.index("erase"))
    number = np.arange(len(says))
    said = np.maximum.accumulate(np.where(says | rows.first, number, 0))  # the last row that says something
    return says[said] & (rows.kind[said] == KINDS.index("unshare"))


def _choices(columns: EventColumns) -> dict[int, Choices] | None:
    """Where everybody's choices stand; None where a rule is lifted that was not set."""
    proposes, sets, lifts = (KINDS.index(kind) for kind in ("propose", "rule", "lift"))
    moves = np.flatnonzero(~np.isnan(columns.fraction) & (columns.kind != proposes))[::-1]
    users, newest = np.unique(columns.user[moves], return_index=True)
    sliders = columns.fraction[moves[newest]].tolist()
    standing: dict[float, Choices] = {each: Choices(slider=each) for each in set(sliders)}  # few values, many people
    choices = dict(zip(users.tolist(), map(standing.__getitem__, sliders), strict=True))
    for place in np.flatnonzero(np.isin(columns.kind, (proposes, sets, lifts))).tolist():
        user, kind = int(columns.user[place]), int(columns.kind[place])
        mine = choices.get(user, NO_CHOICE)
        if kind == proposes:
            choices[user] = replace(mine, proposal=float(columns.fraction[place]))
            continue
        text = columns.rule[place]
        rule = None if text is None else rule_from(text)
        if rule is None or (rule in mine.rules) == (kind == sets):
            return None
        kept = tuple(each for each in mine.rules if each != rule)
        choices[user] = replace(mine, rules=(*mine.rules, rule) if kind == sets else kept)
    return choices


def _retired(columns: EventColumns) -> frozenset[int] | None:
    retired: set[int] = set()
    leaves, comes = KINDS.index("retire"), KINDS.index("restore")
    for place in np.flatnonzero(np.isin(columns.kind, (leaves, comes))).tolist():
        items = set(columns.item[columns.offsets[place] : columns.offsets[place + 1]].tolist())
        if items & retired != (set() if columns.kind[place] == leaves else items):
            return None
        retired = retired | items if columns.kind[place] == leaves else retired - items
    return frozenset(retired)
