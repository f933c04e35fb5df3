"""Masked sums: exact in the sum, noise in each part, loud when something is missing."""

from __future__ import annotations

import numpy as np
import pytest

from fedshare.errors import BadOption, TooSmall
from fedshare.federation.masking import accumulator_dtype, masked, sum_of_masked
from fedshare.federation.messages import MaskedContribution


def numbers(n_devices: int, most: int = 1, n_values: int = 4000) -> np.ndarray:
    drawn = np.random.default_rng(1).integers(0, most + 1, (n_devices, n_values))
    return drawn.astype(accumulator_dtype(n_devices, most))


def uploads(values: np.ndarray, seed: int = 0, label: str = "here") -> list[MaskedContribution]:
    return [masked(own, device, len(values), seed, label) for device, own in enumerate(values)]


@pytest.mark.parametrize(("n_devices", "most"), [(3, 1), (7, 1), (20, 5000), (5, 2**40)])
def test_the_sum_is_the_sum(n_devices: int, most: int):
    values = numbers(n_devices, most)
    assert np.array_equal(sum_of_masked(uploads(values), n_devices, most), values.astype(np.int64).sum(0))


def test_words_hold_what_they_have_to():
    assert accumulator_dtype(65_535) == np.uint16
    assert accumulator_dtype(65_536) == np.uint32
    assert accumulator_dtype(3, 2**31) == np.uint64
    with pytest.raises(BadOption, match="does not fit 64 bits"):
        accumulator_dtype(2**40, 2**40)


@pytest.mark.parametrize("n_devices", [0, 1, 2])
def test_a_sum_of_two_hides_neither(n_devices: int):
    with pytest.raises(TooSmall, match=f"got {n_devices} devices"):
        accumulator_dtype(n_devices)


def test_an_upload_alone_looks_like_any_other():
    """Uniform over all words, whether the device has nothing or everything: correlation within five deviations."""
    nothing, everything = np.zeros(20_000, np.uint16), np.ones(20_000, np.uint16)
    for own in (nothing, everything):
        sent = masked(own, 1, 5, 0, "here").values.astype(float)
        assert abs(sent.mean() / 65_535 - 0.5) < 5 * np.sqrt(1 / 12 / 20_000)
        assert abs(np.corrcoef(sent[:-1], sent[1:])[0, 1]) < 5 / np.sqrt(20_000)


def test_masks_are_new_in_each_collection_and_for_each_seed():
    own = np.zeros(100, np.uint16)
    sent = [masked(own, 1, 5, seed, label).values.tobytes() for seed, label in ((0, "a"), (0, "b"), (1, "a"))]
    assert len(set(sent)) == 3


def test_a_missing_upload_is_told():
    values = numbers(6)
    with pytest.raises(BadOption, match="got 5 of 6 uploads"):
        sum_of_masked(uploads(values)[1:], 6)


def test_an_upload_of_another_collection_is_told():
    values = numbers(6)
    mixed = [*uploads(values)[:5], uploads(values, label="elsewhere")[5]]
    with pytest.raises(BadOption, match="Collect again"):
        sum_of_masked(mixed, 6)


def test_what_crosses_is_as_large_as_it_says():
    assert masked(np.zeros(100, np.uint16), 0, 3, 0, "here").nbytes == 200
