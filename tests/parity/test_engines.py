"""Engines agree: ``Batched`` with ``Sequential`` to 1e-5, everything with itself to the bit."""

from __future__ import annotations

import pytest
import torch

from fedshare.algorithms.fedmf import FedMF
from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.simulation.clients import draw_pseudo_items
from fedshare.simulation.engines import Batched, Engine, Sequential
from fedshare.simulation.run import Run
from fedshare.testing.contracts import EngineContract
from fedshare.testing.synthetic import run_bytes, same_run, small_fedshare, small_ledger
from fedshare.testing.synthetic import train_small as train


class TestOneAtATime(EngineContract):
    engine = Batched(clients_per_step=1)


class TestUnevenSteps(EngineContract):
    engine = Batched(clients_per_step=5)


class TestAllAtOnce(EngineContract):
    engine = Batched()


class TestWithNoise(EngineContract):
    engine = Batched(clients_per_step=5)
    options = {"noise_multiplier": 0.05, "clip_norm": 2.0}  # noqa: RUF012


class TestHalfTakePart(EngineContract):
    engine = Batched(clients_per_step=3)
    options = {"participation": 0.5}  # noqa: RUF012


class TestHalfTakePartWithNoise(EngineContract):
    engine = Batched(clients_per_step=3)
    options = {"participation": 0.5, "noise_multiplier": 0.05, "clip_norm": 1.0}  # noqa: RUF012


class TestClippedBpr(EngineContract):
    engine = Batched(clients_per_step=4)
    options = {"ranking": "bpr", "clip_norm": 0.5, "local_epochs": 2}  # noqa: RUF012


class TestGraphAlone(EngineContract):
    engine = Batched(clients_per_step=4)
    options = {"item_item": None, "layers": 1}  # noqa: RUF012


class TestQuantised(EngineContract):
    engine = Batched(clients_per_step=5)
    options = {"quantise_bits": 8, "clip_norm": 2.0}  # noqa: RUF012


class TestSequential(EngineContract):
    engine = Sequential()


@pytest.mark.parametrize("engine", [Batched(), Batched(clients_per_step=3), Sequential()])
def test_the_same_seed_gives_the_same_bits_and_another_does_not(engine: Engine):
    ledger = small_ledger()
    first, second, other = (train(small_fedshare(), ledger, rounds=2, seed=s, engine=engine) for s in (1, 1, 2))
    assert same_run(first, second)
    assert not same_run(first, other)


def test_noise_changes_the_server_and_is_the_same_again():
    ledger = small_ledger()
    quiet, noisy, again = (train(small_fedshare(noise_multiplier=n), ledger, rounds=2, seed=1) for n in (0.0, 0.1, 0.1))
    assert same_run(noisy, again)
    assert not torch.equal(quiet.server.state.tables["items"].values, noisy.server.state.tables["items"].values)


def test_the_same_bits_with_one_thread_and_with_two():
    ledger = small_ledger(n_users=250, n_items=400)
    algorithm = small_fedshare(embedding_size=32, pseudo_items=60, negatives=200)

    def trained(threads: int) -> dict[str, bytes]:
        torch.set_num_threads(threads)
        return run_bytes(train(algorithm, ledger, rounds=3, seed=1))

    try:
        assert trained(1) == trained(2)
    finally:
        torch.set_num_threads(1)


SIZES = {"embedding_size": 8, "pseudo_items": 10, "pseudo_ratio": 1.0}


@pytest.mark.parametrize("options", [{}, {"participation": 0.5, "noise_multiplier": 0.1}, {"ranking": "bpr"}])
def test_fedshare_with_nothing_shared_is_fedmf_to_the_bit(options: dict):
    ledger = small_ledger(0.0)
    assert ledger.sharers() == []
    fedshare = train(FedShare(**SIZES, **options), ledger, rounds=3, seed=1)
    fedmf = train(FedMF(**SIZES, **options), ledger, rounds=3, seed=1)
    assert run_bytes(fedshare) == run_bytes(fedmf)
    user = ledger.users()[0]
    assert fedshare.recommend(user) == fedmf.recommend(user)


def test_fedmf_does_not_look_at_what_is_shared():
    nothing, half = (train(FedMF(**SIZES), small_ledger(share), rounds=3, seed=1) for share in (0.0, 0.5))
    assert torch.equal(nothing.server.state.tables["items"].values, half.server.state.tables["items"].values)
    assert set(nothing.devices.private) == set(half.devices.private) != set()
    for name, rows in nothing.devices.private.items():
        assert torch.equal(rows, half.devices.private[name])


def rows_asked_for(run: Run, pseudo_items: int, pseudo_ratio: float) -> int:
    """Item rows that all devices together ask for in a round."""
    known = run.devices.population().histories
    offsets, items = run.ledger.device_pairs()
    names, n_items = run.known.users.ids, run.known.n_items
    pseudo = draw_pseudo_items(offsets, items, names, n_items, pseudo_items, pseudo_ratio, run.seed)
    return int(known.counts.sum()) + len(pseudo[1])


def test_bytes_are_counted_message_by_message():
    """Sequential weighs its messages; what one round moves can also be worked out by hand."""
    ledger = small_ledger()
    run = train(small_fedshare(item_item=None), ledger, rounds=1, seed=1, engine=Sequential())
    rows = rows_asked_for(run, 10, 1.0)
    row_bytes, view_bytes, people = 4 + 8 * 4, 8 * 4, run.known.n_users
    assert run.cost.bytes_up_per_client == rows * row_bytes / people
    popularity = 4 * run.known.n_items
    views = len(ledger.sharers()) * view_bytes
    assert run.cost.bytes_down_per_client == (rows * row_bytes + views) / people + popularity
