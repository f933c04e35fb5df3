"""Whatever people choose, in whatever order: the ledger against a model of dictionaries that knows no array."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fedshare.data.interactions import Interactions
from fedshare.errors import BadRequest, BadShare
from fedshare.sharing.journal import entries, line_of
from fedshare.sharing.ledger import Ledger, State, due
from fedshare.sharing.numbers import stable_numbers
from fedshare.sharing.policy import ShareByTier
from fedshare.sharing.rules import NeverAfter, NeverBefore, NeverCategory, NeverGifts, Rule, ShareUntil

PEOPLE = ["ann", "bob", "cy"]
ITEMS = [*"abcdef"]
CATEGORIES = {"a": "tea", "b": "tea", "c": "toys"}
RULES: list[Rule] = [
    NeverCategory("tea"),
    NeverGifts(),
    NeverBefore(5),
    NeverAfter(15),
    ShareUntil(12),
    ShareUntil(8, ("a", "d")),
]


def order_of(user: str, items: list[str]) -> list[str]:
    """A person's own order of their pairs; the one thing that the model does not know better."""
    zeros = np.zeros(len(items), np.intp)
    numbers = stable_numbers(3, [user], items, zeros, np.arange(len(items)))
    return [item for _, item in sorted(zip(numbers.tolist(), items, strict=True))]


@dataclass
class Person:
    """What the model knows of somebody."""

    state: dict[str, str] = field(default_factory=dict)
    time: dict[str, int] = field(default_factory=dict)
    gift: dict[str, bool] = field(default_factory=dict)
    by_name: dict[str, str] = field(default_factory=dict)
    slider: float | None = None
    rules: list[Rule] = field(default_factory=list)
    proposal: float | None = None

    def in_state(self, state: str) -> list[str]:
        return sorted(item for item, each in self.state.items() if each == state)

    @property
    def kept(self) -> int:
        return sum(each != "erased" for each in self.state.values())

    def forbidden(self, item: str, now: int) -> bool:
        """Read off the rules' own words."""
        for each in self.rules:
            if isinstance(each, NeverCategory) and CATEGORIES.get(item) == each.category:
                return True
            if isinstance(each, NeverGifts) and self.gift[item]:
                return True
            if isinstance(each, NeverBefore) and self.time[item] < each.moment:  # type: ignore[operator]
                return True
            if isinstance(each, NeverAfter) and self.time[item] >= each.moment:  # type: ignore[operator]
                return True
            if isinstance(each, ShareUntil) and now >= each.moment and (not each.items or item in each.items):  # type: ignore[operator]
                return True
        return False


class LedgerMachine(RuleBasedStateMachine):
    """People choose, buy and change their minds; time goes on."""

    @initialize(bought=st.sets(st.tuples(st.sampled_from(PEOPLE[:2]), st.sampled_from(ITEMS[:4])), min_size=1))
    def begin(self, bought: set[tuple[str, str]]) -> None:
        pairs = sorted(bought)
        users, items = [user for user, _ in pairs], [item for _, item in pairs]
        known = Interactions.from_arrays(users, items, timestamp=[3] * len(pairs), categories=CATEGORIES)
        self.ledger = Ledger(known, seed=3)
        self.people: dict[str, Person] = {}
        for user, item in pairs:
            person = self.people.setdefault(user, Person())
            person.state[item], person.time[item], person.gift[item] = "private", 3, False
        self.now = 4
        self.retired: set[str] = set()
        self.earlier: list[tuple[Ledger, dict[str, Any]]] = []

    def attempt(self, allowed: bool, do: Any) -> bool:
        """What the model allows the ledger does, and what it refuses the ledger refuses."""
        self.remember()
        try:
            after = do()
        except (BadRequest, BadShare):
            assert not allowed
            return False
        assert allowed
        self.ledger = after[0] if isinstance(after, tuple) else after
        return True

    def remember(self) -> None:
        if len(self.earlier) < 8:
            self.earlier.append((self.ledger, seen(self.ledger)))

    @rule(
        rows=st.lists(
            st.tuples(st.sampled_from(PEOPLE), st.sampled_from(ITEMS), st.integers(1, 20), st.booleans()), max_size=4
        )
    )
    def buy(self, rows: list[tuple[str, str, int, bool]]) -> None:
        self.remember()
        self.ledger = self.ledger.observe(rows, categories=CATEGORIES if rows else {}, now=self.now)
        new: dict[str, list[str]] = {}
        for user, item, time, gift in rows:
            person = self.people.setdefault(user, Person())
            if item not in person.state:
                person.state[item], person.time[item], person.gift[item] = "private", time, False
                new.setdefault(user, []).append(item)
            person.time[item] = min(person.time[item], time)
            person.gift[item] |= gift
        for user, items in new.items():
            person = self.people[user]
            slider = person.slider or 0.0
            wanted = round(slider * person.kept) - round(slider * (person.kept - len(items)))
            free = [item for item in items if not person.forbidden(item, self.now)]
            for item in order_of(user, free)[:wanted]:
                person.state[item] = "shared"

    @rule(user=st.sampled_from(PEOPLE), items=st.sets(st.sampled_from(ITEMS), min_size=1, max_size=3))
    def share_by_name(self, user: str, items: set[str]) -> None:
        if user not in self.people or not items <= set(self.people[user].state):
            return
        person = self.people[user]
        allowed = all(person.state[item] == "private" and not person.forbidden(item, self.now) for item in items)
        if self.attempt(allowed, lambda: self.ledger.share(user, sorted(items), now=self.now)):
            for item in items:
                person.state[item], person.by_name[item] = "shared", "yes"

    @rule(user=st.sampled_from(PEOPLE), items=st.sets(st.sampled_from(ITEMS), min_size=1, max_size=3))
    def unshare_by_name(self, user: str, items: set[str]) -> None:
        if user not in self.people or not items <= set(self.people[user].state):
            return
        person = self.people[user]
        allowed = all(person.state[item] == "shared" for item in items)
        if self.attempt(allowed, lambda: self.ledger.unshare(user, sorted(items), now=self.now)):
            for item in items:
                person.state[item], person.by_name[item] = "private", "no"

    @rule(user=st.sampled_from(PEOPLE), fraction=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
    def slide(self, user: str, fraction: float) -> None:
        person = self.people.get(user)
        if person is None:
            return
        wanted, shared = round(fraction * person.kept), person.in_state("shared")
        self.remember()
        if wanted >= len(shared):
            self.ledger = self.ledger.share(user, fraction=fraction, now=self.now)
            free = [
                item
                for item in person.in_state("private")
                if person.by_name.get(item) != "no" and not person.forbidden(item, self.now)
            ]
            for item in order_of(user, free)[: wanted - len(shared)]:
                person.state[item] = "shared"
        else:
            self.ledger, _ = self.ledger.unshare(user, to=fraction, now=self.now)
            for item in order_of(user, shared)[wanted:]:
                person.state[item] = "private"
        person.slider = fraction

    @rule(user=st.sampled_from(PEOPLE), erase=st.booleans())
    def take_everything_back(self, user: str, erase: bool) -> None:
        person = self.people.get(user)
        if person is None or not person.state:
            return
        way = self.ledger.erase if erase else self.ledger.unshare
        there = person.kept if erase else len(person.in_state("shared")) or person.slider
        if self.attempt(bool(there), lambda: way(user, everything=True, now=self.now)):
            person.slider = 0.0
            for item, state in person.state.items():
                if erase:
                    person.state[item] = "erased"
                    person.by_name.pop(item, None)
                elif state == "shared":
                    person.state[item] = "private"

    @rule(user=st.sampled_from(PEOPLE), items=st.sets(st.sampled_from(ITEMS), min_size=1, max_size=2))
    def erase_by_name(self, user: str, items: set[str]) -> None:
        if user not in self.people or not items <= set(self.people[user].state):
            return
        person = self.people[user]
        allowed = all(person.state[item] != "erased" for item in items)
        if self.attempt(allowed, lambda: self.ledger.erase(user, sorted(items), now=self.now)):
            for item in items:
                person.state[item] = "erased"
                person.by_name.pop(item, None)

    @rule(user=st.sampled_from(PEOPLE), which=st.sampled_from(RULES))
    def set_or_lift(self, user: str, which: Rule) -> None:
        person = self.people.get(user)
        if person is None:
            return
        self.remember()
        if which in person.rules:
            self.ledger = self.ledger.lift_rule(user, which, now=self.now)
            person.rules.remove(which)
        else:
            self.ledger = self.ledger.set_rule(user, which, now=self.now)
            person.rules.append(which)

    @rule(vic=st.sampled_from([0.5, 1.0]))
    def propose(self, vic: float) -> None:
        self.remember()
        before = self.ledger.version
        self.ledger = self.ledger.propose(ShareByTier({"vic": vic}, {"ann": "vic"}, others=0.5), now=self.now)
        assert self.ledger.version == before  # nobody shares for a proposal
        for user, person in self.people.items():
            person.proposal = vic if user == "ann" else 0.5

    @rule(user=st.sampled_from(PEOPLE))
    def accept(self, user: str) -> None:
        person = self.people.get(user)
        if person is None:
            return
        if person.proposal is None:
            self.attempt(False, lambda: self.ledger.accept(user, now=self.now))
            return
        ledger, self.ledger = self.ledger.accept(user, now=self.now), self.ledger
        self.slide(user, person.proposal)  # accepting is moving the slider
        assert (ledger.version, ledger.choices_of(user)) == (self.ledger.version, self.ledger.choices_of(user))
        self.ledger = ledger

    @rule(hours=st.integers(1, 6))
    def wait(self, hours: int) -> None:
        self.now += hours

    @rule()
    def withdraw_what_is_due(self) -> None:
        request = due(self.ledger, self.now)
        expected = {
            (user, item)
            for user, person in self.people.items()
            for item in person.in_state("shared")
            if person.forbidden(item, self.now)
        }
        assert set(request.pairs()) == expected
        assert not request.erased.any()
        self.remember()
        self.ledger = request.after
        assert len(due(self.ledger, self.now)) == 0
        for user, item in expected:
            self.people[user].state[item] = "private"

    @rule(item=st.sampled_from(ITEMS))
    def retire_or_restore(self, item: str) -> None:
        if item not in self.ledger.ids[1]:
            return
        self.remember()
        if item in self.retired:
            self.ledger = self.ledger.restore_items([item])
            self.retired.remove(item)
        else:
            self.ledger = self.ledger.retire([item])
            self.retired.add(item)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "people"):
            return
        assert set(self.ledger.users()) == set(self.people)
        for user, person in self.people.items():
            assert self.ledger.shared_items(user) == person.in_state("shared")
            assert self.ledger.private_items(user) == person.in_state("private")
            assert self.ledger.erased_items(user) == person.in_state("erased")
            held_back = [item for item in person.in_state("private") if person.by_name.get(item) == "no"]
            assert self.ledger.held_back_items(user) == held_back
            choices = self.ledger.choices_of(user)
            assert choices.slider == person.slider
            assert list(choices.rules) == person.rules
        assert self.ledger.retired == self.retired

    def teardown(self) -> None:
        if not hasattr(self, "people"):
            return
        for ledger, then in self.earlier:  # what happened since has not changed what they were
            assert seen(ledger) == then
            assert self.ledger.extends(ledger) or ledger.position > self.ledger.position
        known = self.ledger.known
        again = Ledger(known, seed=3, events=self.ledger.events)  # folded from the start
        assert seen(again) == seen(self.ledger)
        assert again == self.ledger
        for ledger, then in self.earlier:
            if self.ledger.extends(ledger):
                assert timeless(seen(again.at(ledger.position))) == timeless(then)
        half = known_at(self.ledger, len(self.ledger.events) // 2)
        lines = b"".join(map(line_of, self.ledger.entries_since(half.position)))
        for entry in entries(lines):  # as it is recovered from a journal
            half = half.replayed(entry)
        assert timeless(seen(half)) == timeless(seen(self.ledger))
        assert half == self.ledger
        columns = self.ledger.event_columns()
        restored = Ledger.restore(known, columns, 3, state=self.ledger.state, held_back=self.ledger.held_back)
        assert seen(restored) == seen(self.ledger)


def seen(ledger: Ledger) -> dict[str, Any]:
    """All that can be read of a ledger, in ids."""
    users, items = ledger.ids
    known = ledger.known
    assert known.users.ids == users
    assert known.items.ids == items
    pairs = {
        (users[user], items[item]): (State(state).name, bool(held), time)
        for user, item, state, held, time in zip(
            known.user.tolist(),
            known.item.tolist(),
            ledger.state.tolist(),
            ledger.held_back.tolist(),
            [] if known.timestamp is None else known.timestamp.tolist(),
            strict=True,
        )
    }
    return {"pairs": pairs, "choices": {user: ledger.choices_of(user) for user in users}, "retired": ledger.retired}


def known_at(ledger: Ledger, position: int) -> Ledger:
    """The ledger of then, in a book of its own."""
    then = ledger.at(position)
    return Ledger.restore(then.known, then.event_columns(), then.seed)


def timeless(what: dict[str, Any]) -> dict[str, Any]:
    """Without times: folded from the start, a pair has the earliest time that is known by now."""
    return what | {"pairs": {pair: values[:2] for pair, values in what["pairs"].items()}}


LedgerMachine.TestCase.settings = settings(stateful_step_count=30)
TestLedgerMachine = LedgerMachine.TestCase
