"""What successive ledgers have in common, so that a new event costs no copy of the others.

A :class:`Book` is one line of history. Its newest state is here: columns of everybody's pairs as of some event, and the
:class:`DeviceLedger` of each person who did something since. For each event since then it remembers what the event
replaced, so an earlier ledger still reads what it read. A ledger that is not the newest and gets an event begins a book
of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.sharing.device_ledger import NO_CHOICE, Choices, DeviceLedger
from fedshare.sharing.event_log import EventLog
from fedshare.sharing.events import Event
from fedshare.sharing.fold import Fold
from fedshare.sharing.forgotten import Forgotten
from fedshare.sharing.numbers import item_bits, mixed, user_bits

__all__ = ["Book", "Everything", "Names"]


@final
@dataclass(frozen=True, eq=False)
class Names:
    """Who and what there is. Indices never move: what is new comes last."""

    users: Vocabulary
    items: Vocabulary
    titles: Mapping[str, str]
    categories: Mapping[str, str]
    retired: frozenset[int]
    forgotten: Mapping[int, Forgotten]
    "By user index: what their device has erased and purged."


@final
@dataclass(frozen=True, eq=False)
class Everything:
    """Everybody's pairs in columns, read-only."""

    known: Interactions
    state: NDArray[np.int8]
    held_back: NDArray[np.bool_]


class _Replaced(NamedTuple):
    """What an event has replaced."""

    user: int
    "-1 where no person was concerned."
    person: DeviceLedger | None
    names: Names


@final
class Book:
    """One line of history.

    Args:
        known: All pairs.
        seed: Of the stable order in which sliders take pairs.
        folded: What the events in ``log`` add up to.
        log: The events so far.
    """

    def __init__(self, known: Interactions, seed: int, folded: Fold, log: EventLog) -> None:
        self.seed = seed
        self.log = log
        self.everything = Everything(known, _frozen(folded.state), _frozen(folded.held_back))
        self.choices = dict(folded.choices)
        self.names = Names(known.users, known.items, known.titles, known.categories, folded.retired, folded.forgotten)
        self.begins = len(log)
        "Events that the columns held when the book was begun; of later ones it knows what they replaced."
        self._touched: dict[int, DeviceLedger] = {}
        self._replaced: list[_Replaced] = []
        self._item_bits = np.empty(0, np.uint64)

    # -- the newest state -------------------------------------------------------------------------------------------

    def person(self, user: int) -> DeviceLedger:
        """One person, as of now."""
        return self._touched.get(user) or self._lifted(user)

    def add(self, event: Event, person: DeviceLedger | None, names: Names | None = None) -> None:
        """One more event.

        Args:
            event: It.
            person: Its person after it; None where nobody in particular is concerned.
            names: Who and what there is after it; as before without.
        """
        user = -1 if person is None else person.user
        before = self.person(user) if person is not None and user < len(self.names.users) else None
        self._replaced.append(_Replaced(user, before, self.names))
        self.log.tail.append(event)
        if person is not None:
            self._touched[user] = person
        if names is not None:
            self.names = names

    def columns(self) -> Everything:
        """Everybody's pairs, as of now. Later events start from these columns."""
        if self._touched or not self._is_named():
            self.choices |= {user: each.choices for user, each in self._touched.items()}
            self.everything = _rewritten(self.everything, self._touched, self.names)
            self._touched = {}
        return self.everything

    def all_choices(self) -> dict[int, Choices]:
        """The choices of whoever has made some, as of now."""
        return self.choices | {user: each.choices for user, each in self._touched.items()}

    def stranger(self, user: int) -> DeviceLedger:
        """Somebody who comes now: no pair, no choice."""
        return _nobody(self.everything.known, user, NO_CHOICE)

    def in_order(self, mine: DeviceLedger, mask: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Places of those of a person's pairs where the mask is true, in their stable order."""
        n = len(self.names.items)
        if len(self._item_bits) < n:
            more = item_bits(self.seed, [self.names.items.id(item) for item in range(len(self._item_bits), n)])
            self._item_bits = np.concatenate([self._item_bits, more])
        places = np.flatnonzero(mask)
        numbers = mixed(user_bits(self.seed, self.names.users.id(mine.user)), self._item_bits[mine.items[places]])
        return places[np.argsort(numbers, kind="stable")]

    # -- earlier states ---------------------------------------------------------------------------------------------

    def names_at(self, position: int) -> Names:
        """Who and what there was after so many events; not before :attr:`begins`."""
        return self.names if position == len(self.log) else self._replaced[position - self.begins].names

    def people_at(self, position: int, since: dict[int, DeviceLedger], seen: int) -> int:
        """Fill in, as they were after ``position`` events, the people whom a later event has changed.

        Args:
            position: Of whoever asks; not before :attr:`begins`.
            since: Those found so far, added to here.
            seen: The event up to which has been looked; ``position`` at first.

        Returns:
            The event up to which has been looked now.
        """
        n_users = len(self.names_at(position).users)
        for each in self._replaced[seen - self.begins :]:
            if 0 <= each.user < n_users and each.user not in since and each.person is not None:
                since[each.user] = each.person
        return len(self.log)

    def columns_at(self, position: int, since: Mapping[int, DeviceLedger]) -> Everything:
        """Everybody's pairs after ``position`` events.

        Args:
            position: Not before :attr:`begins`.
            since: As :meth:`people_at` fills it.
        """
        return _rewritten(self.columns(), since, self.names_at(position))

    def touched_between(self, start: int, end: int) -> list[int]:
        """The people whom events ``start`` to ``end`` concern, ascending."""
        return sorted({each.user for each in self._replaced[start - self.begins : end - self.begins]} - {-1})

    # -- inside -----------------------------------------------------------------------------------------------------

    def _lifted(self, user: int) -> DeviceLedger:
        """A person's part of the columns."""
        known = self.everything.known
        choices = self.choices.get(user, NO_CHOICE)
        if user >= known.n_users:  # came after the columns were made, and did nothing yet
            return _nobody(known, user, choices)
        start, end = known.offsets[user], known.offsets[user + 1]
        return DeviceLedger(
            user=user,
            items=known.item[start:end],
            state=self.everything.state[start:end],
            held_back=self.everything.held_back[start:end],
            timestamp=None if known.timestamp is None else known.timestamp[start:end],
            rating=None if known.rating is None else known.rating[start:end],
            gift=None if known.gift is None else known.gift[start:end],
            choices=choices,
        )

    def _is_named(self) -> bool:
        known, names = self.everything.known, self.names
        return (
            known.users is names.users
            and known.items is names.items
            and known.titles is names.titles
            and known.categories is names.categories
        )

    def with_columns(self, *, timestamp: bool, rating: bool, gift: bool) -> None:
        """See to it that pairs have these columns, also where the data came without.

        Gifts were none of them, as far as anybody knows. Times and ratings are made up for no pair: they begin with the
        first.
        """
        known = self.everything.known
        if (gift and known.gift is None) or (
            not known.n_pairs and not any(len(each.items) for each in self._touched.values())
        ):
            known = self.columns().known
            added: dict[str, NDArray[Any]] = {}
            if gift and known.gift is None:
                added["gift"] = np.zeros(known.n_pairs, np.bool_)
            if timestamp and known.timestamp is None and not known.n_pairs:
                added["timestamp"] = np.empty(0, np.int64)
            if rating and known.rating is None and not known.n_pairs:
                added["rating"] = np.empty(0, np.float32)
            self.everything = replace(self.everything, known=replace(known, **added))


def _nobody(known: Interactions, user: int, choices: Choices) -> DeviceLedger:
    return DeviceLedger(
        user,
        np.empty(0, np.int32),
        np.empty(0, np.int8),
        np.empty(0, np.bool_),
        None if known.timestamp is None else np.empty(0, np.int64),
        None if known.rating is None else np.empty(0, np.float32),
        None if known.gift is None else np.empty(0, np.bool_),
        choices,
    )


def _rewritten(everything: Everything, people: Mapping[int, DeviceLedger], names: Names) -> Everything:
    """Columns in which some people's pairs are others."""
    known = everything.known
    n_users = len(names.users)
    same_pairs = n_users >= known.n_users and not any(_differs(known, each) for each in people.values())
    if same_pairs:
        state, held_back = everything.state.copy(), everything.held_back.copy()
        for user, each in people.items():
            if user < known.n_users:
                mine = slice(known.offsets[user], known.offsets[user + 1])
                state[mine], held_back[mine] = each.state, each.held_back
        return Everything(_renamed(known, names), _frozen(state), _frozen(held_back))
    stay = np.ones(max(n_users, known.n_users), np.bool_)
    stay[n_users:] = False
    stay[list(people)] = False
    kept = stay[known.user]
    changed = list(people.values())
    user = np.concatenate([known.user[kept], np.repeat([p.user for p in changed], [len(p.items) for p in changed])])
    item = np.concatenate([known.item[kept], *(each.items for each in changed)])
    order = np.argsort(user.astype(np.int64) * len(names.items) + item, kind="stable")

    def column(mine: NDArray[Any], theirs: Iterable[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([mine[kept], *theirs])[order]

    columns: dict[str, NDArray[Any]] = {}
    for name, values in (("timestamp", known.timestamp), ("rating", known.rating), ("gift", known.gift)):
        if values is not None:
            missing = np.nan if name == "rating" else 0
            columns[name] = column(values, (_or_full(getattr(p, name), len(p.items), missing) for p in changed))
    return Everything(
        replace(
            known,
            users=names.users,
            items=names.items,
            titles=names.titles,
            categories=names.categories,
            user=user[order].astype(np.int32),
            item=item[order].astype(np.int32),
            split=None,
            **columns,
        ),
        _frozen(column(everything.state, (each.state for each in changed))),
        _frozen(column(everything.held_back, (each.held_back for each in changed))),
    )


def _differs(known: Interactions, person: DeviceLedger) -> bool:
    """Whether a person's pairs are not those of the columns, or something else is known of them."""
    if person.user >= known.n_users:
        return len(person.items) > 0
    mine = slice(known.offsets[person.user], known.offsets[person.user + 1])
    there = ((person.items, known.item), (person.timestamp, known.timestamp), (person.gift, known.gift))
    return any(own is not None and all_ is not None and not np.array_equal(own, all_[mine]) for own, all_ in there)


def _renamed(known: Interactions, names: Names) -> Interactions:
    same = known.users is names.users and known.items is names.items
    if same and known.titles is names.titles and known.categories is names.categories:
        return known
    return replace(known, users=names.users, items=names.items, titles=names.titles, categories=names.categories)


def _or_full(values: NDArray[Any] | None, n: int, value: float) -> NDArray[Any]:
    return np.full(n, value) if values is None else values


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    values.flags.writeable = False
    return values
