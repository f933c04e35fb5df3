"""The ledger: who shares what, and how it came to be so. Everybody's, for a simulation.

A ledger is a value: the interactions that devices know, a seed, and events that are only ever added to. Its ``state``
is the fold of the events; sharing, unsharing, erasing and observing return a new ledger and leave the old one as it
was. Adding an event costs the same however many there are (see ``book.py``).

**The slider.** ``share(user, fraction=f)`` and ``unshare(user, to=f)`` move a person's slider to ``f``: afterwards
``round(f * n)`` of the person's ``n`` pairs that are not erased are shared. Pairs come and go in a stable order of the
person's own (see ``order.py``): moving up adds the next ones of that order, moving down removes the last ones, so 50 %
to 30 % only removes and 30 % to 60 % only adds, and going down and up again restores the same pairs. An item shared by
name counts like any other, and a slider that goes down may take it along: less shared is always less.

The slider stands: of what devices observe later the same part is shared, counted over all of a person's pairs, and
always of the new ones. Who never moved it shares nothing of what comes.

A choice by name against sharing outlives the slider. What ``unshare(user, items)`` took back is *held back*: a slider
that goes up passes it over, takes the next pairs of the order instead, and stops short of its mark when nothing else is
left, even at 1.0. Only ``share(user, items)``, by name, ends that. ``unshare(user, to=...)`` and
``unshare(user, everything=True)`` name no item and hold nothing back: the person can move the slider up again. What is
erased never comes back by any way.

**Rules** stand beside the slider and only forbid (``rules.py``). What is shared although a rule forbids it by now is
*due*: :func:`due` makes the request that takes it back. ``device_ledger.py`` has the order in which choices win.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast, final

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.errors import BadData, BadOption, BadRequest, BadShare, EmptyRequest, NotFound
from fedshare.options import instance, shown, whole
from fedshare.sharing.book import Book, Everything, Names
from fedshare.sharing.device_ledger import Choices, DeviceLedger, NewPairs
from fedshare.sharing.device_view import DeviceView
from fedshare.sharing.event_log import EventColumns, EventLog, Events
from fedshare.sharing.events import SHOP, Event, EventKind, new_id
from fedshare.sharing.fold import Fold, fold, fold_choices, known_before
from fedshare.sharing.forgotten import Forgotten
from fedshare.sharing.journal import Entry
from fedshare.sharing.moments import Moment, seconds_of
from fedshare.sharing.moves import (
    all_kept,
    all_shared,
    check_move,
    check_rules,
    forbidden,
    grouped_ids,
    place_of,
    policy_events,
    replay,
)
from fedshare.sharing.observing import Rows, described, new_names, purchases_of, renamed, rules_after
from fedshare.sharing.policy import SharePolicy, check_share
from fedshare.sharing.policy.base import sliders_of
from fedshare.sharing.purging import purged
from fedshare.sharing.request import Request, Withdrawn
from fedshare.sharing.rules import Rule
from fedshare.sharing.state import By, Kind, State
from fedshare.sharing.views import ServerView, share_set_version

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Event", "Ledger", "Request", "State", "due", "share"]


def share(known: Interactions, policy: SharePolicy, *, seed: int = 0) -> Ledger:
    """A first ledger in which everybody shares what a policy chooses for them: for experiments.

    Args:
        known: The interactions that devices know.
        policy: Who shares what, such as ``ShareFraction(0.4)``; ``parse_share`` makes one of text.
        seed: Of the stable order in which policies and sliders take pairs.

    Returns:
        A ledger with one share event for each user for whom the policy chooses something, in the order of the ids.
        Where the policy is about fractions, it leaves everybody's slider there.

    Raises:
        BadShare: ``policy`` is no policy, or chooses something else than pairs of ``known``.
        BadOption: ``known`` is no set of interactions, or ``seed`` is no whole number of 0 or more.

    Example:
        >>> from fedshare.data.synthetic import two_taste_world
        >>> from fedshare.sharing.policy import ShareFraction
        >>> ledger = share(two_taste_world(n_users=4, n_items=20), ShareFraction(0.5), seed=7)
        >>> len(ledger.shared_items("u1")), len(ledger.private_items("u1"))
        (3, 3)
    """
    instance("known", known, Interactions, "interactions", hint="Write fs.share(known, fs.ShareFraction(0.4)).")
    if isinstance(policy, type) or not isinstance(cast(object, policy), SharePolicy):  # callers may not check types
        raise BadShare(
            f"policy: got {shown(policy)}, expected a share policy. Write ShareFraction(0.4) or parse_share('0.4')."
        )
    whole("seed", seed)
    chosen = np.asarray(policy.choose(known, seed))
    if chosen.dtype != np.bool_ or chosen.shape != (known.n_pairs,):
        raise BadShare(
            f"policy {type(policy).__name__}: chose {chosen.dtype} of shape {chosen.shape}, expected bool of shape "
            f"({known.n_pairs},), one value a pair."
        )
    ledger = Ledger(known, seed=seed)  # checks the seed
    columns = policy_events(known, chosen, sliders_of(policy, known, seed), ledger.seed)
    folded = fold(known, columns)
    assert folded is not None
    return Ledger.of_book(Book(known, ledger.seed, folded, EventLog(columns)))


def due(ledger: Ledger, now: Moment | None = None) -> Request:
    """What is shared although its owner's rules forbid it by now: the request that takes it back.

    Args:
        ledger: Who shares what.
        now: Seconds since 1970 or a date; the present without.

    Returns:
        A request like any other; empty where nothing is due. :func:`fedshare.refresh` carries it out.

    Raises:
        BadOption: ``now`` is no moment.

    Example:
        >>> from fedshare.sharing.rules import ShareUntil
        >>> known = Interactions.from_arrays(["ann", "ann", "bob"], ["tea", "milk", "tea"])
        >>> ledger = Ledger(known).share("ann", ["tea"]).set_rule("ann", ShareUntil("2030-01-01"))
        >>> due(ledger, "2029-12-31").pairs(), due(ledger, "2030-01-01").pairs()
        ([], [('ann', 'tea')])
    """
    seconds, after = seconds_of(now), ledger
    for user in ledger.users_with_rules():
        after = after.without_forbidden(user, seconds)
    return Request(ledger, after)


@final
class Ledger:
    """Who shares what. ``Ledger(known)`` is the one in which everything is private; ``share`` makes one by a policy.

    Args:
        known: The interactions that devices know, whatever their state.
        seed: Of the stable order in which sliders take pairs.
        events: What happened, first to last; checked and folded. What they observe is in ``known`` already.

    Raises:
        BadRequest: An event cannot be carried out after those before it.
        NotFound: An event names a user or an item that is not in the data.

    Example:
        >>> known = Interactions.from_arrays(["ann", "ann", "bob"], ["tea", "milk", "tea"])
        >>> ledger = Ledger(known).share("ann", ["tea", "milk"])
        >>> ledger, request = ledger.unshare("ann", ["tea"])
        >>> ledger.shared_items("ann"), ledger.private_items("ann"), request.pairs()
        (['milk'], ['tea'], [('ann', 'tea')])
    """

    def __init__(self, known: Interactions, *, seed: int = 0, events: Iterable[Event] = ()) -> None:
        instance("known", known, Interactions, "interactions", hint="Read them with fs.load(...).")
        whole("seed", seed)
        listed = list(events)
        columns = EventColumns.of(listed, known.users, known.items)
        self._begin(known, int(seed), columns)

    def _begin(
        self, known: Interactions, seed: int, columns: EventColumns, forgotten: Mapping[int, Forgotten] | None = None
    ) -> None:
        folded = fold(known, columns)
        if folded is None:
            replay(known, columns)  # says which event it is
            raise BadRequest("events: they cannot be carried out one after the other; expected those of one ledger.")
        folded = replace(folded, forgotten=dict(forgotten or {}))
        self._set(Book(known, seed, folded, EventLog(columns)), len(columns))

    def _set(self, book: Book, position: int) -> None:
        self._book = book
        self._position = position
        self._since: dict[int, DeviceLedger] = {}
        self._seen = position

    @classmethod
    def of_book(cls, book: Book, position: int | None = None) -> Ledger:
        """The ledger of a book as it was after so many events; its newest without. For this package."""
        ledger = cls.__new__(cls)
        ledger._set(book, len(book.log) if position is None else position)
        return ledger

    # -- reading ----------------------------------------------------------------------------------------------------

    @property
    def seed(self) -> int:
        return self._book.seed

    @property
    def position(self) -> int:
        """How many events there are."""
        return self._position

    @property
    def events(self) -> Events:
        """What happened, first to last."""
        names = self._names
        return Events(self._book.log, self._position, names.users, names.items)

    @property
    def known(self) -> Interactions:
        """The interactions that devices know, whatever their state."""
        return self._everything.known

    @property
    def state(self) -> NDArray[np.int8]:
        """``(n_pairs,)``, values of ``State``, in the order of ``known``; read-only."""
        return self._everything.state

    @property
    def held_back(self) -> NDArray[np.bool_]:
        """``(n_pairs,)``, unshared by name, and not shared by name since; read-only."""
        return self._everything.held_back

    @cached_property
    def version(self) -> str:
        """SHA-256 of the share set, 64 hex digits: equal sets of shared pairs, equal versions, whatever the history."""
        return share_set_version(grouped_ids(self.known, self.state == State.SHARED))

    @property
    def retired(self) -> frozenset[str]:
        """Ids of the items that are not recommended."""
        names = self._names
        return frozenset(names.items.id(item) for item in names.retired)

    def users(self) -> list[str]:
        """The ids of all users, sorted, whether they share or not."""
        return sorted(self._names.users)

    def sharers(self) -> list[str]:
        """The ids of the users who share at least one item, sorted."""
        shared = np.unique(self.known.user[self.state == State.SHARED])
        return sorted(self.known.users.ids_at(shared))

    def shared_items(self, user: str) -> list[str]:
        """The ids of the items that a user shares, sorted.

        Raises:
            UnknownUser: No such user.
        """
        return self._items(user, State.SHARED)

    def private_items(self, user: str) -> list[str]:
        """The ids of the items that a user keeps to their device, sorted.

        Raises:
            UnknownUser: No such user.
        """
        return self._items(user, State.PRIVATE)

    def erased_items(self, user: str) -> list[str]:
        """The ids of the items that a user has erased, sorted.

        Raises:
            UnknownUser: No such user.
        """
        return self._items(user, State.ERASED)

    def held_back_items(self, user: str) -> list[str]:
        """The private items that a user unshared by name, sorted: no slider shares them.

        Raises:
            UnknownUser: No such user.
        """
        mine = self._person(user)
        return sorted(self._names.items.ids_at(mine.items[mine.held_back]))

    @property
    def forgotten(self) -> Mapping[int, Forgotten]:
        """By user index, what their device has erased and purged: enough to know it again, not to name it."""
        return self._names.forgotten

    def has_forgotten(self, user: str, item: str) -> bool:
        """Whether a user has erased an item, and it was purged since: no observation brings it back.

        Raises:
            UnknownUser: No such user.
        """
        device = self.forgotten.get(self._names.users.index(user))
        return device is not None and device.has(item)

    def share_of(self, user: str) -> float:
        """What part a user shares now: shared pairs over pairs that are not erased, 0.0 where there is none.

        Raises:
            UnknownUser: No such user.
        """
        _, n, n_shared = self._person(user).picked(np.empty(0, np.intp))
        return n_shared / max(1, n)

    def choices_of(self, user: str) -> Choices:
        """What a user chose for things to come: slider and rules, and what is proposed to them.

        Raises:
            UnknownUser: No such user.
        """
        return self._person(user).choices

    def events_of(self, user: str) -> list[Event]:
        """What happened to a user's pairs and choices, first to last.

        Raises:
            UnknownUser: No such user.
        """
        index, names = self._names.users.index(user), self._names
        early = min(self._position, len(self._book.log.columns))
        columns = self._book.log.columns.prefix(early)
        read = [
            columns.event(place, names.users, names.items) for place in np.flatnonzero(columns.user == index).tolist()
        ]
        return [*read, *(each for each in self._book.log.tail[: self._position - early] if each.user == user)]

    def entries_of(self, user: str) -> list[Entry]:
        """The same, each with what it brought.

        Raises:
            UnknownUser: No such user.
        """
        return [Entry(event, self._facts(event)) for event in self.events_of(user)]

    def device_ledger(self, user: str) -> DeviceLedger:
        """One person's part: all that their device has of this.

        Raises:
            UnknownUser: No such user.
        """
        return self._person(user)

    def users_with_rules(self) -> list[str]:
        """The ids of the users who have set rules, sorted."""
        choices = self._choices()
        return sorted(self._names.users.id(user) for user, each in choices.items() if each.rules)

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{np.count_nonzero(self.state == state):,} {state.name.lower()}"
            for state in (State.SHARED, State.PRIVATE, State.ERASED)
        )
        name = self.known.name or "unnamed"
        return f"Ledger({name}: {counts} pairs of {self.known.n_users:,} users, {self.position:,} events)"

    def __eq__(self, other: object) -> bool:
        """Same data, same seed, same events."""
        if not isinstance(other, Ledger):
            return NotImplemented
        return self.position == other.position and self.extends(other)

    def __hash__(self) -> int:
        return hash((self.seed, self.position))

    def extends(self, earlier: Ledger) -> bool:
        """Whether this ledger has the data, the seed and all events of an earlier one, and perhaps more events."""
        if self._book is earlier._book:
            return self.position >= earlier.position
        if self.seed != earlier.seed or self.position < earlier.position:
            return False
        if self.events[: earlier.position] != tuple(earlier.events):
            return False
        then = self.at(earlier.position).known
        return then is earlier.known or then.fingerprint() == earlier.known.fingerprint()

    @property
    def ids(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ids of users and of items, by index."""
        return self._names.users.ids, self._names.items.ids

    def withdrawn_since(self, earlier: Ledger) -> Withdrawn:
        """The pairs that an earlier ledger of this history had, and that are unshared or erased by now.

        Pairs that were withdrawn and shared again are not among them.
        """
        people = self._changed_since(earlier)
        found = [_withdrawn_of(earlier._person_at(user), self._person_at(user)) for user in people]
        columns = [np.concatenate(each) for each in zip(_NOTHING, *found, strict=True)]
        for values in columns:
            values.flags.writeable = False
        return Withdrawn(*columns)

    def _changed_since(self, earlier: Ledger) -> list[int]:
        """People of an earlier ledger whom an event since then concerns, ascending."""
        n_users, start = len(earlier._names.users), earlier.position
        if start >= self._book.begins:
            return [user for user in self._book.touched_between(start, self.position) if user < n_users]
        users = np.unique(self._columns().user[start:])
        return [user for user in users.tolist() if 0 <= user < n_users]

    # -- what each side may read ------------------------------------------------------------------------------------

    def server_view(self) -> ServerView:
        """A copy of the shared pairs: all that the server may read."""
        return self._view(self.state == State.SHARED)

    def central_view(self) -> ServerView:
        """Every pair that is not erased, private ones included: what the server of a central reference is given."""
        return self._view(self.state != State.ERASED)

    def _view(self, chosen: NDArray[np.bool_]) -> ServerView:
        known = self.known
        return ServerView(
            n_users=known.n_users,
            n_items=known.n_items,
            user=known.user[chosen],
            item=known.item[chosen],
            timestamp=None if known.timestamp is None else known.timestamp[chosen],
            user_ids=tuple(known.users.ids_at(np.unique(known.user[chosen]))),
        )

    def device_view(self, user: str | int) -> DeviceView:
        """A copy of one user's pairs that are not erased: all that this user's device may read.

        Args:
            user: The user's id, or index.

        Raises:
            UnknownUser: No such user.
        """
        users = self._names.users
        mine = self._person_at(users.index(user if isinstance(user, str) else users.id(int(user))))
        kept = mine.state != State.ERASED
        return DeviceView(
            user=mine.user,
            n_items=len(self._names.items),
            items=mine.items[kept],
            shared=mine.state[kept] == State.SHARED,
        )

    def device_pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """All pairs that are not erased, of all users: for a simulator, which plays every device.

        Returns:
            Offsets, ``(n_users + 1,)``, and items, ``(n_kept,)``: those of user ``u`` are
            ``items[offsets[u]:offsets[u + 1]]``. Fresh arrays.
        """
        kept = self.state != State.ERASED
        offsets = np.zeros(self.known.n_users + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.known.user[kept], minlength=self.known.n_users), out=offsets[1:])
        return offsets, self.known.item[kept]

    # -- sharing and taking back ------------------------------------------------------------------------------------

    def share(
        self,
        user: str,
        items: Iterable[str] | None = None,
        *,
        fraction: float | None = None,
        now: Moment | None = None,
        actor: str = "",
        reason: str = "",
    ) -> Ledger:
        """Share private items by name, or move the user's slider up.

        Args:
            user: The user's id.
            items: Ids of private items; naming one twice is naming it once.
            fraction: Where the slider goes, 0..1, not below where it stands, and stands for what is bought later. It
                passes over what the user unshared by name and what their rules forbid.
            now: When; the present without.
            actor: Who does it, if it is not the person.
            reason: What they say about it.

        Raises:
            UnknownUser: No such user.
            UnknownItem: No such item.
            NotKnown: The user has no interaction with an item.
            AlreadyShared: An item is shared already.
            AlreadyErased: An item is gone.
            BadShare: ``fraction`` is not in 0..1.
            BadRequest: The slider is above ``fraction``, a rule forbids an item, or there is not exactly one of
                ``items`` and ``fraction``.
            EmptyRequest: ``items`` is empty.
        """
        _exactly_one("share", items=items, fraction=fraction)
        mine, seconds = self._person(user), seconds_of(now)
        about = _About(seconds, actor, reason)
        if items is not None:
            places = place_of(self._names, mine, items)
            check_rules(self._names, mine, places, seconds)
            return self._moved(mine, places, "share", "hand", None, about)
        wanted, n_shared, n = self._slider(mine, fraction, "share")
        if wanted < n_shared:
            raise BadRequest(
                f"share: user '{user}' shares {n_shared} of {n} items, got fraction={fraction:g}, fewer than now; "
                f"expected {n_shared / n:g} to 1. To share less, use unshare('{user}', to={fraction:g})."
            )
        free = (mine.state == State.PRIVATE) & ~mine.held_back & ~self._forbidden(mine, seconds)
        added = self._in_order(mine, free)[: wanted - n_shared]
        if not len(added) and mine.choices.slider == fraction:
            return self
        return self._moved(mine, added, "share", "slider", fraction, about)

    def unshare(
        self,
        user: str,
        items: Iterable[str] | None = None,
        *,
        to: float | None = None,
        everything: bool = False,
        now: Moment | None = None,
        actor: str = "",
        reason: str = "",
    ) -> tuple[Ledger, Request]:
        """Take shared items back: by name, by moving the user's slider down, or all of them.

        Args:
            user: The user's id.
            items: Ids of shared items; naming one twice is naming it once. No slider shares them again.
            to: Where the slider goes, 0..1, below where it stands; it stands for what is bought later.
            everything: Whether all that the user shares is taken back, and nothing of what is bought later is shared;
                the slider may go up again.
            now: When; the present without.
            actor: Who does it, if it is not the person.
            reason: What they say about it.

        Returns:
            The ledger after it, and the request, for ``fedshare.unlearn``.

        Raises:
            UnknownUser: No such user.
            UnknownItem: No such item.
            NotKnown: The user has no interaction with an item.
            NotShared: An item is private, or there is nothing to take back with ``everything``.
            AlreadyErased: An item is gone.
            BadShare: ``to`` is not in 0..1.
            BadRequest: The slider is below ``to``, or there is not exactly one of ``items``, ``to``, ``everything``.
            EmptyRequest: ``items`` is empty, or the slider stands at ``to`` already.
        """
        _exactly_one("unshare", items=items, to=to, everything=everything or None)
        mine, about = self._person(user), _About(seconds_of(now), actor, reason)
        if items is not None:
            return self._withdrawn(mine, place_of(self._names, mine, items), "unshare", "hand", None, about)
        if everything:
            standing = mine.choices.slider or 0.0
            return self._withdrawn(mine, all_shared(user, mine, standing), "unshare", "slider", 0.0, about)
        wanted, n_shared, n = self._slider(mine, to, "unshare")
        if wanted > n_shared:
            raise BadRequest(
                f"unshare: user '{user}' shares {n_shared} of {n} items, got to={to:g}, more shared than now; "
                f"expected 0 to {n_shared / max(1, n):g}. To share more, use share('{user}', fraction={to:g})."
            )
        if wanted == n_shared and mine.choices.slider in (None, to):
            raise EmptyRequest(
                f"unshare: user '{user}' shares {n_shared} of {n} items, which is {to:g} already, so nothing is "
                f"withdrawn; expected a lower share."
            )
        removed = self._in_order(mine, mine.state == State.SHARED)[wanted:]
        return self._withdrawn(mine, removed, "unshare", "slider", to, about)

    def erase(
        self,
        user: str,
        items: Iterable[str] | None = None,
        *,
        everything: bool = False,
        now: Moment | None = None,
        actor: str = "",
        reason: str = "",
    ) -> tuple[Ledger, Request]:
        """Erase items for good, shared or private: from the server, the device's training and the model.

        Args:
            user: The user's id.
            items: Ids of items that are not erased; naming one twice is naming it once.
            everything: Whether all that is left of the user's items is erased; nothing of what is bought later is
                shared then, until the slider goes up.
            now: When; the present without.
            actor: Who does it, if it is not the person.
            reason: What they say about it.

        Returns:
            The ledger after it, and the request, for ``fedshare.unlearn``.

        Raises:
            UnknownUser: No such user.
            UnknownItem: No such item.
            NotKnown: The user has no interaction with an item, or none at all.
            AlreadyErased: An item is gone, or all are with ``everything``.
            BadRequest: There is not exactly one of ``items`` and ``everything``.
            EmptyRequest: ``items`` is empty.
        """
        _exactly_one("erase", items=items, everything=everything or None)
        mine, about = self._person(user), _About(seconds_of(now), actor, reason)
        if items is not None:
            return self._withdrawn(mine, place_of(self._names, mine, items), "erase", "hand", None, about)
        return self._withdrawn(mine, all_kept(user, mine), "erase", "slider", 0.0, about)

    # -- what stands for things to come -----------------------------------------------------------------------------

    def set_rule(
        self, user: str, rule: Rule, *, now: Moment | None = None, actor: str = "", reason: str = ""
    ) -> Ledger:
        """A rule of a user's: what they never share. What they share against it is due at once (:func:`due`).

        Raises:
            UnknownUser: No such user.
            BadShare: It is no rule.
            BadRequest: It stands already.
        """
        mine = self._person(user)
        if not isinstance(cast(object, rule), Rule):
            raise BadShare(f"rule: got {rule!r}, expected a rule. Write NeverGifts() or parse_rule('never-gifts').")
        if rule in mine.choices.rules:
            raise BadRequest(f"rule: user '{user}' has set '{rule.describe()}' already; expected another rule.")
        after = mine.choosing(rules=(*mine.choices.rules, rule))
        return self._added("rule", after, _About(seconds_of(now), actor, reason), rule=rule)

    def lift_rule(
        self, user: str, rule: Rule, *, now: Moment | None = None, actor: str = "", reason: str = ""
    ) -> Ledger:
        """Lift a rule that a user has set. What it kept private stays so until it is shared.

        Raises:
            UnknownUser: No such user.
            BadRequest: There is no such rule.
        """
        mine = self._person(user)
        if rule not in mine.choices.rules:
            there = ", ".join(f"'{each.describe()}'" for each in mine.choices.rules[:5]) or "none"
            shown = rule.describe() if isinstance(cast(object, rule), Rule) else repr(rule)
            raise BadRequest(f"rule: user '{user}' has not set '{shown}'; expected one of their rules ({there}).")
        after = mine.choosing(rules=tuple(each for each in mine.choices.rules if each != rule))
        return self._added("lift", after, _About(seconds_of(now), actor, reason), rule=rule)

    def propose(self, policy: SharePolicy, *, now: Moment | None = None, actor: str = SHOP, reason: str = "") -> Ledger:
        """Propose to everybody where their slider might stand. Nothing is shared for it: see :meth:`accept`.

        Args:
            policy: One about fractions, such as ``ShareByTier``.
            now: When; the present without.
            actor: Who proposes.
            reason: What they say about it.

        Raises:
            BadShare: The policy is not about fractions.
        """
        fractions = sliders_of(policy, self.known, self.seed)
        if fractions is None:
            raise BadShare("propose: got a policy that is not about fractions, expected one such as ShareByTier.")
        ledger, about = self, _About(seconds_of(now), actor, reason)
        for user, fraction in enumerate(fractions.tolist()):
            mine = ledger._person_at(user)
            if mine.choices.proposal != fraction:
                ledger = ledger._added("propose", mine.choosing(proposal=fraction), about, fraction=fraction)
        return ledger

    def accept(self, user: str, *, now: Moment | None = None) -> Ledger:
        """Move a user's slider to where it was proposed that it stand.

        Where that is lower than what they share, it takes pairs back: :class:`Request` of both ledgers says which.

        Raises:
            UnknownUser: No such user.
            BadRequest: Nothing was proposed.
        """
        mine = self._person(user)
        fraction = mine.choices.proposal
        if fraction is None:
            raise BadRequest(f"accept: nothing was proposed to user '{user}', expected a proposal. Use share().")
        wanted, n_shared, _ = self._slider(mine, fraction, "accept")
        if wanted >= n_shared:
            return self.share(user, fraction=fraction, now=now, reason="proposal accepted")
        return self.unshare(user, to=fraction, now=now, reason="proposal accepted")[0]

    # -- a world that grows -----------------------------------------------------------------------------------------

    def observe(
        self,
        rows: Interactions | Iterable[Sequence[Any]] | None = None,
        *,
        users: Iterable[str] = (),
        items: Iterable[str] = (),
        titles: Mapping[str, str] | None = None,
        categories: Mapping[str, str] | None = None,
        now: Moment | None = None,
        actor: str = "",
        reason: str = "",
    ) -> Ledger:
        """Devices have seen new purchases; there may be new people and items among them.

        Indices never move: who and what is new comes last. A purchase of a pair that is known is no new pair, and one
        that was erased stays erased. Of the new pairs each person's slider and rules share what they say.

        Args:
            rows: Interactions, or rows of (user, item), (user, item, time), (user, item, time, gift); times are seconds
                since 1970 or dates. Without a time, and where the data has times, it is ``now``.
            users: Ids of people who have bought nothing yet.
            items: Ids of items that nobody has bought yet.
            titles: Item id to title.
            categories: Item id to category.
            now: When devices see it; the present without.
            actor: Who does it, if it is not the person.
            reason: What they say about it.

        Returns:
            A ledger with one event for each person who bought something new, and one more where their slider shares
            some of it.

        Raises:
            BadData: A row cannot be read.

        Example:
            >>> known = Interactions.from_arrays(["ann", "ann", "bob"], ["tea", "milk", "tea"])
            >>> ledger = Ledger(known).share("ann", fraction=1.0).observe([("ann", "rice"), ("eve", "rice")])
            >>> ledger.shared_items("ann"), ledger.private_items("eve"), ledger.known.items.ids
            (['milk', 'rice', 'tea'], ['rice'], ('milk', 'tea', 'rice'))
        """
        about = _About(seconds_of(now), actor, reason)
        read = Rows.of(rows, about.time)
        ledger = self._with_names(read, users, items, titles or {}, categories or {}, about)
        book = ledger._book
        book.with_columns(timestamp=read.timestamp is not None, rating=read.rating is not None, gift=read.has_gifts)
        for user, new in purchases_of(read, book.names, book.everything.known, about.time):
            ledger = ledger._observed(user, new, about)
        return ledger

    def retire(self, items: Iterable[str], *, now: Moment | None = None, actor: str = SHOP, reason: str = "") -> Ledger:
        """Items leave the catalogue: they are known, and not recommended.

        Raises:
            UnknownItem: No such item.
            BadRequest: One is retired already.
        """
        return self._restocked("retire", items, _About(seconds_of(now), actor, reason))

    def restore_items(
        self, items: Iterable[str], *, now: Moment | None = None, actor: str = SHOP, reason: str = ""
    ) -> Ledger:
        """Items that were retired come back.

        Raises:
            UnknownItem: No such item.
            BadRequest: One is not retired.
        """
        return self._restocked("restore", items, _About(seconds_of(now), actor, reason))

    # -- purging ----------------------------------------------------------------------------------------------------

    def purged(self) -> Ledger:
        """A ledger in which erased pairs have never been: no pair, no event, no reason, no rule names one.

        It does not go on from this one; positions of events change, indices of people and items do not. What devices
        keep is enough to know such a pair again: see :meth:`has_forgotten`.

        Example:
            >>> known = Interactions.from_arrays(["ann", "ann", "bob"], ["tea", "milk", "tea"])
            >>> ledger = Ledger(known).erase("ann", ["tea"])[0].purged()
            >>> ledger.erased_items("ann"), ledger.has_forgotten("ann", "tea"), len(ledger.events)
            ([], True, 0)
            >>> ledger.observe([("ann", "tea")]).known.n_pairs
            2
        """
        left = purged(self.known, self._columns(), self.state, self.held_back, self.forgotten)
        return Ledger.of_book(Book(left.known, self.seed, left.folded, EventLog(left.columns)))

    def knowing(self, user: int, device: Forgotten) -> Ledger:
        """This ledger with what one device has erased and purged; in a history of its own."""
        everything, names = self._everything, self._names
        forgotten = {**names.forgotten, user: device}
        folded = Fold(everything.state, everything.held_back, self._choices(), names.retired, forgotten)
        return Ledger.of_book(Book(everything.known, self.seed, folded, self._book.log.prefix(self._position)))

    def recalled(self, forgotten: Mapping[int, Forgotten], *, now: Moment | None = None) -> tuple[Ledger, Request]:
        """Erase what was erased and purged once and is back, because an older copy was restored.

        Args:
            forgotten: What devices know again: :attr:`forgotten` of a ledger that was purged, of the same history.
            now: When; the present without.

        Returns:
            The ledger after it, and the request, for ``fedshare.unlearn``; an empty one where nothing is back.

        Example:
            >>> known = Interactions.from_arrays(["ann", "ann", "bob"], ["tea", "milk", "tea"])
            >>> restored = Ledger(known)
            >>> purged = restored.erase("ann", ["tea"])[0].purged()
            >>> restored.recalled(purged.forgotten)[1].pairs()
            [('ann', 'tea')]
        """
        after, names = self, self._names
        for user, device in sorted(forgotten.items()):
            if user < len(names.users):
                mine = self._person_at(user)
                items = names.items.ids_at(mine.items[mine.state != State.ERASED])
                back = [item for item in items if device.has(item)]
                if back:
                    after, _ = after.erase(names.users.id(user), back, now=now, reason="erased before")
        return after, Request(self, after)

    # -- history ----------------------------------------------------------------------------------------------------

    def at(self, position: int) -> Ledger:
        """The ledger as it was after its first ``position`` events.

        Of a pair's time, and of whether it is a gift, a ledger that was read from a file has what is known by now.

        Raises:
            BadOption: ``position`` is not in ``0 .. self.position``.
        """
        if not 0 <= position <= self.position:
            raise BadOption(f"position: got {position}, expected 0 to {self.position}, the number of events.")
        if position == self.position:
            return self
        if position >= self._book.begins:
            return Ledger.of_book(self._book, position)
        columns = self._columns()
        known = known_before(self.known, columns, position)
        ledger = Ledger.__new__(Ledger)
        forgotten = {user: each for user, each in self.forgotten.items() if user < known.n_users}
        ledger._begin(known, self.seed, columns.prefix(position), forgotten)
        return ledger

    def event_columns(self) -> dict[str, Any]:
        """The events as columns, one row an event; ``restore`` reads them.

        Returns:
            ``id``, ``actor``, ``reason``, ``kind`` and ``by`` (strings), ``time`` (seconds), ``user`` (indices, -1 for
            nobody), ``items`` (arrays of indices), ``fraction`` (or None), ``rule`` (JSON, or None).
        """
        return self._columns().table()

    @classmethod
    def restore(
        cls,
        known: Interactions,
        columns: Mapping[str, Any],
        seed: int,
        *,
        state: NDArray[np.int8] | None = None,
        held_back: NDArray[np.bool_] | None = None,
        forgotten: Mapping[int, Forgotten] | None = None,
    ) -> Ledger:
        """The ledger whose ``event_columns`` these are.

        Args:
            known: The same interactions as then.
            columns: As ``event_columns`` returns them; lists or arrays.
            seed: As then.
            state: ``(n_pairs,)``, what the events add up to, where it was kept: then they are not folded.
            held_back: ``(n_pairs,)``, likewise.
            forgotten: What devices have erased and purged, by user index; as :attr:`forgotten` has it.

        Raises:
            BadData: The columns are not those of a ledger of ``known``.

        Example:
            >>> known = Interactions.from_arrays(["ann", "ann", "bob"], ["tea", "milk", "tea"])
            >>> ledger = Ledger(known, seed=7).share("ann", ["tea"])
            >>> Ledger.restore(known, ledger.event_columns(), seed=7) == ledger
            True
        """
        read = EventColumns.read(columns, known.n_users, known.n_items)
        ledger = cls.__new__(cls)
        try:
            if state is None or held_back is None:
                ledger._begin(known, seed, read, forgotten)
            else:
                folded = replace(fold_choices(known, read, state, held_back), forgotten=dict(forgotten or {}))
                ledger._set(Book(known, seed, folded, EventLog(read)), len(read))
        except (BadRequest, NotFound, BadShare) as error:
            raise BadData(
                f"ledger events: {error} Expected the events of a ledger on this data ({known!r}); "
                f"load the data and the events that were written together."
            ) from error
        return ledger

    def entries_since(self, position: int) -> list[Entry]:
        """The events from one on, each with what it brought, for a journal; :meth:`replayed` takes them back.

        Raises:
            BadOption: ``position`` is not in ``0 .. self.position``.
        """
        self.at(position)
        return [Entry(event, self._facts(event)) for event in self.events[position:]]

    def replayed(self, entry: Entry) -> Ledger:
        """This ledger with an event as it was recorded.

        Raises:
            BadData: It is not the next event of this ledger.
        """
        event = entry.event
        if event.position != self.position:
            raise BadData(
                f"journal: got event {event.position:,}, expected event {self.position:,}. Restore the file "
                "that belongs to this run."
            )
        try:
            return self._replayed(event, entry.facts)
        except (BadRequest, NotFound, BadShare, ValueError, TypeError) as error:
            raise BadData(f"journal: event {event.position:,} does not follow ({error}). Restore the file.") from error

    # -- inside -----------------------------------------------------------------------------------------------------

    @property
    def _is_newest(self) -> bool:
        return self._position == len(self._book.log)

    @property
    def _names(self) -> Names:
        return self._book.names_at(self._position)

    @cached_property
    def _everything(self) -> Everything:
        if self._is_newest:
            return self._book.columns()
        self._seen = self._book.people_at(self._position, self._since, self._seen)
        return self._book.columns_at(self._position, self._since)

    def _person(self, user: str) -> DeviceLedger:
        return self._person_at(self._names.users.index(user))

    def _person_at(self, user: int) -> DeviceLedger:
        if not self._is_newest:
            self._seen = self._book.people_at(self._position, self._since, self._seen)
            if user in self._since:
                return self._since[user]
        return self._book.person(user)

    def _choices(self) -> dict[int, Choices]:
        choices = self._book.all_choices()
        if self._is_newest:
            return choices
        self._seen = self._book.people_at(self._position, self._since, self._seen)
        then = choices | {user: each.choices for user, each in self._since.items()}
        n_users = len(self._names.users)
        return {user: each for user, each in then.items() if user < n_users}

    def _columns(self) -> EventColumns:
        names = self._names
        return self._book.log.all_columns(self._position, names.users, names.items)

    def _items(self, user: str, state: State) -> list[str]:
        mine = self._person(user)
        return sorted(self._names.items.ids_at(mine.items[mine.where(state)]))

    def _forbidden(self, mine: DeviceLedger, now: int) -> NDArray[np.bool_]:
        return forbidden(self._names, mine, now)

    def _in_order(self, mine: DeviceLedger, mask: NDArray[np.bool_]) -> NDArray[np.intp]:
        return self._book.in_order(mine, mask)  # numbers do not change, whatever came since

    def _slider(self, mine: DeviceLedger, fraction: Any, where: str) -> tuple[int, int, int]:
        """(pairs to be shared with the slider at ``fraction``, pairs shared now, pairs that are not erased)."""
        _, n, n_shared = mine.picked(np.empty(0, np.intp))
        return round(check_share(fraction, where) * n), n_shared, n

    def _own_book(self) -> Book:
        """A book whose newest state is this ledger's."""
        if self._is_newest:
            return self._book
        everything, names = self._everything, self._names
        folded = Fold(everything.state, everything.held_back, self._choices(), names.retired, names.forgotten)
        return Book(everything.known, self.seed, folded, self._book.log.prefix(self._position))

    def _added(
        self,
        kind: EventKind,
        person: DeviceLedger | None,
        about: _About,
        *,
        items: NDArray[np.integer] | None = None,
        by: By = "hand",
        fraction: float | None = None,
        rule: Rule | None = None,
        names: Names | None = None,
    ) -> Ledger:
        """This ledger with one more event."""
        book = self._own_book()
        there = names or book.names
        event = Event(
            len(book.log),
            kind,
            "" if person is None else there.users.id(person.user),
            () if items is None else tuple(sorted(there.items.ids_at(items))),
            by,
            fraction,
            rule,
            new_id(),
            about.time,
            about.actor,
            about.reason,
        )
        book.add(event, person, names)
        return Ledger.of_book(book)

    def _moved(
        self, mine: DeviceLedger, places: NDArray[np.intp], kind: Kind, by: By, fraction: float | None, about: _About
    ) -> Ledger:
        if by == "hand" and not len(places):
            user = self._names.users.id(mine.user)
            raise EmptyRequest(
                f"{kind}: got no item of user '{user}', expected at least one. Name the items to {kind}."
            )
        check_move(self._names, mine, places, kind)
        after = mine.moved(places, kind, by)
        if fraction is not None:
            after = after.choosing(slider=float(fraction))
        return self._added(kind, after, about, items=mine.items[places], by=by, fraction=fraction)

    def _withdrawn(
        self, mine: DeviceLedger, places: NDArray[np.intp], kind: Kind, by: By, fraction: float | None, about: _About
    ) -> tuple[Ledger, Request]:
        after = self._moved(mine, places, kind, by, fraction, about)
        return after, Request(self, after)

    def without_forbidden(self, user: str, now: int) -> Ledger:
        """Without what a user shares although their rules forbid it; this ledger where there is nothing of the kind."""
        mine = self._person(user)
        places = np.flatnonzero((mine.state == State.SHARED) & self._forbidden(mine, now))
        if not len(places):
            return self
        return self._moved(mine, places, "unshare", "rule", None, _About(now, "rule", "forbidden by a rule by now"))

    def _with_names(
        self,
        read: Rows,
        users: Iterable[str],
        items: Iterable[str],
        titles: Mapping[str, str],
        categories: Mapping[str, str],
        about: _About,
    ) -> Ledger:
        """With whoever and whatever is new, and with what is said of items."""
        before, ledger = self._names, self
        names = new_names(before, read, users, items, titles, categories)
        if names is before:
            return Ledger.of_book(self._own_book())
        those = replace(names, users=before.users)
        n, known_items = len(before.items), described(before, names)
        if n < len(names.items):
            ledger = ledger._added("list", None, about, items=np.arange(n, len(names.items)), names=those)
        if len(known_items):
            ledger = ledger._added("describe", None, about, items=known_items, names=those)
        for user in range(len(before.users), len(names.users)):
            those = replace(names, users=names.users.first(user + 1))
            ledger = ledger._added("join", ledger._own_book().stranger(user), about, names=those)
        return ledger

    def _observed(self, user: int, new: NewPairs, about: _About) -> Ledger:
        """With what one device has seen, and with what its owner's slider shares of it."""
        mine = self._person_at(user)
        after, places = mine.observed(new)
        if not len(places):
            return self if after is mine else self._added("observe", after, about)
        ledger = self._added("observe", after, about, items=after.items[places])
        slider = after.choices.slider
        if not slider:
            return ledger
        n = after.picked(places).n
        wanted = round(slider * n) - round(slider * (n - len(places)))  # adds up to round(slider * n) over the years
        free = np.zeros(len(after.items), np.bool_)
        free[places] = True
        free &= ~self._forbidden(after, about.time) if after.choices.rules else True
        added = ledger._in_order(after, free)[:wanted]
        if not len(added):
            return ledger
        return ledger._moved(after, added, "share", "slider", None, about)

    def _facts(self, event: Event) -> dict[str, list[Any]]:
        """What an event brought, one value for each of its items."""
        names = self._names
        if event.kind in ("list", "describe"):
            said = {"titles": names.titles, "categories": names.categories}
            return {name: [each.get(item) for item in event.items] for name, each in said.items()}
        if event.kind != "observe":
            return {}
        mine = self._person(event.user)
        places = mine.places(names.items.indices(event.items))
        columns = {"timestamp": mine.timestamp, "rating": mine.rating, "gift": mine.gift}
        return {name: values[places].tolist() for name, values in columns.items() if values is not None}

    def _replayed(self, event: Event, facts: dict[str, list[Any]]) -> Ledger:
        book, names = self._own_book(), self._names
        if event.kind in ("list", "describe", "join", "retire", "restore"):
            names = renamed(names, event, facts)
            person = book.stranger(len(names.users) - 1) if event.kind == "join" else None
            book.add(event, person, names)
            return Ledger.of_book(book)
        mine = self._person(event.user)
        if event.kind == "observe":
            gifts = facts.get("gift")
            book.with_columns(timestamp="timestamp" in facts, rating="rating" in facts, gift=any(gifts or ()))
            rows = Rows.recorded(event, facts)
            known = book.everything.known
            for user, new in purchases_of(rows, names, known, event.time):
                mine, _ = book.person(user).observed(new)
        elif event.kind in ("share", "unshare", "erase"):
            places = place_of(names, mine, event.items)
            check_move(names, mine, places, event.kind)
            mine = mine.moved(places, event.kind, event.by)
            mine = mine if event.fraction is None else mine.choosing(slider=check_share(event.fraction, "journal"))
        elif event.kind == "propose":
            mine = mine.choosing(proposal=check_share(event.fraction, "journal"))
        else:
            mine = mine.choosing(rules=rules_after(mine.choices.rules, event))
        book.add(event, mine)
        return Ledger.of_book(book)

    def _restocked(self, kind: EventKind, items: Iterable[str], about: _About) -> Ledger:
        names = self._names
        wanted = np.unique(names.items.indices(items))
        wrong = [item for item in wanted.tolist() if (item in names.retired) == (kind == "retire")]
        if wrong or not len(wanted):
            what = f"item '{names.items.ids[wrong[0]]}'" if wrong else "no item"
            raise BadRequest(
                f"{kind}: got {what}, expected items that are {'not ' if kind == 'retire' else ''}retired."
            )
        retired = names.retired | set(wanted.tolist()) if kind == "retire" else names.retired - set(wanted.tolist())
        return self._added(kind, None, about, items=wanted, names=replace(names, retired=frozenset(retired)))


_NOTHING = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.bool_), np.empty(0, np.bool_))


def _withdrawn_of(before: DeviceLedger, after: DeviceLedger) -> tuple[NDArray[Any], ...]:
    """User, item, whether erased, whether the server saw it: of what one person withdrew."""
    now = after.state[after.places(before.items)]
    gone = (now != before.state) & ((now == State.ERASED) | (before.state == State.SHARED))
    items = before.items[gone]
    users = np.full(len(items), before.user, np.int32)
    return users, items, now[gone] == State.ERASED, before.state[gone] == State.SHARED


class _About(NamedTuple):
    """When, who and why."""

    time: int
    actor: str
    reason: str


def _exactly_one(where: str, **given: object) -> None:
    named = [f"{name}=" for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise BadRequest(
            f"{where}: got {' and '.join(named) or 'none of the choices'}, expected exactly one of "
            f"{', '.join(f'{name}=' for name in given)}. Say which items are meant."
        )
