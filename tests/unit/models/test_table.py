"""Tables are values; their Adam is torch's, row by row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedshare.models.table import EPSILON, FIRST_DECAY, SECOND_DECAY, Table


def table(rows: int = 4) -> Table:
    return Table.random(rows, 3, 0, "test")


def gradients(n: int, rows: int = 4) -> list[torch.Tensor]:
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.normal(size=(rows, 3)).astype(np.float32)) for _ in range(n)]


def test_descend_is_adam():
    mine = table()
    theirs = torch.nn.Parameter(mine.values.clone())
    adam = torch.optim.Adam([theirs], lr=0.05, betas=(FIRST_DECAY, SECOND_DECAY), eps=EPSILON)
    for gradient in gradients(20):
        mine = mine.descend(gradient, 0.05)
        theirs.grad = gradient.clone()
        adam.step()
    torch.testing.assert_close(mine.values, theirs.detach(), atol=1e-6, rtol=1e-5)
    assert mine.steps.tolist() == [20] * 4


def test_rows_age_apart():
    start, (first, second) = table(), gradients(2)
    some = torch.tensor([1, 3])
    stepped = start.replace_rows(some, start.select(some).descend(first[some], 0.1))
    assert stepped.steps.tolist() == [0, 1, 0, 1]
    assert torch.equal(stepped.values[[0, 2]], start.values[[0, 2]])
    both = stepped.descend(second, 0.1)
    alone = start.descend(second, 0.1)  # rows 0 and 2 have seen nothing but the second gradient
    assert torch.equal(both.values[[0, 2]], alone.values[[0, 2]])
    assert not torch.equal(both.values[[1, 3]], alone.values[[1, 3]])


def test_nothing_is_changed_in_place():
    start = table()
    before = [part.clone() for part in start._parts()]
    start.descend(gradients(1)[0], 0.1)
    start.replace_rows(torch.tensor([0]), table().select([1]))
    start.with_values(torch.tensor([2]), torch.ones(1, 3))
    start.where(torch.tensor([True, False, True, False]), table())
    assert all(torch.equal(old, new) for old, new in zip(before, start._parts(), strict=True))


def test_no_gradient_no_move():
    start = table()
    assert torch.equal(start.descend(torch.zeros(4, 3), 0.1).values, start.values)


def test_with_values_forgets_the_moments_of_those_rows():
    trained = table().descend(gradients(1)[0], 0.1)
    changed = trained.with_values(torch.tensor([1]), torch.full((1, 3), 7.0))
    assert changed.values[1].tolist() == [7.0] * 3
    assert bool((changed.first[1] == 0).all())
    assert bool((changed.second[1] == 0).all())
    assert changed.steps.tolist() == [1, 0, 1, 1]
    assert torch.equal(changed.first[[0, 2, 3]], trained.first[[0, 2, 3]])


def test_where_takes_this_table_where_the_mask_holds():
    here, there = table(), table().descend(gradients(1)[0], 0.1)
    mixed = there.where(torch.tensor([True, False, False, True]), here)
    assert torch.equal(mixed.values[[0, 3]], there.values[[0, 3]])
    assert torch.equal(mixed.values[[1, 2]], here.values[[1, 2]])
    assert mixed.steps.tolist() == [1, 0, 0, 1]


def test_random_is_named():
    assert torch.equal(Table.random(3, 2, 0, "a").values, Table.random(3, 2, 0, "a").values)
    assert not torch.equal(Table.random(3, 2, 0, "a").values, Table.random(3, 2, 0, "b").values)
    assert not torch.equal(Table.random(3, 2, 0, "a").values, Table.random(3, 2, 1, "a").values)
    assert float(Table.random(2000, 8, 0, "a", scale=0.1).values.std()) == pytest.approx(0.1, rel=0.05)


def test_names_of_the_parts_lead_back():
    trained = table().descend(gradients(1)[0], 0.1)
    back = Table.from_tensors(trained.tensors("t"), "t")
    assert all(torch.equal(a, b) for a, b in zip(trained._parts(), back._parts(), strict=True))
    assert set(trained.tensors("t")) == {"t.values", "t.first", "t.second", "t.steps"}


def test_bytes_are_values_moments_and_steps():
    assert table().nbytes == 4 * (3 * 3 * 4 + 4)
    assert (len(table()), table().dim) == (4, 3)
