"""Share policies: what people share to begin with.

A policy looks at the known pairs and a seed, and says for each pair whether it is shared. Fractions are stable and
nested: they take the first ``round(fraction * n)`` pairs of a person's own order (see ``sharing/order.py``), or of the
users, so what a smaller fraction shares a larger one shares too, with the same seed.

``round`` is Python's: halves go to the even number.
"""

from fedshare.sharing.policy.base import SharePolicy, SliderPolicy, check_share, sliders_of
from fedshare.sharing.policy.mixture import Group, ShareMixture, Who
from fedshare.sharing.policy.simple import ShareEverything, ShareFraction, ShareItems, ShareNothing, ShareUsers
from fedshare.sharing.policy.specs import parse_share
from fedshare.sharing.policy.tiers import ShareByTier
from fedshare.sharing.policy.timed import ShareNewest, ShareOldest

__all__ = [
    "Group",
    "ShareByTier",
    "ShareEverything",
    "ShareFraction",
    "ShareItems",
    "ShareMixture",
    "ShareNewest",
    "ShareNothing",
    "ShareOldest",
    "SharePolicy",
    "ShareUsers",
    "SliderPolicy",
    "Who",
    "check_share",
    "parse_share",
    "sliders_of",
]
