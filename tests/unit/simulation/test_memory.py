"""Trainings that cannot fit into memory are refused before anything is allocated."""

from __future__ import annotations

import pytest

from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.algorithms.popularity import Popularity
from fedshare.errors import BadOption
from fedshare.simulation.memory import available_bytes, check_memory
from fedshare.testing.synthetic import small_ledger


def test_what_fits_is_let_through():
    ledger = small_ledger()  # 14 people, 30 items
    assert available_bytes() > 1 << 20
    for algorithm in (FedShare(), Popularity()):
        check_memory(algorithm, ledger)
    check_memory(FedShare(embedding_size=100), ledger, available=4 * 44 * 4 * 100)


def test_what_does_not_is_refused_with_an_estimate_and_a_bound():
    ledger = small_ledger()
    with pytest.raises(BadOption, match=r"^embedding_size: got 101, .* 14 people and 30 items.*at most 100\."):
        check_memory(FedShare(embedding_size=101), ledger, available=4 * 44 * 4 * 100)
    with pytest.raises(BadOption, match=r"^embedding_size: got 10,000,000,000, .* 6,556\.5 GiB .*at most 16,384\."):
        check_memory(FedShare(embedding_size=10**10), ledger, available=1 << 34)
    with pytest.raises(BadOption, match=r"^negatives: got 1,000,000,000,000,"):
        check_memory(FedShare(negatives=10**12), ledger)
