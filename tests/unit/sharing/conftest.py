"""Two people with letters for items, and the ledgers most tests start from."""

from __future__ import annotations

import pytest

from fedshare.data.interactions import Interactions
from fedshare.sharing.ledger import Ledger


@pytest.fixture
def known() -> Interactions:
    """ann has ten items, bob three of them, and cy one that only cy has."""
    users = ["ann"] * 10 + ["bob"] * 3 + ["cy"]
    return Interactions.from_arrays(users, [*"abcdefghij", *"abc", "z"], timestamp=range(14), name="letters")


@pytest.fixture
def private(known: Interactions) -> Ledger:
    """Nobody shares anything."""
    return Ledger(known, seed=7)


@pytest.fixture
def half(private: Ledger) -> Ledger:
    """ann's slider is at one half."""
    return private.share("ann", fraction=0.5)
