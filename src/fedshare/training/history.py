"""What is recorded during training for later unlearning: a role of its own, chosen by whoever trains.

:class:`Snapshots` keeps a few rounds' tables, :class:`Nothing` keeps nothing. (A log of single uploads needs uploads
that no server with a secure sum ever sees: it exists in the simulation only, see ``simulation/update_log.py``.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from fedshare.errors import BadOption
from fedshare.options import whole
from fedshare.training.algorithm import ServerState

__all__ = ["History", "Keeping", "Nothing", "Snapshot", "Snapshots", "parse_keeping", "snapshot_rounds"]


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


@final
@dataclass(frozen=True, eq=False)
class History:
    """What a server has kept, oldest first."""

    snapshots: tuple[Snapshot, ...] = ()

    @property
    def nbytes(self) -> int:
        return sum(each.nbytes for each in self.snapshots)


@runtime_checkable
class Keeping(Protocol):
    """The role: what is added to the history after a round."""

    name: ClassVar[str]

    def record(
        self,
        history: History,
        state: ServerState,
        sharers: Integer[Tensor, " sharers"],
        version: str,
        rounds: int,
    ) -> History:
        """The history after a round.

        Args:
            history: Before it.
            state: The server's state after the round.
            sharers: Users who share something, ascending.
            version: Of the share set.
            rounds: Rounds of the whole run.
        """
        ...


@final
@dataclass(frozen=True)
class Nothing:
    """Keeps nothing."""

    name: ClassVar[str] = "nothing"

    def record(
        self, history: History, state: ServerState, sharers: Integer[Tensor, " sharers"], version: str, rounds: int
    ) -> History:
        """See :class:`Keeping`."""
        return history


@final
@dataclass(frozen=True)
class Snapshots:
    """Keeps the item table and the sharers' rows of the user table, in half precision, of a few rounds.

    Four snapshots weigh as much as two copies of both tables in single precision.

    Args:
        count: How many, equally spaced, the last round among them.
    """

    count: int = 4
    name: ClassVar[str] = "snapshots"

    def __post_init__(self) -> None:
        whole("snapshots", self.count)

    def record(
        self, history: History, state: ServerState, sharers: Integer[Tensor, " sharers"], version: str, rounds: int
    ) -> History:
        """See :class:`Keeping`: one more, if it is time, the server has both tables and anybody shares."""
        tables = state.tables
        due = state.round in snapshot_rounds(rounds, self.count)
        if not due or "items" not in tables or "users" not in tables or len(sharers) == 0:
            return history
        items, users = tables["items"].values, tables["users"].values[sharers]
        return replace(
            history, snapshots=(*history.snapshots, Snapshot(state.round, version, items.half(), users.half()))
        )


def parse_keeping(text: str) -> Keeping:
    """``nothing``, ``snapshots`` or ``snapshots:N``.

    Raises:
        BadOption: It is none of these.

    Example:
        >>> parse_keeping("snapshots:2")
        Snapshots(count=2)
    """
    kind, _, count = text.strip().partition(":")
    if kind == Nothing.name and ":" not in text:
        return Nothing()
    if kind == Snapshots.name and (count.isdecimal() or ":" not in text):
        return Snapshots(int(count)) if count else Snapshots()
    raise BadOption(f"keep: got '{text}', expected nothing, snapshots or snapshots:N, such as snapshots:4.")


def snapshot_rounds(rounds: int, count: int) -> frozenset[int]:
    """The rounds after which a snapshot is kept: ``count`` of them, equally spaced, the last round among them.

    Args:
        rounds: Rounds of the run.
        count: Snapshots wanted.
    """
    count = min(count, rounds)
    return frozenset(round((index + 1) * rounds / count) for index in range(count)) if count > 0 else frozenset()
