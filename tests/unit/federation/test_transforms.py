"""Clipping, quantising, noise: the chain and its bounds; cohorts, messages, bytes."""

from __future__ import annotations

import math
from dataclasses import asdict, fields

import numpy as np
import pytest
import torch

from fedshare.errors import BadOption, CohortTooSmall
from fedshare.federation.messages import ClientUpdate, Download
from fedshare.federation.orders import Aggregate, Outscored, Votes
from fedshare.federation.transforms import (
    TRANSFORMS,
    Clip,
    Noise,
    Quantise,
    Transform,
    Whose,
    apply_chain,
    chain_bound,
    value_bytes,
)
from fedshare.federation.uploads import Dense, Rows, Uploads
from fedshare.models.ragged import Ragged
from fedshare.simulation.engines import Batched, sample_cohort

WHOSE = Whose(0, 1, ["ann", "bob", "cleo"])


def uploads(scale: float = 1.0, dim: int = 4) -> Uploads:
    rng = np.random.default_rng(0)
    pattern = Ragged(torch.tensor([0, 2, 5, 5]), torch.tensor([0, 3, 1, 2, 3]), 6)
    values = torch.from_numpy(scale * rng.normal(size=(5, dim)).astype(np.float32))
    dense = torch.from_numpy(scale * rng.normal(size=(3, 2, 2)).astype(np.float32))
    return Uploads.of(tables={"items": Rows(pattern, values)}, arrays={"net": Dense(dense)})


def written(some: Uploads, device: int) -> torch.Tensor:
    parts = some.written_out().parts.values()
    return torch.cat([part.of_device(device).reshape(-1) for part in parts])  # type: ignore[union-attr]


def test_norms_and_sums_are_those_of_single_uploads():
    some = uploads()
    norms = torch.stack([written(some, device).norm() for device in range(3)])
    torch.testing.assert_close(some.norms(), norms)
    total = torch.zeros(6, 4)
    rows = some.tables["items"].written_out()
    assert isinstance(rows, Rows)
    for device, items in enumerate(([0, 3], [1, 2, 3], [])):
        total[items] += rows.of_device(device)
    torch.testing.assert_close(some.tables["items"].total(), total)
    torch.testing.assert_close(some.arrays["net"].total(), sum(written(some, d)[-4:].reshape(2, 2) for d in range(3)))


def test_scaling_is_device_by_device():
    some, factors = uploads(), torch.tensor([1.0, 0.5, 3.0])
    for device, factor in enumerate(factors.tolist()):
        torch.testing.assert_close(written(some.scaled(factors), device), factor * written(some, device))


def test_clipping_brings_norms_down_to_the_bound_and_leaves_others():
    some = uploads()
    before, after = some.norms(), apply_chain([Clip(2.0)], some, WHOSE).norms()
    assert (before > 2.0).any()
    torch.testing.assert_close(after, before.clamp(max=2.0))


def test_every_link_says_its_bound():
    chain = (Clip(5.0), Clip(2.0), Quantise(8), Noise(0.5))
    assert chain_bound(()) == math.inf
    assert chain_bound(chain[:1]) == 5.0
    assert chain_bound(chain) == 2.0
    assert chain_bound((Clip(2.0), Clip(5.0))) == 2.0  # a looser bound later on loosens nothing
    assert Noise(0.5).scale(2.0) == 1.0


def test_noise_has_the_scale_of_the_clip_bound():
    """Its standard deviation is the multiplier times the bound, whatever the upload; a distribution test."""
    n = 400
    pattern = Ragged(torch.tensor([0, n]), torch.arange(n), n)
    nothing = Uploads.of(tables={"items": Rows(pattern, torch.zeros(n, 32))})
    for bound, multiplier in ((2.0, 0.5), (10.0, 0.5), (10.0, 0.1)):
        noisy = apply_chain([Clip(bound), Noise(multiplier)], nothing, Whose(0, 1, ["ann"])).tables["items"]
        for values in (noisy.total(), noisy.written_out().values):
            assert float(values.std()) == pytest.approx(bound * multiplier, rel=0.03)
            assert abs(float(values.mean())) < 4 * bound * multiplier / math.sqrt(values.numel())
        assert torch.equal(noisy.total(), noisy.written_out().total())


def test_noise_is_named_after_person_part_round_and_seed():
    def drawn(seed: int, round_number: int, names: list[str]) -> bytes:
        some = apply_chain([Clip(1.0), Noise(1.0)], uploads(0.0), Whose(seed, round_number, names))
        return written(some, 0).numpy().tobytes()

    seen = {drawn(seed, number, [name, "b", "c"]) for seed in (0, 1) for number in (1, 2) for name in ("ann", "bob")}
    assert len(seen) == 8
    assert drawn(0, 1, ["ann", "b", "c"]) == drawn(0, 1, ["ann", "x", "y"])


def test_quantised_numbers_stand_on_the_grid_and_no_norm_grows():
    some = apply_chain([Clip(2.0)], uploads(), WHOSE)
    rounded = apply_chain([Clip(2.0), Quantise(6)], uploads(), WHOSE)
    step = Quantise(6).step(2.0)
    for device in range(3):
        places = written(rounded, device) / step
        torch.testing.assert_close(places, places.round(), atol=1e-4, rtol=0)
    assert bool((rounded.norms() <= some.norms() + 1e-6).all())
    assert float((written(some, 1) - written(rounded, 1)).abs().max()) < step
    assert value_bytes([Clip(2.0), Quantise(6)]) == 0.75
    assert value_bytes([Clip(2.0)]) == 4


def test_no_chain_changes_nothing():
    some = uploads()
    assert apply_chain([], some, WHOSE) is some
    assert value_bytes([]) == 4


def test_a_whole_upload_is_scaled_by_one_factor():
    some = uploads()
    clipped = apply_chain([Clip(0.5)], some, WHOSE)
    for device in range(3):
        factor = min(1.0, 0.5 / float(some.norms()[device]))
        torch.testing.assert_close(written(clipped, device), factor * written(some, device))


def test_noise_of_devices_and_of_parts_has_nothing_in_common():
    """Correlations within five standard deviations, and every device's own noise in the sum."""
    n = 4000
    pattern = Ragged(torch.tensor([0, n, 2 * n]), torch.cat([torch.arange(n)] * 2), n)
    nothing = {name: Rows(pattern, torch.zeros(2 * n, 1)) for name in ("items", "others")}
    noisy = apply_chain([Clip(1.0), Noise(1.0)], Uploads.of(tables=nothing), Whose(0, 1, ["ann", "bob"]))
    drawn = [part.written_out().of_device(device)[:, 0] for part in noisy.tables.values() for device in (0, 1)]
    correlated = np.corrcoef(np.stack([each.numpy() for each in drawn]))
    assert np.abs(correlated - np.eye(4)).max() < 5 / math.sqrt(n)
    assert float(noisy.tables["items"].total().std()) == pytest.approx(math.sqrt(2), rel=0.05)


def test_noise_of_nothing_is_none():
    some = apply_chain([Clip(2.0)], uploads(), WHOSE)
    assert torch.equal(Noise(0.0)(some, WHOSE, 2.0).tables["items"].total(), some.tables["items"].total())


def test_quantising_rounds_towards_zero_and_to_what_stands_on_the_grid_already():
    step = Quantise(3).step(6.0)
    assert step == 2.0
    rows = Rows(Ragged(torch.tensor([0, 4]), torch.arange(4), 4), torch.tensor([[3.9], [-3.9], [2.0], [-0.1]]))
    rounded = Quantise(3)(Uploads.of(tables={"items": rows}), WHOSE, 6.0)
    assert rounded.tables["items"].total().flatten().tolist() == [2.0, -2.0, 2.0, 0.0]
    assert torch.equal(Quantise(3)(rounded, WHOSE, 6.0).tables["items"].total(), rounded.tables["items"].total())


@pytest.mark.parametrize("bits", [2, 5, 12, 24])
def test_coarser_grids_lose_more_and_no_norm_grows(bits: int):
    for scale in (0.1, 1.0, 30.0):
        bounded = apply_chain([Clip(2.0)], uploads(scale), WHOSE)
        rounded = apply_chain([Clip(2.0), Quantise(bits)], uploads(scale), WHOSE)
        assert bool((rounded.norms() <= bounded.norms() * (1 + 1e-6)).all())
        for device in range(3):
            lost = (written(bounded, device) - written(rounded, device)).abs()
            assert float(lost.max()) <= Quantise(bits).step(2.0) * (1 + 1e-4)


def test_every_transform_is_made_again_of_its_name_and_plain_values():
    for link in (Clip(2.0), Quantise(8), Noise(0.5)):
        assert isinstance(link, Transform)
        assert TRANSFORMS[link.name](**asdict(link)) == link
    assert set(TRANSFORMS) == {"clip", "quantise", "noise"}


@pytest.mark.parametrize("link", [Noise(0.5), Quantise(8)])
def test_what_is_relative_to_a_bound_needs_one(link: Noise | Quantise):
    with pytest.raises(BadOption, match="clip_norm"):
        apply_chain([link], uploads(), WHOSE)


@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        (Clip, 0.0, "clip_norm"),
        (Clip, -1.0, "clip_norm"),
        (Quantise, 1, "quantise_bits"),
        (Quantise, 25, "quantise_bits"),
        (Noise, -0.1, "noise_multiplier"),
    ],
)
def test_a_bad_option_is_named(kind: type, value: float, name: str):
    with pytest.raises(BadOption, match=f"{name}: got {value}"):
        kind(value)


@pytest.mark.parametrize(("participation", "size"), [(1.0, 10), (0.5, 5), (0.01, 1)])
def test_a_cohort_is_a_part_of_everybody(participation: float, size: int):
    users = sample_cohort(10, participation, 0, 1).tolist()
    assert users == sorted(set(users))
    assert len(users) == size
    assert set(users) <= set(range(10))


def test_cohorts_change_with_round_and_seed_and_come_again():
    rounds = [sample_cohort(40, 0.3, 0, number).tolist() for number in range(1, 6)]
    assert len({tuple(each) for each in rounds}) == 5
    assert rounds[2] == sample_cohort(40, 0.3, 0, 3).tolist()
    assert rounds[2] != sample_cohort(40, 0.3, 1, 3).tolist()


def test_bytes_are_indices_values_and_the_view():
    rows, values = torch.tensor([1, 4]), {"items": torch.zeros(2, 8)}
    assert Download(rows, values, {}, None).nbytes == 2 * (4 + 32)
    assert Download(rows, values, {}, {"view": torch.zeros(8)}).nbytes == 2 * (4 + 32) + 32
    assert Download(rows, values, {"net": torch.zeros(3)}, None, whole=True).nbytes == 2 * 32 + 12
    assert ClientUpdate(rows, values, {}).nbytes == 2 * (4 + 32)
    assert ClientUpdate(rows, values, {"net": torch.zeros(3)}, value_bytes=2.0).nbytes == 2 * (4 + 16) + 6


def test_nothing_else_crosses():
    assert [each.name for each in fields(Download)] == ["rows", "tables", "arrays", "personal", "whole"]
    assert [each.name for each in fields(ClientUpdate)] == ["rows", "tables", "arrays", "whole", "value_bytes"]


def test_an_answer_cannot_be_made_of_fewer_people_than_it_must_be():
    with pytest.raises(CohortTooSmall, match="9 people, expected 10"):
        Aggregate(n_people=9, min_cohort=10, tables={})
    with pytest.raises(CohortTooSmall, match="--min-cohort 9"):
        Outscored(n_people=9, min_cohort=10)
    with pytest.raises(CohortTooSmall):
        Votes(n_people=9, min_cohort=10)
    assert Votes(n_people=0, min_cohort=10).totals == ()
    assert Aggregate(n_people=10, min_cohort=10, tables={}).n_people == 10


@pytest.mark.parametrize("size", [0, -1])
def test_a_step_without_clients(size: int):
    with pytest.raises(BadOption, match=f"clients_per_step: got {size}"):
        Batched(clients_per_step=size)
