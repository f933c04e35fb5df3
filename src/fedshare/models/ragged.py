"""A ragged pattern: which table rows each owner touches, and the few products everything else is made of.

Owners are devices or users, columns are items. Row ``u`` of the pattern lists the columns of owner ``u``; the values
that belong to the pattern are flat vectors ``(n_slots,)`` in the same order. Three products suffice for the scores of
exactly the listed pairs and for both gradients of those scores:

    dot      (n_owners, d) x (n_columns, d) -> (n_slots,)      one inner product per listed pair
    gather   (n_slots,)    x (n_columns, d) -> (n_owners, d)   weighted sum of the listed columns
    scatter  (n_slots,)    x (n_owners, d)  -> (n_columns, d)  the same, transposed

``gather`` and ``scatter`` are embedding bags, ``dot`` is a sampled matrix product; all three give the same bits with
one thread and with several.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Ragged"]


class Ragged:
    """An immutable ``(n_owners, n_columns)`` pattern in compressed rows.

    Args:
        offsets: ``(n_owners + 1,)``; owner ``u`` holds the slots ``offsets[u]:offsets[u + 1]``.
        columns: ``(n_slots,)``; the column of every slot.
        n_columns: Rows of the table that the columns point into.
    """

    def __init__(
        self, offsets: Integer[Tensor, " owners_and_one"], columns: Integer[Tensor, " slots"], n_columns: int
    ) -> None:
        self.offsets = offsets.long()
        self.columns = columns.int()
        self.n_columns = n_columns

    @classmethod
    def from_numpy(cls, offsets: NDArray, columns: NDArray, n_columns: int, device: str = "cpu") -> Ragged:
        """The pattern of NumPy arrays, on a device."""
        return cls(torch.tensor(offsets, device=device), torch.tensor(columns, device=device), n_columns)

    @property
    def n_owners(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_slots(self) -> int:
        return len(self.columns)

    @cached_property
    def counts(self) -> Integer[Tensor, " owners"]:
        """Slots of each owner."""
        return self.offsets.diff()

    @cached_property
    def owners(self) -> Integer[Tensor, " slots"]:
        """The owner of every slot."""
        return torch.repeat_interleave(
            torch.arange(self.n_owners, dtype=torch.int32, device=self.columns.device), self.counts
        )

    @cached_property
    def _order(self) -> Integer[Tensor, " slots"]:
        return torch.argsort(self.columns, stable=True).int()

    @cached_property
    def _owners_by_column(self) -> Integer[Tensor, " slots"]:
        return self.owners.index_select(0, self._order)

    @cached_property
    def column_counts(self) -> Integer[Tensor, " columns"]:
        """Owners of each column."""
        return torch.bincount(self.columns, minlength=self.n_columns)

    @cached_property
    def _column_starts(self) -> Integer[Tensor, " columns"]:
        return (torch.cumsum(self.column_counts, 0) - self.column_counts).int()

    @cached_property
    def _starts(self) -> Integer[Tensor, " owners"]:
        return self.offsets[:-1].int()

    @cached_property
    def _pattern(self) -> Tensor:
        with warnings.catch_warnings():  # compressed tensors announce that they are young, once per process
            warnings.simplefilter("ignore", UserWarning)
            return torch.sparse_csr_tensor(
                self.offsets.int(),
                self.columns,
                torch.ones(self.n_slots, device=self.columns.device),
                (self.n_owners, self.n_columns),
                check_invariants=False,
            )

    def dot(self, vectors: Float[Tensor, "owners dim"], table: Float[Tensor, "columns dim"]) -> Float[Tensor, " slots"]:
        """Inner product of every listed pair; differentiable in both factors."""
        return _Dot.apply(vectors, table, self)  # type: ignore[no-any-return]

    def gather(
        self, weights: Float[Tensor, " slots"], table: Float[Tensor, "columns dim"]
    ) -> Float[Tensor, "owners dim"]:
        """Weighted sum, per owner, of the listed table rows."""
        if self.n_slots == 0:
            return table.new_zeros(self.n_owners, table.shape[1])
        return F.embedding_bag(self.columns, table, self._starts, mode="sum", per_sample_weights=weights)

    def scatter(
        self, weights: Float[Tensor, " slots"], vectors: Float[Tensor, "owners dim"]
    ) -> Float[Tensor, "columns dim"]:
        """Weighted sum, per column, of the vectors of its owners."""
        if self.n_slots == 0:
            return vectors.new_zeros(self.n_columns, vectors.shape[1])
        return F.embedding_bag(
            self._owners_by_column,
            vectors,
            self._column_starts,
            mode="sum",
            per_sample_weights=weights.index_select(0, self._order),
        )

    def sum(self, values: Float[Tensor, " slots"]) -> Float[Tensor, " owners"]:
        """Sum of each owner's values."""
        return torch.segment_reduce(values, "sum", offsets=self.offsets)

    def spread(self, values: Tensor) -> Tensor:
        """One value per owner, repeated for each of the owner's slots."""
        return values.index_select(0, self.owners)

    def select(self, owners: Integer[Tensor, " chosen"]) -> Ragged:
        """The pattern of some owners, in the given order."""
        counts = self.counts[owners]
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        shift = torch.repeat_interleave(self.offsets[owners] - offsets[:-1], counts)
        return Ragged(offsets, self.columns[torch.arange(len(shift), device=shift.device) + shift], self.n_columns)

    def union(self, other: Ragged) -> Ragged:
        """The pairs of both patterns, which have none in common, columns ascending."""
        owners, columns = torch.cat([self.owners, other.owners]), torch.cat([self.columns, other.columns])
        order = torch.argsort(owners.long() * self.n_columns + columns)
        return Ragged(self.offsets + other.offsets, columns[order], self.n_columns)


class _Dot(torch.autograd.Function):
    @staticmethod
    def forward(ctx, vectors: Tensor, table: Tensor, pattern: Ragged) -> Tensor:
        ctx.pattern = pattern
        ctx.save_for_backward(vectors, table)
        if pattern.n_slots == 0:
            return vectors.new_zeros(0)
        return torch.sparse.sampled_addmm(pattern._pattern, vectors, table.t().contiguous(), beta=0.0).values()

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        (gradient,) = gradients
        vectors, table = ctx.saved_tensors
        pattern: Ragged = ctx.pattern
        for_vectors = pattern.gather(gradient.contiguous(), table) if ctx.needs_input_grad[0] else None
        for_table = pattern.scatter(gradient.contiguous(), vectors) if ctx.needs_input_grad[1] else None
        return for_vectors, for_table, None
