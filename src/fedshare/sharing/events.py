"""Events: what happened to a ledger, each with an id, a time, an actor and a reason.

| kind | what | items | fraction |
| --- | --- | --- | --- |
| share, unshare, erase | one person's pairs move, or their slider, or both | those pairs | where the slider goes |
| observe | a device has seen purchases | those that were not known | |
| rule, lift | a rule is set, or lifted | | |
| propose | somebody proposes where a slider should stand | | that |
| list, describe | new items, or other titles or categories of known ones; nobody's in particular | those items | |
| join | somebody new | | |
| retire, restore | items leave the catalogue, or come back; nobody's in particular | those items | |

Events are only ever added to. Items are named one by one, also where a slider chose them: what happened is never
computed again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal, final, get_args

from fedshare.sharing.rules import Rule
from fedshare.sharing.state import By, Kind

__all__ = ["KINDS", "SHOP", "Event", "EventKind", "new_id"]

EventKind = Literal[
    "share", "unshare", "erase", "observe", "rule", "lift", "propose", "list", "describe", "join", "retire", "restore"
]
KINDS: tuple[EventKind, ...] = get_args(EventKind)
PAIR_KINDS: tuple[Kind, ...] = get_args(Kind)
SHOP = "shop"
"The actor of what no person in particular does."


@final
@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. Ids of people and items are strings, so an event outlives any numbering."""

    position: int
    "How many events came before: ``ledger.at(event.position)`` is the ledger just before this one."
    kind: EventKind
    user: str
    "Whose it is; empty where it is nobody's."
    items: tuple[str, ...] = ()
    "Distinct, sorted."
    by: By = "hand"
    "Who chose the items: the person, by name; a slider, a policy or a request for everything; a rule."
    fraction: float | None = None
    rule: Rule | None = None
    id: str = field(default="", compare=False)
    "32 hex digits; no two events share one."
    time: int = field(default=0, compare=False)
    "Seconds since 1970."
    actor: str = field(default="", compare=False)
    "Who did it; empty where it is the person themself."
    reason: str = field(default="", compare=False)
    "What they say about it."


def new_id() -> str:
    """An id that no other event has."""
    return os.urandom(16).hex()
