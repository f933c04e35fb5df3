"""The role of a share policy, and what several of them need."""

from __future__ import annotations

from numbers import Real
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.errors import BadShare
from fedshare.sharing.order import pair_numbers, rank_within_users, user_numbers

__all__ = ["SharePolicy", "SliderPolicy", "active_users", "check_share", "number", "slid", "sliders_of"]


@runtime_checkable
class SharePolicy(Protocol):
    """The role of a policy; implementations are frozen dataclasses of their options."""

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """Which pairs are shared, shape ``(n_pairs,)``, in the order of ``known``."""
        ...

    def describe(self) -> str:
        """One line for manifests and reports; what ``parse_share`` reads, where the policy can be written so."""
        ...


@runtime_checkable
class SliderPolicy(SharePolicy, Protocol):
    """A policy about fractions: it says where everybody's slider stands, so it goes on for what is bought later."""

    def sliders(self, known: Interactions, seed: int) -> NDArray[np.float64]:
        """Where each slider stands, 0..1, shape ``(n_users,)``."""
        ...


def sliders_of(policy: SharePolicy, known: Interactions, seed: int) -> NDArray[np.float64] | None:
    """Where a policy puts everybody's slider, ``(n_users,)``; None where it is not about fractions."""
    return policy.sliders(known, seed) if isinstance(policy, SliderPolicy) else None


def check_share(value: object, where: str) -> float:
    """``value`` as a float in 0..1.

    Raises:
        BadShare: It is no number, or not in 0..1; NaN is not.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise BadShare(f"{where}: got {value!r}, expected a number from 0 to 1.")
    share = float(value)
    if not 0 <= share <= 1:  # false for NaN too
        hint = f" For {share:g} percent write {share / 100:g}." if 1 < share <= 100 else ""
        raise BadShare(f"{where}: got {share}, expected a number from 0 to 1.{hint}")
    return share


def slid(known: Interactions, seed: int, share_of_user: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Each user's slider at a place of its own, ``(n_users,)``."""
    rank = rank_within_users(known, pair_numbers(known, seed))
    return rank < np.rint(share_of_user * known.user_degree())[known.user]


def active_users(known: Interactions, seed: int) -> NDArray[np.intp]:
    """The users who have a pair, in the seed's order."""
    order = np.argsort(user_numbers(known, seed), kind="stable")
    return order[known.user_degree()[order] > 0]


def number(value: float) -> str:
    """The shortest text that reads back as the same float."""
    return repr(value).removesuffix(".0")
