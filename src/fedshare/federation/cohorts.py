"""Who takes part in a round, and what one step of an engine works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from fedshare.models.ragged import Ragged
from fedshare.models.table import Table
from fedshare.rng import stream

__all__ = ["ClientTask", "Cohort", "CohortUpdate", "Published", "sample_cohort"]


@dataclass(frozen=True)
class Published:
    """What the server offers in a round; a device reads the rows it asked for and its own global view."""

    items: Float[Tensor, "items dim"]
    "Unit vectors of all items."
    users: Float[Tensor, "users dim"] | None = None
    "Unit global views; row ``u`` goes to device ``u`` alone. None when nobody shares."
    has_view: Tensor | None = None
    "``(n_users,)`` whether a user has a global view."


@dataclass(frozen=True)
class Cohort:
    """Devices side by side, one or many, and all they may read: nothing here belongs to a device outside."""

    known: Ragged
    "Known pairs; columns point into ``items``."
    pseudo: Ragged
    items: Float[Tensor, "rows dim"]
    "Unit vectors of the item rows that these devices downloaded."
    private: Table
    "Private vectors of these devices, one row each."
    global_views: Float[Tensor, "clients dim"]
    has_view: Float[Tensor, " clients"]
    "1 where a global view was sent, 0 elsewhere."


@dataclass(frozen=True)
class CohortUpdate:
    """What devices hand back: new private state, which stays on them, and the gradient of their item rows."""

    private: Table
    gradient: Float[Tensor, "rows dim"]
    "Sum over the cohort; of one device when the cohort is one."
    loss: Float[Tensor, " clients"]


@runtime_checkable
class ClientTask(Protocol):
    """What a device does in a round. One function serves one device and many: it works on ragged cohorts."""

    def __call__(self, cohort: Cohort) -> CohortUpdate: ...


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
