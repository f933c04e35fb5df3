"""Counts of shared histories: what they are, and that taking rows out leaves no trace."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import sparse

from fedshare.data.synthetic import random_world
from fedshare.models.gram import canonical, degree_of, digest, gram, history_matrix, updated_gram

WORLD = random_world(4, n_users=20, n_items=12, n_pairs=90)


def rows(keep: np.ndarray | None = None) -> sparse.csr_matrix:
    world = WORLD if keep is None else WORLD.select(keep)
    return history_matrix(world.offsets, world.item, world.n_items)


def parts(matrix: sparse.csr_matrix) -> list[bytes]:
    return [part.tobytes() for part in (matrix.indptr, matrix.indices, matrix.data)]


def test_rows_are_the_histories():
    dense = rows().toarray()
    for user in range(WORLD.n_users):
        assert np.flatnonzero(dense[user]).tolist() == WORLD.items_of(user).tolist()
    assert set(np.unique(dense)) == {0, 1}


def test_gram_counts_histories_that_hold_both():
    mine = gram(rows())
    assert {part.dtype for part in (mine.indptr, mine.indices, mine.data)} == {np.dtype(np.int32)}
    for i in range(WORLD.n_items):
        for j in range(WORLD.n_items):
            both = sum(i in row and j in row for row in map(WORLD.items_of, range(WORLD.n_users)))
            assert mine[i, j] == both


def test_the_degree_of_an_item_is_how_many_have_it():
    assert degree_of(gram(rows())).tolist() == np.bincount(WORLD.item, minlength=WORLD.n_items).tolist()


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_rows_that_change_leave_the_bytes_of_rows_that_were_so_from_the_start(kept: float):
    keep = np.random.default_rng(3).random(WORLD.n_pairs) < kept
    before, after = rows(), rows(keep)
    changed = np.unique(WORLD.user[~keep])
    moved = updated_gram(gram(before), before[changed], after[changed])
    assert parts(moved) == parts(gram(after))
    assert parts(updated_gram(moved, after[changed], before[changed])) == parts(gram(before))


def test_equal_matrices_have_one_form_and_one_digest():
    mine = gram(rows())
    shuffled = sparse.csr_matrix(
        (np.concatenate([mine.tocoo().data[::-1], [0]]),
         (np.concatenate([mine.tocoo().row[::-1], [3]]), np.concatenate([mine.tocoo().col[::-1], [3]]))),
        shape=mine.shape, dtype=np.int64,
    )  # fmt: skip
    assert parts(canonical(shuffled)) == parts(mine)
    assert digest(canonical(shuffled)) == digest(mine)
    other = mine.copy()
    other.data[0] += 1
    assert digest(other) != digest(mine)


def test_a_digest_is_of_the_bytes_that_its_words_say():
    """Written down, so that somebody else can compute it: size, numbers stored, kind; then three arrays of 4 bytes."""
    mine = gram(history_matrix(np.array([0, 2]), np.array([0, 2], dtype=np.int32), 3))
    arrays = [[0, 2, 2, 4], [0, 2, 0, 2], [1, 1, 1, 1]]
    text = b"fedshare csr 1\n3 4 i\n" + b"".join(np.array(each, dtype="<i4").tobytes() for each in arrays)
    assert digest(mine) == hashlib.sha256(text).hexdigest()
