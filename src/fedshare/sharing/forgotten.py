"""What a device keeps of pairs that are erased and purged: enough to know one again, and not to name it.

For each such item HMAC-SHA256 of its id, under a secret that is the device's own. Who has only the marks can test no
guess. Who has the secret as well, which is whoever holds the device, can test the guess that this person once had a
certain item and erased it.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

__all__ = ["MARK_BYTES", "SECRET_BYTES", "Forgotten"]

SECRET_BYTES = MARK_BYTES = 32


@final
@dataclass(frozen=True, slots=True)
class Forgotten:
    """One person's items that are erased and purged.

    Example:
        >>> gone = Forgotten.of(["tea"])
        >>> gone.has("tea"), gone.has("milk")
        (True, False)
    """

    secret: bytes = field(repr=False)
    marks: frozenset[bytes] = field(default=frozenset(), repr=False)

    @classmethod
    def of(cls, items: Iterable[str], before: Forgotten | None = None) -> Forgotten:
        """Items in addition to those of before; a new secret where there is none yet."""
        mine = before or cls(os.urandom(SECRET_BYTES))
        return cls(mine.secret, mine.marks | {mine._mark(item) for item in items})

    def has(self, item: str) -> bool:
        """Whether an item was erased and purged."""
        return self._mark(item) in self.marks

    def _mark(self, item: str) -> bytes:
        return hmac.digest(self.secret, item.encode("utf-8", "surrogatepass"), "sha256")
