from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from fedshare.data.interactions import Interactions
from fedshare.errors import BadData
from fedshare.sharing.ledger import Ledger, due
from fedshare.sharing.rules import NeverGifts, ShareUntil


@pytest.fixture
def ledger(half: Ledger) -> Ledger:
    """Something of every kind."""
    ledger, _ = half.unshare("ann", half.shared_items("ann")[:1], actor="shop", reason="by telephone")
    ledger, _ = ledger.erase("bob", ["a", "b"])
    ledger = ledger.share("ann", fraction=0.6).set_rule("ann", ShareUntil(7, ("a",))).set_rule("cy", NeverGifts())
    ledger = due(ledger, 8).after.lift_rule("cy", NeverGifts())
    return ledger.observe([("ann", "new", 5), ("dee", "a", 6, True)], titles={"new": "New"}).retire(["b"])


def test_there_and_back(ledger: Ledger) -> None:
    again = Ledger.restore(ledger.known, ledger.event_columns(), seed=7)
    _check_same(again, ledger)
    assert again.events[1].actor == "shop"
    assert again.events[1].reason == "by telephone"


def test_through_a_file(ledger: Ledger) -> None:
    table = pl.DataFrame(ledger.event_columns())
    _check_same(Ledger.restore(ledger.known, table.to_dict(as_series=False), seed=7), ledger)


def test_the_state_may_have_been_kept(ledger: Ledger) -> None:
    state, held_back = ledger.state.copy(), ledger.held_back.copy()
    again = Ledger.restore(ledger.known, ledger.event_columns(), seed=7, state=state, held_back=held_back)
    _check_same(again, ledger)
    with pytest.raises(BadData, match="not one of"):
        Ledger.restore(ledger.known, ledger.event_columns(), seed=7, state=state[1:], held_back=held_back[1:])
    state[0] = 9
    with pytest.raises(BadData, match="not one of"):
        Ledger.restore(ledger.known, ledger.event_columns(), seed=7, state=state, held_back=held_back)


def _check_same(again: Ledger, ledger: Ledger) -> None:
    assert again == ledger
    assert again.version == ledger.version
    assert (again.state == ledger.state).all()
    assert (again.held_back == ledger.held_back).all()
    assert [each.id for each in again.events] == [each.id for each in ledger.events]
    assert again.retired == ledger.retired
    for user in ledger.users():
        assert again.choices_of(user) == ledger.choices_of(user)
    for position in range(ledger.position + 1):
        then, same = again.at(position), ledger.at(position)
        assert then.known.fingerprint() == same.known.fingerprint()
        assert then.state.tolist() == same.state.tolist()
        assert [then.choices_of(user) for user in same.users()] == [same.choices_of(user) for user in same.users()]


def test_one_row_an_event(private: Ledger) -> None:
    ledger, _ = private.share("bob", ["a", "c"], now=5).unshare("bob", ["c"], now=6)
    columns = ledger.event_columns()
    assert [columns["kind"], columns["by"], columns["time"].tolist()] == [["share", "unshare"], ["hand"] * 2, [5, 6]]
    assert [each.tolist() for each in columns["items"]] == [[0, 2], [2]]
    assert columns["user"].tolist() == [1, 1]
    assert len({*columns["id"]}) == 2


def test_no_event(known: Interactions, private: Ledger) -> None:
    assert Ledger.restore(known, private.event_columns(), seed=7) == private


DAMAGE: dict[str, tuple[dict[str, Any], str]] = {
    "unknown kind": ({"kind": ["share", "hide"]}, "got kind 'hide', expected one of share, unshare, erase"),
    "unknown chooser": ({"by": ["cat", "hand"]}, "got by 'cat', expected one of hand, slider"),
    "no id": ({"id": [None, "x"]}, "no text"),
    "no such user": ({"user": [1, 3]}, "expected -1 to 2"),
    "nobody's": ({"user": [1, -1]}, "cannot be carried out|is not in the data"),
    "user is text": ({"user": ["bob", "bob"]}, "expected whole numbers"),
    "item twice": ({"items": [[0, 0], [0]]}, "event 0 names an item twice"),
    "never shared": ({"items": [[0, 2], [1]]}, "does not share item 'b'.*written together"),
    "no such pair": ({"items": [[0, 10], [0]]}, "no interaction with item 'z'.*written together"),
    "unknown item": ({"items": [[0, 11], [0]]}, "expected 0 to 10"),
    "short column": ({"kind": ["share"]}, "columns of lengths"),
    "no list": ({"items": [0, 2]}, "cannot be read"),
    "no fraction": ({"fraction": [7.0, None]}, "fraction outside"),
    "before 1970": ({"time": [-1, 0]}, "time: got"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_events(known: Interactions, private: Ledger, damage: dict[str, Any], message: str) -> None:
    ledger, _ = private.share("bob", ["a", "c"]).unshare("bob", ["c"])
    with pytest.raises(BadData, match=message):
        Ledger.restore(known, ledger.event_columns() | damage, seed=7)


@pytest.mark.parametrize("missing", ["id", "items", "rule"])
def test_missing_columns(known: Interactions, private: Ledger, missing: str) -> None:
    columns = private.event_columns()
    del columns[missing]
    with pytest.raises(BadData, match="expected id, time, actor"):
        Ledger.restore(known, columns, seed=7)


def test_a_slider_cannot_have_shared_what_is_held_back(known: Interactions, private: Ledger) -> None:
    ledger, _ = private.share("bob", ["a"]).unshare("bob", ["a"])
    columns = ledger.share("bob", ["a"]).event_columns()
    columns["by"][-1] = "slider"
    with pytest.raises(BadData, match="shares by slider what user 'bob' has unshared by name"):
        Ledger.restore(known, columns, seed=7)


def test_lists_and_arrays_do_alike(ledger: Ledger) -> None:
    arrays = {
        name: values if name == "items" else np.array(values, object) for name, values in ledger.event_columns().items()
    }
    arrays |= {"time": np.array(arrays["time"], np.int64), "user": np.array(arrays["user"], np.int64)}
    assert Ledger.restore(ledger.known, arrays, seed=7) == ledger
