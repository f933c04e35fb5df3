"""Randomness that has a name.

``stream(seed, "client", user, round)`` gives the same numbers in whatever order and on whatever engine it is asked
for, because the key is a hash of the names and nothing is drawn from a shared generator. Nothing here, and nothing
elsewhere in the library, seeds the process.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["stream"]


def stream(seed: int, *names: str | int) -> Generator:
    """A generator that belongs to these names alone.

    Args:
        seed: The run's seed, 0 or above.
        names: What the numbers are for, from general to particular.

    Example:
        >>> early, late = stream(7, "client", 3), stream(7, "client", 3)
        >>> early.integers(100, size=4).tolist() == late.integers(100, size=4).tolist()
        True
    """
    from numpy.random import Generator, Philox

    label = "\x1f".join([str(int(seed)), *(f"str:{n}" if isinstance(n, str) else f"int:{int(n)}" for n in names)])
    key = int.from_bytes(hashlib.blake2b(label.encode(), digest_size=16).digest(), "little")
    return Generator(Philox(key=key))
