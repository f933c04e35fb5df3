"""A withdrawal as the server learns of it: shared pairs, and never a private one."""

from __future__ import annotations

from dataclasses import fields
from typing import ClassVar

import numpy as np
import pytest

from fedshare.errors import RequestMismatch
from fedshare.federation.orders import Program
from fedshare.progress import Progress
from fedshare.sharing.request import Request
from fedshare.sharing.views import ServerView
from fedshare.simulation.run import Run
from fedshare.simulation.unlearn import unlearn, withdrawal_of
from fedshare.testing.synthetic import server_bytes
from fedshare.training.server_run import ServerRun
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.drop_only import DropOnly
from fedshare.unlearning.withdrawal import Withdrawal

VIEW = ServerView(
    n_users=3,
    n_items=5,
    user=np.array([0, 0, 2], np.int32),
    item=np.array([1, 4, 4], np.int32),
    user_ids=("ann", "cleo"),
    timestamp=np.array([30, 10, 20]),
)


def pairs(withdrawal: Withdrawal | ServerView) -> list[tuple[int, int]]:
    return list(zip(withdrawal.user.tolist(), withdrawal.item.tolist(), strict=True))


def test_it_is_sorted_whatever_the_order_it_is_asked_in():
    withdrawal = Withdrawal.of(VIEW, [2, 0], [4, 1])
    assert pairs(withdrawal) == [(0, 1), (2, 4)]
    assert (len(withdrawal), withdrawal.n_people, withdrawal.erases) == (2, 2, False)
    assert pairs(withdrawal.after) == [(0, 4)]
    assert withdrawal.after.user_ids == ("ann",)
    assert withdrawal.after.timestamp is not None
    assert withdrawal.after.timestamp.tolist() == [10]


def test_nothing_withdrawn():
    withdrawal = Withdrawal.of(VIEW, [], [], erases=True)
    assert (len(withdrawal), withdrawal.n_people, withdrawal.erases) == (0, 0, True)
    assert pairs(withdrawal.after) == pairs(VIEW)


def test_a_pair_named_twice_counts_once():
    assert pairs(Withdrawal.of(VIEW, [0, 0], [4, 4])) == [(0, 4)]


@pytest.mark.parametrize(("user", "item"), [([1], [1]), ([0], [2]), ([0, 0], [1, 3])])
def test_pairs_that_are_not_shared_are_refused(user: list[int], item: list[int]):
    with pytest.raises(RequestMismatch, match=f"1 of {len(user)} pairs are not in the share set"):
        Withdrawal.of(VIEW, user, item)


class Told:
    """An unlearning method that writes down what the server is told."""

    name: ClassVar[str] = "told"

    def __init__(self) -> None:
        self.withdrawals: list[Withdrawal] = []

    def unlearn(self, run: ServerRun, withdrawal: Withdrawal, told: Progress | None = None) -> Program[ServerRun]:
        self.withdrawals.append(withdrawal)
        return (yield from DropOnly().unlearn(run, withdrawal, told))


def erasures(run: Run) -> tuple[Request, Request, Request]:
    """Somebody erases a shared pair and a private one; the shared one and another private one; a private one alone."""
    user = next(each for each in run.ledger.sharers() if len(run.ledger.private_items(each)) > 1)
    shared, (first, second, *_) = run.ledger.shared_items(user)[0], run.ledger.private_items(user)
    return tuple(run.ledger.erase(user, items)[1] for items in ([shared, first], [shared, second], [first]))  # type: ignore[return-value]


def test_an_erased_private_pair_is_never_shown_to_the_server(small_run: Run):
    method = Told()
    for request in erasures(small_run):
        unlearn(small_run, request, method=method)
    both, other, private = method.withdrawals
    shared = next(zip(*erasures(small_run)[0].withdrawn_from_server, strict=True))
    assert pairs(both) == pairs(other) == [shared]
    assert pairs(private) == []
    assert both.erases
    assert private.erases
    assert {each.name for each in fields(Withdrawal)} == {"after", "user", "item", "erases"}
    for name in ServerView.__slots__:
        assert np.array_equal(getattr(both.after, name), getattr(other.after, name))
    assert pairs(private.after) == pairs(small_run.server.view)


def test_which_private_pair_is_erased_changes_nothing_on_the_server(small_run: Run):
    method = ContrastiveUnlearning(steps=5, erase_rounds=0)  # rounds would sum up what devices learn
    first, second = (unlearn(small_run, request, method=method) for request in erasures(small_run)[:2])
    assert server_bytes(first) == server_bytes(second)
    assert first.ledger != second.ledger


def test_what_the_server_is_told_is_what_it_had(small_run: Run):
    user = small_run.ledger.sharers()[0]
    request = small_run.ledger.unshare(user, to=0.2)[1]
    withdrawal, by_hand = (
        withdrawal_of(small_run, request),
        Withdrawal.of(small_run.server.view, request.user, request.item),
    )
    assert pairs(withdrawal) == pairs(by_hand)
    assert not withdrawal.erases
    assert pairs(withdrawal.after) == pairs(by_hand.after) == pairs(request.after.server_view())
