"""Purging a ledger: erased pairs have never been, and are known again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedshare.data.interactions import Interactions
from fedshare.errors import NotKnown
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.rules import NeverGifts, ShareUntil

PAIRS = [("ann", "tea", 10), ("ann", "milk", 20), ("ann", "rice", 30), ("bob", "tea", 10), ("bob", "rice", 50)]


def shop() -> Ledger:
    users, items, times = zip(*PAIRS, strict=True)
    return Ledger(Interactions.from_arrays(users, items, times), seed=3)


def erased() -> Ledger:
    ledger = shop().share("ann", ["tea", "milk"], now=100, reason="tea and milk")
    return ledger.unshare("ann", ["tea"], now=200)[0].erase("ann", ["tea"], now=300, reason="the tea")[0]


def said(ledger: Ledger) -> str:
    """All that events say."""
    return " ".join(map(repr, ledger.events))


def test_erased_pairs_have_never_been() -> None:
    before = erased()
    after = before.purged()
    assert after.ids == before.ids  # indices never move
    assert after.known.n_pairs == before.known.n_pairs - 1
    assert after.erased_items("ann") == []
    assert (after.shared_items("ann"), after.private_items("ann")) == (["milk"], ["rice"])
    assert "tea" not in said(after)
    assert [(each.kind, each.items, each.reason) for each in after.events] == [("share", ("milk",), "")]
    assert after.version == before.version
    assert before.erased_items("ann") == ["tea"]  # a value


def test_what_is_left_adds_up_from_its_events() -> None:
    after = erased().purged()
    folded = Ledger.restore(after.known, after.event_columns(), after.seed)
    assert np.array_equal(folded.state, after.state)
    assert np.array_equal(folded.held_back, after.held_back)
    assert folded.events == after.events
    for position in range(after.position):
        assert after.at(position).known.n_pairs == after.known.n_pairs


def test_an_event_that_moved_a_slider_stays() -> None:
    ledger = shop().share("bob", fraction=1.0, now=100)
    after = ledger.erase("bob", everything=True, now=200)[0].purged()
    assert [(each.kind, each.items, each.fraction) for each in after.events] == [("share", (), 1.0), ("erase", (), 0.0)]
    assert after.choices_of("bob").slider == 0.0
    assert after.device_view("bob").items.tolist() == []


def test_an_erased_pair_is_known_again() -> None:
    after = erased().purged()
    assert after.has_forgotten("ann", "tea")
    assert not after.has_forgotten("bob", "tea")
    assert not after.has_forgotten("ann", "milk")
    again = after.observe([("ann", "tea", 400), ("bob", "tea", 400), ("ann", "salt", 400), ("eve", "tea", 400)])
    assert "tea" not in again.private_items("ann")
    assert "salt" in again.private_items("ann")
    assert again.private_items("eve") == ["tea"]
    assert [each.items for each in again.events_of("ann") if each.kind == "observe"] == [("salt",)]
    assert again.purged().observe([("ann", "tea")]).known.n_pairs == again.known.n_pairs
    assert again.at(1).observe([("ann", "tea")]).has_forgotten("ann", "tea")  # in a book of its own
    for change in (Ledger.share, Ledger.erase):
        with pytest.raises(NotKnown):
            change(again, "ann", ["tea"])


def test_a_later_purge_adds_to_what_is_known_again() -> None:
    first = erased().purged()
    second = first.erase("ann", ["rice"])[0].purged()
    assert [second.has_forgotten("ann", item) for item in ("tea", "rice", "milk")] == [True, True, False]
    assert second.forgotten[0].secret == first.forgotten[0].secret
    assert erased().purged().forgotten[0].secret != first.forgotten[0].secret  # of the device's own randomness


def test_what_a_restored_copy_brings_back_is_erased_again() -> None:
    restored, purged = shop().share("ann", ["tea"]), erased().purged()
    after, request = restored.recalled(purged.forgotten)
    assert request.pairs() == [("ann", "tea")]
    assert (after.erased_items("ann"), after.shared_items("bob")) == (["tea"], restored.shared_items("bob"))
    assert len(after.recalled(purged.forgotten)[1]) == 0
    assert after.purged().has_forgotten("ann", "tea")


def test_secrets_stay_out_of_what_is_printed() -> None:
    device = erased().purged().forgotten[0]
    assert "secret" not in repr(device)


def test_listing_an_item_keeps_no_trace_of_who_bought_it() -> None:
    ledger = shop().observe([("ann", "novel", 777)], now=777, actor="ann", reason="ann bought a novel")
    after = ledger.erase("ann", ["novel"])[0].purged()
    assert [(each.kind, each.items, each.time, each.actor, each.reason) for each in after.events] == [
        ("list", ("novel",), 0, "", "")
    ]


def test_times_that_others_bear_stay() -> None:
    ledger = shop().observe([("ann", "novel", 777), ("ann", "salt", 777)], now=777)
    after = ledger.erase("ann", ["novel"])[0].purged()
    assert {each.time for each in after.events} == {777}


def test_a_purchase_again_of_an_erased_pair_goes_too() -> None:
    ledger = shop().observe([("ann", "tea", 5)], now=5)  # an event without items
    assert (len(ledger.events), ledger.events[0].items) == (1, ())
    assert len(ledger.erase("ann", ["tea"])[0].purged().events) == 0


def test_rules_name_no_forgotten_item() -> None:
    ledger = shop()
    for rule in (ShareUntil(900, ("milk", "tea")), ShareUntil(900, ("milk",)), ShareUntil(950, ("tea",)), NeverGifts()):
        ledger = ledger.set_rule("ann", rule, reason="no tea")
    ledger = ledger.set_rule("bob", ShareUntil(900, ("tea",)))
    ledger = ledger.erase("ann", ["tea"])[0]
    after = ledger.purged()
    assert set(after.choices_of("ann").rules) == {ShareUntil(900, ("milk",)), NeverGifts()}
    assert after.choices_of("bob").rules == (ShareUntil(900, ("tea",)),)
    assert not any("tea" in repr(each.rule) for each in after.events_of("ann"))
    lifted = ledger.lift_rule("ann", ShareUntil(900, ("milk", "tea"))).purged()
    assert set(lifted.choices_of("ann").rules) == {ShareUntil(900, ("milk",)), NeverGifts()}
    lifted = ledger.lift_rule("ann", ShareUntil(950, ("tea",))).purged()
    assert set(lifted.choices_of("ann").rules) == {ShareUntil(900, ("milk",)), NeverGifts()}


def test_nothing_to_purge() -> None:
    ledger = shop().share("ann", ["tea"], reason="why not")
    after = ledger.purged()
    assert after == ledger
    assert after.events[0].reason == "why not"
    assert after.forgotten == {}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_happened_the_rest_is_as_it_was(data: st.DataObject) -> None:
    ledger = shop()
    for _ in range(data.draw(st.integers(1, 8))):
        user = data.draw(st.sampled_from(["ann", "bob"]))
        kind = data.draw(st.sampled_from(["share", "slide", "unshare", "erase", "observe"]))
        private, shared = ledger.private_items(user), ledger.shared_items(user)
        if kind == "observe":
            ledger = ledger.observe([(user, data.draw(st.sampled_from(["tea", "milk", "salt", "oil"])), 60)])
        elif kind == "slide" and ledger.share_of(user) < 1:
            ledger = ledger.share(user, fraction=1.0)
        elif kind == "share" and private:
            ledger = ledger.share(user, private[:1])
        elif kind == "unshare" and shared:
            ledger = ledger.unshare(user, shared[:1])[0]
        elif kind == "erase" and private + shared:
            ledger = ledger.erase(user, (private + shared)[:1])[0]
    after = ledger.purged()
    folded = Ledger.restore(after.known, after.event_columns(), after.seed)
    assert np.array_equal(folded.state, after.state)
    assert np.array_equal(folded.held_back, after.held_back)
    for user in ("ann", "bob"):
        gone = ledger.erased_items(user)
        assert after.shared_items(user) == ledger.shared_items(user)
        assert after.private_items(user) == ledger.private_items(user)
        assert after.held_back_items(user) == ledger.held_back_items(user)
        assert after.choices_of(user) == ledger.choices_of(user)
        assert all(after.has_forgotten(user, item) for item in gone)
        assert not {item for each in after.events_of(user) for item in each.items} & set(gone)
