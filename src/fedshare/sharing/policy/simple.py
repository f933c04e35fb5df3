"""Share nothing, everything, a fraction of everybody's pairs, items by name, or the pairs of some users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.errors import BadShare
from fedshare.sharing.moves import locate
from fedshare.sharing.policy.base import active_users, check_share, number, slid

__all__ = ["ShareEverything", "ShareFraction", "ShareItems", "ShareNothing", "ShareUsers"]


@final
@dataclass(frozen=True)
class ShareNothing:
    """Everything stays private."""

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``."""
        return np.zeros(known.n_pairs, dtype=np.bool_)

    def sliders(self, known: Interactions, seed: int) -> NDArray[np.float64]:
        """See ``SliderPolicy``."""
        return np.zeros(known.n_users)

    def describe(self) -> str:
        """See ``SharePolicy``."""
        return "none"


@final
@dataclass(frozen=True)
class ShareEverything:
    """Everybody shares everything."""

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``."""
        return np.ones(known.n_pairs, dtype=np.bool_)

    def sliders(self, known: Interactions, seed: int) -> NDArray[np.float64]:
        """See ``SliderPolicy``."""
        return np.ones(known.n_users)

    def describe(self) -> str:
        """See ``SharePolicy``."""
        return "all"


@final
@dataclass(frozen=True)
class ShareFraction:
    """Everybody shares the same fraction of their pairs, as if they had moved their sliders there.

    Raises:
        BadShare: ``fraction`` is not in 0..1.
    """

    fraction: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", check_share(self.fraction, "ShareFraction"))

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``."""
        return slid(known, seed, self.sliders(known, seed))

    def sliders(self, known: Interactions, seed: int) -> NDArray[np.float64]:
        """See ``SliderPolicy``."""
        return np.full(known.n_users, self.fraction)

    def describe(self) -> str:
        """See ``SharePolicy``."""
        return number(self.fraction)


@final
@dataclass(frozen=True)
class ShareItems:
    """Some people share some items, by name; everything else stays private.

    Args:
        items: User id to the ids of the items that this user shares.

    Example:
        >>> ShareItems({"ann": ["tea", "milk"]}).describe()
        '2 items of 1 user, by name'
    """

    items: Mapping[str, Iterable[str]]

    def __post_init__(self) -> None:
        for user, items in self.items.items():
            if isinstance(items, str):
                raise BadShare(
                    f"ShareItems: got the string '{items}' for user '{user}', expected ids. Write ['{items}']."
                )
        frozen = {user: tuple(dict.fromkeys(items)) for user, items in self.items.items()}
        object.__setattr__(self, "items", MappingProxyType(frozen))

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``.

        Raises:
            UnknownUser: No such user.
            UnknownItem: No such item.
            NotKnown: A user has no interaction with an item.
        """
        chosen = np.zeros(known.n_pairs, dtype=np.bool_)
        for user, items in self.items.items():
            chosen[locate(known, user, items)] = True
        return chosen

    def describe(self) -> str:
        """See ``SharePolicy``."""
        n_items = sum(len(tuple(items)) for items in self.items.values())
        users = f"{len(self.items)} user{'' if len(self.items) == 1 else 's'}"
        return f"{n_items} item{'' if n_items == 1 else 's'} of {users}, by name"


@final
@dataclass(frozen=True)
class ShareUsers:
    """A fraction of the users, drawn by the seed, shares everything; the others share nothing.

    Users without a pair are not counted.

    Raises:
        BadShare: ``fraction`` is not in 0..1.
    """

    fraction: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", check_share(self.fraction, "ShareUsers"))

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``."""
        return self.sliders(known, seed)[known.user] > 0

    def sliders(self, known: Interactions, seed: int) -> NDArray[np.float64]:
        """See ``SliderPolicy``."""
        drawn = active_users(known, seed)
        shares = np.zeros(known.n_users)
        shares[drawn[: round(self.fraction * len(drawn))]] = 1.0
        return shares

    def describe(self) -> str:
        """See ``SharePolicy``."""
        return f"users:{number(self.fraction)}"
