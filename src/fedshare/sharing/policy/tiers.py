"""What a shop would propose to its customers, tier by tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.sharing.policy.base import check_share, number, slid

__all__ = ["ShareByTier"]


@final
@dataclass(frozen=True)
class ShareByTier:
    """Everybody's slider at the place of their tier; who is in none shares nothing.

    For experiments, or as a proposal (``Ledger.propose``): nobody shares because of a tier, and each person's own
    choice overrides it.

    Args:
        shares: Tier to the fraction of their pairs that its people share, 0..1.
        tiers: User id to tier; people in none of ``shares`` are in none.
        others: Fraction of whoever is in no tier.

    Raises:
        BadShare: A fraction is not in 0..1.

    Example:
        >>> ShareByTier({"vic": 1.0}, {"ann": "vic"}, others=0.5).describe()
        'tiers: vic sharing 1, others 0.5'
    """

    shares: Mapping[str, float]
    tiers: Mapping[str, str]
    others: float = 0.0

    def __post_init__(self) -> None:
        checked = {tier: check_share(share, f"ShareByTier: {tier}") for tier, share in self.shares.items()}
        object.__setattr__(self, "shares", MappingProxyType(checked))
        object.__setattr__(self, "tiers", MappingProxyType(dict(self.tiers)))
        object.__setattr__(self, "others", check_share(self.others, "ShareByTier: others"))

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``."""
        return slid(known, seed, self.sliders(known, seed))

    def sliders(self, known: Interactions, seed: int) -> NDArray[np.float64]:
        """See ``SliderPolicy``."""
        return np.array([self.shares.get(self.tiers.get(user, ""), self.others) for user in known.users], np.float64)

    def describe(self) -> str:
        """See ``SharePolicy``."""
        each = ", ".join(f"{tier} sharing {number(share)}" for tier, share in sorted(self.shares.items()))
        return f"tiers: {each}, others {number(self.others)}"
