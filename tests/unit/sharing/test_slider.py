"""What a slider does, also after people have chosen single items by hand."""

from __future__ import annotations

import pytest

from fedshare.data.interactions import Interactions
from fedshare.errors import BadRequest, BadShare, EmptyRequest
from fedshare.sharing.ledger import Ledger


def order_of_ann(ledger: Ledger) -> list[str]:
    """ann's items in the order in which her slider takes them."""
    taken: list[str] = []
    for tenths in range(1, 11):
        now = ledger.share("ann", fraction=tenths / 10).shared_items("ann")
        taken += sorted(set(now) - set(taken))
    return taken


def test_the_order_is_pinned(private: Ledger) -> None:
    """It must outlive releases: a person's slider takes the same items next year."""
    assert "".join(order_of_ann(private)) == "bdighcajfe"


def test_up_only_adds_and_down_only_removes(half: Ledger) -> None:
    at_50 = set(half.shared_items("ann"))
    lower, request = half.unshare("ann", to=0.3)
    at_30 = set(lower.shared_items("ann"))
    at_60 = set(lower.share("ann", fraction=0.6).shared_items("ann"))
    assert (len(at_30), len(at_50), len(at_60)) == (3, 5, 6)
    assert at_30 < at_50 < at_60
    assert {item for _, item in request.pairs()} == at_50 - at_30


def test_down_and_up_restores_the_same(half: Ledger) -> None:
    for to in (0.0, 0.1, 0.4):
        lower, _ = half.unshare("ann", to=to)
        assert lower.share("ann", fraction=0.5).version == half.version
    nothing, _ = half.unshare("ann", everything=True)
    assert nothing.held_back_items("ann") == []  # no item was named, so the slider may go up again
    assert nothing.share("ann", fraction=0.5).version == half.version


def test_an_item_unshared_by_name_does_not_come_back(half: Ledger) -> None:
    first = order_of_ann(half.at(0))[0]
    ledger, _ = half.unshare("ann", [first])
    assert ledger.held_back_items("ann") == [first]
    up = ledger.share("ann", fraction=0.5)
    assert up.share_of("ann") == 0.5  # five others: the slider says what is shared
    assert first in up.private_items("ann")
    down, _ = up.unshare("ann", to=0.1)
    assert first not in down.share("ann", fraction=0.9).shared_items("ann")


def test_a_slider_at_the_top_stops_short_of_what_is_held_back(half: Ledger) -> None:
    ledger, _ = half.unshare("ann", half.shared_items("ann")[:2])
    full = ledger.share("ann", fraction=1.0)
    assert full.private_items("ann") == ledger.held_back_items("ann")
    assert full.share("ann", fraction=1.0) is full


def test_only_sharing_by_name_ends_it(half: Ledger) -> None:
    item = half.shared_items("ann")[0]
    ledger, _ = half.unshare("ann", [item])
    ledger = ledger.share("ann", [item])
    assert ledger.held_back_items("ann") == []
    lower, _ = ledger.unshare("ann", to=0)
    assert item in lower.share("ann", fraction=1.0).shared_items("ann")


def test_an_item_shared_by_name_counts_and_goes_first(private: Ledger) -> None:
    order = order_of_ann(private)
    ledger = private.share("ann", [order[-1]])
    ledger = ledger.share("ann", fraction=0.3)
    assert set(ledger.shared_items("ann")) == {*order[:2], order[-1]}
    lower, request = ledger.unshare("ann", to=0.2)
    assert request.pairs() == [("ann", order[-1])]
    assert set(lower.shared_items("ann")) == set(order[:2])


def test_what_is_erased_never_comes_back_and_no_longer_counts(half: Ledger) -> None:
    gone = half.shared_items("ann")[:1]
    ledger, _ = half.erase("ann", gone)
    full = ledger.share("ann", fraction=1.0)
    assert full.erased_items("ann") == gone
    assert len(full.shared_items("ann")) == 9
    assert full.share_of("ann") == 1.0


def test_erasing_ends_holding_back(half: Ledger) -> None:
    item = half.shared_items("ann")[:1]
    ledger, _ = half.unshare("ann", item)
    ledger, _ = ledger.erase("ann", item)
    assert ledger.held_back_items("ann") == []


def test_where_it_stands_already(half: Ledger) -> None:
    assert half.share("ann", fraction=0.5) is half
    with pytest.raises(EmptyRequest, match=r"shares 5 of 10 items, which is 0\.5 already"):
        half.unshare("ann", to=0.5)


def test_the_wrong_way(half: Ledger) -> None:
    with pytest.raises(BadRequest, match=r"more shared than now; expected 0 to 0.5.*use share\('ann', fraction=0.8\)"):
        half.unshare("ann", to=0.8)
    with pytest.raises(BadRequest, match=r"fewer than now; expected 0.5 to 1.*use unshare\('ann', to=0.2\)"):
        half.share("ann", fraction=0.2)


@pytest.mark.parametrize("share", [-0.1, 1.1, 40, float("nan"), float("inf"), True, "0.5"])
def test_no_share(half: Ledger, share: float) -> None:
    with pytest.raises(BadShare, match="expected a number from 0 to 1"):
        half.share("ann", fraction=share)
    with pytest.raises(BadShare, match="expected a number from 0 to 1"):
        half.unshare("ann", to=share)


def test_a_pair_keeps_its_place_when_the_person_has_more(known: Interactions, private: Ledger) -> None:
    kept = known.item % 2 == 0
    fewer = Ledger(known.select(kept).compact(), seed=7)
    order = [item for item in order_of_ann(private) if item in fewer.private_items("ann")]
    taken = [fewer.share("ann", fraction=(n + 1) / 5).shared_items("ann") for n in range(5)]
    assert [set(items) for items in taken] == [set(order[: n + 1]) for n in range(5)]


def test_what_is_erased_is_held_back_no_more():
    """Nothing is left to hold back: neither after an erasure by name, nor after one of everything."""
    for erase in (lambda each, item: each.erase("ann", [item]), lambda each, item: each.erase("ann", everything=True)):
        known = Interactions.from_arrays(["ann", "ann", "bob"], ["milk", "tea", "tea"])
        ledger = Ledger(known).share("ann", ["tea", "milk"])
        ledger, _ = ledger.unshare("ann", ["tea"])
        assert ledger.held_back_items("ann") == ["tea"]
        ledger, _ = erase(ledger, "tea")
        assert ledger.held_back_items("ann") == []
