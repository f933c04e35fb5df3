"""Newcomers get something at once, and nothing leaves their device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedshare.data.synthetic import two_taste_world
from fedshare.errors import RequestMismatch
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import ShareEverything
from fedshare.simulation.run import Run
from fedshare.testing.synthetic import small_fedshare, small_ledger
from fedshare.testing.synthetic import train_small as train


@pytest.fixture(scope="module")
def run() -> Run:
    """Even people like even items, odd people odd ones."""
    known = two_taste_world(n_users=40, n_items=40, liked_share=0.6)
    return train(small_fedshare(item_item=None, embedding_size=16), share(known, ShareEverything()), rounds=30)


def grown(run: Run) -> Ledger:
    items = [item for item in run.ledger.ids[1] if int(item[1:]) % 2 == 0][:5]
    return run.ledger.observe([("even", item) for item in items], users=["nothing"], items=["brand new"], now=1)


def test_a_newcomer_gets_their_own_taste(run: Run) -> None:
    listed = [each.item for each in run.following(grown(run)).recommend("even", k=10)]
    assert sum(int(item[1:]) % 2 == 0 for item in listed) >= 9
    assert not set(listed) & set(grown(run).private_items("even"))


def test_who_has_bought_nothing_gets_what_is_shared_most(run: Run) -> None:
    listed = run.following(grown(run)).recommend("nothing", k=5)
    counts = run.server.view.item
    degree = np.bincount(counts, minlength=40)
    best = sorted(degree.tolist(), reverse=True)[:5]
    assert [degree[run.known.items.index(each.item)] for each in listed] == best
    assert "shar" in listed.note


def test_everybody_else_is_as_before(run: Run) -> None:
    devices = run.following(grown(run))
    for name, rows in run.devices.private.items():
        assert torch.equal(devices.private[name][: len(rows)], rows)
    assert devices.recommend("u03", k=5) == run.recommend("u03", k=5)
    assert run.following(run.ledger) is run.devices


def test_what_is_bought_counts_at_once(run: Run) -> None:
    best = run.recommend("u03")[0].item
    later = run.following(run.ledger.observe([("u03", best)], now=1))
    assert best not in [each.item for each in later.recommend("u03", k=40)]


def test_another_history_is_refused(run: Run) -> None:
    with pytest.raises(RequestMismatch, match=r"Make it from run\.ledger"):
        run.following(small_ledger())
