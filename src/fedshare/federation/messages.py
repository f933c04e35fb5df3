"""Everything that crosses between server and one device. What is not defined here does not cross.

Down: the rows a device asked for, arrays that everybody gets whole and, if its owner shares, the owner's own rows. Up:
numbers for the same rows and arrays, bounded and possibly noisy; or, where a run asks for private contributions, whole
numbers under a mask. A device's private state, its interactions and its scores stay where they are, and no message to a
device carries another user's vector. Item-item weights are published: every device may download all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer
from numpy.typing import NDArray
from torch import Tensor

from fedshare.federation.payload import array_bytes

__all__ = [
    "INDEX_BYTES",
    "VALUE_BYTES",
    "ClientUpdate",
    "Download",
    "MaskedContribution",
    "row_values",
    "rows_bytes",
    "weights_bytes",
]

INDEX_BYTES = 4
VALUE_BYTES = 4


@dataclass(frozen=True, eq=False)
class Download:
    """Server to one device: the rows it asked for, arrays for everybody, and its own personal rows."""

    rows: Integer[Tensor, " rows"]
    "Item numbers, known and pseudo-items together, in ascending order: the order tells nothing."
    tables: Mapping[str, Tensor]
    "``(n_rows, ...)`` those rows of each table."
    arrays: Mapping[str, Tensor]
    personal: Mapping[str, Tensor] | None
    "One row each; None for whom nothing is meant."
    whole: bool = False
    "Whether the rows are all there are: their numbers then need not be named."

    @property
    def nbytes(self) -> int:
        own = 0 if self.personal is None else array_bytes(self.personal)
        return rows_bytes(len(self.rows), self.tables, self.whole) + array_bytes(self.arrays) + own


@dataclass(frozen=True, eq=False)
class ClientUpdate:
    """One device to the server: numbers for the rows it downloaded, and for arrays."""

    rows: Integer[Tensor, " rows"]
    tables: Mapping[str, Tensor]
    arrays: Mapping[str, Tensor]
    whole: bool = False
    value_bytes: float = float(VALUE_BYTES)

    @property
    def nbytes(self) -> int:
        whole_arrays = sum(each.numel() for each in self.arrays.values())
        return rows_bytes(len(self.rows), self.tables, self.whole, self.value_bytes) + round(
            whole_arrays * self.value_bytes
        )


@dataclass(frozen=True, eq=False)
class MaskedContribution:
    """One device to the server: numbers that say nothing alone; see :mod:`fedshare.federation.masking`."""

    values: NDArray[np.unsignedinteger]
    "``(n_values,)``, modulo the size of their type."

    @property
    def nbytes(self) -> int:
        return self.values.nbytes


def row_values(tables: Mapping[str, Tensor]) -> int:
    """Numbers in one row of all these tables."""
    return sum(table[0].numel() if len(table) else 0 for table in tables.values())


def rows_bytes(
    n_rows: int, tables: Mapping[str, Tensor], whole: bool = False, value_bytes: float = float(VALUE_BYTES)
) -> int:
    """Size of some rows of tables on the wire, without envelope: a number for each row, and its values.

    Args:
        n_rows: How many.
        tables: The tables, with at least one row each, or none.
        whole: Whether all rows are meant, which then need no numbers.
        value_bytes: Bytes of one value.
    """
    per_row = 0 if whole else INDEX_BYTES * (len(tables) > 0)
    return n_rows * per_row + round(n_rows * row_values(tables) * value_bytes)


def weights_bytes(n_weights: int, n_items: int) -> int:
    """Size of published item-item weights on the wire: a number and an item for each weight, a count for each row.

    All devices download the same whole matrix, so that nobody's request says which rows they need.
    """
    return n_weights * (INDEX_BYTES + VALUE_BYTES) + n_items * INDEX_BYTES
