"""The three states of an interaction.

| state   | server sees it | device trains on it | how it gets there                         |
| ------- | -------------- | ------------------- | ----------------------------------------- |
| private | no             | yes                 | first seen, or unshared                   |
| shared  | yes            | yes                 | shared: by a slider, by name, by a policy |
| erased  | no             | no                  | erased, for good                          |
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["State"]


class State(IntEnum):
    """The state of one pair; the values of ``Ledger.state``."""

    PRIVATE = 0
    SHARED = 1
    ERASED = 2
