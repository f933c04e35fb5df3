"""The events of a ledger: columns for what was read or made at once, a list for what has been added since.

Adding an event costs the same however many there are. Whoever holds a log may add to it; a :class:`Ledger` looks at its
first ``n`` events only, so what others add later does not change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast, final, overload

import numpy as np
from numpy.typing import NDArray

from fedshare.data.vocabulary import Vocabulary
from fedshare.errors import BadData
from fedshare.sharing.events import KINDS, Event
from fedshare.sharing.rules import rule_from, rule_json
from fedshare.sharing.state import By

__all__ = ["BY", "COLUMNS", "EventColumns", "EventLog", "Events"]

BY: tuple[By, ...] = ("hand", "slider", "rule")
COLUMNS = ("id", "time", "actor", "reason", "kind", "by", "user", "items", "fraction", "rule")


@final
@dataclass(frozen=True, eq=False)
class EventColumns:
    """Events as arrays of ``(n_events,)``; items as ``(n_items_named,)`` with offsets."""

    kind: NDArray[np.uint8]
    "Places in ``KINDS``."
    by: NDArray[np.uint8]
    "Places in ``BY``."
    user: NDArray[np.int32]
    "-1 where it is nobody's."
    offsets: NDArray[np.int64]
    "``(n_events + 1,)``: the items of event ``e`` are ``item[offsets[e]:offsets[e + 1]]``."
    item: NDArray[np.int32]
    fraction: NDArray[np.float64]
    "NaN where no slider moves."
    rule: Sequence[str | None]
    id: Sequence[str]
    time: NDArray[np.int64]
    actor: Sequence[str]
    reason: Sequence[str]

    def __len__(self) -> int:
        return len(self.kind)

    def prefix(self, n: int) -> EventColumns:
        """The first ``n`` events."""
        if n == len(self):
            return self
        return EventColumns(
            self.kind[:n], self.by[:n], self.user[:n], self.offsets[: n + 1], self.item[: self.offsets[n]],
            self.fraction[:n], self.rule[:n], self.id[:n], self.time[:n], self.actor[:n], self.reason[:n],
        )  # fmt: skip

    @classmethod
    def of(cls, events: Iterable[Event], users: Vocabulary, items: Vocabulary) -> EventColumns:
        """Columns of some events.

        Raises:
            UnknownUser: An event names a person who is not there.
            UnknownItem: An event names an item that is not there.
        """
        listed = list(events)
        named = [items.index(item) for event in listed for item in event.items]
        counts = [len(event.items) for event in listed]
        return cls(
            kind=np.array([KINDS.index(event.kind) for event in listed], np.uint8),
            by=np.array([BY.index(event.by) for event in listed], np.uint8),
            user=np.array([users.index(event.user) if event.user else -1 for event in listed], np.int32),
            offsets=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
            item=np.array(named, np.int32),
            fraction=np.array([np.nan if event.fraction is None else event.fraction for event in listed], np.float64),
            rule=[None if event.rule is None else rule_json(event.rule) for event in listed],
            id=[event.id for event in listed],
            time=np.array([event.time for event in listed], np.int64),
            actor=[event.actor for event in listed],
            reason=[event.reason for event in listed],
        )

    def event(self, place: int, users: Vocabulary, items: Vocabulary) -> Event:
        """One of them."""
        user, fraction, rule = int(self.user[place]), float(self.fraction[place]), self.rule[place]
        named = self.item[self.offsets[place] : self.offsets[place + 1]]
        return Event(
            position=place,
            kind=KINDS[int(self.kind[place])],
            user=users.id(user) if user >= 0 else "",
            items=tuple(sorted(items.ids_at(named))),
            by=BY[int(self.by[place])],
            fraction=None if np.isnan(fraction) else fraction,
            rule=None if rule is None else rule_from(rule),
            id=self.id[place],
            time=int(self.time[place]),
            actor=self.actor[place],
            reason=self.reason[place],
        )

    def table(self) -> dict[str, Any]:
        """Columns for a file; :meth:`read` takes them back."""
        bounds = self.offsets.tolist()
        return {
            "id": list(self.id),
            "time": self.time,
            "actor": list(self.actor),
            "reason": list(self.reason),
            "kind": [KINDS[kind] for kind in self.kind.tolist()],
            "by": [BY[by] for by in self.by.tolist()],
            "user": self.user,
            "items": [self.item[start:end] for start, end in pairwise(bounds)],
            "fraction": [None if np.isnan(each) else each for each in self.fraction.tolist()],
            "rule": list(self.rule),
        }

    @classmethod
    def read(cls, table: Mapping[str, Any], n_users: int, n_items: int) -> EventColumns:
        """What :meth:`table` wrote; the columns' shapes and values are checked here, their meaning by the fold.

        Args:
            table: The columns; lists or arrays. ``items`` may be a pair (offsets, items) as well.
            n_users: People that there are.
            n_items: Items that there are.

        Raises:
            BadData: They are not such columns.
        """
        if set(table) != set(COLUMNS):
            raise BadData(f"ledger events: got columns {', '.join(table) or 'none'}, expected {', '.join(COLUMNS)}.")
        try:
            return cls._read(table, n_users, n_items)
        except (TypeError, ValueError, KeyError, OverflowError, IndexError) as error:
            raise BadData(f"ledger events: cannot be read ({error}). The events are damaged.") from error

    @classmethod
    def _read(cls, table: Mapping[str, Any], n_users: int, n_items: int) -> EventColumns:
        if isinstance(table["items"], tuple):
            offsets, item = (np.asarray(each) for each in cast("tuple[Any, Any]", table["items"]))
        else:
            lists = [np.asarray(each, np.int32) for each in table["items"]]
            offsets = np.concatenate([[0], np.cumsum([len(each) for each in lists])]).astype(np.int64)
            item = np.concatenate([*lists, np.empty(0, np.int32)])
        fraction = np.array([np.nan if each is None else each for each in table["fraction"]], np.float64)
        read = cls(
            kind=_codes(table["kind"], KINDS, "kind"),
            by=_codes(table["by"], BY, "by"),
            user=_whole(table["user"], -1, n_users, "user"),
            offsets=offsets.astype(np.int64),
            item=_whole(item, 0, n_items, "item"),
            fraction=fraction,
            rule=_texts(table["rule"], "rule", optional=True),
            id=_texts(table["id"], "id"),
            time=_whole(table["time"], 0, 2**62, "time").astype(np.int64),
            actor=_texts(table["actor"], "actor"),
            reason=_texts(table["reason"], "reason"),
        )
        columns = (read.kind, read.by, read.user, read.fraction, read.rule, read.id, read.time, read.actor, read.reason)
        lengths = {len(each) for each in columns} | {len(read.offsets) - 1}
        if len(lengths) > 1:
            raise BadData(f"ledger events: got columns of lengths {sorted(lengths)}, expected one. They are damaged.")
        steps = np.diff(read.offsets)
        if read.offsets[0] != 0 or (steps < 0).any() or read.offsets[-1] != len(read.item):
            raise BadData("ledger events: the lists of items have no bounds that fit. The events are damaged.")
        if not ((fraction >= 0) & (fraction <= 1) | np.isnan(fraction)).all():
            raise BadData("ledger events: got a fraction outside 0..1. The events are damaged.")
        return read


class Events(Sequence[Event]):
    """The events of a ledger, made when they are asked for."""

    def __init__(self, log: EventLog, n: int, users: Vocabulary, items: Vocabulary) -> None:
        self._log, self._n, self._users, self._items = log, n, users, items

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Event, ...]: ...
    def __getitem__(self, index: int | slice) -> Event | tuple[Event, ...]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(self._n)))
        place = index + self._n if index < 0 else index
        if not 0 <= place < self._n:
            raise IndexError(f"event {index} does not exist; expected 0 to {self._n - 1}.")
        return self._log.event(place, self._users, self._items)

    def __iter__(self) -> Iterator[Event]:
        return (self[place] for place in range(self._n))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Events | tuple | list):
            return NotImplemented
        if isinstance(other, Events) and other._log is self._log:
            return other._n == self._n
        listed = tuple(cast("Sequence[object]", other))
        return len(listed) == self._n and all(mine == theirs for mine, theirs in zip(self, listed, strict=True))

    def __hash__(self) -> int:
        return hash((self._n, self[-1] if self._n else None))

    def __repr__(self) -> str:
        return f"Events({self._n:,})"


@final
class EventLog:
    """Events that are only ever added to."""

    def __init__(self, columns: EventColumns) -> None:
        self.columns = columns
        self.tail: list[Event] = []

    def __len__(self) -> int:
        return len(self.columns) + len(self.tail)

    def event(self, place: int, users: Vocabulary, items: Vocabulary) -> Event:
        """One of them."""
        early = len(self.columns)
        return self.columns.event(place, users, items) if place < early else self.tail[place - early]

    def prefix(self, n: int) -> EventLog:
        """A log of its own with the first ``n`` events."""
        early = min(n, len(self.columns))
        log = EventLog(self.columns.prefix(early))
        log.tail = self.tail[: n - early]
        return log

    def all_columns(self, n: int, users: Vocabulary, items: Vocabulary) -> EventColumns:
        """Columns of the first ``n`` events."""
        early = min(n, len(self.columns))
        first = self.columns.prefix(early)
        if n == early:
            return first
        later = EventColumns.of(self.tail[: n - early], users, items)
        return EventColumns(
            kind=np.concatenate([first.kind, later.kind]),
            by=np.concatenate([first.by, later.by]),
            user=np.concatenate([first.user, later.user]),
            offsets=np.concatenate([first.offsets, first.offsets[-1] + later.offsets[1:]]),
            item=np.concatenate([first.item, later.item]),
            fraction=np.concatenate([first.fraction, later.fraction]),
            rule=[*first.rule, *later.rule],
            id=[*first.id, *later.id],
            time=np.concatenate([first.time, later.time]),
            actor=[*first.actor, *later.actor],
            reason=[*first.reason, *later.reason],
        )


def _codes(values: Sequence[str], names: Sequence[str], what: str) -> NDArray[np.uint8]:
    code = {name: place for place, name in enumerate(names)}
    try:
        return np.fromiter((code[value] for value in values), np.uint8, len(values))
    except KeyError as error:
        raise BadData(f"ledger events: got {what} {error}, expected one of {', '.join(names)}.") from None


def _whole(values: Any, least: int, bound: int, what: str) -> NDArray[Any]:
    array = np.asarray(values)
    if len(array) and array.dtype.kind not in "iu":
        raise BadData(f"ledger events: {what}: got {array.dtype}, expected whole numbers.")
    if len(array) and not (array.min() >= least and array.max() < bound):
        raise BadData(f"ledger events: {what}: got {array.min()} to {array.max()}, expected {least} to {bound - 1}.")
    return array.astype(np.int64 if bound > 2**31 else np.int32)


def _texts(values: Sequence[Any], what: str, *, optional: bool = False) -> Sequence[Any]:
    if not all(isinstance(each, str) or (optional and each is None) for each in values):
        raise BadData(f"ledger events: {what}: got something that is no text. The events are damaged.")
    return values
