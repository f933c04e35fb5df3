"""What one side may read.

A ``ServerView`` holds the shared pairs and nothing else: copies of their indices, in arrays that own their memory, with
no reference to a ledger, to interactions or to a vocabulary. Whoever is handed one cannot reach a private pair through
it; code that takes a ``ServerView`` is server code. A ``DeviceView`` holds one person's own pairs, likewise apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedshare.errors import BadData

__all__ = ["DeviceView", "ServerView"]


@final
@dataclass(frozen=True, eq=False, repr=False, slots=True)
class ServerView:
    """The shared pairs of everybody: all that the server may read. Made by ``Ledger.server_view``.

    Example:
        >>> view = ServerView(n_users=3, n_items=5, user=[0, 0, 2], item=[1, 4, 4], version="1f0c")
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
    version: str
    "Of the share set: equal sets, equal versions."
    offsets: NDArray[np.int64] = field(init=False)
    "``(n_users + 1,)``: the pairs of user ``u`` are ``offsets[u]:offsets[u + 1]``."

    def __post_init__(self) -> None:
        object.__setattr__(self, "user", _own(self.user, np.int32))
        object.__setattr__(self, "item", _own(self.item, np.int32))
        if self.user.shape != self.item.shape or self.user.ndim != 1:
            raise BadData(f"view: got shapes {self.user.shape} and {self.item.shape}, expected one item for each user.")
        _check_range("user", self.user, self.n_users)
        _check_range("item", self.item, self.n_items)
        if not (np.diff(self.user.astype(np.int64) * self.n_items + self.item) > 0).all():
            raise BadData("view: got unsorted or repeated pairs, expected unique pairs sorted by (user, item).")
        degree = np.bincount(self.user, minlength=self.n_users)
        object.__setattr__(self, "offsets", _own(np.concatenate([[0], np.cumsum(degree)]), np.int64))

    def __len__(self) -> int:
        return len(self.user)

    def __repr__(self) -> str:
        return f"ServerView({len(self):,} pairs of {len(self.sharers):,} sharers, version {self.version[:12]})"

    @property
    def sharers(self) -> NDArray[np.int32]:
        """Indices of the users who share at least one pair, ascending, shape ``(n_sharers,)``."""
        return np.flatnonzero(np.diff(self.offsets)).astype(np.int32)

    def items_of(self, user: int) -> NDArray[np.int32]:
        """The items that one user shares, ascending, shape ``(n_shared_of_user,)``."""
        if not 0 <= user < self.n_users:
            raise IndexError(f"user index {user} does not exist; expected 0 to {self.n_users - 1}.")
        return self.item[self.offsets[user] : self.offsets[user + 1]]


@final
@dataclass(frozen=True, eq=False, repr=False, slots=True)
class DeviceView:
    """One person's own pairs that are not erased: what their device may read. Made by ``Ledger.device_view``."""

    user: int
    n_items: int
    items: NDArray[np.int32]
    "``(n_pairs_of_user,)``, ascending; private and shared ones."
    shared: NDArray[np.bool_]
    "``(n_pairs_of_user,)``, which of them the server sees."

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", _own(self.items, np.int32))
        object.__setattr__(self, "shared", _own(self.shared, np.bool_))
        if self.items.shape != self.shared.shape or self.items.ndim != 1:
            raise BadData(f"view: got shapes {self.items.shape} and {self.shared.shape}, expected one flag an item.")
        _check_range("item", self.items, self.n_items)

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"DeviceView(user {self.user}: {len(self):,} pairs, {int(self.shared.sum()):,} of them shared)"


def _own(values: ArrayLike, dtype: type[np.generic]) -> NDArray:
    """A read-only copy that owns its memory: an array's ``base`` would be a way back to where it was cut from."""
    copy = np.array(values, dtype=dtype, copy=True, order="C")
    copy.flags.writeable = False
    return copy


def _check_range(what: str, index: NDArray[np.int32], n: int) -> None:
    if len(index) and not (index.min() >= 0 and index.max() < n):
        raise BadData(f"view: got {what} indices {index.min()} to {index.max()}, expected 0 to {n - 1}.")
