"""What is held out: the same on both sides, apart for shared and private pairs, of about so many people."""

from __future__ import annotations

import numpy as np
import pytest

from fedshare.data.interactions import Interactions
from fedshare.errors import BadOption
from fedshare.sharing.holdout import Holdout, draw_holdout
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.state import State
from fedshare.simulation.train import catalogue_of
from fedshare.simulation.validation import HeldOut
from fedshare.testing.synthetic import small_ledger, swap_private_pair
from fedshare.training.server_side import ServerSide

RULES = [Holdout(), Holdout(fraction=0.5, least_pairs=1), Holdout(most=7, least_pairs=1), Holdout(most=1000)]


def on_devices(ledger: Ledger, rule: Holdout, seed: int, state: State) -> set[tuple[int, int]]:
    """Pairs of one kind that devices hold out."""
    held = HeldOut.of(ledger, rule, seed, "cpu").held_out
    known = ledger.known
    kind = {(u, i) for u, i, s in zip(known.user, known.item, ledger.state, strict=True) if s == state}
    return set(zip(held.owners.tolist(), held.columns.tolist(), strict=True)) & kind


def on_the_server(ledger: Ledger, rule: Holdout, seed: int) -> set[tuple[int, int]]:
    """Shared pairs that the server leaves out."""
    side = ServerSide(ledger.server_view(), catalogue_of(ledger), seed=seed, rounds=1)
    kept = side.without(rule).view
    gone = side.view.keys[~np.isin(side.view.keys, kept.keys)]
    return {divmod(key, side.n_items) for key in gone.tolist()}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_server_and_devices_agree_on_the_shared_pairs(rule: Holdout, share: float):
    for seed in (0, 1):
        ledger = small_ledger(share, n_users=20, seed=seed)
        ledger, _ = ledger.unshare(ledger.sharers()[2], everything=True)  # places among sharers are not user numbers
        assert on_the_server(ledger, rule, seed) == on_devices(ledger, rule, seed, State.SHARED)
    if rule.least_pairs == 1:
        assert on_the_server(ledger, rule, 1)


@pytest.mark.parametrize("rule", RULES)
def test_shared_pairs_are_held_out_whatever_is_private(rule: Holdout):
    ledger = small_ledger()
    elsewhere = swap_private_pair(swap_private_pair(ledger, "u05"), "u00")
    assert on_the_server(ledger, rule, 1) == on_the_server(elsewhere, rule, 1)
    without, _ = ledger.erase("u00", ledger.private_items("u00"))
    assert on_the_server(ledger, rule, 1) == on_the_server(without, rule, 1)


def test_both_kinds_are_held_out():
    ledger, rule = small_ledger(), Holdout(least_pairs=1)
    assert on_devices(ledger, rule, 1, State.SHARED)
    assert on_devices(ledger, rule, 1, State.PRIVATE)


def crowd(n_users: int) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Six items each, of twelve."""
    user = np.repeat(np.arange(n_users), 6)
    item = np.concatenate([np.sort(np.random.default_rng(u).permutation(12)[:6]) for u in range(n_users)])
    return user, item, [f"person {u}" for u in range(n_users)], [f"item {i}" for i in range(12)]


@pytest.mark.parametrize("most", [1, 100, 500, 1900])
def test_about_so_many_people_hold_something_out(most: int):
    """A binomial number; within five standard deviations."""
    user, item, people, items = crowd(2000)
    out = draw_holdout(Holdout(most=most), 3, user, item, None, people, items, 2000)
    spread = np.sqrt(most * (1 - most / 2000))
    assert abs(len(np.unique(user[out])) - most) <= 5 * spread
    assert (np.bincount(user[out], minlength=2000)[np.unique(user[out])] == 1).all()  # a fifth of six


@pytest.mark.parametrize("most", [None, 50, 51])
def test_everybody_does_where_nothing_bounds_it(most: int | None):
    user, item, people, items = crowd(50)
    out = draw_holdout(Holdout(most=most), 3, user, item, None, people, items, 50)
    assert np.unique(user[out]).tolist() == list(range(50))


def test_a_device_decides_alone():
    """It knows its own pairs, its owner's id, the catalogue and how many people there are."""
    user, item, people, items = crowd(40)
    rule, times = Holdout(most=20), np.random.default_rng(0).integers(0, 5, len(user))
    together = draw_holdout(rule, 3, user, item, times, people, items, 40)
    assert 0 < together.sum() < 40
    for one in range(40):
        mine = user == one
        alone = draw_holdout(rule, 3, user[mine] * 0, item[mine], times[mine], people[one : one + 1], items, 40)
        assert alone.tolist() == together[mine].tolist()


def test_another_seed_draws_other_people():
    user, item, people, items = crowd(200)
    drawn = {
        tuple(np.unique(user[draw_holdout(Holdout(most=20), seed, user, item, None, people, items, 200)]).tolist())
        for seed in range(5)
    }
    assert len(drawn) == 5


def test_the_newest_go_and_who_has_few_keeps_all():
    known = Interactions.from_arrays(
        ["ann"] * 6 + ["bob"] * 4, [*"abcdef", *"abcd"], timestamp=[3, 6, 1, 5, 2, 4, 1, 2, 3, 4]
    )
    out = draw_holdout(
        Holdout(fraction=0.3), 0, known.user, known.item, known.timestamp, known.users.ids, known.items.ids, 2
    )
    assert [known.items.ids[i] for i in known.item[out]] == ["b", "d"]  # round(1.8) of ann's, none of bob's


def test_nobody_and_nothing():
    none = np.zeros(0, np.int32)
    assert draw_holdout(Holdout(), 0, none, none, None, [], ["a"], 5).tolist() == []


@pytest.mark.parametrize("fraction", [0.0, -0.1, 0.51, float("nan")])
def test_a_fraction_that_is_none(fraction: float):
    with pytest.raises(BadOption, match=f"held_out: got {fraction}"):
        Holdout(fraction=fraction)
