from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from fedshare.rng import stream


def draw(seed: int, *names: str | int) -> list[int]:
    return stream(seed, *names).integers(1 << 30, size=4).tolist()


def test_the_same_names_give_the_same_numbers_in_any_order():
    first = draw(7, "client", 3), draw(7, "client", 4)
    second = draw(7, "client", 4), draw(7, "client", 3)
    assert first == second[::-1]


def test_every_name_counts():
    streams = [
        draw(7),
        draw(8),
        draw(7, "a"),
        draw(7, "b"),
        draw(7, "a", "b"),
        draw(7, "b", "a"),
        draw(7, "ab"),
        draw(7, 1),
        draw(7, "1"),
        draw(7, 1, 2),
        draw(7, 12),
    ]
    assert len({tuple(each) for each in streams}) == len(streams)


def test_the_numbers_do_not_change_between_releases():
    """Runs on disk name their seeds: another generator would make another run of the same name."""
    assert draw(7, "client", 3) == [*GOLDEN]


def test_whole_numbers_are_the_same_whatever_their_type():
    assert draw(7, "round", np.int64(3)) == draw(7, "round", 3)  # type: ignore[arg-type]
    assert draw(np.int64(7), "round", 3) == draw(7, "round", 3)  # type: ignore[arg-type]


def test_nothing_seeds_the_process():
    before = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()  # noqa: NPY002
    draw(7, "a")
    after = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()  # noqa: NPY002
    assert before == after


@pytest.mark.parametrize("names", [("Zoë",), ("a b",), ("",), ("üñ", 3)])
def test_any_text_is_a_name(names: tuple):
    assert draw(0, *names) == draw(0, *names)


GOLDEN = (434499905, 407972610, 841186425, 531107606)
