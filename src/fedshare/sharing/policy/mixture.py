"""Groups of users who share different fractions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.errors import BadShare
from fedshare.sharing.policy.base import active_users, check_share, number, slid

__all__ = ["Group", "ShareMixture", "Who"]

Who = Literal["random", "most_active", "least_active"]
"How a group of a mixture is picked: by the seed, or by the number of known pairs."


@final
@dataclass(frozen=True)
class Group:
    """A part of the users who all share the same fraction of their pairs.

    Args:
        fraction: Which part of all users, in 0..1.
        share: Which fraction of their pairs each of them shares, in 0..1.
        who: How they are picked among those that no earlier group has.

    Raises:
        BadShare: A number is not in 0..1, or ``who`` is none of the ways.
    """

    fraction: float
    share: float
    who: Who = "random"

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", check_share(self.fraction, "Group: fraction"))
        object.__setattr__(self, "share", check_share(self.share, "Group: share"))
        if self.who not in get_args(Who):
            raise BadShare(f"Group: who: got {self.who!r}, expected one of {', '.join(get_args(Who))}.")


@final
@dataclass(frozen=True)
class ShareMixture:
    """Groups of users who share different fractions; whoever is in no group shares nothing.

    Groups are filled in the order given, each with users that no earlier one has, so a person is in one group at most.
    Users without a pair are not counted.

    Raises:
        BadShare: There is no group, or the groups' fractions add up to more than 1.

    Example:
        10 % of the most active share everything, 40 % share half, the rest nothing:

        >>> mixture = ShareMixture((Group(0.1, share=1.0, who="most_active"), Group(0.4, share=0.5)))
        >>> mixture.describe()
        'mixture of 0.1 most_active sharing 1, 0.4 random sharing 0.5'
    """

    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple(self.groups))
        for group in self.groups:
            _check_group(group)
        if not self.groups:
            raise BadShare("ShareMixture: got no group, expected at least one. To share nothing, use ShareNothing().")
        total = math.fsum(group.fraction for group in self.groups)
        if total > 1 + 1e-9:
            raise BadShare(f"ShareMixture: the groups add up to {total:g} of the users, expected 1 at most.")

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``."""
        return slid(known, seed, self.sliders(known, seed))

    def sliders(self, known: Interactions, seed: int) -> NDArray[np.float64]:
        """See ``SliderPolicy``."""
        left = active_users(known, seed)
        n_users, degree = len(left), known.user_degree()
        share_of_user = np.zeros(known.n_users)
        before = 0.0
        for group in self.groups:
            # from running totals: groups that add up to 1 leave nobody over, whatever the rounding
            size = round(min(1.0, before + group.fraction) * n_users) - round(min(1.0, before) * n_users)
            before += group.fraction
            candidates = left
            if group.who != "random":
                sign = -1 if group.who == "most_active" else 1
                candidates = left[np.argsort(sign * degree[left], kind="stable")]
            share_of_user[candidates[:size]] = group.share
            left = left[~np.isin(left, candidates[:size])]  # still in the seed's order, for random groups to come
        return share_of_user

    def describe(self) -> str:
        """See ``SharePolicy``; a mixture is written as a file, so this is for reading only."""
        parts = [f"{number(g.fraction)} {g.who} sharing {number(g.share)}" for g in self.groups]
        return f"mixture of {', '.join(parts)}"


def _check_group(group: object) -> None:
    if not isinstance(group, Group):
        raise BadShare(f"ShareMixture: got {group!r}, expected groups such as Group(0.1, share=1.0).")
