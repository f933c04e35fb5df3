"""Code that runs on devices: the role of a task, and what it works on.

A task is a frozen dataclass of plain values, so that it crosses to a device by its name and those values. It works on
a :class:`Cohort`, one device or many side by side; one function serves both. Whatever derives from
:class:`DeviceCode` runs on devices. Server code may make a task and put it into an order; it calls none of its methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from jaxtyping import Float
from torch import Tensor

from fedshare.federation.payload import Payload
from fedshare.federation.uploads import Uploads
from fedshare.models.ragged import Ragged

if TYPE_CHECKING:
    from fedshare.models.scorer import Scorer

__all__ = ["ClientTask", "Cohort", "CohortUpdate", "DeviceCode", "RankingTask", "TrainingTask"]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Devices side by side, one or many, and all they may read: nothing here belongs to a device outside."""

    known: Ragged
    "Known pairs; columns point into the rows of ``tables``."
    pseudo: Ragged
    "Pseudo-items, likewise."
    tables: Mapping[str, Tensor]
    "``(n_rows, ...)`` downloaded rows of each published table, ascending by item."
    arrays: Mapping[str, Tensor]
    "What devices download whole."
    personal: Mapping[str, Tensor]
    "``(n_clients, ...)`` what was delivered to each alone; zeros where nothing was."
    received: Float[Tensor, " clients"]
    "1 where personal rows were delivered, 0 elsewhere."
    private: Mapping[str, Tensor]
    "``(n_clients, ...)`` private state."
    names: Sequence[str] = ()
    "Ids of the devices' owners: randomness is named after them."
    seed: int = 0
    round: int = 0

    @property
    def n_clients(self) -> int:
        return self.known.n_owners

    def with_private(self, private: Mapping[str, Tensor]) -> Cohort:
        """The same devices with another private state."""
        return replace(self, private=private)


@dataclass(frozen=True, eq=False)
class CohortUpdate:
    """What devices hand back: new private state, which stays on them, and their uploads."""

    private: Mapping[str, Tensor]
    uploads: Uploads
    loss: Float[Tensor, " clients"]


class DeviceCode:
    """Marks a class that runs on devices, wherever its file lies. Server code neither makes one nor calls one.

    The one exception are tasks: server code makes a task of plain values and puts it into an order.
    """


class ClientTask(DeviceCode, ABC):
    """What devices run for an algorithm; this much every algorithm needs."""

    name: ClassVar[str]
    "How it is called where it crosses to another process."
    contributes: bool = False
    "Whether devices agree to count together, under masks, what they do not share."

    @abstractmethod
    def scorer(self, released: Payload, private: Mapping[str, Tensor], known: Ragged) -> Scorer:
        """What devices recommend from, for all devices of a host.

        Args:
            released: What the server published last, with this host's personal rows.
            private: ``(n_clients, ...)`` private state.
            known: ``(n_clients, n_items)`` what each device knows.
        """


class TrainingTask(ClientTask):
    """A task with rounds of local work."""

    pseudo_items: int = 0
    "Fixed pseudo-items of a device, at least."
    pseudo_ratio: float = 0.0
    "Pseudo-items per known item, at least."
    downloads_everything: ClassVar[bool] = False
    "Whether a device asks for all rows, instead of those of its known and pseudo-items."

    @abstractmethod
    def start(self, n_clients: int, payload: Payload, seed: int) -> Mapping[str, Tensor]:
        """The first private state, ``(n_clients, ...)`` for each name.

        Args:
            n_clients: Devices.
            payload: That of round 1: it has the shapes, and the torch device.
            seed: Names the simulation's random numbers.
        """

    @abstractmethod
    def train(self, cohort: Cohort) -> CohortUpdate:
        """One round of local work."""

    def refit(self, cohort: Cohort, steps: int) -> Mapping[str, Tensor]:
        """Private state fitted with everything published held fixed; nothing is uploaded.

        Args:
            cohort: Devices with the state to start from.
            steps: Rounds of local work.
        """
        for _ in range(steps):
            cohort = cohort.with_private(self.train(cohort).private)
        return cohort.private


class RankingTask(ClientTask):
    """A task that can rank what was held out under several candidates."""

    @abstractmethod
    def candidate_scores(
        self, cohort: Cohort, candidates: Sequence[Mapping[str, float]], numbers: Mapping[str, float]
    ) -> Iterator[Float[Tensor, "clients items"]]:
        """One matrix of scores for each candidate; minus infinity where an item is not to be ranked.

        A matrix may be written over when the next one is made.

        Args:
            cohort: Validation clients, with what they train on: what is held out is not among ``known``.
            candidates: As the ballot has them.
            numbers: Settings of the ballot's payload.
        """
