"""Ragged products against loops, and their gradients against a dense twin."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedshare.models.ragged import Ragged

LISTS = {
    "plain": ([[0, 2], [1], [0, 1, 3]], 4),
    "empty owners": ([[], [2, 1], [], [], [0], []], 5),
    "one owner": ([[3, 0]], 4),
    "nothing": ([[], []], 3),
    "nobody": ([], 3),
}


@pytest.fixture(params=LISTS)
def lists(request: pytest.FixtureRequest) -> tuple[list[list[int]], int]:
    return LISTS[request.param]


def pattern_of(rows: list[list[int]], n_columns: int) -> Ragged:
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Ragged.from_numpy(offsets, np.array([c for row in rows for c in row], dtype=np.int32), n_columns)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def test_dot_is_one_inner_product_per_pair(lists):
    rows, n_columns = lists
    vectors, table = numbers(len(rows), 3), numbers(n_columns, 3, seed=1)
    expected = [
        sum(float(vectors[u, k]) * float(table[c, k]) for k in range(3)) for u, row in enumerate(rows) for c in row
    ]
    assert pattern_of(rows, n_columns).dot(vectors, table).tolist() == pytest.approx(expected, abs=1e-5)


def test_gather_and_scatter_are_weighted_sums(lists):
    rows, n_columns = lists
    pattern = pattern_of(rows, n_columns)
    vectors, table, weights = numbers(len(rows), 3), numbers(n_columns, 3, seed=1), numbers(pattern.n_slots, seed=2)
    gathered, scattered = np.zeros((len(rows), 3)), np.zeros((n_columns, 3))
    slot = 0
    for u, row in enumerate(rows):
        for c in row:
            gathered[u] += weights[slot].item() * table[c].numpy()
            scattered[c] += weights[slot].item() * vectors[u].numpy()
            slot += 1
    np.testing.assert_allclose(pattern.gather(weights, table).numpy(), gathered, atol=1e-5)
    np.testing.assert_allclose(pattern.scatter(weights, vectors).numpy(), scattered, atol=1e-5)


def test_sum_and_spread_go_owner_by_owner(lists):
    rows, n_columns = lists
    pattern = pattern_of(rows, n_columns)
    values = torch.arange(pattern.n_slots, dtype=torch.float32) + 1
    slots = iter(values.tolist())
    assert pattern.sum(values).tolist() == [sum(next(slots) for _ in row) for row in rows]
    of_owner = torch.arange(len(rows)) * 10
    assert pattern.spread(of_owner).tolist() == [10 * u for u, row in enumerate(rows) for _ in row]


def test_counts_and_owners(lists):
    rows, n_columns = lists
    pattern = pattern_of(rows, n_columns)
    assert pattern.counts.tolist() == [len(row) for row in rows]
    assert pattern.owners.tolist() == [u for u, row in enumerate(rows) for _ in row]
    assert pattern.column_counts.tolist() == [sum(row.count(c) for row in rows) for c in range(n_columns)]
    assert (pattern.n_owners, pattern.n_slots) == (len(rows), sum(map(len, rows)))


@pytest.mark.parametrize("chosen", [[], [1], [2, 0], [0, 0, 2], [2, 1, 0]])
def test_select_keeps_the_given_order(chosen: list[int]):
    rows, n_columns = LISTS["plain"]
    some = pattern_of(rows, n_columns).select(torch.tensor(chosen, dtype=torch.long))
    assert [some.columns[some.owners == place].tolist() for place in range(len(chosen))] == [rows[u] for u in chosen]
    assert some.n_columns == n_columns


def test_select_of_owners_without_slots():
    rows, n_columns = LISTS["empty owners"]
    some = pattern_of(rows, n_columns).select(torch.tensor([0, 5]))
    assert (some.n_owners, some.n_slots) == (2, 0)


def test_dot_has_the_gradient_of_a_dense_product(lists):
    rows, n_columns = lists
    pattern = pattern_of(rows, n_columns)
    up = numbers(pattern.n_slots, seed=2)
    sparse = [numbers(len(rows), 3).requires_grad_(), numbers(n_columns, 3, seed=1).requires_grad_()]
    dense = [each.detach().double().requires_grad_() for each in sparse]
    (pattern.dot(*sparse) * up).sum().backward()
    owners, columns = pattern.owners.long(), pattern.columns.long()
    ((dense[0] @ dense[1].T)[owners, columns] * up.double()).sum().backward()
    for mine, reference in zip(sparse, dense, strict=True):
        assert mine.grad is not None
        expected = torch.zeros_like(reference) if reference.grad is None else reference.grad
        torch.testing.assert_close(mine.grad.double(), expected, atol=1e-5, rtol=1e-5)


def test_dot_has_the_gradient_of_finite_differences():
    rows, n_columns = LISTS["plain"]
    pattern = pattern_of(rows, n_columns)
    vectors, table, step = numbers(3, 2).requires_grad_(), numbers(4, 2, seed=1), 1e-2

    def loss(vectors: torch.Tensor) -> torch.Tensor:
        return (pattern.dot(vectors, table) ** 2).sum()

    (gradient,) = torch.autograd.grad(loss(vectors), vectors)
    for place in np.ndindex(3, 2):
        nudge = torch.zeros(3, 2)
        nudge[place] = step
        slope = (loss(vectors.detach() + nudge) - loss(vectors.detach() - nudge)) / (2 * step)  # exact: a square
        assert float(gradient[place]) == pytest.approx(float(slope), abs=1e-3)


def test_gradient_is_given_to_one_factor_alone():
    rows, n_columns = LISTS["plain"]
    vectors, table = numbers(3, 2), numbers(n_columns, 2, seed=1).requires_grad_()
    pattern_of(rows, n_columns).dot(vectors, table).sum().backward()
    assert vectors.grad is None
    assert table.grad is not None


def test_the_same_bits_with_one_thread_and_with_two():
    generator = np.random.default_rng(0)
    rows = [np.sort(generator.choice(500, size=40, replace=False)).tolist() for _ in range(300)]
    vectors, table, weights = numbers(300, 48), numbers(500, 48, seed=1), numbers(300 * 40, seed=2)

    def products(threads: int) -> list[bytes]:
        torch.set_num_threads(threads)
        pattern = pattern_of(rows, 500)
        parts = pattern.dot(vectors, table), pattern.gather(weights, table), pattern.scatter(weights, vectors)
        return [part.numpy().tobytes() for part in (*parts, pattern.sum(weights))]

    try:
        assert products(1) == products(2)
    finally:
        torch.set_num_threads(1)


def test_shapes_are_checked_while_tests_run():
    rows, n_columns = LISTS["plain"]
    with pytest.raises(Exception, match="dim"):
        pattern_of(rows, n_columns).dot(numbers(3, 2), numbers(n_columns, 5))
