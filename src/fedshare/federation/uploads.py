"""What the devices of a cohort upload, before it is added up.

Single uploads are built where somebody needs them one by one; a sum and the norms often need less than that (see
``algorithms/fedshare/task.py``, where a whole cohort's sum costs three products). So an upload's parts are values that
know how to be scaled, added up and written out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from fedshare.models.ragged import Ragged

__all__ = ["Dense", "Part", "Rows", "Uploads"]


@runtime_checkable
class Part(Protocol):
    """One named part of every device's upload."""

    def squared_norms(self) -> Float[Tensor, " clients"]:
        """Sum of squares of each device's part."""
        ...

    def scaled(self, factors: Float[Tensor, " clients"]) -> Part:
        """Each device's part multiplied by its factor."""
        ...

    def written_out(self) -> Rows | Dense:
        """The same with every number of every device in memory."""
        ...

    def total(self) -> Tensor:
        """The sum over the devices."""
        ...


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a table: a device uploads those of its own pattern."""

    pattern: Ragged
    "``(n_clients, n_rows)``, columns ascending."
    values: Float[Tensor, "slots ..."]

    def squared_norms(self) -> Float[Tensor, " clients"]:
        """See :class:`Part`."""
        return self.pattern.sum(self.values.reshape(len(self.values), -1).square().sum(1))

    def scaled(self, factors: Float[Tensor, " clients"]) -> Rows:
        """See :class:`Part`."""
        return self.changed(_along(self.pattern.spread(factors), self.values))

    def changed(self, values: Tensor) -> Rows:
        """Other values in the same rows."""
        return replace(self, values=values)

    def written_out(self) -> Rows:
        """See :class:`Part`."""
        return self

    def total(self) -> Float[Tensor, "rows ..."]:
        """See :class:`Part`."""
        summed = self.values.new_zeros(self.pattern.n_columns, *self.values.shape[1:])
        return summed.index_add_(0, self.pattern.columns, self.values)

    def of_device(self, index: int) -> Tensor:
        """The values that one device uploads, in the order of its rows."""
        return self.values[int(self.pattern.offsets[index]) : int(self.pattern.offsets[index + 1])]

    def map_devices(self, change: Callable[[int, Tensor], Tensor]) -> Rows:
        """Each device's values changed apart."""
        parts = [change(index, self.of_device(index)) for index in range(self.pattern.n_owners)]
        return self.changed(torch.cat(parts) if parts else self.values)


@dataclass(frozen=True, eq=False)
class Dense:
    """A whole array of every device, such as the weights of a network."""

    values: Float[Tensor, "clients ..."]

    def squared_norms(self) -> Float[Tensor, " clients"]:
        """See :class:`Part`."""
        return self.values.reshape(len(self.values), -1).square().sum(1)

    def scaled(self, factors: Float[Tensor, " clients"]) -> Dense:
        """See :class:`Part`."""
        return self.changed(_along(factors, self.values))

    def changed(self, values: Tensor) -> Dense:
        """Other values."""
        return replace(self, values=values)

    def written_out(self) -> Dense:
        """See :class:`Part`."""
        return self

    def total(self) -> Tensor:
        """See :class:`Part`."""
        return self.values.sum(0)

    def of_device(self, index: int) -> Tensor:
        """The array that one device uploads."""
        return self.values[index]

    def map_devices(self, change: Callable[[int, Tensor], Tensor]) -> Dense:
        """Each device's values changed apart."""
        parts = [change(index, each) for index, each in enumerate(self.values)]
        return self.changed(torch.stack(parts) if parts else self.values)


@dataclass(frozen=True, eq=False)
class Uploads:
    """The uploads of a cohort: parts by name, those of published tables and those of whole arrays."""

    tables: Mapping[str, Part]
    arrays: Mapping[str, Part]

    @classmethod
    def of(cls, *, tables: Mapping[str, Part] | None = None, arrays: Mapping[str, Part] | None = None) -> Uploads:
        """Uploads of some parts."""
        return cls(tables or {}, arrays or {})

    @property
    def parts(self) -> dict[str, Part]:
        """All parts by name."""
        return {**self.tables, **self.arrays}

    def norms(self) -> Float[Tensor, " clients"]:
        """Euclidean norm of each device's whole upload."""
        squares = [part.squared_norms() for part in self.parts.values()]
        return torch.stack(squares).sum(0).sqrt() if len(squares) > 1 else squares[0].sqrt()

    def map(self, change: Callable[[str, Part], Part]) -> Uploads:
        """Every part changed, given its name."""
        return Uploads(
            {name: change(name, part) for name, part in self.tables.items()},
            {name: change(name, part) for name, part in self.arrays.items()},
        )

    def scaled(self, factors: Float[Tensor, " clients"]) -> Uploads:
        """Every device's upload multiplied by its factor."""
        return self.map(lambda _, part: part.scaled(factors))

    def written_out(self) -> Uploads:
        """With every number in memory."""
        return self.map(lambda _, part: part.written_out())


def _along(factors: Tensor, values: Tensor) -> Tensor:
    return values * factors.reshape(-1, *[1] * (values.dim() - 1))
