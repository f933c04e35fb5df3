"""Clipping, noise, cohorts, messages, sums."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from fedshare.errors import BadOption
from fedshare.federation.aggregation import add_updates
from fedshare.federation.tasks import sample_cohort
from fedshare.simulation.engines import Batched
from fedshare.federation.messages import ClientUpdate, Download, download_bytes, update_bytes
from fedshare.federation.transforms import clip_factors, local_noise


def test_factors_bring_norms_down_to_the_bound():
    norms = torch.tensor([0.0, 0.5, 2.0, 10.0])
    factors = clip_factors(norms, 2.0)
    assert factors.tolist() == pytest.approx([1.0, 1.0, 1.0, 0.2])
    assert clip_factors(norms, None).tolist() == [1.0] * 4


def test_noise_is_named_after_person_and_round():
    shape = (3, 4)
    assert torch.equal(local_noise(shape, 2.0, 0, "ann", 1), local_noise(shape, 1.0, 0, "ann", 1) * 2)
    seen = {
        local_noise(shape, 1.0, seed, user, number).numpy().tobytes()
        for seed in (0, 1)
        for user in ("ann", "bob")
        for number in (1, 2)
    }
    assert len(seen) == 8


def test_noise_has_the_scale_it_is_given():
    noise = local_noise((500, 40), 3.0, 0, "ann", 1)
    assert float(noise.std()) == pytest.approx(3.0, rel=0.02)
    assert abs(float(noise.mean())) < 0.1


@pytest.mark.parametrize(("participation", "size"), [(1.0, 10), (0.5, 5), (0.01, 1)])
def test_a_cohort_is_a_part_of_everybody(participation: float, size: int):
    users = sample_cohort(10, participation, 0, 1).tolist()
    assert users == sorted(set(users))
    assert len(users) == size
    assert set(users) <= set(range(10))


def test_cohorts_change_from_round_to_round_and_come_again():
    rounds = [sample_cohort(40, 0.3, 0, number).tolist() for number in range(1, 6)]
    assert len({tuple(each) for each in rounds}) == 5
    assert rounds[2] == sample_cohort(40, 0.3, 0, 3).tolist()


def test_a_sum_of_updates_is_the_loop_in_any_order():
    rng = np.random.default_rng(0)
    updates = []
    total = np.zeros((6, 3))
    for _ in range(5):
        rows = np.sort(rng.choice(6, size=3, replace=False))
        values = rng.normal(size=(3, 3)).astype(np.float32)
        total[rows] += values
        updates.append(ClientUpdate(torch.from_numpy(rows), torch.from_numpy(values)))
    np.testing.assert_allclose(add_updates(updates, 6, 3).numpy(), total, atol=1e-5)
    torch.testing.assert_close(add_updates(updates[::-1], 6, 3), add_updates(updates, 6, 3), atol=1e-5, rtol=0)
    assert not add_updates([], 6, 3).any()


def test_bytes_are_indices_values_and_the_view():
    rows, values = torch.tensor([1, 4]), torch.zeros(2, 8)
    assert Download(rows, values, None).nbytes == download_bytes(2, 8, False) == 2 * (4 + 32)
    assert Download(rows, values, torch.zeros(8)).nbytes == download_bytes(2, 8, True) == 2 * (4 + 32) + 32
    assert ClientUpdate(rows, values).nbytes == update_bytes(2, 8) == 2 * (4 + 32)


def test_nothing_else_crosses():
    assert [each.name for each in fields(Download)] == ["rows", "values", "global_view"]
    assert [each.name for each in fields(ClientUpdate)] == ["rows", "values"]


@pytest.mark.parametrize("size", [0, -1])
def test_a_step_without_clients(size: int):
    with pytest.raises(BadOption, match=f"clients_per_step: got {size}"):
        Batched(clients_per_step=size)
