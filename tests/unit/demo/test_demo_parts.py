"""Parts of the demo that can be told right from wrong by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fedshare.data.splits import random_split
from fedshare.data.synthetic import random_world
from fedshare.demo.case_study import choose_person
from fedshare.demo.context import DemoContext
from fedshare.demo.densities import density
from fedshare.demo.withdrawal import withdraw
from fedshare.progress import Meter
from fedshare.sharing.ledger import share
from fedshare.sharing.policy import ShareFraction, ShareUsers


def test_half_of_what_some_people_share_is_withdrawn():
    ledger = share(random_world(0, n_users=60, n_items=80, n_pairs=2400), ShareFraction(0.5), seed=0)
    request = withdraw(ledger, seed=0)
    assert len(request.users()) == 3  # 5 % of 60
    for user in request.users():
        before, after = ledger.shared_items(user), request.after.shared_items(user)
        assert set(after) < set(before)
        assert len(after) == len(before) - round(len(before) / 2)
        assert set(request.after.held_back_items(user)) == set(before) - set(after)
    assert withdraw(ledger, seed=0).pairs() == request.pairs()
    assert withdraw(ledger, seed=1).pairs() != request.pairs()


def context(n_pairs: int) -> DemoContext:
    known, test = random_split(random_world(0, n_users=20, n_items=60, n_pairs=n_pairs), 0.2)
    return DemoContext(known, test, seed=0, rounds=1, meter=Meter(1, None))


def test_the_case_study_is_about_somebody_with_a_readable_history():
    here = context(n_pairs=700)
    ledger = share(here.known, ShareUsers(0.5), seed=0)
    choice = choose_person(here, ledger)
    n_known = len(ledger.shared_items(choice.user))
    assert 20 <= n_known <= 60
    assert ledger.private_items(choice.user) == []
    assert 1 <= choice.n_eligible <= 10
    assert choose_person(here, ledger) == choice


def test_without_readable_histories_it_is_about_whoever_shares_most():
    here = context(n_pairs=200)
    ledger = share(here.known, ShareUsers(0.5), seed=0)
    choice = choose_person(here, ledger)
    assert choice.n_eligible == 1
    assert len(ledger.shared_items(choice.user)) == max(len(ledger.shared_items(user)) for user in ledger.users())


@pytest.mark.parametrize("values", [np.random.default_rng(0).normal(size=9000), np.zeros(5), np.array([1.0])])
def test_a_density_has_an_area_of_one(values):
    grid = np.linspace(-8, 8, 801)
    assert density(values, grid).sum() * (grid[1] - grid[0]) == pytest.approx(1, abs=1e-3)


def test_the_density_of_nothing_is_nothing():
    assert not density(np.empty(0), np.linspace(0, 1, 5)).any()
