"""Runs in a world that grows, and rules that come to bind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedshare.algorithms.fedmf import FedMF
from fedshare.algorithms.fedncf import FedNCF
from fedshare.algorithms.lightgcn import LightGCN
from fedshare.algorithms.pfedrec import PFedRec
from fedshare.algorithms.popularity import Popularity
from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.data.interactions import Interactions
from fedshare.errors import BadOption, RequestMismatch
from fedshare.sharing.ledger import Ledger, due
from fedshare.sharing.rules import NeverGifts, ShareUntil
from fedshare.simulation.refresh import refresh
from fedshare.simulation.run import Run
from fedshare.simulation.unlearn import unlearn
from fedshare.testing.synthetic import same_run, small_fedshare, small_ledger
from fedshare.testing.synthetic import train_small as train
from fedshare.training.algorithm import Algorithm
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.drop_only import DropOnly
from fedshare.unlearning.exact import ExactUnlearning
from fedshare.unlearning.unlearner import Unlearner

FIXED = SharedEASE(regs=(4.0,), popularity_penalties=(0.2,), neighbours=(7,))
ALGORITHMS: list[Algorithm] = [
    small_fedshare(),
    FIXED,
    FedMF(embedding_size=8),
    PFedRec(embedding_size=4),
    PFedRec(embedding_size=4, keep_items=True),
    FedNCF(embedding_size=4),
    LightGCN(embedding_size=8),
    Popularity(),
]


def grown(ledger: Ledger) -> Ledger:
    """A later one: two people, two items and some pairs more; somebody unshares, somebody erases."""
    first, second = ledger.sharers()[:2]
    item = ledger.ids[1][0]
    rows = [("newcomer", item, 5), ("newcomer", "new item", 6), (first, "new item", 7), (second, "new item", 8)]
    ledger = ledger.observe(rows, users=["window shopper"], items=["unsold"], now=9)
    ledger = ledger.share("newcomer", fraction=1.0)
    ledger, _ = ledger.unshare(first, ledger.shared_items(first)[:1])
    ledger, _ = ledger.erase(second, ledger.shared_items(second)[:1])
    return ledger


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda each: each.name)
def test_any_run_follows_a_world_that_grows(algorithm: Algorithm) -> None:
    before = train(algorithm, small_ledger(n_users=20))
    ledger = grown(before.ledger)
    after = refresh(before, ledger, method=method_for(algorithm))
    assert after.ledger is ledger
    assert after.server.share_set == ledger.version or algorithm.central
    assert after.server.catalogue.ids[-2:] == ("new item", "unsold")
    scores = after.device_scorer().scores(np.arange(22))
    assert scores.shape == (22, 32)
    assert np.isfinite(scores).all()
    assert before.server.view.n_users == 20  # the run passed in is as it was
    unsold = [each.item for each in after.recommend("newcomer", k=40)]
    assert {*unsold} == {*ledger.ids[1]} - {*ledger.private_items("newcomer"), *ledger.shared_items("newcomer")}
    again = refresh(after, ledger.observe([("newcomer", "unsold", 11)]), now=11, method=method_for(algorithm))
    assert np.isfinite(again.device_scorer().scores(np.arange(22))).all()


def method_for(algorithm: Algorithm) -> Unlearner | None:
    return None if algorithm.name in ("fedshare", "shared-ease") else DropOnly()


def test_shared_ease_ends_in_the_bytes_of_training_on_the_ledger() -> None:
    run = train(FIXED, small_ledger(n_users=40))
    ledger = grown(run.ledger)
    exact = refresh(run, ledger, method=ExactUnlearning(refresh="factorise"))
    assert same_run(exact, train(FIXED, ledger))
    updated = refresh(run, ledger, method=ExactUnlearning(refresh="update"))
    assert updated.certificate is not None
    assert updated.certificate.how == "updated"
    one, other = (each.server.release().arrays for each in (updated, exact))
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=1e-6, rtol=0)
    grams = [{n: v for n, v in each.server.state.kept.items() if n.startswith("gram")} for each in (updated, exact)]
    assert all(torch.equal(grams[0][name], grams[1][name]) for name in grams[0])


def test_old_rows_stay_and_new_ones_begin_as_training_anew_would() -> None:
    run = train(small_fedshare(), small_ledger(n_users=20))
    ledger = run.ledger.observe(items=["unsold"], users=["window shopper"], now=1)
    after = refresh(run, ledger)
    fresh = run.algorithm.start(after.server.side())
    for name, table in run.server.state.tables.items():
        later = after.server.state.tables[name]
        n = len(table)
        assert torch.equal(later.values[:n], table.values)  # nothing to learn: no round was trained
        assert torch.equal(later.values[n:], fresh.tables[name].values[n:])
        assert not later.steps[n:].any()
    assert after.rounds == run.rounds


def test_rounds_are_added_and_snapshots_are_of_them() -> None:
    run = train(small_fedshare(), small_ledger(n_users=20), rounds=10)
    ledger = run.ledger.observe([(run.ledger.sharers()[0], "new item")], now=1)
    after = refresh(run, ledger, rounds=4)
    assert (after.rounds, after.server.state.round) == (10, 14)
    assert {each.version for each in after.server.history.snapshots} == {after.server.share_set}
    assert [each.round for each in after.server.history.snapshots] == [1, 2, 3, 4]
    assert all(len(each.items) == 31 for each in after.server.history.snapshots)


@pytest.mark.parametrize("way", ["unshare", "erase"])
def test_what_was_withdrawn_is_unlearned_as_a_request(way: str) -> None:
    run = train(small_fedshare(), small_ledger(n_users=20))
    user = run.ledger.sharers()[0]
    ledger, request = getattr(run.ledger, way)(user, run.ledger.shared_items(user)[:2])
    method = ContrastiveUnlearning(steps=3)
    after, unlearned = refresh(run, ledger, method=method), unlearn(run, request, method=method)
    for name, table in unlearned.server.state.tables.items():
        assert torch.equal(after.server.state.tables[name].values, table.values)
        assert not torch.equal(table.values, run.server.state.tables[name].values)
    for name, rows in unlearned.devices.private.items():
        assert torch.equal(after.devices.private[name], rows)
    assert after.server.share_set == unlearned.server.share_set == ledger.version


def test_without_anything_new_a_run_stays_as_it_is() -> None:
    run = train(small_fedshare(), small_ledger(n_users=20))
    after = refresh(run)
    assert same_run(run, after)
    assert [a.round for a in after.server.history.snapshots] == [b.round for b in run.server.history.snapshots]


@pytest.mark.parametrize("algorithm", [small_fedshare(), FIXED], ids=lambda each: each.name)
def test_what_is_due_is_withdrawn(algorithm: Algorithm) -> None:
    start = small_ledger(n_users=20)
    user, other = start.sharers()[:2]
    ledger = start.set_rule(user, ShareUntil(100)).set_rule(other, NeverGifts())
    run = train(algorithm, ledger)
    assert refresh(run, now=99).ledger.shared_items(user) == ledger.shared_items(user)
    after = refresh(run, now=100)
    assert after.ledger.shared_items(user) == []
    assert after.ledger.shared_items(other) == ledger.shared_items(other)
    assert not len(after.server.view.items_of(after.known.users.index(user)))
    assert [event.by for event in after.ledger.events_of(user)][-1] == "rule"
    assert len(due(after.ledger, 10**9)) == 0


def test_who_shares_first_is_chosen_for() -> None:
    """While nobody shared, nobody could choose how far to trust what is shared: so training begins anew."""
    start = small_ledger(0.0, n_users=30)
    run = train(small_fedshare(), start, rounds=5)
    assert run.chosen is None
    ledger = start
    for user in start.users():
        ledger = ledger.share(user, fraction=1.0)
    after = refresh(run, ledger)
    assert after.chosen is not None
    assert same_run(after, train(small_fedshare(), ledger, rounds=5))


@pytest.mark.parametrize("algorithm", [small_fedshare(), FIXED], ids=lambda each: each.name)
def test_what_has_been_bought_tests_nothing_any_more(algorithm: Algorithm) -> None:
    ledger = small_ledger(n_users=20)
    known = ledger.known
    absent = [(user, item) for user in range(4) for item in range(30) if known.positions(user, item)[0] < 0][:5]
    user, item = (np.array(each, np.int32) for each in zip(*absent, strict=True))
    test = Interactions(known.users, known.items, user=user, item=item)
    run = train(algorithm, ledger, test=test)
    bought = [(known.users.id(int(u)), known.items.id(int(i))) for u, i in absent]
    left = refresh(run, ledger.observe(bought[:3], now=1)).test
    assert left is not None
    assert [
        (left.users.id(int(u)), left.items.id(int(i))) for u, i in zip(left.user, left.item, strict=True)
    ] == bought[3:]
    assert refresh(run, ledger.observe(bought, now=1)).test is None


def test_another_history_is_refused() -> None:
    run = train(FIXED, small_ledger(n_users=20))
    with pytest.raises(RequestMismatch, match=r"Make it from run\.ledger"):
        refresh(run, small_ledger(n_users=20, seed=1))
    with pytest.raises(BadOption, match="rounds"):
        refresh(run, rounds=0)


def test_a_run_from_disk_is_refreshed_alike(tmp_path) -> None:  # type: ignore[no-untyped-def]
    run = train(FIXED, small_ledger(n_users=20))
    run.save(tmp_path / "run")
    read = Run.load(tmp_path / "run")
    assert same_run(refresh(read, grown(read.ledger)), refresh(run, grown(run.ledger)))
