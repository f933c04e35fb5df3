from __future__ import annotations

import numpy as np
import pytest

from fedshare.data.synthetic import random_world
from fedshare.errors import RequestMismatch
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.request import Request


@pytest.fixture
def ledger(private: Ledger) -> Ledger:
    """ann shares a, b and c, bob a."""
    return private.share("ann", ["a", "b", "c"]).share("bob", ["a"])


def test_unshared_pairs(ledger: Ledger) -> None:
    after, request = ledger.unshare("ann", ["c", "a"])
    assert request.before is ledger
    assert request.after is after
    assert request.pairs() == [("ann", "a"), ("ann", "c")]
    assert request.users() == ["ann"]
    assert len(request) == request.n_withdrawn_from_server == 2
    assert not request.erased.any()
    assert (request.user.dtype, request.item.dtype, request.erased.dtype) == (np.int32, np.int32, np.bool_)


def test_erased_private_pairs_were_never_with_the_server(ledger: Ledger) -> None:
    _, request = ledger.erase("ann", ["a", "d"])
    assert request.pairs() == [("ann", "a"), ("ann", "d")]
    assert request.erased.tolist() == [True, True]
    assert request.seen_by_server.tolist() == [True, False]
    user, item = request.withdrawn_from_server
    assert (user.tolist(), item.tolist()) == ([0], [ledger.known.items.index("a")])


def test_arrays_are_read_only(ledger: Ledger) -> None:
    _, request = ledger.unshare("ann", ["a"])
    for column in (request.user, request.item, request.erased, request.seen_by_server):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0


def test_requests_add_up(ledger: Ledger) -> None:
    one, first = ledger.unshare("bob", ["a"])
    two, second = one.unshare("ann", ["b"])
    three, third = two.erase("ann", ["d"])
    total = first + second + third
    assert (total.before, total.after) == (ledger, three)
    assert total.pairs() == [("ann", "b"), ("ann", "d"), ("bob", "a")]
    assert total.erased.tolist() == [False, True, False]
    assert total.users() == ["ann", "bob"]
    assert ((first + second) + third).pairs() == (first + (second + third)).pairs()


def test_a_pair_unshared_and_then_erased_counts_once_as_erased(ledger: Ledger) -> None:
    one, first = ledger.unshare("ann", ["a"])
    two, second = one.erase("ann", ["a"])
    assert second.n_withdrawn_from_server == 0  # by then the server had let go of it
    total = first + second
    assert total.pairs() == [("ann", "a")]
    assert total.erased.tolist() == total.seen_by_server.tolist() == [True]
    assert total.after == two


def test_only_consecutive_requests_add_up(ledger: Ledger) -> None:
    one, first = ledger.unshare("ann", ["a"])
    _, aside = ledger.unshare("ann", ["b"])
    _, later = one.share("ann", ["d"]).unshare("ann", ["b"])
    for other in (aside, first, later):
        with pytest.raises(RequestMismatch, match="Withdraw one after the other"):
            _ = first + other
    with pytest.raises(TypeError):
        _ = first + 1  # type: ignore[operator]


def test_it_adds_up_on_equal_ledgers_read_from_two_files(ledger: Ledger) -> None:
    one, first = ledger.unshare("ann", ["a"])
    again = Ledger.restore(ledger.known, one.event_columns(), seed=7)
    _, second = again.unshare("ann", ["b"])
    assert (first + second).pairs() == [("ann", "a"), ("ann", "b")]


def test_the_difference_of_two_ledgers_is_a_request(ledger: Ledger) -> None:
    after, request = ledger.unshare("ann", to=0.1)
    assert Request(ledger, after).pairs() == request.pairs()
    assert len(Request(ledger, ledger)) == 0


def test_ledgers_that_do_not_follow_each_other(ledger: Ledger) -> None:
    after, _ = ledger.unshare("ann", ["a"])
    with pytest.raises(RequestMismatch, match="does not go on from the one before"):
        Request(after, ledger)
    with pytest.raises(RequestMismatch, match="does not go on from the one before"):
        Request(Ledger(random_world(0)), after)
    with pytest.raises(RequestMismatch, match=r"user 'bob' shares 2 items between the two ledgers \(event 3\)"):
        Request(ledger, after.share("bob", ["b", "c"]))


def test_repr(ledger: Ledger) -> None:
    one, first = ledger.unshare("ann", ["a", "b"])
    _, second = one.erase("bob", ["a"])
    assert repr(first) == "Request(1 user: 2 pairs unshared)"
    assert repr(first + second) == "Request(2 users: 2 pairs unshared, 1 pair erased)"
    assert repr(Request(ledger, ledger)) == "Request(0 users: nothing withdrawn)"
