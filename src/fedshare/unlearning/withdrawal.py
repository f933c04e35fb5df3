"""A withdrawal, as the server learns of it: pairs that it must not see any more, and whether devices erase something.

Which private pairs somebody erases is not in it: the server never had them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedshare.errors import RequestMismatch
from fedshare.sharing.views import ServerView

__all__ = ["Withdrawal"]


@final
@dataclass(frozen=True, eq=False)
class Withdrawal:
    """What leaves the share set."""

    after: ServerView
    "The share set without it."
    user: NDArray[np.int32]
    "``(n_withdrawn,)``, ascending."
    item: NDArray[np.int32]
    "``(n_withdrawn,)``, ascending within a user."
    erases: bool = False
    "Whether somebody erases something, so that devices have to fit again."

    @classmethod
    def of(cls, before: ServerView, user: ArrayLike, item: ArrayLike, *, erases: bool = False) -> Withdrawal:
        """Pairs that leave a share set.

        Args:
            before: The share set as it is.
            user: ``(n_withdrawn,)`` in any order.
            item: ``(n_withdrawn,)``.
            erases: Whether somebody erases something.

        Raises:
            RequestMismatch: A pair is not shared.
        """
        wanted = np.asarray(user, np.int64) * before.n_items + np.asarray(item, np.int64)
        gone = np.isin(before.keys, wanted)
        if gone.sum() != len(np.unique(wanted)):
            raise RequestMismatch(
                f"withdrawal: {len(np.unique(wanted)) - int(gone.sum())} of {len(wanted)} pairs are not in the share "
                "set, expected shared pairs. Make the request from the run's own ledger."
            )
        return cls(before.select(~gone), before.user[gone], before.item[gone], erases)

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_people(self) -> int:
        """People who take back something that the server saw."""
        return len(np.unique(self.user))
