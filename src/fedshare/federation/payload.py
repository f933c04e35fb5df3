"""What a server publishes: arrays with names. Both sides know these types; nothing here belongs to a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

__all__ = ["POPULARITY", "Payload", "array_bytes"]

POPULARITY = "popularity"
"The array that every release has: how many people share each item, ``(n_items,)``, int32."


@dataclass(frozen=True, eq=False)
class Payload:
    """Named arrays on their way to devices."""

    tables: Mapping[str, Tensor] = field(default_factory=dict)
    "``(n_items, ...)`` each; a device downloads the rows that it asks for."
    arrays: Mapping[str, Tensor] = field(default_factory=dict)
    "Of any shape; a device downloads them whole."
    personal: Mapping[str, Tensor] = field(default_factory=dict)
    "``(n_users, ...)`` each; row ``u`` is delivered to device ``u`` alone."
    recipients: Tensor | None = None
    "``(n_users,)`` whether somebody is sent a personal row; None for nobody."
    numbers: Mapping[str, float | int] = field(default_factory=dict)
    "Settings that go with the arrays."

    def published(self) -> Payload:
        """Without personal rows: what everybody may see."""
        return replace(self, personal={}, recipients=None)

    @property
    def n_items(self) -> int | None:
        """Rows of the tables; None without one."""
        return next((len(table) for table in self.tables.values()), None)


def array_bytes(arrays: Mapping[str, Tensor]) -> int:
    """Bytes of arrays on the wire, without envelope."""
    return sum(each.numel() * each.element_size() for each in arrays.values())
