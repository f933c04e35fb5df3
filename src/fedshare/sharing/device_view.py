"""What one person's device may read: its own pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from fedshare.errors import BadData
from fedshare.sharing.views import check_range, own_copy

__all__ = ["DeviceView"]


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
        object.__setattr__(self, "items", own_copy(self.items, np.int32))
        object.__setattr__(self, "shared", own_copy(self.shared, np.bool_))
        if self.items.shape != self.shared.shape or self.items.ndim != 1:
            raise BadData(f"view: got shapes {self.items.shape} and {self.shared.shape}, expected one flag an item.")
        check_range("item", self.items, self.n_items)

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"DeviceView(user {self.user}: {len(self):,} pairs, {int(self.shared.sum()):,} of them shared)"
