"""A run as the server has it: all that is needed to publish, unlearn, save and verify, and nothing of devices."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from fedshare.federation.orders import MIN_COHORT
from fedshare.federation.payload import POPULARITY, Payload
from fedshare.models.scorer import Scorer
from fedshare.sharing.views import ServerView
from fedshare.training.algorithm import Algorithm, ServerState
from fedshare.training.certificate import Certificate
from fedshare.training.history import History, Keeping, Nothing
from fedshare.training.server_side import Catalogue, ServerSide

__all__ = ["ServerRun", "Version"]


class Version(NamedTuple):
    """A version of the model that the server holds."""

    name: str
    "``now``, or ``snapshot``."
    round: int
    share_set: str
    "Version of the share set that it reflects."


@final
@dataclass(frozen=True, eq=False)
class ServerRun:
    """What training leaves on the server."""

    algorithm: Algorithm
    view: ServerView
    "The share set as it stands."
    catalogue: Catalogue
    seed: int
    rounds: int
    state: ServerState = field(default_factory=ServerState)
    history: History = field(default_factory=History)
    keep: Keeping = field(default_factory=Nothing)
    "What is recorded for later unlearning."
    min_cohort: int = MIN_COHORT
    "People who stand behind every answer of devices, at least."
    finished: bool = True
    "False while it is a checkpoint of training that goes on."
    certificate: Certificate | None = None
    "Digests of what the model was computed from; None for models that cannot be computed again to the bit."

    def side(self, device: str | torch.device | None = None) -> ServerSide:
        """A session to work in.

        Args:
            device: Torch device; that of the tables without.
        """
        return ServerSide(
            self.view, self.catalogue, seed=self.seed, rounds=self.rounds, device=str(device or self.device)
        )

    @property
    def device(self) -> str:
        """Torch device of the tables; the CPU without any."""
        return next((str(table.values.device) for table in self.state.tables.values()), "cpu")

    @property
    def share_set(self) -> str:
        """Version of the share set."""
        return self.view.version(self.catalogue.ids)

    @property
    def sharers(self) -> Tensor:
        """``(n_sharers,)`` users who share something, ascending."""
        return torch.from_numpy(self.view.sharers.astype(np.int64))

    @property
    def kept_bytes(self) -> int:
        """What the server keeps for unlearning alone: snapshots, counts, an inverse."""
        return self.history.nbytes + self.state.kept_bytes

    def release(self, side: ServerSide | None = None) -> Payload:
        """What devices recommend with: what the algorithm releases, and how many people share each item.

        The counts are for people of whom a model has nothing to say, and for equal scores.
        """
        released = self.algorithm.release(self.state, side or self.side())
        shared = torch.from_numpy(np.bincount(self.view.item, minlength=self.view.n_items).astype(np.int32))
        return replace(released, arrays={**released.arrays, POPULARITY: shared.to(self.device)})

    def server_scorer(self, released: Payload | None = None) -> Scorer:
        """Scores as the server could compute them: what an audit attacks."""
        side = self.side()
        return self.algorithm.server_scorer(self.state, released or self.release(side), side)

    def versions(self) -> tuple[Version, ...]:
        """Every version of the model that the server holds, newest first."""
        kept = [Version("snapshot", each.round, each.version) for each in reversed(self.history.snapshots)]
        return (Version("now", self.state.round, self.share_set), *kept)

    def on(self, view: ServerView) -> ServerRun:
        """The same state on another share set of the same people and items."""
        return replace(self, view=view)

    def __repr__(self) -> str:
        return f"ServerRun({self.algorithm.name}, rounds={self.state.round}/{self.rounds}, {self.view!r})"
