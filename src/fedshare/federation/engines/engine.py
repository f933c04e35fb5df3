"""The role of an engine: run a task on the devices of a round and hand back the sum of their uploads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Integer
from torch import Tensor

from fedshare.federation.clients import Clients, ClientStore
from fedshare.federation.cohorts import ClientTask, Published

__all__ = ["Engine", "LocalRound", "RoundRequest"]


@dataclass(frozen=True)
class RoundRequest:
    """One round of local work."""

    task: ClientTask
    clients: Clients
    store: ClientStore
    users: Integer[Tensor, " cohort"]
    "Devices that take part, ascending."
    published: Published
    seed: int
    round_number: int
    noise_scale: float = 0.0
    "Standard deviation of the local noise on every uploaded number."

    @property
    def everyone(self) -> bool:
        return len(self.users) == self.clients.n_clients


@dataclass(frozen=True)
class LocalRound:
    """What a round of local work leaves behind."""

    gradient: Float[Tensor, "items dim"]
    "Sum of all uploads: the only thing that reaches the server."
    store: ClientStore
    "Private state after the round, on the devices."
    loss: float
    bytes_down: int
    bytes_up: int


@runtime_checkable
class Engine(Protocol):
    """Runs the devices of a round."""

    def run(self, request: RoundRequest) -> LocalRound: ...
