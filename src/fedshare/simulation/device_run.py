"""A run as devices have it: what people know and choose, their devices' private state, and what was published last.

Nothing of the server is needed to recommend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from fedshare.federation.orders import MIN_COHORT
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import ClientTask
from fedshare.options import whole
from fedshare.simulation.engines import Batched, Engine, UploadObserver
from fedshare.simulation.population import Population

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions
    from fedshare.models.scorer import Scorer
    from fedshare.sharing.ledger import Ledger
    from fedshare.sharing.request import Request

__all__ = ["DeviceRun", "Recommendation", "Recommendations"]


@dataclass(frozen=True)
class Recommendation:
    """One recommended item."""

    item: str
    title: str
    "The item's title; its id where there is none."
    score: float


class Recommendations(tuple[Recommendation, ...]):
    """A ranked list that prints as one line per item."""

    __slots__ = ()

    def __str__(self) -> str:
        width = max((len(each.item) for each in self), default=0)
        return "\n".join(f"{place:>3}  {each.item:<{width}}  {each.title}" for place, each in enumerate(self, 1))


@dataclass(frozen=True, eq=False)
class DeviceRun:
    """What training leaves on everybody's devices."""

    ledger: Ledger
    "What people know, share, keep private and have erased."
    task: ClientTask
    "What devices run."
    private: Mapping[str, Tensor] = field(default_factory=dict)
    "``(n_users, ...)`` private state of every device, by name."
    released: Payload = field(default_factory=Payload)
    "What the server published last: devices recommend with it."
    test: Interactions | None = None
    "Pairs that were held out for testing, kept so that a later audit needs no data; nothing is trained on them."
    engine: Engine = field(default_factory=Batched)
    "How devices are simulated; changes speed only."
    device: str = "cpu"
    "Torch device."
    min_cohort: int = MIN_COHORT
    "People who have to stand behind an answer."

    def population(
        self, ledger: Ledger | None = None, *, request: Request | None = None, observer: UploadObserver | None = None
    ) -> Population:
        """Everybody's devices as they stand.

        Args:
            ledger: Another one of the same people and items; the run's own without.
            request: What is being withdrawn.
            observer: Is shown single uploads.
        """
        return Population(
            ledger or self.ledger,
            private=self.private,
            engine=self.engine,
            device=self.device,
            min_cohort=self.min_cohort,
            request=request,
            observer=observer,
            contributes=self.task.contributes,
        )

    def device_scorer(self) -> Scorer:
        """Scores as devices compute them: what people are recommended."""
        return self.population().scorer(self.task, self.released)

    def recommend(self, user: str, k: int = 10) -> Recommendations:
        """The ``k`` best items that the person does not know, best first.

        Erased items may come back: nothing remembers them.

        Args:
            user: The person's id.
            k: Length of the list; shorter where the catalogue is.

        Raises:
            UnknownUser: No such person.
            BadOption: ``k`` below 1.
        """
        whole("k", k, 1)
        known = self.ledger.known
        index = known.users.index(user)
        scores = self.device_scorer().scores(np.array([index]))[0].astype(np.float64)
        taken = self.ledger.device_view(index).items
        scores[taken] = -np.inf
        best = np.argsort(-scores, kind="stable")[: min(k, len(scores) - len(taken))]
        return Recommendations(
            Recommendation(known.items.id(int(i)), known.title(known.items.id(int(i))), float(scores[i])) for i in best
        )
