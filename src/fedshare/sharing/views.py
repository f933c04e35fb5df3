"""What the server may read.

A ``ServerView`` holds the shared pairs and nothing else: copies of their indices, in arrays that own their memory, with
no reference to a ledger or to interactions. Whoever is handed one cannot reach a private pair through it.

Who shares a pair shares when it happened as well, where the data has times, and their pseudonym. Of people who share
nothing the server knows that they exist, by their number, and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedshare.errors import BadData

__all__ = ["ServerView", "check_range", "own_copy", "share_set_version"]


@final
@dataclass(frozen=True, eq=False, repr=False, slots=True)
class ServerView:
    """The shared pairs of everybody: all that the server may read. Made by ``Ledger.server_view``.

    Example:
        >>> view = ServerView(n_users=3, n_items=5, user=[0, 0, 2], item=[1, 4, 4], user_ids=("ann", "cleo"))
        >>> view.items_of(0).tolist(), view.sharers.tolist()
        ([1, 4], [0, 2])
    """

    n_users: int
    "Of the whole federation, those who share nothing included."
    n_items: int
    user: NDArray[np.int32]
    "``(n_shared,)``, ascending."
    item: NDArray[np.int32]
    "``(n_shared,)``, ascending within a user."
    user_ids: tuple[str, ...]
    "Pseudonyms of the sharers, in the order of ``sharers``."
    timestamp: NDArray[np.int64] | None = None
    "``(n_shared,)``, seconds since 1970; None where the data has no times."
    offsets: NDArray[np.int64] = field(init=False)
    "``(n_users + 1,)``: the pairs of user ``u`` are ``offsets[u]:offsets[u + 1]``."

    def __post_init__(self) -> None:
        object.__setattr__(self, "user", own_copy(self.user, np.int32))
        object.__setattr__(self, "item", own_copy(self.item, np.int32))
        object.__setattr__(self, "user_ids", tuple(self.user_ids))
        if self.user.shape != self.item.shape or self.user.ndim != 1:
            raise BadData(f"view: got shapes {self.user.shape} and {self.item.shape}, expected one item for each user.")
        if self.timestamp is not None:
            object.__setattr__(self, "timestamp", own_copy(self.timestamp, np.int64))
            if self.timestamp.shape != self.user.shape:
                raise BadData(f"view: got times of shape {self.timestamp.shape}, expected {self.user.shape}.")
        check_range("user", self.user, self.n_users)
        check_range("item", self.item, self.n_items)
        if not (np.diff(self.user.astype(np.int64) * self.n_items + self.item) > 0).all():
            raise BadData("view: got unsorted or repeated pairs, expected unique pairs sorted by (user, item).")
        degree = np.bincount(self.user, minlength=self.n_users)
        object.__setattr__(self, "offsets", own_copy(np.concatenate([[0], np.cumsum(degree)]), np.int64))
        if len(self.user_ids) != len(self.sharers):
            raise BadData(f"view: got {len(self.user_ids)} pseudonyms, expected {len(self.sharers)}, one a sharer.")

    def __len__(self) -> int:
        return len(self.user)

    def __repr__(self) -> str:
        return f"ServerView({len(self):,} pairs of {len(self.sharers):,} sharers)"

    @property
    def sharers(self) -> NDArray[np.int32]:
        """Indices of the users who share at least one pair, ascending, shape ``(n_sharers,)``."""
        return np.flatnonzero(np.diff(self.offsets)).astype(np.int32)

    @property
    def keys(self) -> NDArray[np.int64]:
        """One number per pair, ``user * n_items + item``, ``(n_shared,)``, ascending."""
        return self.user.astype(np.int64) * self.n_items + self.item

    def items_of(self, user: int) -> NDArray[np.int32]:
        """The items that one user shares, ascending, shape ``(n_shared_of_user,)``."""
        if not 0 <= user < self.n_users:
            raise IndexError(f"user index {user} does not exist; expected 0 to {self.n_users - 1}.")
        return self.item[self.offsets[user] : self.offsets[user + 1]]

    def select(self, kept: NDArray[np.bool_]) -> ServerView:
        """Some of the pairs, in a view of its own.

        Args:
            kept: ``(n_shared,)`` whether a pair stays.
        """
        id_of = dict(zip(self.sharers.tolist(), self.user_ids, strict=True))
        return replace(
            self,
            user=self.user[kept],
            item=self.item[kept],
            timestamp=None if self.timestamp is None else self.timestamp[kept],
            user_ids=tuple(id_of[user] for user in np.unique(self.user[kept]).tolist()),
        )

    def among(self, n_users: int, n_items: int) -> ServerView:
        """The same pairs among more people and items."""
        return replace(self, n_users=n_users, n_items=n_items)

    def version(self, item_ids: Sequence[str]) -> str:
        """SHA-256 of the share set, 64 hex digits: equal sets of shared pairs, equal versions, whatever the history.

        Args:
            item_ids: Ids of the catalogue, in order.
        """
        starts: list[int] = np.unique(self.user, return_index=True)[1].tolist()
        items: list[int] = self.item.tolist()
        names = [item_ids[item] for item in items]
        slices = map(slice, starts, [*starts[1:], len(names)][: len(starts)])
        return share_set_version((user, names[mine]) for user, mine in zip(self.user_ids, slices, strict=True))


def share_set_version(groups: Iterable[tuple[str, Sequence[str]]]) -> str:
    """The version of a share set, from each sharer's id with the ids of their items, in any order."""
    ordered = sorted((user, tuple(sorted(items))) for user, items in groups)
    text = json.dumps(ordered, separators=(",", ":"))
    return hashlib.sha256(b"fedshare share set 1\n" + text.encode()).hexdigest()


def own_copy(values: ArrayLike, dtype: type[np.generic]) -> NDArray[Any]:
    """A read-only copy that owns its memory: an array's ``base`` would be a way back to where it was cut from."""
    copy = np.array(values, dtype=dtype, copy=True, order="C")
    copy.flags.writeable = False
    return copy


def check_range(what: str, index: NDArray[np.int32], n: int) -> None:
    """Raise unless all indices are in ``0 .. n - 1``.

    Raises:
        BadData: One is not.
    """
    if len(index) and not (index.min() >= 0 and index.max() < n):
        raise BadData(f"view: got {what} indices {index.min()} to {index.max()}, expected 0 to {n - 1}.")
