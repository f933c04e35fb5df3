"""Closed-form item-item weights against their definition; updates against factorisations."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from fedshare.data.synthetic import random_world
from fedshare.errors import BadOption
from fedshare.models.gram import degree_of, gram, history_matrix
from fedshare.models.item_item import (
    inverse_error,
    inverse_of,
    item_item_weights,
    updated_inverse,
    weights_from,
)

WORLD = random_world(4, n_users=20, n_items=12, n_pairs=90)
WIDE = random_world(5, n_users=60, n_items=600, n_pairs=3000)
"Wider than one block of rows."


def rows(world=WORLD) -> sparse.csr_matrix:
    return history_matrix(world.offsets, world.item, world.n_items)


def dense_counts() -> np.ndarray:
    return gram(rows()).toarray()


@pytest.mark.parametrize("reg", [0.5, 50.0, 800.0])
def test_weights_are_the_definition(reg: float):
    inverse = np.linalg.inv(dense_counts() + reg * np.eye(WORLD.n_items))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    mine = item_item_weights(gram(rows()), reg)
    assert mine.dtype == np.float32
    np.testing.assert_allclose(mine.toarray(), expected, atol=1e-6)
    assert not mine.diagonal().any()


def test_weights_solve_the_ridge_regression():
    """Steck's objective: each column regresses its item on all others."""
    x, reg, item = rows().toarray().astype(float), 3.0, 5
    others = np.delete(np.arange(WORLD.n_items), item)
    left = x[:, others].T @ x[:, others] + reg * np.eye(len(others))
    expected = np.linalg.solve(left, x[:, others].T @ x[:, item])
    np.testing.assert_allclose(item_item_weights(gram(rows()), reg).toarray()[others, item], expected, atol=1e-5)


def test_the_inverse_is_one_and_symmetric_to_the_bit():
    counts = gram(rows(WIDE))
    inverse = inverse_of(counts, 2.0)
    product = inverse @ (counts.toarray() + 2.0 * np.eye(WIDE.n_items))
    np.testing.assert_allclose(product, np.eye(WIDE.n_items), atol=1e-10)
    assert np.array_equal(inverse, inverse.T)


def test_the_number_of_threads_decides_no_bit():
    code = (
        "import hashlib, numpy as np; from fedshare.data.synthetic import random_world\n"
        "from fedshare.models.gram import gram, history_matrix; from fedshare.models.item_item import inverse_of\n"
        "w = random_world(5, n_users=60, n_items=600, n_pairs=3000)\n"
        "print(hashlib.sha256(inverse_of(gram(history_matrix(w.offsets, w.item, 600)), 2.0)).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)},
            check=True,
            capture_output=True,
        ).stdout
        for threads in (1, 2, 4)
    }
    assert len(digests) == 1


@pytest.mark.parametrize("popularity_penalty", [0.0, 0.4])
def test_the_popularity_penalty_divides_a_column_by_its_degree(popularity_penalty: float):
    plain, damped = (item_item_weights(gram(rows()), 5.0, each).toarray() for each in (0.0, popularity_penalty))
    degree = np.bincount(WORLD.item, minlength=WORLD.n_items)
    np.testing.assert_allclose(damped, plain / (degree + 10) ** popularity_penalty, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("neighbours", [1, 3, 11, 12, 500])
def test_the_largest_weights_of_each_column_are_kept(neighbours: int):
    everything = item_item_weights(gram(rows()), 5.0).toarray()
    kept = item_item_weights(gram(rows()), 5.0, neighbours=neighbours).toarray()
    for column in range(WORLD.n_items):
        size = np.abs(everything[:, column])
        last = np.sort(size)[::-1][min(neighbours, WORLD.n_items) - 1]
        assert np.array_equal(kept[:, column], np.where(size >= last, everything[:, column], 0.0))


def test_weights_that_tie_with_the_last_stay():
    """Items 0, 1 and 2 are alike to item 3, so that one neighbour is as good as all three."""
    counts = gram(history_matrix(np.array([0, 2, 4, 6]), np.array([0, 3, 1, 3, 2, 3], dtype=np.int32), 4))
    column = item_item_weights(counts, 1.0, neighbours=1).toarray()[:, 3]
    assert column[0] == column[1] == column[2] > 0


@pytest.mark.parametrize("n_changed", [1, 4, 20])
def test_an_update_agrees_with_a_factorisation(n_changed: int):
    keep = ~((WIDE.user < n_changed) & (np.arange(WIDE.n_pairs) % 2 == 0))
    before, after = rows(WIDE), rows(WIDE.select(keep))
    changed = np.arange(n_changed)
    old = inverse_of(gram(before), 3.0)
    kept = old.copy()
    moved = updated_inverse(old, before, 3.0, before[changed], after[changed], 1e-12)
    np.testing.assert_allclose(moved, inverse_of(gram(after), 3.0), atol=1e-13)
    assert np.array_equal(old, kept)
    back = updated_inverse(moved, after, 3.0, after[changed], before[changed], 1e-12)
    np.testing.assert_allclose(back, old, atol=1e-13)


def test_a_column_that_the_inverse_has_wrong_is_refined():
    """An inverse that is off by 1e-6 does not spoil what the update solves for: the error stays, it does not grow."""
    before = rows(WIDE)
    after = before.copy()
    after.data[after.indptr[7] : after.indptr[8] : 2] = 0
    after.eliminate_zeros()
    exact = inverse_of(gram(before), 3.0)
    noise = np.random.default_rng(0).standard_normal(exact.shape) * 1e-6
    off = exact + (noise + noise.T) / 2
    refined, crude = (updated_inverse(off, before, 3.0, before[[7]], after[[7]], each) for each in (1e-13, np.inf))
    expected = inverse_of(gram(after), 3.0) + (off - exact)
    assert np.abs(refined - expected).max() < np.abs(crude - expected).max() / 100


def test_an_error_anywhere_in_the_inverse_shows():
    x, counts = rows(WIDE), gram(rows(WIDE))
    inverse = inverse_of(counts, 3.0)
    assert inverse_error(inverse, x, 3.0) < 1e-11
    for place in ((0, 0), (599, 3), (250, 300)):
        off = inverse.copy()
        off[place] += 1e-4
        assert inverse_error(off, x, 3.0) > 1e-4


def test_counts_passed_in_are_not_changed():
    mine = gram(rows())
    before = mine.copy()
    item_item_weights(mine, 1.0, neighbours=2)
    assert (mine != before).nnz == 0
    assert mine.nnz == before.nnz


def test_nothing_shared_gives_no_weights():
    nothing = gram(history_matrix(np.zeros(3, np.int64), np.empty(0, np.int32), 4))
    assert item_item_weights(nothing, 50.0, neighbours=2).nnz == 0
    assert weights_from(inverse_of(nothing, 50.0), degree_of(nothing)).nnz == 0


def test_single_precision_is_the_same_to_its_own_precision():
    counts = gram(rows(WIDE))
    single = inverse_of(counts, 2.0, np.float32)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, inverse_of(counts, 2.0), atol=1e-5)
    assert np.array_equal(single, single.T)


@pytest.mark.parametrize("reg", [0.0, -3.0, float("nan")])
def test_a_regulariser_that_is_none(reg: float):
    with pytest.raises(BadOption, match=rf"reg: got {reg}"):
        item_item_weights(gram(rows()), reg)


def test_a_ridge_too_small_for_float64():
    x = history_matrix(np.array([0, 2]), np.array([0, 1], dtype=np.int32), 2)
    with pytest.raises(BadOption, match="singular"):
        item_item_weights(gram(x), 1e-30)
