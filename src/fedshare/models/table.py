"""An embedding table together with its optimiser's moments.

Adam (Kingma and Ba, ICLR 2015, algorithm 1) with a step count of its own for every row, so that rows which are not
updated neither move nor age. Moments are derived data like the table itself: whoever purges a row purges both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from fedshare.rng import stream

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Table"]

FIRST_DECAY, SECOND_DECAY, EPSILON = 0.8, 0.99, 1e-8
"Decay of the moments. Lower than the usual 0.9 / 0.999: a run has tens of large steps, not thousands of small ones."


@dataclass(frozen=True, eq=False)
class Table:
    """``(n_rows, dim)`` values, first and second moments, ``(n_rows,)`` steps. Never changed in place."""

    values: Float[Tensor, "rows dim"]
    first: Float[Tensor, "rows dim"]
    second: Float[Tensor, "rows dim"]
    steps: Integer[Tensor, " rows"]

    @classmethod
    def of(cls, values: Float[Tensor, "rows dim"]) -> Table:
        """A table that has not been trained yet."""
        return cls(
            values,
            torch.zeros_like(values),
            torch.zeros_like(values),
            torch.zeros(len(values), dtype=torch.int32, device=values.device),
        )

    @classmethod
    def random(
        cls, n_rows: int, dim: int, seed: int, *names: str | int, device: str = "cpu", scale: float = 0.1
    ) -> Table:
        """Normal values from a named stream.

        Args:
            n_rows: Rows.
            dim: Columns.
            seed: The run's seed.
            names: What the table is for.
            device: Where the table lives.
            scale: Standard deviation.
        """
        values = stream(seed, *names).standard_normal((n_rows, dim), dtype="float32") * scale
        return cls.of(torch.from_numpy(values).to(device))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def dim(self) -> int:
        return self.values.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of values, moments and steps."""
        return sum(part.numel() * part.element_size() for part in self._parts())

    def descend(self, gradient: Float[Tensor, "rows dim"], learning_rate: float) -> Table:
        """The table after one Adam step on every row."""
        steps = self.steps + 1
        first = self.first.lerp(gradient, 1 - FIRST_DECAY)
        second = self.second.lerp(gradient * gradient, 1 - SECOND_DECAY)
        age = steps.to(gradient.dtype).unsqueeze(1)
        step = (first / (1 - FIRST_DECAY**age)) / ((second / (1 - SECOND_DECAY**age)).sqrt() + EPSILON)
        return Table(self.values - learning_rate * step, first, second, steps)

    def select(self, rows: Tensor | Sequence[int] | slice) -> Table:
        """Some rows, moments included."""
        return Table(*(part[rows] for part in self._parts()))

    def replace_rows(self, rows: Tensor, table: Table) -> Table:
        """This table with some rows taken from another one."""
        return Table(*(_put(old, rows, new) for old, new in zip(self._parts(), table._parts(), strict=True)))

    def with_values(self, rows: Tensor, values: Float[Tensor, "some dim"]) -> Table:
        """This table with new values in some rows, whose moments start afresh."""
        return self.replace_rows(rows, Table.of(values))

    def where(self, mask: Tensor, other: Table) -> Table:
        """Rows of this table where ``mask`` holds, rows of ``other`` elsewhere."""
        return other.replace_rows(mask.nonzero().squeeze(1), self.select(mask))

    def detached(self) -> Table:
        return replace(self, values=self.values.detach())

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The parts under names, for a file."""
        return dict(
            zip([f"{name}.{part}" for part in ("values", "first", "second", "steps")], self._parts(), strict=True)
        )

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], name: str) -> Table:
        """The table that :meth:`tensors` wrote."""
        return cls(*(tensors[f"{name}.{part}"] for part in ("values", "first", "second", "steps")))

    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.values, self.first, self.second, self.steps


def _put(old: Tensor, rows: Tensor, new: Tensor) -> Tensor:
    changed = old.clone()
    changed[rows] = new
    return changed
