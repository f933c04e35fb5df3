"""Hypothesis strategies: small worlds, and whatever people may do in them.

``steps`` draws people's decisions without a look at the state, so some cannot be carried out; ``play`` skips those, as
a service would refuse them. A shrunk failure is then a short list of readable steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from fedshare.data.interactions import Interactions
from fedshare.errors import BadRequest
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.request import Request

__all__ = ["Step", "fractions", "ids", "ledgers", "play", "steps", "worlds"]

fractions = st.one_of(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.floats(0, 1))
"Shares, with those that people choose often."

ids = st.one_of(st.sampled_from("abcdefgh"), st.text(min_size=1, max_size=4).filter(lambda id: bool(id.strip())))
"Ids: mostly letters, sometimes any text at all."

Way = Literal["share items", "share fraction", "unshare items", "unshare to", "unshare all", "erase items", "erase all"]


@dataclass(frozen=True)
class Step:
    """One decision of one person, perhaps one that is refused."""

    way: Way
    user: str
    items: tuple[str, ...] = ()
    fraction: float = 0.0

    def apply(self, ledger: Ledger) -> tuple[Ledger, Request | None]:
        """The ledger after it, and the request if it is a withdrawal.

        Raises:
            BadRequest: It does not fit the state.
        """
        if self.way == "share items":
            return ledger.share(self.user, self.items), None
        if self.way == "share fraction":
            return ledger.share(self.user, fraction=self.fraction), None
        if self.way == "unshare items":
            return ledger.unshare(self.user, self.items)
        if self.way == "unshare to":
            return ledger.unshare(self.user, to=self.fraction)
        if self.way == "unshare all":
            return ledger.unshare(self.user, everything=True)
        if self.way == "erase items":
            return ledger.erase(self.user, self.items)
        return ledger.erase(self.user, everything=True)


@st.composite
def worlds(draw: st.DrawFn, max_users: int = 5, max_items: int = 7, max_pairs: int = 24) -> Interactions:
    """Known pairs of a few people; half of the worlds have times, with baskets."""
    names = st.lists(ids.filter(lambda id: id not in ("nan", "NaN")), min_size=1, unique=True)
    users, items = draw(names.map(lambda some: some[:max_users])), draw(names.map(lambda some: some[:max_items]))
    pair = st.tuples(st.sampled_from(users), st.sampled_from(items))
    pairs = draw(st.lists(pair, min_size=1, max_size=max_pairs, unique=True))
    seconds = draw(st.none() | st.lists(st.integers(0, 3), min_size=len(pairs), max_size=len(pairs)))
    return Interactions.from_arrays([u for u, _ in pairs], [i for _, i in pairs], timestamp=seconds, name="drawn")


@st.composite
def steps(draw: st.DrawFn, known: Interactions, max_steps: int = 8) -> list[Step]:
    """What people of this world decide, one after another."""

    def step(user: str) -> st.SearchStrategy[Step]:
        mine = [known.items.ids[item] for item in known.items_of(known.users.index(user)).tolist()]
        some = st.lists(st.sampled_from(mine), min_size=1, max_size=3).map(tuple)
        by_name = [st.builds(Step, st.just(way), st.just(user), some) for way in _BY_NAME]
        by_slider = [st.builds(Step, st.just(way), st.just(user), st.just(()), fractions) for way in _BY_SLIDER]
        at_once = [st.just(Step(way, user)) for way in _AT_ONCE]
        return st.one_of(*by_name, *by_slider, *at_once)

    active = [known.users.ids[user] for user in known.user_degree().nonzero()[0].tolist()]
    return draw(st.lists(st.sampled_from(active).flatmap(step), max_size=max_steps))


def play(ledger: Ledger, steps: Iterable[Step]) -> tuple[Ledger, list[Request]]:
    """Carry out the steps that can be; the last ledger, and the requests made on the way."""
    requests: list[Request] = []
    for step in steps:
        try:
            ledger, request = step.apply(ledger)
        except BadRequest:
            continue
        if request is not None:
            requests.append(request)
    return ledger, requests


@st.composite
def ledgers(draw: st.DrawFn, max_steps: int = 8) -> Ledger:
    """A ledger with a history of any kind, on a world of its own."""
    known = draw(worlds())
    start = Ledger(known, seed=draw(st.integers(0, 3)))
    return play(start, draw(steps(known, max_steps)))[0]


_BY_NAME: tuple[Way, ...] = ("share items", "unshare items", "erase items")
_BY_SLIDER: tuple[Way, ...] = ("share fraction", "unshare to")
_AT_ONCE: tuple[Way, ...] = ("unshare all", "erase all")
