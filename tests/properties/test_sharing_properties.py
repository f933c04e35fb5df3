"""What must hold of sharing whatever people do."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.sharing.ledger import Ledger, State, share
from fedshare.sharing.policy import ShareFraction, ShareUsers
from fedshare.sharing.request import Request
from fedshare.testing.strategies import fractions, ledgers, play, steps, worlds


def naive_fold(ledger: Ledger) -> dict[tuple[str, str], str]:
    """The state of each pair, by walking through the events; shares nothing with the ledger's own fold."""
    known = ledger.known
    pairs = zip(known.user.tolist(), known.item.tolist(), strict=True)
    states = {(known.users.ids[u], known.items.ids[i]): "private" for u, i in pairs}
    for event in ledger.events:
        for item in event.items:
            states[event.user, item] = {"share": "shared", "unshare": "private", "erase": "erased"}[event.kind]
    return states


def pairs_of(ledger: Ledger, user: np.ndarray, item: np.ndarray) -> set[tuple[str, str]]:
    users, items = ledger.known.users.ids, ledger.known.items.ids
    return {(users[u], items[i]) for u, i in zip(user.tolist(), item.tolist(), strict=True)}


def shared_pairs(ledger: Ledger) -> set[tuple[str, str]]:
    return {(user, item) for user in ledger.users() for item in ledger.shared_items(user)}


def renumbered(known: Interactions, seed: int) -> Interactions:
    """The same pairs with users and items numbered in another order."""
    rng = np.random.default_rng(seed)
    users, items = rng.permutation(known.n_users), rng.permutation(known.n_items)
    user, item = np.argsort(users)[known.user], np.argsort(items)[known.item]
    order = np.lexsort((item, user))
    return Interactions(
        users=Vocabulary("user", tuple(known.users.ids[u] for u in users)),
        items=Vocabulary("item", tuple(known.items.ids[i] for i in items)),
        user=user[order].astype(np.int32),
        item=item[order].astype(np.int32),
        timestamp=None if known.timestamp is None else known.timestamp[order],
    )


@given(ledgers())
def test_a_server_view_has_the_shared_pairs_and_no_other(ledger: Ledger) -> None:
    view = ledger.server_view()
    expected = {pair for pair, state in naive_fold(ledger).items() if state == "shared"}
    assert pairs_of(ledger, view.user, view.item) == expected
    assert len(view) == len(expected)


@given(ledgers())
def test_devices_have_what_is_not_erased(ledger: Ledger) -> None:
    states = naive_fold(ledger)
    offsets, items = ledger.device_pairs()
    for index, user in enumerate(ledger.known.users):
        view = ledger.device_view(user)
        assert items[offsets[index] : offsets[index + 1]].tolist() == view.items.tolist()
        named = {ledger.known.items.ids[i]: bool(s) for i, s in zip(view.items.tolist(), view.shared, strict=True)}
        assert named == {
            item: state == "shared" for (owner, item), state in states.items() if owner == user and state != "erased"
        }


@given(ledgers(), st.data())
def test_the_fold_of_a_prefix_is_the_ledger_of_then(ledger: Ledger, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, ledger.position))
    then = ledger.at(position)
    again = Ledger(ledger.known, seed=ledger.seed, events=ledger.events)
    assert again.state.tolist() == ledger.state.tolist()  # folded from the start, and carried forward
    assert again.held_back.tolist() == ledger.held_back.tolist()
    assert naive_fold(then) == naive_fold(Ledger(ledger.known, seed=ledger.seed, events=ledger.events[:position]))
    assert ledger.extends(then)


@given(ledgers(), st.data())
def test_unshare_after_share_restores_the_fold(ledger: Ledger, data: st.DataObject) -> None:
    user = data.draw(st.sampled_from(ledger.users()))
    private = ledger.private_items(user)
    if not private:
        return
    items = data.draw(st.lists(st.sampled_from(private), min_size=1, unique=True))
    after, request = ledger.share(user, items).unshare(user, items)
    assert after.state.tolist() == ledger.state.tolist()
    assert after.version == ledger.version
    assert set(request.pairs()) == {(user, item) for item in items}


@given(worlds(), st.integers(0, 3), fractions, fractions)
def test_fractions_are_monotone(known: Interactions, seed: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    for policy in (ShareFraction, ShareUsers):
        assert (policy(low).choose(known, seed) <= policy(high).choose(known, seed)).all()


@given(ledgers(), st.data(), fractions, fractions)
def test_a_slider_up_only_adds_and_down_only_removes(
    ledger: Ledger, data: st.DataObject, one: float, other: float
) -> None:
    user = data.draw(st.sampled_from(ledger.users()))
    low, high = sorted((one, other))
    n = len(ledger.shared_items(user)) + len(ledger.private_items(user))
    start = ledger
    if ledger.shared_items(user):
        start, _ = ledger.unshare(user, everything=True)
    at_low, at_high = (start.share(user, fraction=fraction) for fraction in (low, high))
    assert shared_pairs(start) <= shared_pairs(at_low) <= shared_pairs(at_high)
    assert at_low.share(user, fraction=high).version == at_high.version  # whichever way it gets there
    free = n - len(start.held_back_items(user))
    assert len(at_high.shared_items(user)) == min(round(high * n), free)
    wanted = round(low * n)
    if wanted < len(at_high.shared_items(user)):
        down, request = at_high.unshare(user, to=low)
        assert down.version == at_low.version
        assert shared_pairs(at_high) - shared_pairs(down) == set(request.pairs())


@given(ledgers(), st.data())
def test_no_slider_overrides_a_choice_by_name_or_an_erasure(ledger: Ledger, data: st.DataObject) -> None:
    user = data.draw(st.sampled_from(ledger.users()))
    shared = ledger.shared_items(user)
    if shared:
        taken_back = data.draw(st.lists(st.sampled_from(shared), min_size=1, unique=True))
        ledger, _ = ledger.unshare(user, taken_back)
    kept = {*ledger.held_back_items(user), *ledger.erased_items(user)}
    later, _ = play(ledger, [step for step in data.draw(steps(ledger.known)) if step.way != "share items"])
    assert not kept & set(later.shared_items(user))


@given(ledgers(), st.data())
def test_erased_is_for_good(ledger: Ledger, data: st.DataObject) -> None:
    later, _ = play(ledger, data.draw(steps(ledger.known)))
    assert (later.state[ledger.state == State.ERASED] == State.ERASED).all()


@given(worlds(), st.integers(0, 3), st.data())
def test_internal_numbers_do_not_matter(known: Interactions, seed: int, data: st.DataObject) -> None:
    other = renumbered(known, data.draw(st.integers(0, 99)))
    fraction = data.draw(fractions)
    one, two = (share(each, ShareFraction(fraction), seed=seed) for each in (known, other))
    assert one.version == two.version
    assert one.events == two.events
    assert shared_pairs(share(known, ShareUsers(fraction), seed=seed)) == shared_pairs(
        share(other, ShareUsers(fraction), seed=seed)
    )
    todo = data.draw(steps(known))
    assert play(one, todo)[0].events == play(two, todo)[0].events


@given(worlds(), st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(known: Interactions, seed: int, random: Random) -> None:
    rows = [(known.users.ids[u], known.items.ids[i]) for u, i in zip(known.user, known.item, strict=True)]
    random.shuffle(rows)
    shuffled = Interactions.from_arrays([user for user, _ in rows], [item for _, item in rows])
    fraction = ShareFraction(0.5)
    assert shared_pairs(share(known, fraction, seed=seed)) == shared_pairs(share(shuffled, fraction, seed=seed))


@given(ledgers(), st.data())
def test_requests_hold_what_was_withdrawn(ledger: Ledger, data: st.DataObject) -> None:
    withdrawals = [step for step in data.draw(steps(ledger.known)) if not step.way.startswith("share")]
    after, requests = play(ledger, withdrawals)
    before, now = naive_fold(ledger), naive_fold(after)
    total = Request(ledger, after)
    changed = {pair for pair in before if before[pair] != now[pair]}
    assert set(total.pairs()) == changed
    assert len(total) == len(changed)
    assert {pair for pair, erased in zip(total.pairs(), total.erased, strict=True) if erased} == {
        pair for pair in changed if now[pair] == "erased"
    }
    assert pairs_of(ledger, *total.withdrawn_from_server) == {pair for pair in changed if before[pair] == "shared"}
    if requests:
        added = requests[0]
        for request in requests[1:]:
            added = added + request
        assert (added.pairs(), added.erased.tolist()) == (total.pairs(), total.erased.tolist())


@given(ledgers())
def test_events_survive_being_written_down(ledger: Ledger) -> None:
    assert Ledger.restore(ledger.known, ledger.event_columns(), ledger.seed) == ledger


@given(ledgers(), ledgers())
def test_versions_say_whether_share_sets_are_equal(one: Ledger, other: Ledger) -> None:
    assert (one.version == other.version) == (shared_pairs(one) == shared_pairs(other))
