"""Whoever takes back very much at once is told of the better method before it is carried out."""

from __future__ import annotations

import pytest

from fedshare.errors import LargeWithdrawal
from fedshare.sharing.request import Request
from fedshare.simulation.advice import advice_on
from fedshare.simulation.unlearn import unlearn
from fedshare.testing.synthetic import small_fedshare, small_ledger
from fedshare.testing.synthetic import train_small as train
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.retrain import Retrain


def test_everybody_withdraws_everything() -> None:
    run = train(small_fedshare(), small_ledger(n_users=20))
    after = run.ledger
    for user in run.ledger.sharers():
        after, _ = after.unshare(user, everything=True)
    request = Request(run.ledger, after)
    with pytest.warns(LargeWithdrawal, match=r"method=Retrain\(\)"):
        unlearn(run, request, method=ContrastiveUnlearning(steps=1))
    assert advice_on(run, request, Retrain()) is None
    _, small = run.ledger.unshare(run.ledger.sharers()[0], everything=True)
    assert advice_on(run, small, ContrastiveUnlearning(steps=1)) is None
