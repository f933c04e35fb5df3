"""What people hold out to choose options by it, and how candidates are ranked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedshare.algorithms.fedshare.item_item import ItemItem, ItemItemChoice
from fedshare.algorithms.published_weights import packed
from fedshare.algorithms.scorers import LocalScorer
from fedshare.errors import CohortTooSmall
from fedshare.federation.orders import Ballot, RoundOrder, Votes
from fedshare.federation.payload import Payload
from fedshare.models.ragged import Ragged
from fedshare.sharing.holdout import Holdout, draw_holdout
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.state import State
from fedshare.simulation.population import Population
from fedshare.simulation.train import catalogue_of
from fedshare.simulation.validation import HeldOut
from fedshare.testing.synthetic import FEW, small_fedshare, small_ledger, train_small
from fedshare.training.server_side import ServerSide


def rows(pattern: Ragged) -> list[set[int]]:
    return [set(row.tolist()) for row in pattern.columns.split(pattern.counts.tolist())]


def held(ledger: Ledger, rule: Holdout) -> HeldOut:
    return HeldOut.of(ledger, rule, 1, "cpu")


def side(ledger: Ledger) -> ServerSide:
    return ServerSide(ledger.server_view(), catalogue_of(ledger), seed=1, rounds=5)


def test_the_newest_of_each_kind_are_held_out():
    ledger = small_ledger()
    known, state = ledger.known, ledger.state
    assert known.timestamp is not None
    held_out = rows(held(ledger, Holdout(fraction=0.3)).held_out)
    assert any(held_out)
    for user in range(known.n_users):
        for kind in (State.SHARED, State.PRIVATE):
            mine = np.flatnonzero((known.user == user) & (state == kind))
            out = np.isin(known.item[mine], list(held_out[user]))
            assert out.sum() == (0 if len(mine) < 5 else max(1, round(0.3 * len(mine))))
            if out.any():
                assert known.timestamp[mine][out].min() >= known.timestamp[mine][~out].max()


def test_server_and_devices_agree_on_which_shared_pairs_are_held_out():
    ledger = small_ledger()
    for rule in (Holdout(fraction=0.3), Holdout(fraction=0.3, most=6)):
        left = rows(side(ledger).without(rule).graph.edges)
        on_devices = rows(held(ledger, rule).held_out)
        assert any(on_devices)
        for user, id in enumerate(ledger.known.users.ids):
            shared = set(ledger.known.items.indices(ledger.shared_items(id)).tolist())
            assert left[user] == shared - on_devices[user]


def test_about_so_many_people_hold_something_out():
    n = 2000
    pairs = np.repeat(np.arange(n), 6), np.tile(np.arange(6), n)
    ids = [f"person {number}" for number in range(n)]
    mask = draw_holdout(Holdout(most=500), 0, *pairs, None, ids, list("abcdef"), n)
    people = len(np.unique(pairs[0][mask]))
    assert abs(people - 500) < 5 * np.sqrt(500 * 0.75)
    everybody = draw_holdout(Holdout(most=n), 0, *pairs, None, ids, list("abcdef"), n)
    assert len(np.unique(pairs[0][everybody])) == n
    assert set(np.flatnonzero(mask)) <= set(np.flatnonzero(everybody))


def test_what_is_held_out_is_among_the_pseudo_items_and_rows_stay_the_same():
    ledger, task = small_ledger(), replace(small_fedshare().task(), pseudo_items=8, pseudo_ratio=0.0)
    population, rule = Population(ledger, min_cohort=FEW), Holdout()
    later, earlier = population._clients(task, 1, None), population._clients(task, 1, rule)
    held_out = rows(held(ledger, rule).held_out)
    each = zip(rows(earlier.known), rows(earlier.pseudo), rows(later.known), rows(later.pseudo), held_out, strict=True)
    assert any(held_out)
    for known, pseudo, known_later, pseudo_later, out in each:
        assert (known | out, known & out) == (known_later, set())
        assert (pseudo, pseudo_later & out) == (pseudo_later | out, set())


def voting(ledger: Ledger, items: torch.Tensor, weights: torch.Tensor, k: int, factors: tuple[float, ...]):
    """A population whose private vectors are at hand, and a ballot for it."""
    from scipy import sparse

    algorithm = small_fedshare(embedding_size=items.shape[1])
    population, task = Population(ledger, min_cohort=FEW), algorithm.task()
    order = RoundOrder(payload=Payload(tables={"items": items}), task=task, number=1, seed=1)
    population.train(order)
    ballot = Ballot(
        payload=Payload(tables={"items": items}, arrays=packed(sparse.csr_matrix(weights.numpy()), "item_item")),
        task=task,
        seed=1,
        holdout=Holdout(fraction=0.3),
        candidates=tuple({"item_item_weight": factor} for factor in factors),
        k=k,
    )
    return population, ballot


def test_votes_are_the_ndcg_of_a_plain_ranking(monkeypatch: pytest.MonkeyPatch):
    ledger, rng = small_ledger(), np.random.default_rng(0)
    items = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(30, 4)).astype(np.float32)))
    weights = torch.from_numpy(rng.normal(size=(30, 30)).astype(np.float32))
    monkeypatch.setattr("fedshare.simulation.validation._AT_ONCE", 3)
    population, ballot = voting(ledger, items, weights, 4, (0.0, 0.5))
    votes = population.validate(ballot)
    out = held(ledger, ballot.holdout)
    clients = population._clients(ballot.task, 1, ballot.holdout)  # type: ignore[arg-type]
    from fedshare.algorithms.fedshare.task import local_view

    views = local_view(population.private["vector.values"], items, clients.known, 1.0)
    known, pseudo, held_out = rows(clients.known), rows(clients.pseudo), rows(out.held_out)
    found = np.zeros((2, len(out.users)))
    for number, user in enumerate(out.users.tolist()):
        for place, factor in enumerate((0.0, 0.5)):
            scores = (views[user] @ items.T + factor * weights[sorted(known[user])].sum(0)).numpy()
            best = [item for item in np.argsort(-scores) if item in pseudo[user]][:4]
            gained = sum(1 / np.log2(at + 2) for at, item in enumerate(best) if item in held_out[user])
            found[place, number] = gained / sum(1 / np.log2(at + 2) for at in range(min(4, len(held_out[user]))))
    assert votes.n_people == len(out.users) > 3
    np.testing.assert_allclose(votes.totals, found.sum(1), atol=1e-5)
    np.testing.assert_allclose(votes.gains, (found - found[:1]).sum(1), atol=1e-5)
    np.testing.assert_allclose(votes.squared_gains, ((found - found[:1]) ** 2).sum(1), atol=1e-5)


def test_too_few_validation_clients_are_refused():
    ledger = small_ledger()
    population, ballot = voting(ledger, torch.eye(30, 4), torch.zeros(30, 30), 4, (0.0,))
    population.min_cohort = 14
    with pytest.raises(CohortTooSmall, match="validation clients"):
        population.validate(ballot)


def votes(gains: list[list[float]]) -> Votes:
    ndcg = np.array(gains)
    return Votes(
        n_people=ndcg.shape[1],
        min_cohort=1,
        totals=tuple(ndcg.sum(1)),
        gains=tuple((ndcg - ndcg[0]).sum(1)),
        squared_gains=tuple(((ndcg - ndcg[0]) ** 2).sum(1)),
    )


@pytest.mark.parametrize(
    ("gains", "weight"),
    [
        ([[0.1, 0.1, 0.1, 0.1], [0.3, 0.3, 0.3, 0.3]], 2.0),  # a sure gain
        ([[0.1, 0.1, 0.1, 0.1], [0.0, 0.0, 0.1, 0.0]], 0.0),  # a loss
        ([[0.0, 0.0, 0.0, 0.0], [1.0, -0.9, -0.9, 0.9]], 0.0),  # a mean above 0, but less than its standard error
    ],
)
def test_a_weight_has_to_gain_more_than_its_standard_error(gains: list[list[float]], weight: float):
    options = ItemItem(regs=(1.0,), popularity_penalties=(0.0,), neighbours=(50,), weights_tried=(2.0,), k=5)
    program = options.choose(torch.eye(30, 4), small_fedshare().task(), side(small_ledger(1.0)))
    assert isinstance(next(program), Ballot)
    with pytest.raises(StopIteration) as done:
        program.send(votes(gains))
    assert done.value.value == ItemItemChoice(weight, 1.0, 0.0, 50)


def test_item_item_sums_are_added_to_cosines_as_they_are():
    ledger, rng = small_ledger(), np.random.default_rng(0)
    users, items = (torch.from_numpy(rng.normal(size=(n, 4)).astype(np.float32)) for n in (14, 30))
    weights = torch.from_numpy(rng.normal(size=(30, 30)).astype(np.float32))
    histories = Population(ledger).histories
    scores = LocalScorer(users, items, histories, (weights, 2.0)).scores(np.array([3, 0]))
    for row, user in zip(scores, (3, 0), strict=True):
        mine = sorted(rows(histories)[user])
        np.testing.assert_allclose(row, users[user] @ items.T + 2.0 * weights[mine].sum(0), rtol=1e-4, atol=1e-5)


def test_an_earlier_choice_is_kept_and_nobody_is_asked_again():
    earlier = ItemItemChoice(3.0, 50.0, 0.25, 4)
    run = train_small(small_fedshare(), small_ledger(), rounds=5, seed=1, chosen=earlier)
    assert run.chosen == earlier
    fresh = train_small(small_fedshare(), small_ledger(), rounds=5, seed=1)
    weights = run.devices.released.arrays
    assert set(weights) == {"item_item.counts", "item_item.items", "item_item.values", "popularity"}
    assert run.cost.bytes_down_per_client < fresh.cost.bytes_down_per_client + sum(
        each.nbytes for each in weights.values()
    )


def test_what_is_erased_is_neither_held_out_nor_trained_on():
    ledger = small_ledger()
    ledger, request = ledger.erase("u05", [*ledger.shared_items("u05")[:1], *ledger.private_items("u05")[:1]])
    found = held(ledger, Holdout(fraction=0.3))
    for user, item in zip(request.user.tolist(), request.item.tolist(), strict=True):
        assert item not in rows(found.training)[user] | rows(found.held_out)[user]
