from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.errors import BadData, BadOption, BadRequest, UnknownItem
from fedshare.sharing.ledger import Ledger


def test_indices_never_move(private: Ledger) -> None:
    later = private.observe([("bob", "zz", 1), ("abe", "aa", 2), ("ann", "aa", 3)], now=4)
    for old, new in zip(private.ids, later.ids, strict=True):
        assert new[: len(old)] == old
    assert later.ids[0][3:] == ("abe",)
    assert later.ids[1][11:] == ("aa", "zz")
    assert private.known.n_items == 11  # the ledger before is as it was
    assert (private.known.keys[1:] > private.known.keys[:-1]).all()


def test_a_known_pair_is_no_new_one(private: Ledger) -> None:
    ledger = private.share("bob", ["a"]).observe([("bob", "a", 2, True), ("bob", "a", 99)])
    assert ledger.known.n_pairs == private.known.n_pairs
    place = ledger.known.positions(1, 0)[0]
    assert ledger.known.timestamp is not None
    assert ledger.known.timestamp[place] == 2  # the earliest
    assert ledger.known.gift is not None
    assert ledger.known.gift.tolist().count(True) == 1
    assert ledger.shared_items("bob") == ["a"]


def test_what_was_erased_stays_erased_when_it_is_bought_again(private: Ledger) -> None:
    ledger, _ = private.share("bob", fraction=1.0).erase("bob", ["a"])
    assert ledger.observe([("bob", "a", 99)]).erased_items("bob") == ["a"]


def test_twice_in_a_batch_is_once(private: Ledger) -> None:
    ledger = private.observe([("bob", "new", 9), ("bob", "new", 3, True), ("bob", "new", 7)])
    assert ledger.known.n_pairs == private.known.n_pairs + 1
    place = ledger.known.positions(1, 11)[0]
    assert ledger.known.timestamp is not None
    assert ledger.known.gift is not None
    assert (ledger.known.timestamp[place], ledger.known.gift[place]) == (3, True)


def test_people_and_items_without_a_purchase(private: Ledger) -> None:
    ledger = private.observe(
        users=["dee"], items=["unsold"], titles={"unsold": "Vase", "a": "A"}, categories={"a": "x"}
    )
    assert ledger.private_items("dee") == []
    assert ledger.share_of("dee") == 0.0
    assert ledger.known.title("unsold") == "Vase"
    assert ledger.known.categories == {"a": "x"}
    assert private.known.title("a") == "a"
    assert len(ledger.server_view().sharers) == 0
    assert [event.kind for event in ledger.events] == ["list", "describe", "join"]
    assert ledger.observe(users=["dee"], items=["unsold"], titles={"a": "A"}) == ledger


def test_tables_are_observed_like_rows(private: Ledger) -> None:
    rows = [("dee", "q", 5), ("ann", "q", 6), ("dee", "a", 7)]
    users, items, times = zip(*rows, strict=True)
    table = Interactions.from_arrays(users, items, timestamp=times)
    one, other = private.observe(rows), private.observe(table)
    assert one.known.fingerprint() == other.known.fingerprint()
    assert one.known.timestamp is not None
    assert other.known.timestamp is not None
    assert one.known.timestamp.tolist() == other.known.timestamp.tolist()


def test_times_where_there_are_none_and_none_where_there_are_some(private: Ledger) -> None:
    assert private.observe([("bob", "new")], now=77).known.timestamp.tolist()[-2] == 77  # type: ignore[union-attr]
    timeless = Ledger(Interactions.from_arrays(["ann"], ["tea"]))
    assert timeless.observe([("ann", "milk", 5)]).known.timestamp is None


def test_a_shop_may_begin_with_nothing() -> None:
    nobody = Interactions(Vocabulary("user", ()), Vocabulary("item", ()), np.empty(0, np.int32), np.empty(0, np.int32))
    ledger = Ledger(nobody).observe([("ann", "tea", "2026-11-25"), ("bob", "milk", "2026-11-26")]).share("ann", ["tea"])
    assert ledger.shared_items("ann") == ["tea"]
    assert ledger.known.timestamp is not None
    assert ledger.at(0).known.n_pairs == 0


def test_retired_and_back(private: Ledger) -> None:
    ledger = private.retire(["a", "b"])
    assert ledger.retired == {"a", "b"}
    assert ledger.restore_items(["a"]).retired == {"b"}
    assert ledger.private_items("bob") == private.private_items("bob")  # still known
    for wrong, error in ((["a"], BadRequest), ([], BadRequest), (["?"], UnknownItem)):
        with pytest.raises(error):
            ledger.retire(wrong)
    with pytest.raises(BadRequest, match="expected items that are retired"):
        private.restore_items(["a"])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("bob", "got str"),
        (7, "got int"),
        ([("bob",)], "row 1 has 1 values"),
        ([("bob", "a", 1, True, 5)], "row 1 has 5 values"),
        (["ba"], "row 1 is str"),
        ([("bob", "a"), ("bob", None)], "row 2 has None as item"),
        ([(7, "a")], "row 1 has 7 as user"),
        ([("bob", " ")], "row 1 has ' ' as item"),
        ({"bob": "a"}, "got dict"),
    ],
)
def test_rows_that_cannot_be_read(private: Ledger, rows: Any, said: str) -> None:
    with pytest.raises(BadData, match=said):
        private.observe(rows)
    assert private.position == 0


def test_other_things_that_cannot_be_read(private: Ledger) -> None:
    with pytest.raises(BadData, match="got the string 'dee'"):
        private.observe(users="dee")
    with pytest.raises(BadData, match="items: got 7"):
        private.observe(items=[7])  # type: ignore[list-item]
    with pytest.raises(BadOption, match="observe: got 'soon'"):
        private.observe([("bob", "a", "soon")])


def test_two_histories_from_one_ledger_do_not_meet(private: Ledger) -> None:
    one = private.observe([("bob", "x", 1), ("dee", "x", 1)]).share("bob", ["x"])
    other = private.observe([("bob", "y", 1), ("eve", "y", 1)]).share("bob", ["y"])
    again = one.observe([("bob", "w", 1)])
    assert (one.ids[1][-1], other.ids[1][-1], again.ids[1][-2:]) == ("x", "y", ("x", "w"))
    assert (one.users(), other.users()) == (["ann", "bob", "cy", "dee"], ["ann", "bob", "cy", "eve"])
    assert "y" not in one.known.items
    assert "w" not in one.known.items
    assert not one.extends(other)
    assert private.users() == ["ann", "bob", "cy"]
