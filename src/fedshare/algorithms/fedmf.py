"""FedMF: the federation with nothing shared.

Federated collaborative filtering (Ammad-ud-din et al., arXiv 1901.09888) with this library's device objective: item
vectors on the server, private vectors on devices, gradients in between. It is FedShare on an empty share set, number
for number, whatever the ledger says: the reference that sharing has to beat.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Literal

from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.algorithms.fedshare.task import FedShareTask
from fedshare.errors import NotMeasured
from fedshare.federation.orders import Aggregate
from fedshare.federation.payload import Payload
from fedshare.federation.transforms import Transform
from fedshare.models.scorer import Scorer
from fedshare.training.algorithm import Choice, ServerState
from fedshare.training.server_side import ServerSide

__all__ = ["FedMF"]


@dataclass(frozen=True, kw_only=True)
class FedMF:
    """Hyperparameters of FedMF; meanings and defaults are those of :class:`fedshare.FedShare`."""

    name: ClassVar[str] = "fedmf"
    closed_form: ClassVar[bool] = False
    central: ClassVar[bool] = False
    choice: ClassVar[type[Choice] | None] = None

    embedding_size: int = 64
    learning_rate: float = 0.05
    item_learning_rate: float = 0.02
    temperature: float = 0.15
    ranking: Literal["softmax", "bpr"] = "softmax"
    ego_weight: float = 1.0
    activity: float = 0.5
    pseudo_items: int = 1000
    pseudo_ratio: float = 4.0
    participation: float = 1.0
    local_epochs: int = 1
    clip_norm: float | None = 10.0
    quantise_bits: int | None = None
    noise_multiplier: float = 0.0

    def __post_init__(self) -> None:
        _ = self._federation  # checks the options

    @property
    def _federation(self) -> FedShare:
        return FedShare(item_item=None, **{each.name: getattr(self, each.name) for each in fields(self)})

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """Those of :class:`fedshare.FedShare`."""
        return self._federation.transforms

    def task(self) -> FedShareTask:
        """That of :class:`fedshare.FedShare`."""
        return self._federation.task()

    def start(self, server: ServerSide) -> ServerState:
        """Random tables."""
        return self._federation.start(server)

    def publish(self, state: ServerState, server: ServerSide) -> Payload:
        """Unit item vectors."""
        return self._federation.publish(state, server.nothing_shared())

    def update(self, state: ServerState, aggregate: Aggregate | None, server: ServerSide, number: int) -> ServerState:
        """A step on the devices' gradient alone."""
        return self._federation.update(state, aggregate, server.nothing_shared(), number)

    def release(self, state: ServerState, server: ServerSide) -> Payload:
        """Unit item vectors."""
        return self._federation.release(state, server.nothing_shared())

    def server_scorer(self, state: ServerState, released: Payload, server: ServerSide) -> Scorer:
        """There is none: the server has no vector of anybody."""
        raise NotMeasured(
            "fedmf: the server holds no user vectors, so it has no scores. Attack a FedShare run instead."
        )
