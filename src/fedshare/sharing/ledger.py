"""The ledger: who shares what, and how it came to be so.

A ledger is a value: the interactions that devices know, a seed, and events that are only ever added to. Its ``state``
is the fold of the events; sharing, unsharing and erasing return a new ledger and leave the old one as it was.

**The slider.** ``share(user, fraction=f)`` and ``unshare(user, to=f)`` move a person's slider to ``f``: afterwards
``round(f * n)`` of the person's ``n`` pairs that are not erased are shared. Pairs come and go in a stable order of the
person's own (see ``order.py``): moving up adds the next ones of that order, moving down removes the last ones, so 50 %
to 30 % only removes and 30 % to 60 % only adds, and going down and up again restores the same pairs. An item shared by
name counts like any other, and a slider that goes down may take it along: less shared is always less.

A choice by name against sharing outlives the slider. What ``unshare(user, items)`` took back is *held back*: a slider
that goes up passes it over, takes the next pairs of the order instead, and stops short of its mark when nothing else is
left, even at 1.0. Only ``share(user, items)``, by name, ends that. ``unshare(user, to=...)`` and
``unshare(user, everything=True)`` name no item and hold nothing back: the person can move the slider up again. What is
erased never comes back by any way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from numbers import Integral
from typing import Any, cast, final, get_args

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.errors import (
    AlreadyErased,
    BadData,
    BadOption,
    BadRequest,
    BadShare,
    EmptyRequest,
    NotFound,
    NotKnown,
    NotShared,
)
from fedshare.options import instance, shown, whole
from fedshare.sharing.device_view import DeviceView
from fedshare.sharing.events import By, Event, Fold, Kind, check_move, fold_events, grouped_ids, locate
from fedshare.sharing.order import pair_numbers
from fedshare.sharing.policy import SharePolicy, check_share
from fedshare.sharing.request import Request
from fedshare.sharing.state import State
from fedshare.sharing.views import ServerView, share_set_version

__all__ = ["Event", "Ledger", "Request", "State", "share"]

_COLUMNS = ("position", "kind", "by", "user", "item")


def share(known: Interactions, policy: SharePolicy, *, seed: int = 0) -> Ledger:
    """A first ledger in which everybody shares what a policy chooses for them.

    Args:
        known: The interactions that devices know.
        policy: Who shares what, such as ``ShareFraction(0.4)``; ``parse_share`` makes one of text.
        seed: Of the stable order in which policies and sliders take pairs.

    Returns:
        A ledger with one share event for each user for whom the policy chooses something, in the order of the ids.

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
    events = tuple(
        Event(position, "share", user, items, "slider")
        for position, (user, items) in enumerate(grouped_ids(known, chosen))
    )
    fold = Fold(
        np.where(chosen, np.int8(State.SHARED), np.int8(State.PRIVATE)), np.zeros(known.n_pairs, dtype=np.bool_)
    )
    return Ledger(known, seed=seed, events=events, carried=fold)


@final
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Ledger:
    """Who shares what. ``Ledger(known)`` is the one in which everything is private; ``share`` makes one by a policy.

    Args:
        known: The interactions that devices know, whatever their state.
        seed: Of the stable order in which sliders take pairs.
        events: What happened, first to last; checked and folded.

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

    known: Interactions = field(kw_only=False)
    seed: int = 0
    events: tuple[Event, ...] = ()
    state: NDArray[np.int8] = field(init=False)
    "``(n_pairs,)``, values of ``State``, in the order of ``known``; read-only."
    held_back: NDArray[np.bool_] = field(init=False)
    "``(n_pairs,)``, unshared by name, and not shared by name since; read-only."
    carried: InitVar[Fold | None] = None
    "The fold of the events, where it is known already; for this module only."

    def __post_init__(self, carried: Fold | None) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, Integral) or self.seed < 0:
            raise BadOption(f"seed: got {self.seed!r}, expected a whole number, 0 or above.")
        object.__setattr__(self, "seed", int(self.seed))
        object.__setattr__(self, "events", tuple(self.events))
        fold = fold_events(self.known, self.events) if carried is None else carried.freeze()
        object.__setattr__(self, "state", fold.state)
        object.__setattr__(self, "held_back", fold.held_back)

    # -- reading ----------------------------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """How many events there are."""
        return len(self.events)

    @cached_property
    def version(self) -> str:
        """SHA-256 of the share set, 64 hex digits: equal sets of shared pairs, equal versions, whatever the history."""
        return share_set_version(grouped_ids(self.known, self.state == State.SHARED))

    def users(self) -> list[str]:
        """The ids of all users, sorted, whether they share or not."""
        return sorted(self.known.users)

    def sharers(self) -> list[str]:
        """The ids of the users who share at least one item, sorted."""
        shared = np.unique(self.known.user[self.state == State.SHARED])
        return sorted(self.known.users.ids_at(shared))

    def shared_items(self, user: str) -> list[str]:
        """The ids of the items that a user shares, sorted.

        Raises:
            UnknownUser: No such user.
        """
        return self._items(user, self.state == State.SHARED)

    def private_items(self, user: str) -> list[str]:
        """The ids of the items that a user keeps to their device, sorted.

        Raises:
            UnknownUser: No such user.
        """
        return self._items(user, self.state == State.PRIVATE)

    def erased_items(self, user: str) -> list[str]:
        """The ids of the items that a user has erased, sorted.

        Raises:
            UnknownUser: No such user.
        """
        return self._items(user, self.state == State.ERASED)

    def held_back_items(self, user: str) -> list[str]:
        """The private items that a user unshared by name, sorted: no slider shares them.

        Raises:
            UnknownUser: No such user.
        """
        return self._items(user, self.held_back)

    def share_of(self, user: str) -> float:
        """Where a user's slider stands: shared pairs over pairs that are not erased, 0.0 where there is none.

        Raises:
            UnknownUser: No such user.
        """
        state = self.state[self._range(user)]
        return float(np.count_nonzero(state == State.SHARED) / max(1, np.count_nonzero(state != State.ERASED)))

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
        return hash((self.seed, self.events[-1:]))

    def extends(self, earlier: Ledger) -> bool:
        """Whether this ledger has the data, the seed and all events of an earlier one, and perhaps more events."""
        same_data = self.known is earlier.known or self.known.fingerprint() == earlier.known.fingerprint()
        return same_data and self.seed == earlier.seed and self.events[: earlier.position] == earlier.events

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
        id = user if isinstance(user, str) else self.known.users.id(int(user))
        mine = self._range(id)
        kept = self.state[mine] != State.ERASED
        return DeviceView(
            user=self.known.users.index(id),
            n_items=self.known.n_items,
            items=self.known.item[mine][kept],
            shared=self.state[mine][kept] == State.SHARED,
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

    def share(self, user: str, items: Iterable[str] | None = None, *, fraction: float | None = None) -> Ledger:
        """Share private items by name, or move the user's slider up.

        Args:
            user: The user's id.
            items: Ids of private items; naming one twice is naming it once.
            fraction: Where the slider goes, 0..1, not below where it stands. It passes over what the user unshared by
                name; where nothing is left to add, this ledger is returned as it is.

        Raises:
            UnknownUser: No such user.
            UnknownItem: No such item.
            NotKnown: The user has no interaction with an item.
            AlreadyShared: An item is shared already.
            AlreadyErased: An item is gone.
            BadShare: ``fraction`` is not in 0..1.
            BadRequest: The slider is above ``fraction``, or there is not exactly one of ``items`` and ``fraction``.
            EmptyRequest: ``items`` is empty.
        """
        _exactly_one("share", items=items, fraction=fraction)
        if items is not None:
            return self._moved("share", "hand", user, locate(self.known, user, items))
        wanted, n_shared, n = self._slider(user, fraction, "share")
        if wanted < n_shared:
            raise BadRequest(
                f"share: user '{user}' shares {n_shared} of {n} items, got fraction={fraction:g}, fewer than now; "
                f"expected {n_shared / n:g} to 1. To share less, use unshare('{user}', to={fraction:g})."
            )
        mine = self._range(user)
        free = (self.state[mine] == State.PRIVATE) & ~self.held_back[mine]
        added = self._in_order(user, free)[: wanted - n_shared]
        return self._moved("share", "slider", user, added) if len(added) else self

    def unshare(
        self, user: str, items: Iterable[str] | None = None, *, to: float | None = None, everything: bool = False
    ) -> tuple[Ledger, Request]:
        """Take shared items back: by name, by moving the user's slider down, or all of them.

        Args:
            user: The user's id.
            items: Ids of shared items; naming one twice is naming it once. No slider shares them again.
            to: Where the slider goes, 0..1, below where it stands.
            everything: Whether all that the user shares is taken back; the slider may go up again later.

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
        if items is not None:
            return self._withdrawn("unshare", "hand", user, locate(self.known, user, items))
        if everything:
            return self._withdrawn("unshare", "slider", user, self._all_shared(user))
        wanted, n_shared, n = self._slider(user, to, "unshare")
        if wanted > n_shared:
            raise BadRequest(
                f"unshare: user '{user}' shares {n_shared} of {n} items, got to={to:g}, more shared than now; "
                f"expected 0 to {n_shared / n:g}. To share more, use share('{user}', fraction={to:g})."
            )
        if wanted == n_shared:
            raise EmptyRequest(
                f"unshare: user '{user}' shares {n_shared} of {n} items, which is {to:g} already, so nothing is "
                f"withdrawn; expected a lower share."
            )
        removed = self._in_order(user, self.state[self._range(user)] == State.SHARED)[wanted:]
        return self._withdrawn("unshare", "slider", user, removed)

    def erase(
        self, user: str, items: Iterable[str] | None = None, *, everything: bool = False
    ) -> tuple[Ledger, Request]:
        """Erase items for good, shared or private: from the server, the device's training and the model.

        Args:
            user: The user's id.
            items: Ids of items that are not erased; naming one twice is naming it once.
            everything: Whether all that is left of the user's items is erased.

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
        if items is not None:
            return self._withdrawn("erase", "hand", user, locate(self.known, user, items))
        return self._withdrawn("erase", "slider", user, self._all_kept(user))

    # -- history ----------------------------------------------------------------------------------------------------

    def at(self, position: int) -> Ledger:
        """The ledger as it was after its first ``position`` events.

        Raises:
            BadOption: ``position`` is not in ``0 .. self.position``.
        """
        if not 0 <= position <= self.position:
            raise BadOption(f"position: got {position}, expected 0 to {self.position}, the number of events.")
        return self if position == self.position else Ledger(self.known, seed=self.seed, events=self.events[:position])

    def event_columns(self) -> dict[str, list[Any]]:
        """The events as columns of one length, one row for each item of each event; ``restore`` reads them.

        Returns:
            ``position`` (whole numbers; rows of one event have the same), ``kind``, ``by``, ``user`` and ``item``
            (strings).
        """
        rows = [(e.position, e.kind, e.by, e.user, item) for e in self.events for item in e.items]
        return {name: [row[place] for row in rows] for place, name in enumerate(_COLUMNS)}

    @classmethod
    def restore(cls, known: Interactions, columns: Mapping[str, Sequence[Any]], seed: int) -> Ledger:
        """The ledger whose ``event_columns`` these are, every event checked again.

        Args:
            known: The same interactions as then.
            columns: As ``event_columns`` returns them; lists or arrays.
            seed: As then.

        Raises:
            BadData: The columns are not those of a ledger of ``known``.

        Example:
            >>> known = Interactions.from_arrays(["ann", "ann", "bob"], ["tea", "milk", "tea"])
            >>> ledger = Ledger(known, seed=7).share("ann", ["tea"])
            >>> Ledger.restore(known, ledger.event_columns(), seed=7) == ledger
            True
        """
        events = _read_events(columns)
        try:
            return cls(known, seed=seed, events=events)
        except (BadRequest, NotFound) as error:
            raise BadData(
                f"ledger events: {error} Expected the events of a ledger on this data ({known!r}); "
                f"load the data and the events that were written together."
            ) from error

    # -- inside -----------------------------------------------------------------------------------------------------

    def _range(self, user: str) -> slice:
        """Where a user's pairs stand in the arrays."""
        index = self.known.users.index(user)
        return slice(int(self.known.offsets[index]), int(self.known.offsets[index + 1]))

    def _items(self, user: str, mask: NDArray[np.bool_]) -> list[str]:
        mine = self._range(user)
        return sorted(self.known.items.ids_at(self.known.item[mine][mask[mine]]))

    def _slider(self, user: str, fraction: Any, where: str) -> tuple[int, int, int]:
        """(pairs to be shared with the slider at ``fraction``, pairs shared now, pairs that are not erased)."""
        state = self.state[self._range(user)]
        n = int(np.count_nonzero(state != State.ERASED))
        wanted = round(check_share(fraction, where) * n)
        return wanted, int(np.count_nonzero(state == State.SHARED)), n

    def _in_order(self, user: str, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Positions of those of the user's pairs where the mask is true, in the user's stable order."""
        numbers = pair_numbers(self.known, self.seed, self.known.users.index(user))
        order = np.argsort(numbers, kind="stable")
        return self._range(user).start + order[mask[order]]

    def _all_shared(self, user: str) -> NDArray[np.int64]:
        mine = self._range(user)
        positions = mine.start + np.flatnonzero(self.state[mine] == State.SHARED)
        if not len(positions):
            raise NotShared(
                f"user '{user}' shares nothing (0 items shared); expected shared items. Nothing to unshare."
            )
        return positions

    def _all_kept(self, user: str) -> NDArray[np.int64]:
        mine = self._range(user)
        positions = mine.start + np.flatnonzero(self.state[mine] != State.ERASED)
        if mine.start == mine.stop:
            raise NotKnown(f"user '{user}' has no interaction; expected at least one. Nothing to erase.")
        if not len(positions):
            raise AlreadyErased(
                f"user '{user}' has erased everything ({mine.stop - mine.start} items); expected items that are not "
                f"erased. Nothing to erase."
            )
        return positions

    def _moved(self, kind: Kind, by: By, user: str, positions: NDArray[np.int64]) -> Ledger:
        """This ledger with one more event."""
        if not len(positions):
            raise EmptyRequest(
                f"{kind}: got no item of user '{user}', expected at least one. Name the items to {kind}."
            )
        fold = Fold(self.state, self.held_back)
        check_move(self.known, fold, user, positions, kind)
        items = tuple(sorted(self.known.items.ids_at(self.known.item[positions])))
        fold = fold.copy()
        fold.move(positions, kind, by)
        events = (*self.events, Event(self.position, kind, user, items, by))
        return Ledger(self.known, seed=self.seed, events=events, carried=fold)

    def _withdrawn(self, kind: Kind, by: By, user: str, positions: NDArray[np.int64]) -> tuple[Ledger, Request]:
        after = self._moved(kind, by, user, positions)
        return after, Request(self, after)


def _exactly_one(where: str, **given: object) -> None:
    named = [f"{name}=" for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise BadRequest(
            f"{where}: got {' and '.join(named) or 'none of the choices'}, expected exactly one of "
            f"{', '.join(f'{name}=' for name in given)}. Say which items are meant."
        )


def _read_events(columns: Mapping[str, Sequence[Any]]) -> tuple[Event, ...]:
    """Events from columns; their order and shape are checked here, their meaning by the fold."""
    if set(columns) != set(_COLUMNS):
        raise BadData(f"ledger events: got columns {', '.join(columns) or 'none'}, expected {', '.join(_COLUMNS)}.")
    lists = [list(columns[name]) for name in _COLUMNS]
    lengths = {name: len(values) for name, values in zip(_COLUMNS, lists, strict=True)}
    if len(set(lengths.values())) > 1:
        raise BadData(f"ledger events: got columns of lengths {lengths}, expected one length. The file is damaged.")
    events: list[tuple[tuple[Any, ...], list[str]]] = []
    for row, (position, kind, by, user, item) in enumerate(zip(*lists, strict=True)):
        head = (position, kind, by, user)
        _check_row(row, head, item)
        if events and head == events[-1][0]:
            events[-1][1].append(item)
        elif position == len(events):
            events.append((head, [item]))
        else:
            raise BadData(
                f"ledger events, row {row}: got position {position}, expected {len(events)}, the next event"
                f"{f', or more of event {len(events) - 1}' if events else ''}. The events are out of order or damaged."
            )
    for (position, *_), items in events:
        if len(set(items)) < len(items):
            raise BadData(f"ledger events: event {position} names an item twice, expected distinct items.")
    return tuple(Event(int(p), kind, user, tuple(sorted(items)), by) for (p, kind, by, user), items in events)


def _check_row(row: int, head: tuple[Any, ...], item: Any) -> None:
    position, kind, by, user = head
    if isinstance(position, bool) or not isinstance(position, Integral):
        raise BadData(f"ledger events, row {row}: got position {position!r}, expected a whole number.")
    for name, value, allowed in (("kind", kind, get_args(Kind)), ("by", by, get_args(By))):
        if value not in allowed:
            raise BadData(f"ledger events, row {row}: got {name} {value!r}, expected one of {', '.join(allowed)}.")
    for name, value in (("user", user), ("item", item)):
        if not isinstance(value, str):
            raise BadData(f"ledger events, row {row}: got {name} {value!r}, expected an id, which is a string.")
