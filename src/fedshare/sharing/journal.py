"""Events as lines of a file that is only ever added to, so that one more costs one line.

    CHECKSUM {"position": 7, "kind": "share", "user": "ann", "items": ["tea"], ...}

A line is JSON with CRC-32 in front. What a kill cuts off is the end of the last line: nobody has been told that it was
kept, and it is left out. Anything else that does not fit is an error. Beside an event stands what it brought and no
event says by itself: times and marks of purchases, titles and categories.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from fedshare.errors import BadData
from fedshare.sharing.event_log import BY
from fedshare.sharing.events import KINDS, Event
from fedshare.sharing.rules import rule_from, rule_json

__all__ = ["Entry", "entries", "line_of"]

_LONGEST = 1 << 24


class Entry(NamedTuple):
    """An event, and what it brought."""

    event: Event
    facts: dict[str, list[Any]]
    "By name, one value for each item of the event, in their order."


def line_of(entry: Entry) -> bytes:
    """One line."""
    event = entry.event
    values: dict[str, Any] = {
        "position": event.position,
        "id": event.id,
        "time": event.time,
        "kind": event.kind,
        "user": event.user,
        "items": event.items,
        "by": event.by,
        "fraction": event.fraction,
        "rule": None if event.rule is None else rule_json(event.rule),
        "actor": event.actor,
        "reason": event.reason,
    }
    text = json.dumps(values | ({"facts": entry.facts} if entry.facts else {}), separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def entries(content: bytes) -> Iterator[Entry]:
    """The events of a file, first to last.

    Raises:
        BadData: A line is not what was written.
    """
    lines = content.split(b"\n")
    for number, line in enumerate(lines[:-1], 1):  # the last one has no end: a kill cut it off, or it is empty
        yield _entry(line, f"journal, line {number:,}")


def _entry(line: bytes, where: str) -> Entry:
    checksum, _, text = line.partition(b" ")
    if len(line) > _LONGEST or checksum != b"%08x" % zlib.crc32(text):
        raise BadData(f"{where}: is not what was written. Restore the file.")
    try:
        values = cast("dict[str, Any]", json.loads(text))
        facts = cast("dict[str, list[Any]]", values.pop("facts", {}))
        items, rule = tuple(values.pop("items")), values.pop("rule")
        event = Event(**values, items=items, rule=None if rule is None else rule_from(rule))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadData(f"{where}: cannot be read ({str(error)[:100]}). Restore the file.") from error
    if event.kind not in KINDS or event.by not in BY or not _are_texts(items):
        raise BadData(f"{where}: is no event. Restore the file.")
    if any(len(each) != len(items) for each in facts.values()):
        raise BadData(f"{where}: has facts of other items. Restore the file.")
    return Entry(event, facts)


def _are_texts(items: Sequence[object]) -> bool:
    return all(isinstance(each, str) for each in items)
