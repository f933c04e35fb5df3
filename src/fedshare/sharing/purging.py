"""Purging: a history in which erased pairs have never been.

All rows of a pair go from the events, so what is left adds up as before. An event of which nothing is left goes, unless
it moved a slider. Of an event that has lost a pair the reason goes, which may name it, and so it is with a rule that
names it. A time that only such a purchase bore goes as well, from whatever else bears it: it would say when.

Who and what there is stays, and so do all indices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.sharing.event_log import EventColumns
from fedshare.sharing.events import KINDS
from fedshare.sharing.fold import Fold, fold_choices
from fedshare.sharing.forgotten import Forgotten
from fedshare.sharing.rules import ShareUntil, rule_from, rule_json
from fedshare.sharing.state import State

__all__ = ["Purged", "purged", "without_forgotten"]


class Purged(NamedTuple):
    """What is left."""

    known: Interactions
    folded: Fold
    columns: EventColumns


def purged(
    known: Interactions,
    columns: EventColumns,
    state: NDArray[np.int8],
    held_back: NDArray[np.bool_],
    forgotten: Mapping[int, Forgotten],
) -> Purged:
    """A history without its erased pairs.

    Args:
        known: All pairs.
        columns: All events.
        state: ``(n_pairs,)``
        held_back: ``(n_pairs,)``
        forgotten: What was purged before, by user index.
    """
    gone = state == State.ERASED
    marks = _with_marks(known, gone, forgotten)
    left = known.select(~gone)
    after = _without_times(known, _without_rows(known, columns, gone), gone)
    after = _selected(after.columns, _without_rules(after.columns, known, marks, after.stays))
    folded = fold_choices(left, after, state[~gone], held_back[~gone])
    return Purged(left, replace(folded, forgotten=marks), after)


def without_forgotten(pairs: Interactions, forgotten: Mapping[int, Forgotten]) -> Interactions:
    """Pairs less those that their owners' devices have forgotten; the same object where there are none."""
    concerned = np.isin(pairs.user, list(forgotten))
    keep = np.ones(pairs.n_pairs, np.bool_)
    for place in np.flatnonzero(concerned).tolist():
        keep[place] = not forgotten[int(pairs.user[place])].has(pairs.items.id(int(pairs.item[place])))
    return pairs if keep.all() else pairs.select(keep)


class _Left(NamedTuple):
    columns: EventColumns
    stays: NDArray[np.bool_]
    "Which events stay."
    touched: NDArray[np.bool_]
    "Which events may say something of a pair that is gone: they have lost it, or list its item."


def _with_marks(
    known: Interactions, gone: NDArray[np.bool_], forgotten: Mapping[int, Forgotten]
) -> dict[int, Forgotten]:
    marks = dict(forgotten)
    user, item = known.user[gone], known.item[gone]
    for each in np.unique(user).tolist():
        marks[each] = Forgotten.of(known.items.ids_at(item[user == each]), marks.get(each))
    return marks


def _without_rows(known: Interactions, columns: EventColumns, gone: NDArray[np.bool_]) -> _Left:
    """Without the items of pairs that are gone, and without what is said beside them."""
    counts = np.diff(columns.offsets)
    event = np.repeat(np.arange(len(columns)), counts)
    moves = np.isin(columns.kind, _PAIRS)
    key = columns.user[event].astype(np.int64) * known.n_items + columns.item
    drop = moves[event] & np.isin(key, known.keys[gone])
    lost = np.bincount(event[drop], minlength=len(columns)) > 0
    lists = np.isin(columns.kind, _LISTS)[event] & np.isin(columns.item, known.item[gone])
    listed = np.bincount(event[lists], minlength=len(columns)) > 0
    n_left = counts - np.bincount(event[drop], minlength=len(columns))
    concerned = np.isin(columns.user, known.user[gone])  # an event without items may be about such a pair as well
    empty = moves & (n_left == 0) & np.isnan(columns.fraction) & (lost | (concerned & (counts == 0)))
    touched = lost | listed
    after = replace(
        columns,
        offsets=np.concatenate([[0], np.cumsum(n_left)]).astype(np.int64),
        item=columns.item[~drop],
        reason=["" if told else reason for reason, told in zip(columns.reason, touched.tolist(), strict=True)],
        actor=["" if told else actor for actor, told in zip(columns.actor, listed.tolist(), strict=True)],
    )
    return _Left(after, ~empty, touched)


def _without_times(known: Interactions, left: _Left, gone: NDArray[np.bool_]) -> _Left:
    """Without times that among a person's purchases only such bore that are gone."""
    if known.timestamp is None or not gone.any():
        return left
    columns, there = left.columns, np.isin(known.user, known.user[gone]) & ~gone
    kept = set(zip(known.user[there].tolist(), known.timestamp[there].tolist(), strict=True))
    rows = zip(known.user[gone].tolist(), known.item[gone].tolist(), known.timestamp[gone].tolist(), strict=True)
    only = [(user, item, second) for user, item, second in rows if (user, second) not in kept]
    of_users = {(user, second) for user, _, second in only}
    of_items = {(item, second) for _, item, second in only}
    time = columns.time.copy()
    for place in np.flatnonzero(np.isin(time, [second for _, _, second in only])).tolist():
        second = int(time[place])
        items = columns.item[columns.offsets[place] : columns.offsets[place + 1]].tolist()
        lists = columns.kind[place] in _LISTS and any((item, second) in of_items for item in items)
        if lists or (int(columns.user[place]), second) in of_users:
            time[place] = 0
    return left._replace(columns=replace(columns, time=time))


def _without_rules(
    columns: EventColumns, known: Interactions, marks: Mapping[int, Forgotten], stays: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], list[str | None], list[str]]:
    """Which events stay, and their rules and reasons, where rules name no item that its owner has forgotten.

    Two rules may become one by that: it is set with the first of them, and lifted with the last.
    """
    stays, rules, reasons = stays.copy(), list(columns.rule), list(columns.reason)
    standing: Counter[tuple[int, str]] = Counter()
    sets, lifts = KINDS.index("rule"), KINDS.index("lift")
    chosen = np.isin(columns.kind, (sets, lifts)) & np.isin(columns.user, list(marks))
    for place in np.flatnonzero(chosen).tolist():
        user, text = int(columns.user[place]), rules[place]
        rule = None if text is None else rule_from(text)
        if isinstance(rule, ShareUntil) and any(map(marks[user].has, rule.items)):
            items = tuple(item for item in rule.items if not marks[user].has(item))
            reasons[place] = ""
            stays[place] = bool(items)  # without any it would be a rule for everything
            text = rules[place] = rule_json(replace(rule, items=items)) if items else None
        if text is None:
            continue
        before = standing[user, text]
        standing[user, text] += 1 if columns.kind[place] == sets else -1
        stays[place] = min(before, standing[user, text]) == 0
    return stays, rules, reasons


def _selected(columns: EventColumns, left: tuple[NDArray[np.bool_], list[str | None], list[str]]) -> EventColumns:
    """Some of the events, with their rules and reasons."""
    stays, rules, reasons = left
    places, counts = np.flatnonzero(stays).tolist(), np.diff(columns.offsets)
    return EventColumns(
        kind=columns.kind[stays],
        by=columns.by[stays],
        user=columns.user[stays],
        offsets=np.concatenate([[0], np.cumsum(counts[stays])]).astype(np.int64),
        item=columns.item[np.repeat(stays, counts)],
        fraction=columns.fraction[stays],
        rule=[rules[place] for place in places],
        id=[columns.id[place] for place in places],
        time=columns.time[stays],
        actor=[columns.actor[place] for place in places],
        reason=[reasons[place] for place in places],
    )


_PAIRS = tuple(KINDS.index(kind) for kind in ("share", "unshare", "erase", "observe"))
_LISTS = tuple(KINDS.index(kind) for kind in ("list", "describe"))
