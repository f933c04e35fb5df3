"""One person's part of a ledger, taken out of it and put into one: when they change their phone.

Ids instead of indices, so that it outlives any numbering. Where the person is known already, what is put in has to go
on from what is there; what is newer here is never overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from fedshare.errors import BadData, RequestMismatch
from fedshare.sharing.events import Event, new_id
from fedshare.sharing.forgotten import Forgotten
from fedshare.sharing.journal import Entry
from fedshare.sharing.ledger import Ledger

__all__ = ["DeviceCopy", "copy_of", "with_copy"]

_COLUMNS = ("timestamp", "rating", "gift")


@final
@dataclass(frozen=True)
class DeviceCopy:
    """What one device knows and its owner chose."""

    user: str
    pairs: Mapping[str, Sequence[Any]]
    "``item``, ``state``, ``held_back``, and what is known of each pair; as long as each other, sorted by id."
    entries: Sequence[Entry]
    "What happened, first to last."
    forgotten: Forgotten | None = None
    "What was erased and purged."


def copy_of(ledger: Ledger, user: str) -> DeviceCopy:
    """A person's part of a ledger.

    Raises:
        UnknownUser: No such person.
    """
    index = ledger.known.users.index(user)
    return DeviceCopy(user, _pairs(ledger, user), ledger.entries_of(user), ledger.forgotten.get(index))


def with_copy(ledger: Ledger, copy: DeviceCopy) -> Ledger:
    """A ledger in which one person's part is that of a copy; the same one where it is that already.

    Of a known item that was bought again, an event does not say when: its time stays the one that is known here.

    Raises:
        RequestMismatch: The person is there with another history, or a newer one.
        BadData: It names an item that is not there, or does not add up.
    """
    strangers = [item for item in copy.pairs["item"] if item not in ledger.known.items]
    if strangers:
        raise BadData(
            f"device export: {len(strangers):,} of {len(copy.pairs['item']):,} items are not in this run's catalogue; "
            "expected known ones. Refresh the run with these items first."
        )
    known = copy.user in ledger.known.users
    entries = _later(ledger, copy) if known else _from_the_start(ledger, copy)
    after = ledger
    try:
        for entry in entries:
            after = after.replayed(Entry(replace(entry.event, position=after.position), entry.facts))
    except BadData as error:
        raise _another(copy.user) from error
    now = _pairs(after, copy.user)
    if any(list(now[name]) != list(copy.pairs[name]) for name in ("item", "state", "held_back")):
        raise _another(copy.user)
    if copy.forgotten is None:
        return after
    index = after.known.users.index(copy.user)
    mine = after.forgotten.get(index)
    if mine is not None and mine.secret != copy.forgotten.secret:
        raise _another(copy.user)
    marks = copy.forgotten.marks | (frozenset[bytes]() if mine is None else mine.marks)
    return (
        after
        if mine is not None and marks == mine.marks
        else after.knowing(index, replace(copy.forgotten, marks=marks))
    )


def _later(ledger: Ledger, copy: DeviceCopy) -> Sequence[Entry]:
    """What the copy has that the ledger has not."""
    mine = ledger.events_of(copy.user)
    ids = {entry.event.id for entry in copy.entries}
    while mine and mine[0].kind in ("join", "observe") and mine[0].id not in ids:
        mine = mine[1:]  # with these the person has joined from such a copy
    theirs = [entry.event for entry in copy.entries[: len(mine)]]
    if [_content(event) for event in mine] != [_content(event) for event in theirs]:
        raise _another(copy.user)
    return copy.entries[len(mine) :]


def _from_the_start(ledger: Ledger, copy: DeviceCopy) -> Sequence[Entry]:
    """All of it, what was known from the first included."""
    joins = [entry for entry in copy.entries if entry.event.kind == "join"]
    rest = [entry for entry in copy.entries if entry.event.kind != "join"]
    seen = {item for entry in rest if entry.event.kind == "observe" for item in entry.event.items}
    first = [place for place, item in enumerate(copy.pairs["item"]) if item not in seen]
    facts = {name: [copy.pairs[name][place] for place in first] for name in _COLUMNS if name in copy.pairs}
    begun = copy.entries[0].event.time if copy.entries else 0
    items = tuple(copy.pairs["item"][place] for place in first)
    coming = Event(0, "join", copy.user, id=new_id(), time=begun)
    bought = Event(0, "observe", copy.user, items, id=new_id(), time=begun)
    return [*(joins or [Entry(coming, {})]), *([Entry(bought, facts)] if items else []), *rest]


def _content(event: Event) -> tuple[str, Event]:
    return event.id, replace(event, position=0)


def _pairs(ledger: Ledger, user: str) -> dict[str, list[Any]]:
    mine, ids = ledger.device_ledger(user), ledger.known.items.ids_at
    columns = {"state": mine.state, "held_back": mine.held_back, **{name: getattr(mine, name) for name in _COLUMNS}}
    listed = ids(mine.items)
    order = sorted(range(len(listed)), key=listed.__getitem__)
    values = {name: column.tolist() for name, column in columns.items() if column is not None}
    return {"item": [listed[place] for place in order]} | {
        name: [column[place] for place in order] for name, column in values.items()
    }


def _another(user: str) -> RequestMismatch:
    return RequestMismatch(
        f"device export: user '{user}' is in this run with another history, or a newer one; expected that the export "
        "goes on from it. Nothing was changed. Import it where it came from, or export the device anew."
    )
