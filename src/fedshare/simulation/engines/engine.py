"""The role of an engine: run a task on the devices of a round and hand back the sum of their uploads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Integer
from torch import Tensor

from fedshare.federation.orders import RoundOrder
from fedshare.federation.transforms import Whose
from fedshare.federation.uploads import Uploads
from fedshare.rng import stream
from fedshare.simulation.clients import Clients

__all__ = ["Engine", "LocalRound", "LocalWork", "UploadObserver", "sample_cohort"]


@runtime_checkable
class UploadObserver(Protocol):
    """Somebody who is shown single uploads, as a server without a secure sum would be."""

    def saw(self, round_number: int, names: list[str], uploads: Uploads) -> None:
        """Uploads of some devices, written out, after the chain of transforms.

        Args:
            round_number: From 1.
            names: Ids of the owners.
            uploads: Their uploads, in this order; columns of rows are item numbers.
        """
        ...


@dataclass(frozen=True, eq=False)
class LocalWork:
    """One round of local work."""

    order: RoundOrder
    clients: Clients
    private: Mapping[str, Tensor]
    "``(n_clients, ...)`` private state of everybody."
    users: Integer[Tensor, " cohort"]
    "Devices that take part, ascending."
    observer: UploadObserver | None = None

    @property
    def everyone(self) -> bool:
        return len(self.users) == self.clients.n_clients

    def whose(self, names: list[str]) -> Whose:
        """Names for the randomness of some devices in this round."""
        return Whose(self.order.seed, self.order.number, names)


@dataclass(frozen=True, eq=False)
class LocalRound:
    """What a round of local work leaves behind."""

    tables: Mapping[str, Tensor]
    "Sums of uploads, ``(n_items, ...)``; with the arrays, the only thing that reaches the server."
    arrays: Mapping[str, Tensor]
    private: Mapping[str, Tensor]
    "Private state after the round, on the devices."
    loss: float
    bytes_down: int
    bytes_up: int


@runtime_checkable
class Engine(Protocol):
    """Runs the devices of a round."""

    def run(self, work: LocalWork) -> LocalRound: ...


def sample_cohort(n_clients: int, participation: float, seed: int, round_number: int) -> Integer[Tensor, " cohort"]:
    """The devices of one round, ascending.

    Args:
        n_clients: All devices.
        participation: Fraction that takes part, above 0 and at most 1.
        seed: The run's seed.
        round_number: From 1.
    """
    if participation >= 1:
        return torch.arange(n_clients)
    size = max(1, round(participation * n_clients))
    chosen = stream(seed, "cohort", round_number).choice(n_clients, size=size, replace=False)
    return torch.from_numpy(chosen).sort().values
