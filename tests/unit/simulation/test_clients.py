"""Pseudo-items: fixed, never known, enough of them, and nobody else's business."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedshare.data.synthetic import random_world
from fedshare.federation.payload import array_bytes
from fedshare.models.ragged import Ragged
from fedshare.simulation.clients import Clients, draw_pseudo_items
from fedshare.testing.synthetic import small_fedshare, small_ledger, train_small

WORLD = random_world(2, n_users=8, n_items=20, n_pairs=60)


def drawn(pseudo_items: int = 5, pseudo_ratio: float = 1.0, seed: int = 0, world=WORLD) -> list[list[int]]:
    offsets, items = draw_pseudo_items(
        world.offsets, world.item, world.users.ids, world.n_items, pseudo_items, pseudo_ratio, seed
    )
    return [items[offsets[u] : offsets[u + 1]].tolist() for u in range(world.n_users)]


@pytest.mark.parametrize(("least", "ratio"), [(5, 1.0), (0, 0.0), (0, 2.0), (1000, 4.0)])
def test_as_many_as_asked_or_all_that_is_left(least: int, ratio: float):
    for user, pseudo in enumerate(drawn(least, ratio)):
        known = WORLD.items_of(user).tolist()
        assert pseudo == sorted(set(pseudo))
        assert not set(pseudo) & set(known)
        assert len(pseudo) == min(20 - len(known), max(least, round(ratio * len(known))))


def test_they_are_the_same_again_and_others_with_another_seed():
    assert drawn() == drawn()
    assert drawn() != drawn(seed=1)


def test_they_are_nested_in_their_number():
    for few, many in zip(drawn(3, 0.0), drawn(6, 0.0), strict=True):
        assert set(few) <= set(many)


def test_they_do_not_depend_on_other_people():
    offsets, items = draw_pseudo_items(WORLD.offsets, WORLD.item, WORLD.users.ids, 20, 5, 1.0, 0)
    one = WORLD.select(WORLD.user == 3)
    others, theirs = draw_pseudo_items(one.offsets, one.item, one.users.ids, 20, 5, 1.0, 0)
    assert items[offsets[3] : offsets[4]].tolist() == theirs[others[3] : others[4]].tolist()


def test_a_device_that_knows_nothing_asks_for_nothing():
    empty = WORLD.select(WORLD.user != 3)
    assert drawn(world=empty)[3] == []


def test_a_device_that_knows_everything_has_none():
    everything = random_world(0, n_users=2, n_items=6, n_pairs=12)
    assert drawn(world=everything) == [[], []]


def test_nobody_at_all():
    offsets, items = draw_pseudo_items(np.zeros(1, np.int64), np.empty(0, np.int32), [], 5, 3, 1.0, 0)
    assert (offsets.tolist(), len(items)) == ([0], 0)


def ragged(rows: list[list[int]]) -> Ragged:
    offsets = np.cumsum([0, *map(len, rows)])
    return Ragged.from_numpy(offsets, np.array([item for row in rows for item in row], dtype=np.int32), WORLD.n_items)


@pytest.fixture
def clients() -> Clients:
    pseudo = draw_pseudo_items(WORLD.offsets, WORLD.item, WORLD.users.ids, WORLD.n_items, 5, 1.0, 0)
    known = Ragged.from_numpy(WORLD.offsets, WORLD.item, WORLD.n_items)
    return Clients(known, Ragged.from_numpy(*pseudo, WORLD.n_items), WORLD.users.ids)


def test_selected_devices_are_those_devices(clients: Clients):
    some = clients.select(torch.tensor([5, 1]))
    assert some.user_ids == [WORLD.users.ids[5], WORLD.users.ids[1]]
    assert some.known.columns[some.known.owners == 0].tolist() == WORLD.items_of(5).tolist()
    assert some.pseudo.columns[some.pseudo.owners == 1].tolist() == drawn()[1]


@pytest.mark.parametrize("size", [1, 3, 8, 100])
def test_a_partition_is_everybody_once(clients: Clients, size: int):
    groups = clients.partition(size)
    assert torch.cat([users for users, _ in groups]).tolist() == list(range(8))
    assert [name for _, part in groups for name in part.user_ids] == list(WORLD.users.ids)
    assert max(len(users) for users, _ in groups) <= size
    assert clients.partition(size) is groups


def test_rows_are_counted(clients: Clients):
    expected = [len(WORLD.items_of(u)) + len(drawn()[u]) for u in range(8)]
    assert clients.rows_per_client.tolist() == expected


def test_what_is_held_out_is_asked_for_like_a_pseudo_item(clients: Clients):
    known = [WORLD.items_of(user).tolist() for user in range(8)]
    without = clients.without(ragged([mine[:1] for mine in known]), ragged([mine[1:] for mine in known]))
    assert torch.equal(without.rows_per_client, clients.rows_per_client)
    for user, pseudo in enumerate(drawn()):
        assert without.known.columns[without.known.owners == user].tolist() == known[user][1:]
        assert without.pseudo.columns[without.pseudo.owners == user].tolist() == sorted([known[user][0], *pseudo])


def test_what_a_device_keeps():
    """Its vector, two moments and a count of steps, whoever else there is."""
    devices = train_small(small_fedshare(embedding_size=3), small_ledger(), rounds=1).devices
    assert array_bytes(devices.private) / devices.ledger.known.n_users == 3 * 3 * 4 + 4
