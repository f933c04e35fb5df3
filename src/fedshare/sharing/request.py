"""What one or several people withdraw.

A request is the difference between two ledgers of one history, between which nobody shares anything:

- *unshared*: shared before, private after. The pair leaves the server; the device goes on training on it.
- *erased*: shared or private before, erased after. The pair leaves everything. The server never saw the private ones.

So requests need no arithmetic of their own: the sum of two consecutive requests is the difference between the first
ledger and the last, and a pair that was unshared and later erased is in it once, as erased.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, cast, final

import numpy as np
from numpy.typing import NDArray

from fedshare.errors import RequestMismatch

if TYPE_CHECKING:
    from fedshare.sharing.ledger import Ledger

__all__ = ["Request", "Withdrawn"]


class Withdrawn(NamedTuple):
    """Pairs that were withdrawn, ``(n_withdrawn,)`` each; read-only."""

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    erased: NDArray[np.bool_]
    seen_by_server: NDArray[np.bool_]


@final
class Request:
    """The pairs withdrawn between two ledgers; ``Ledger.unshare`` and ``Ledger.erase`` make one.

    Args:
        before: The ledger to start from.
        after: The same with withdrawals added; ``Request(ledger, ledger)`` withdraws nothing.

    Raises:
        RequestMismatch: ``after`` does not go on from ``before``, or somebody shares something in between.

    Example:
        >>> from fedshare.data.interactions import Interactions
        >>> from fedshare.sharing.ledger import share
        >>> from fedshare.sharing.policy import ShareEverything
        >>> known = Interactions.from_arrays(["ann", "ann", "bob"], ["tea", "milk", "tea"])
        >>> ledger = share(known, ShareEverything())
        >>> ledger, first = ledger.unshare("ann", ["tea"])
        >>> ledger, second = ledger.erase("bob", ["tea"])
        >>> first + second
        Request(2 users: 1 pair unshared, 1 pair erased)
        >>> (first + second).pairs()
        [('ann', 'tea'), ('bob', 'tea')]
    """

    def __init__(self, before: Ledger, after: Ledger) -> None:
        _check_goes_on(before, after)
        self.before = before
        self.after = after

    @cached_property
    def _withdrawn(self) -> Withdrawn:
        return self.after.withdrawn_since(self.before)

    @property
    def user(self) -> NDArray[np.int32]:
        """``(n_withdrawn,)`` user indices, ascending."""
        return self._withdrawn.user

    @property
    def item(self) -> NDArray[np.int32]:
        """``(n_withdrawn,)`` item indices, ascending within a user."""
        return self._withdrawn.item

    @property
    def erased(self) -> NDArray[np.bool_]:
        """``(n_withdrawn,)`` true where the pair is erased, false where it is unshared."""
        return self._withdrawn.erased

    @property
    def seen_by_server(self) -> NDArray[np.bool_]:
        """``(n_withdrawn,)`` true where the server saw the pair, false where only the device knew it."""
        return self._withdrawn.seen_by_server

    def __len__(self) -> int:
        return len(self.user)

    def __repr__(self) -> str:
        n_erased = int(np.count_nonzero(self.erased))
        counts = {"unshared": len(self) - n_erased, "erased": n_erased}
        parts = [f"{_count(n, 'pair')} {what}" for what, n in counts.items() if n]
        return f"Request({_count(len(self.users()), 'user')}: {', '.join(parts) or 'nothing withdrawn'})"

    def __add__(self, other: Request) -> Request:
        """Both requests as one; ``other`` must start from where this one ends.

        Raises:
            RequestMismatch: It does not.
        """
        if not isinstance(cast(object, other), Request):  # callers may not check types
            return NotImplemented
        if self.after != other.before:
            raise RequestMismatch(
                f"request: the second starts from a ledger of {other.before.position} events, expected the one of "
                f"{self.after.position} events that the first leads to. Withdraw one after the other: "
                f"ledger, first = ledger.unshare(...); ledger, second = ledger.unshare(...); first + second."
            )
        return Request(self.before, other.after)

    @property
    def withdrawn_from_server(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """User and item indices of the pairs that the server saw, ``(n_withdrawn_from_server,)`` each.

        Private pairs that are erased are left out: only a device knew them, and server code must not read them here.
        """
        return self.user[self.seen_by_server], self.item[self.seen_by_server]

    @property
    def n_withdrawn_from_server(self) -> int:
        """How many of the pairs the server saw."""
        return int(np.count_nonzero(self.seen_by_server))

    def users(self) -> list[str]:
        """The ids of the users who withdraw something, sorted."""
        users, _ = self.before.ids
        return sorted(users[int(user)] for user in np.unique(self.user))

    def pairs(self) -> list[tuple[str, str]]:
        """The withdrawn pairs as (user id, item id), in the order of the arrays."""
        users, items = self.before.ids
        return [(users[u], items[i]) for u, i in zip(self.user.tolist(), self.item.tolist(), strict=True)]


def _check_goes_on(before: Ledger, after: Ledger) -> None:
    if not after.extends(before):
        raise RequestMismatch(
            f"request: the ledger after ({after!r}) does not go on from the one before ({before!r}); expected the same "
            f"data, seed and events, with withdrawals added. Take both from ledger.unshare or ledger.erase."
        )
    for event in after.events[before.position :]:
        if event.kind == "share" and event.items:
            raise RequestMismatch(
                f"request: user '{event.user}' shares {_count(len(event.items), 'item')} between the two ledgers "
                f"(event {event.position}); expected withdrawals only. A request begins after the last share."
            )


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
