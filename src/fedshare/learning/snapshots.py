"""Snapshots: what is kept for unlearning, and nothing else is.

At a few rounds, equally spaced, the server keeps its item table and the rows of its user table that belong to sharers,
in half precision, tagged with the version of the share set they were trained on. Four snapshots weigh as much as two
copies of both tables in single precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from fedshare.learning.algorithm import ServerState

__all__ = ["Snapshot", "Snapshots", "snapshot_rounds"]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Half-precision tables after a round. Row ``r`` of ``users`` belongs to the ``r``-th sharer of the share set."""

    round: int
    version: str
    "Version of the share set that it reflects; after unlearning, of the set without the withdrawn pairs."
    items: Float[Tensor, "items dim"]
    users: Float[Tensor, "sharers dim"]

    @property
    def nbytes(self) -> int:
        return sum(each.numel() * each.element_size() for each in (self.items, self.users))

    def full_users(self, sharers: Integer[Tensor, " sharers"], n_users: int) -> Float[Tensor, "users dim"]:
        """The user rows in single precision, zero for everybody else."""
        rows = torch.zeros(n_users, self.items.shape[1], device=self.items.device)
        rows[sharers] = self.users.float()
        return rows


@dataclass(frozen=True, eq=False)
class Snapshots:
    """Snapshots of one run, oldest first."""

    kept: tuple[Snapshot, ...] = ()

    @property
    def nbytes(self) -> int:
        return sum(each.nbytes for each in self.kept)

    def with_tables_of(
        self, server: ServerState, sharers: Integer[Tensor, " sharers"], round_number: int, version: str
    ) -> Snapshots:
        """These and one more, if the server has tables to keep and anybody shares."""
        if "items" not in server.tables or "users" not in server.tables or len(sharers) == 0:
            return self
        items, users = server.tables["items"].values, server.tables["users"].values[sharers]
        return Snapshots((*self.kept, Snapshot(round_number, version, items.half(), users.half())))


def snapshot_rounds(rounds: int, count: int) -> frozenset[int]:
    """The rounds after which a snapshot is kept: ``count`` of them, equally spaced, the last round among them.

    Args:
        rounds: Rounds of the run.
        count: Snapshots wanted.
    """
    count = min(count, rounds)
    return frozenset(round((index + 1) * rounds / count) for index in range(count)) if count > 0 else frozenset()
