"""Purchases that devices have just seen: reading them, and who and what is new in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.errors import BadData
from fedshare.sharing.book import Names
from fedshare.sharing.device_ledger import NewPairs
from fedshare.sharing.events import Event
from fedshare.sharing.moments import seconds_of
from fedshare.sharing.rules import Rule

__all__ = ["Rows", "described", "new_names", "purchases_of", "renamed", "rules_after"]


class Rows(NamedTuple):
    """Purchases as they come: ids, one value a row."""

    users: Sequence[str]
    items: Sequence[str]
    timestamp: NDArray[np.int64] | None = None
    rating: NDArray[np.float32] | None = None
    gift: NDArray[np.bool_] | None = None
    titles: Mapping[str, str] = {}
    categories: Mapping[str, str] = {}
    strangers: tuple[Sequence[str], Sequence[str]] = ((), ())
    "People and items that no row names."

    @property
    def has_gifts(self) -> bool:
        """Whether any of them is marked as a gift."""
        return self.gift is not None and bool(self.gift.any())

    @classmethod
    def recorded(cls, event: Event, facts: Mapping[str, list[Any]]) -> Rows:
        """What one person has bought, as an event recorded it."""
        kinds: dict[str, type[np.generic]] = {"timestamp": np.int64, "rating": np.float32, "gift": np.bool_}
        columns: dict[str, Any] = {name: np.array(facts[name], kind) for name, kind in kinds.items() if name in facts}
        return cls([event.user] * len(event.items), event.items, **columns)

    @classmethod
    def of(cls, rows: object, now: int) -> Rows:
        """Rows of what people hand in.

        Args:
            rows: Interactions, or rows of (user, item), (user, item, time) or (user, item, time, gift).
            now: The time of a row whose time is None.

        Raises:
            BadData: They cannot be read.
        """
        if rows is None:
            return cls((), ())
        if isinstance(rows, Interactions):
            return cls(
                rows.users.ids_at(rows.user),
                rows.items.ids_at(rows.item),
                rows.timestamp,
                rows.rating,
                rows.gift,
                rows.titles,
                rows.categories,
                (rows.users.ids, rows.items.ids),
            )
        if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
            kind = type(cast(object, rows)).__name__
            raise BadData(
                f"observe: got {kind}, expected interactions or rows such as ('ann', 'tea', '2011-12-01'). Read files "
                "with fedshare.load(...)."
            )
        listed = [_row(row, number) for number, row in enumerate(cast("Iterable[object]", rows), 1)]
        width = max((len(row) for row in listed), default=2)
        times = [now if len(row) < 3 or row[2] is None else seconds_of(row[2], "observe") for row in listed]
        gifts = [len(row) > 3 and bool(row[3]) for row in listed]
        return cls(
            [row[0] for row in listed],
            [row[1] for row in listed],
            np.array(times, np.int64) if width > 2 else None,
            None,
            np.array(gifts, np.bool_) if any(gifts) else None,
        )


def renamed(names: Names, event: Event, facts: Mapping[str, list[Any]]) -> Names:
    """Who and what there is after an event that was recorded.

    Raises:
        BadData: It is not new, or not there.
    """
    if event.kind == "join":
        return replace(names, users=_one_more(names.users, (event.user,)))
    if event.kind in ("retire", "restore"):
        items = set(names.items.indices(event.items).tolist())
        return replace(names, retired=names.retired | items if event.kind == "retire" else names.retired - items)
    items = _one_more(names.items, event.items) if event.kind == "list" else names.items
    items.indices(event.items)
    said = {
        name: {item: text for item, text in zip(event.items, facts.get(name, ()), strict=False) if text is not None}
        for name in ("titles", "categories")
    }
    titles, categories = _updated(names.titles, said["titles"]), _updated(names.categories, said["categories"])
    return replace(names, items=items, titles=titles, categories=categories)


def rules_after(rules: tuple[Rule, ...], event: Event) -> tuple[Rule, ...]:
    """A person's rules after an event that was recorded.

    Raises:
        BadData: The rule is there already, or is not there.
    """
    if event.rule is None or (event.rule in rules) == (event.kind == "rule"):
        raise BadData("a rule is set twice, or lifted without being there.")
    kept = tuple(each for each in rules if each != event.rule)
    return (*rules, event.rule) if event.kind == "rule" else kept


def _with_new(vocabulary: Vocabulary, ids: Iterable[str]) -> Vocabulary:
    """With the ids that are new, sorted among themselves: an event names items in that order too."""
    return vocabulary.extended(sorted({id for id in ids if id not in vocabulary}))


def _one_more(vocabulary: Vocabulary, ids: Sequence[str]) -> Vocabulary:
    grown = vocabulary.extended(ids)
    if len(grown) != len(vocabulary) + len(ids):
        raise BadData("somebody or something joins who is there already.")
    return grown


def new_names(
    names: Names,
    rows: Rows,
    users: Iterable[str],
    items: Iterable[str],
    titles: Mapping[str, str],
    categories: Mapping[str, str],
) -> Names:
    """Who and what there is with the rows; ``names`` itself where nothing is new."""
    all_users = _with_new(names.users, chain(rows.users, rows.strangers[0], _texts("user", users)))
    all_items = _with_new(names.items, chain(rows.items, rows.strangers[1], _texts("item", items), titles, categories))
    all_titles = _updated(names.titles, rows.titles, titles)
    all_categories = _updated(names.categories, rows.categories, categories)
    after = replace(names, users=all_users, items=all_items, titles=all_titles, categories=all_categories)
    same = all_users is names.users and all_items is names.items
    return names if same and all_titles is names.titles and all_categories is names.categories else after


def described(before: Names, after: Names) -> NDArray[np.intp]:
    """Known items of which something else is said."""
    changed = [
        item
        for old, new in ((before.titles, after.titles), (before.categories, after.categories))
        if new is not old
        for item, text in new.items()
        if item in before.items and old.get(item) != text
    ]
    return np.unique(before.items.indices(changed))


def purchases_of(rows: Rows, names: Names, known: Interactions, now: int) -> Iterator[tuple[int, NewPairs]]:
    """What each device has seen, by user index: distinct items, the earliest time of each, a gift if any row is.

    What a device has erased and purged it does not see again.

    Args:
        rows: The rows.
        names: Who and what there is, whatever is new included.
        known: Which columns pairs have.
        now: The time of rows without one.
    """
    rows = _without_forgotten(rows, names)
    if not rows.users:
        return
    user, item = names.users.indices(rows.users), names.items.indices(rows.items)
    n = len(user)
    timestamp = (
        None if known.timestamp is None else (np.full(n, now, np.int64) if rows.timestamp is None else rows.timestamp)
    )
    rating = None if known.rating is None else (np.full(n, np.nan, np.float32) if rows.rating is None else rows.rating)
    gift = None if known.gift is None else (np.zeros(n, np.bool_) if rows.gift is None else rows.gift)
    if n == 1:
        yield int(user[0]), NewPairs(item.astype(np.int32), timestamp, rating, gift)
        return
    order = np.lexsort((np.zeros(n) if timestamp is None else timestamp, item, user))
    user, item = user[order], item[order]
    first = np.flatnonzero(np.diff(user * len(names.items) + item, prepend=-1) != 0)
    pairs = NewPairs(
        item[first].astype(np.int32),
        None if timestamp is None else timestamp[order][first],
        None if rating is None else rating[order][first],
        None if gift is None else np.logical_or.reduceat(gift[order], first),
    )
    people, starts = np.unique(user[first], return_index=True)
    bounds = [*starts.tolist(), len(first)]
    for number, person in enumerate(people.tolist()):
        mine = slice(bounds[number], bounds[number + 1])
        yield person, NewPairs(*(None if column is None else column[mine] for column in pairs))  # pyright: ignore[reportArgumentType]


def _without_forgotten(rows: Rows, names: Names) -> Rows:
    if not names.forgotten:
        return rows
    devices = [names.forgotten.get(user) for user in names.users.indices(rows.users).tolist()]
    keep = [device is None or not device.has(item) for device, item in zip(devices, rows.items, strict=True)]
    if all(keep):
        return rows
    mask = np.array(keep, np.bool_)
    return rows._replace(
        users=[user for user, stays in zip(rows.users, keep, strict=True) if stays],
        items=[item for item, stays in zip(rows.items, keep, strict=True) if stays],
        timestamp=None if rows.timestamp is None else rows.timestamp[mask],
        rating=None if rows.rating is None else rows.rating[mask],
        gift=None if rows.gift is None else rows.gift[mask],
    )


def _row(row: object, number: int) -> tuple[Any, ...]:
    if isinstance(row, str | bytes) or not isinstance(row, Sequence):
        raise BadData(
            f"observe: row {number:,} is {type(row).__name__}, expected such as ('ann', 'tea', '2011-12-01')."
        )
    values = tuple(cast("Sequence[Any]", row))
    if not 2 <= len(values) <= 4:
        raise BadData(
            f"observe: row {number:,} has {len(values)} values, expected user, item and perhaps time and gift."
        )
    for what, value in zip(("user", "item"), values, strict=False):
        if not isinstance(value, str) or not value.strip():
            raise BadData(f"observe: row {number:,} has {value!r} as {what}, expected an id, which is a string.")
    return values


def _texts(kind: str, ids: Iterable[str]) -> list[str]:
    if isinstance(ids, str):
        raise BadData(f"observe: {kind}s: got the string '{ids}', expected several ids. Write ['{ids}'].")
    listed = list(ids)
    for each in listed:
        if not isinstance(cast(object, each), str) or not each.strip():
            raise BadData(f"observe: {kind}s: got {each!r}, expected an id, which is a string.")
    return listed


def _updated(old: Mapping[str, str], *new: Mapping[str, str]) -> Mapping[str, str]:
    changes = {item: text for each in new for item, text in each.items() if old.get(item) != text}
    return {**old, **changes} if changes else old
