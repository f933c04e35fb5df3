"""Policies that go by time: everybody shares their newest pairs, or their oldest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.errors import BadShare, MissingColumn
from fedshare.sharing.order import pair_numbers, rank_within_users
from fedshare.sharing.policy.base import check_share, number

__all__ = ["ShareNewest", "ShareOldest"]


@final
@dataclass(frozen=True)
class ShareNewest:
    """Everybody shares their newest pairs: a fraction of them, or a number.

    Pairs of one time (a basket) come in the slider's order.

    Args:
        fraction: In 0..1; ``ShareNewest(0.3)``.
        count: 0 or above, for everybody alike, instead of a fraction; ``ShareNewest(count=20)``.

    Raises:
        BadShare: ``fraction`` is not in 0..1, ``count`` is below 0, or there is not exactly one of them.
    """

    fraction: float | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", _check_amount("ShareNewest", self.fraction, self.count))

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``.

        Raises:
            MissingColumn: The pairs have no times.
        """
        return _by_time(known, seed, -_times(known, "ShareNewest"), self.fraction, self.count)

    def describe(self) -> str:
        """See ``SharePolicy``."""
        return f"newest:{_amount(self.fraction, self.count)}"


@final
@dataclass(frozen=True)
class ShareOldest:
    """Everybody shares their oldest pairs: a fraction of them, or a number; see ``ShareNewest``.

    Raises:
        BadShare: ``fraction`` is not in 0..1, ``count`` is below 0, or there is not exactly one of them.
    """

    fraction: float | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", _check_amount("ShareOldest", self.fraction, self.count))

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``.

        Raises:
            MissingColumn: The pairs have no times.
        """
        return _by_time(known, seed, _times(known, "ShareOldest"), self.fraction, self.count)

    def describe(self) -> str:
        """See ``SharePolicy``."""
        return f"oldest:{_amount(self.fraction, self.count)}"


def _by_time(
    known: Interactions, seed: int, age: NDArray[np.int64], fraction: float | None, count: int | None
) -> NDArray[np.bool_]:
    """Each user's pairs of smallest ``age``."""
    rank = rank_within_users(known, age, pair_numbers(known, seed))
    degree = known.user_degree()
    taken = np.rint(fraction * degree) if fraction is not None else np.full(known.n_users, count)
    return rank < taken[known.user]


def _times(known: Interactions, where: str) -> NDArray[np.int64]:
    if known.timestamp is None:
        raise MissingColumn(
            f"{where}: '{known.name}' has no times (or not for every pair); expected a timestamp per pair. "
            f"Name the column with load(..., timestamp=...), or use ShareFraction."
        )
    return known.timestamp


def _check_amount(where: str, fraction: object, count: object) -> float | None:
    if (fraction is None) == (count is None):
        raise BadShare(f"{where}: got fraction={fraction} and count={count}, expected exactly one of them.")
    if count is None:
        return check_share(fraction, where)
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise BadShare(f"{where}: got count={count!r}, expected a whole number, 0 or above.")
    return None


def _amount(fraction: float | None, count: int | None) -> str:
    return f"count={count}" if fraction is None else number(fraction)
