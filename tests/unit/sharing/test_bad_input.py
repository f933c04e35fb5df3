"""Everything that cannot be carried out has a named error, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from fedshare import errors
from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.sharing.ledger import Event, Ledger

SHARE: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "unknown user": ({"user": "eve", "items": ["a"]}, errors.UnknownUser, "user 'eve' is not in the data"),
    "unknown item": ({"user": "ann", "items": ["q"]}, errors.UnknownItem, "item 'q' is not in the data"),
    "somebody else's item": (
        {"user": "ann", "items": ["z"]},
        errors.NotKnown,
        r"user 'ann' has no interaction with item 'z' \(10 items known\); expected items of this user. List them with",
    ),
    "shared item": (
        {"user": "ann", "items": ["a"]},
        errors.AlreadyShared,
        r"shares item 'a' already \(2 items shared\)",
    ),
    "erased item": (
        {"user": "ann", "items": ["c"]},
        errors.AlreadyErased,
        "has erased item 'c'; .* erasing is for good",
    ),
    "no item": ({"user": "ann", "items": []}, errors.EmptyRequest, "share: got no item of user 'ann'"),
    "a string": ({"user": "ann", "items": "a"}, errors.BadRequest, r"got the string 'a', .*Write \['a'\]"),
    "an index": ({"user": "ann", "items": [0]}, errors.UnknownItem, "Ids are strings"),
    "nothing said": ({"user": "ann"}, errors.BadRequest, "expected exactly one of items=, fraction="),
    "both said": ({"user": "ann", "items": ["a"], "fraction": 1}, errors.BadRequest, "got items= and fraction="),
}

UNSHARE: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "unknown user": ({"user": "eve", "everything": True}, errors.UnknownUser, "user 'eve' is not in the data"),
    "unknown item": ({"user": "ann", "items": ["q"]}, errors.UnknownItem, "item 'q' is not in the data"),
    "somebody else's item": ({"user": "ann", "items": ["z"]}, errors.NotKnown, "has no interaction with item 'z'"),
    "private item": (
        {"user": "ann", "items": ["a", "d"]},
        errors.NotShared,
        r"user 'ann' does not share item 'd' \(2 items shared\); expected shared items. List them with shared_items",
    ),
    "erased item": ({"user": "ann", "items": ["c"]}, errors.AlreadyErased, "has erased item 'c'"),
    "nothing shared": ({"user": "bob", "everything": True}, errors.NotShared, "user 'bob' shares nothing"),
    "no item": ({"user": "ann", "items": []}, errors.EmptyRequest, "unshare: got no item of user 'ann'"),
    "more than now": ({"user": "bob", "to": 0.5}, errors.BadRequest, "more shared than now"),
    "nothing said": (
        {"user": "ann"},
        errors.BadRequest,
        "got none of the choices, expected exactly one of items=, to=",
    ),
    "two said": ({"user": "ann", "items": ["a"], "to": 0.1}, errors.BadRequest, "got items= and to="),
}

ERASE: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "unknown user": ({"user": "eve", "items": ["a"]}, errors.UnknownUser, "user 'eve' is not in the data"),
    "unknown item": ({"user": "ann", "items": ["q"]}, errors.UnknownItem, "item 'q' is not in the data"),
    "somebody else's item": ({"user": "ann", "items": ["z"]}, errors.NotKnown, "has no interaction with item 'z'"),
    "erased item": ({"user": "ann", "items": ["a", "c"]}, errors.AlreadyErased, "has erased item 'c'"),
    "all erased": ({"user": "cy", "everything": True}, errors.AlreadyErased, "user 'cy' has erased everything"),
    "no item": ({"user": "ann", "items": []}, errors.EmptyRequest, "erase: got no item of user 'ann'"),
    "nothing said": ({"user": "ann"}, errors.BadRequest, "expected exactly one of items=, everything="),
}


@pytest.fixture
def ledger(private: Ledger) -> Ledger:
    """ann shares a and b and has erased c; cy has erased everything."""
    ledger, _ = private.share("ann", ["a", "b"]).erase("ann", ["c"])
    return ledger.erase("cy", everything=True)[0]


CASES = [
    pytest.param(way, *case, id=f"{way}: {name}")
    for way, cases in (("share", SHARE), ("unshare", UNSHARE), ("erase", ERASE))
    for name, case in cases.items()
]


@pytest.mark.parametrize(("way", "arguments", "error", "message"), CASES)
def test_refused(ledger: Ledger, way: str, arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    before = ledger.state.copy()
    with pytest.raises(error, match=message) as caught:
        getattr(ledger, way)(**arguments)
    assert caught.type is error
    assert isinstance(caught.value, errors.FedShareError)
    assert (ledger.state == before).all()


def test_withdrawing_twice(ledger: Ledger) -> None:
    after, _ = ledger.unshare("ann", ["a"])
    with pytest.raises(errors.NotShared, match=r"does not share item 'a' \(1 items shared\)"):
        after.unshare("ann", ["a"])
    after, _ = after.unshare("ann", everything=True)
    with pytest.raises(errors.NotShared, match="shares nothing"):
        after.unshare("ann", everything=True)


def test_naming_an_item_twice_is_naming_it_once(ledger: Ledger) -> None:
    _, request = ledger.unshare("ann", ["a", "a"])
    assert request.pairs() == [("ann", "a")]


def test_a_user_without_a_pair() -> None:
    users, items = Vocabulary("user", ("ann", "bob")), Vocabulary("item", ("a",))
    ledger = Ledger(Interactions(users, items, user=[0], item=[0]))  # type: ignore[arg-type]
    standing = ledger.share("bob", fraction=1.0)  # nothing to share yet, but the slider stands
    assert (standing.version, standing.choices_of("bob").slider) == (ledger.version, 1.0)
    assert standing.share("bob", fraction=1.0) is standing
    with pytest.raises(errors.NotKnown, match="user 'bob' has no interaction"):
        ledger.erase("bob", everything=True)
    assert len(ledger.device_view("bob")) == 0


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (Event(3, "share", "ann", ("a",)), errors.AlreadyShared),
        (Event(3, "unshare", "ann", ("d",)), errors.NotShared),
        (Event(3, "erase", "cy", ("z",)), errors.AlreadyErased),
        (Event(3, "share", "eve", ("a",)), errors.UnknownUser),
    ],
)
def test_events_that_do_not_follow(ledger: Ledger, event: Event, error: type[Exception]) -> None:
    with pytest.raises(error):
        Ledger(ledger.known, seed=ledger.seed, events=(*ledger.events, event))
