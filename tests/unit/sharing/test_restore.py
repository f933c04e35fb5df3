from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedshare.data.interactions import Interactions
from fedshare.errors import BadData
from fedshare.sharing.ledger import Ledger


@pytest.fixture
def ledger(half: Ledger) -> Ledger:
    """Something of every kind, by hand and by slider."""
    ledger, _ = half.unshare("ann", half.shared_items("ann")[:1])
    ledger, _ = ledger.erase("bob", ["a", "b"])
    return ledger.share("ann", fraction=0.6)


def test_there_and_back(known: Interactions, ledger: Ledger) -> None:
    again = Ledger.restore(known, ledger.event_columns(), seed=7)
    assert again == ledger
    assert again.version == ledger.version
    assert (again.state == ledger.state).all()
    assert (again.held_back == ledger.held_back).all()


def test_columns_are_flat(private: Ledger) -> None:
    ledger, _ = private.share("bob", ["a", "c"]).unshare("bob", ["c"])
    assert ledger.event_columns() == {
        "position": [0, 0, 1],
        "kind": ["share", "share", "unshare"],
        "by": ["hand", "hand", "hand"],
        "user": ["bob", "bob", "bob"],
        "item": ["a", "c", "c"],
    }


def test_no_event(known: Interactions, private: Ledger) -> None:
    columns = private.event_columns()
    assert columns == {name: [] for name in ("position", "kind", "by", "user", "item")}
    assert Ledger.restore(known, columns, seed=7) == private


def test_arrays_do_as_well(known: Interactions, ledger: Ledger) -> None:
    arrays = {name: np.array(values) for name, values in ledger.event_columns().items()}
    again = Ledger.restore(known, arrays, seed=7)  # type: ignore[arg-type]
    assert again == ledger
    assert type(again.events[0].position) is int


DAMAGE: dict[str, tuple[dict[str, list[Any]], str]] = {
    "position from nowhere": ({"position": [0, 0, 2]}, "row 2: got position 2, expected 1, the next event"),
    "not from 0": ({"position": [1, 1, 2]}, "row 0: got position 1, expected 0, the next event"),
    "backwards": ({"position": [0, 1, 0]}, "row 2: got position 0, expected 2, the next event"),
    "no number": ({"position": ["0", "0", "1"]}, "row 0: got position '0', expected a whole number"),
    "unknown kind": (
        {"kind": ["share", "share", "hide"]},
        "row 2: got kind 'hide', expected one of share, unshare, erase",
    ),
    "unknown chooser": ({"by": ["cat", "cat", "hand"]}, "row 0: got by 'cat', expected one of hand, slider"),
    "two users": ({"user": ["bob", "ann", "bob"]}, "row 1: got position 0, expected 1"),
    "no id": ({"item": ["a", None, "c"]}, "row 1: got item None, expected an id"),
    "item twice": ({"item": ["a", "a", "a"]}, "event 0 names an item twice"),
    "never shared": ({"item": ["a", "c", "b"]}, "does not share item 'b'.*written together"),
    "unknown item": ({"item": ["a", "q", "a"]}, "item 'q' is not in the data.*written together"),
    "unknown user": ({"user": ["eve", "eve", "eve"]}, "user 'eve' is not in the data.*written together"),
    "no such pair": ({"item": ["a", "z", "a"]}, "no interaction with item 'z'.*written together"),
    "short column": ({"item": ["a", "c"]}, "columns of lengths"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_events(known: Interactions, private: Ledger, damage: dict[str, list[Any]], message: str) -> None:
    ledger, _ = private.share("bob", ["a", "c"]).unshare("bob", ["c"])
    with pytest.raises(BadData, match=message):
        Ledger.restore(known, ledger.event_columns() | damage, seed=7)


@pytest.mark.parametrize("columns", [{}, {"position": [], "kind": [], "user": [], "item": []}])
def test_missing_columns(known: Interactions, columns: dict[str, list[Any]]) -> None:
    with pytest.raises(BadData, match="expected position, kind, by, user, item"):
        Ledger.restore(known, columns, seed=7)


def test_a_slider_cannot_have_shared_what_is_held_back(known: Interactions, private: Ledger) -> None:
    ledger, _ = private.share("bob", ["a"]).unshare("bob", ["a"])
    columns = ledger.share("bob", ["a"]).event_columns()
    columns["by"][-1] = "slider"
    with pytest.raises(BadData, match="shares by slider what user 'bob' has unshared by name"):
        Ledger.restore(known, columns, seed=7)
