"""Closed-form item-item weights against their definition; exact removal."""

from __future__ import annotations

import numpy as np
import pytest

from fedshare.data.synthetic import random_world
from fedshare.errors import BadOption
from fedshare.models.item_item import gram, item_item_weights, rows_of

WORLD = random_world(4, n_users=20, n_items=12, n_pairs=90)


def counts() -> np.ndarray:
    return gram(WORLD.offsets, WORLD.item, WORLD.n_items)


def test_rows_are_the_histories():
    dense = rows_of(WORLD.offsets, WORLD.item, WORLD.n_items).toarray()
    for user in range(WORLD.n_users):
        assert np.flatnonzero(dense[user]).tolist() == WORLD.items_of(user).tolist()
    assert set(np.unique(dense)) == {0, 1}


def test_gram_counts_histories_that_hold_both():
    mine = counts()
    assert mine.dtype == np.int32
    for i in range(WORLD.n_items):
        for j in range(WORLD.n_items):
            both = sum(i in row and j in row for row in map(WORLD.items_of, range(WORLD.n_users)))
            assert mine[i, j] == both


@pytest.mark.parametrize("ridge", [0.5, 50.0, 800.0])
def test_weights_are_the_definition(ridge: float):
    inverse = np.linalg.inv(counts() + ridge * np.eye(WORLD.n_items))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    mine = item_item_weights(counts(), ridge)
    assert mine.dtype == np.float32
    np.testing.assert_allclose(mine, expected, atol=1e-6)
    assert not mine.diagonal().any()


def test_weights_solve_the_ridge_regression():
    """Steck's objective: each column regresses its item on all others."""
    rows, ridge, item = rows_of(WORLD.offsets, WORLD.item, WORLD.n_items).toarray().astype(float), 3.0, 5
    others = np.delete(np.arange(WORLD.n_items), item)
    left = rows[:, others].T @ rows[:, others] + ridge * np.eye(len(others))
    expected = np.linalg.solve(left, rows[:, others].T @ rows[:, item])
    np.testing.assert_allclose(item_item_weights(counts(), ridge)[others, item], expected, atol=1e-5)


def test_taking_a_pair_out_leaves_the_same_bytes_as_never_having_had_it():
    gone = 17
    user, item = WORLD.user[gone], WORLD.item[gone]
    mask = np.arange(WORLD.n_pairs) != gone
    without = WORLD.select(mask)
    never = gram(without.offsets, without.item, WORLD.n_items)
    removed = counts()
    mine = WORLD.items_of(int(user))
    removed[item, mine] -= 1
    removed[mine, item] -= 1
    removed[item, item] += 1  # counted in both lines above
    assert removed.tobytes() == never.tobytes()
    assert item_item_weights(removed, 50.0).tobytes() == item_item_weights(never, 50.0).tobytes()


def test_counts_passed_in_are_not_changed():
    mine = counts()
    before = mine.copy()
    item_item_weights(mine, 1.0)
    assert np.array_equal(mine, before)


def test_nothing_shared_gives_zero_weights():
    assert not item_item_weights(gram(np.zeros(3, np.int64), np.empty(0, np.int32), 4), 50.0).any()


@pytest.mark.parametrize("ridge", [0.0, -3.0, float("nan")])
def test_a_ridge_that_is_no_ridge(ridge: float):
    with pytest.raises(BadOption, match=rf"ridge: got {ridge}"):
        item_item_weights(counts(), ridge)
