"""What people keep out to judge the item-item part by, and how they judge."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedshare.federation.messages import weights_bytes
from fedshare.training.algorithm import World
from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.algorithms.fedshare.item_item import ItemItem
from fedshare.algorithms.scorers import LocalScorer
from fedshare.models.ragged import Ragged
from fedshare.sharing.state import State
from fedshare.testing.synthetic import small_fedshare, small_ledger


def rows(pattern: Ragged) -> list[set[int]]:
    return [set(row.tolist()) for row in pattern.columns.split(pattern.counts.tolist())]


def world(fraction: float = 0.5) -> World:
    return World(small_ledger(fraction), 1)


def test_the_newest_of_each_kind_are_kept_out():
    here = world()
    known, state = here.ledger.known, here.ledger.state
    assert known.timestamp is not None
    kept_out = rows(ItemItem(held_out=0.3).draw_judges(here).held_out)
    assert any(kept_out)
    for user in range(here.n_users):
        for kind in (State.SHARED, State.PRIVATE):
            mine = np.flatnonzero((known.user == user) & (state == kind))
            out = np.isin(known.item[mine], list(kept_out[user]))
            assert out.sum() == (0 if len(mine) < 5 else max(1, round(0.3 * len(mine))))
            if out.any():
                assert known.timestamp[mine][out].min() >= known.timestamp[mine][~out].max()


def test_what_is_kept_out_is_among_the_pseudo_items_and_rows_stay_the_same():
    here, algorithm = world(), FedShare(pseudo_items=8, pseudo_ratio=0.0)
    later, earlier = algorithm.clients(here), algorithm._training_clients(here)
    held_out = rows(algorithm._judges(ItemItem(), here).held_out)
    each = zip(rows(earlier.known), rows(earlier.pseudo), rows(later.known), rows(later.pseudo), held_out, strict=True)
    assert any(held_out)
    for known, pseudo, known_later, pseudo_later, out in each:
        assert (known | out, known & out) == (known_later, set())
        assert (pseudo, pseudo_later & out) == (pseudo_later | out, set())


def test_judges_see_the_ndcg_of_a_plain_ranking(monkeypatch: pytest.MonkeyPatch):
    here, rng = world(), np.random.default_rng(0)
    options = ItemItem(held_out=0.3, weights_tried=(0.5,), k=4)
    algorithm = small_fedshare(item_item=options)
    judges, clients = algorithm._judges(options, here), algorithm._training_clients(here)
    views, items = (torch.from_numpy(rng.normal(size=(n, 4)).astype(np.float32)) for n in (here.n_users, here.n_items))
    weights = torch.from_numpy(rng.normal(size=(here.n_items, here.n_items)).astype(np.float32))
    monkeypatch.setattr("fedshare.simulation.validation._JUDGES_AT_ONCE", 3)
    found = judges.ndcg(options.candidates(clients, views, items, weights), options.k)
    known, pseudo, held_out = rows(judges.training), rows(clients.pseudo), rows(judges.held_out)
    for number, user in enumerate(judges.users.tolist()):
        for factor, value in zip((0.0, 0.5), found[:, number], strict=True):
            scores = (views[user] @ items.T + factor * weights[sorted(known[user])].sum(0)).numpy()
            best = [item for item in np.argsort(-scores) if item in pseudo[user]][:4]
            gained = sum(1 / np.log2(place + 2) for place, item in enumerate(best) if item in held_out[user])
            ideal = sum(1 / np.log2(place + 2) for place in range(min(4, len(held_out[user]))))
            assert value == pytest.approx(gained / ideal, abs=1e-6)


def test_a_weight_has_to_gain_something():
    here, options = (
        world(1.0),
        ItemItem(regs=(1.0,), popularity_penalties=(0.0,), neighbours=(50,), weights_tried=(1e-9, 1e9), k=5),
    )
    algorithm = small_fedshare(item_item=options)
    judges, clients = algorithm._judges(options, here), algorithm._training_clients(here)
    told = torch.zeros(here.n_users, here.n_items)
    told[judges.held_out.owners.long(), judges.held_out.columns.long()] = 1.0
    for vectors, weight in ((told, 0.0), (-told, 1e9)):  # vectors that know it all, and that are all wrong
        chosen, downloaded = options.calibrate(judges, clients, vectors, torch.eye(here.n_items), here)
        assert chosen == {"item_item_weight": weight, "item_item_ridge": 1.0, "item_item_neighbours": 50.0}
        assert downloaded > 0


def test_item_item_sums_are_added_to_cosines_as_they_are():
    here, rng = world(), np.random.default_rng(0)
    users, items = (torch.from_numpy(rng.normal(size=(n, 4)).astype(np.float32)) for n in (here.n_users, here.n_items))
    weights = torch.from_numpy(rng.normal(size=(here.n_items, here.n_items)).astype(np.float32))
    scores = LocalScorer(users, items, here.histories, (weights, 2.0)).scores(np.array([3, 0]))
    for row, user in zip(scores, (3, 0), strict=True):
        mine = sorted(rows(here.histories)[user])
        np.testing.assert_allclose(row, users[user] @ items.T + 2.0 * weights[mine].sum(0), rtol=1e-4, atol=1e-5)


def test_an_earlier_choice_is_kept():
    here, algorithm = world(), small_fedshare()
    state = algorithm.start(here)
    assert algorithm.item_item is not None
    earlier = {"item_item_weight": 3.0, "item_item_ridge": 50.0, "item_item_neighbours": 4.0}
    server = state.server.with_numbers(**earlier)
    chosen, downloaded = algorithm._choose(algorithm.item_item, type(state)(server, state.clients), here)
    assert chosen.server.numbers == earlier
    n_weights = int(algorithm.item_item.weights(here, earlier).count_nonzero())
    assert downloaded == here.n_users * weights_bytes(n_weights, here.n_items)
