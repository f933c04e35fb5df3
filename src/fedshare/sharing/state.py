"""The three states of an interaction, and what moves a pair from one to another.

| state   | server sees it | device trains on it | how it gets there                         |
| ------- | -------------- | ------------------- | ----------------------------------------- |
| private | no             | yes                 | first seen, or unshared                   |
| shared  | yes            | yes                 | shared: by a slider, by name, by a policy |
| erased  | no             | no                  | erased, for good                          |
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, NamedTuple

__all__ = ["MOVES", "By", "Kind", "Move", "State"]


class State(IntEnum):
    """The state of one pair; the values of ``Ledger.state``."""

    PRIVATE = 0
    SHARED = 1
    ERASED = 2


Kind = Literal["share", "unshare", "erase"]
"What happens to pairs."
By = Literal["hand", "slider", "rule"]
"Who chose the pairs: the person, by name; a slider, a policy or a request for everything; a rule that binds by now."


class Move(NamedTuple):
    """What an event of one kind does to a pair."""

    allowed: tuple[State, ...]
    to: State


MOVES: dict[Kind, Move] = {
    "share": Move((State.PRIVATE,), State.SHARED),
    "unshare": Move((State.SHARED,), State.PRIVATE),
    "erase": Move((State.PRIVATE, State.SHARED), State.ERASED),
}
