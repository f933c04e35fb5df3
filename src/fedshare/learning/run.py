"""A run: the result of training, and all that is needed to recommend, to unlearn and to audit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedshare.errors import BadOption
from fedshare.learning.algorithm import Algorithm, State, World
from fedshare.learning.snapshots import Snapshots

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions
    from fedshare.evaluation.cost import Cost
    from fedshare.federation.engines import Engine
    from fedshare.learning.certificate import Certificate
    from fedshare.models.scorer import Scorer
    from fedshare.sharing.ledger import Ledger

__all__ = ["Recommendation", "Recommendations", "Run"]


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
class Run:
    """What training leaves behind. Server state and the devices' private state are apart, here and on disk."""

    algorithm: Algorithm
    world: World
    rounds: int
    state: State
    snapshots: Snapshots
    cost: Cost
    snapshots_wanted: int = 4
    finished: bool = True
    "False while it is a checkpoint of training that goes on."
    method: str = "train"
    "What made it: 'train', or the name of an unlearning method."
    certificate: Certificate | None = None
    "Digests of what the model was computed from; None for models that cannot be computed again to the bit."
    test: Interactions | None = None
    "Pairs that were held out for testing, kept so that a later audit needs no data; nothing is trained on them."

    @property
    def ledger(self) -> Ledger:
        return self.world.ledger

    @property
    def known(self) -> Interactions:
        """Every interaction that devices know of, whatever its state."""
        return self.world.ledger.known

    @property
    def kept_bytes(self) -> int:
        """What the server keeps for unlearning alone: snapshots, counts, an inverse."""
        return self.snapshots.nbytes + self.state.server.kept_bytes

    @property
    def seed(self) -> int:
        return self.world.seed

    def device_scorer(self) -> Scorer:
        """Scores as devices compute them: what people are recommended."""
        return self.algorithm.device_scorer(self.state, self.world)

    def server_scorer(self) -> Scorer:
        """Scores as the server could compute them: what an audit attacks."""
        return self.algorithm.server_scorer(self.state, self.world)

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
        if k < 1:
            raise BadOption(f"k: got {k}, expected 1 or more.")
        known = self.known
        index = known.users.index(user)
        scores = self.device_scorer().scores(np.array([index]))[0].astype(np.float64)
        taken = self.ledger.device_view(index).items
        scores[taken] = -np.inf
        best = np.argsort(-scores, kind="stable")[: min(k, len(scores) - len(taken))]
        return Recommendations(
            Recommendation(known.items.id(int(i)), known.title(known.items.id(int(i))), float(scores[i])) for i in best
        )

    def on(self, ledger: Ledger) -> Run:
        """The same state in a world with another ledger of the same people and items; for unlearners."""
        return replace(self, world=World(ledger, self.seed, self.world.engine, self.world.device, self.rounds))

    def save(self, path: Path | str, *, replace: bool = False) -> None:
        """Write the run as a folder: all of it or nothing.

        Args:
            path: A folder that is not there yet.
            replace: Whether it may be there and is replaced.
        """
        from fedshare.learning.checkpoint import save_run

        save_run(self, Path(path), replace=replace)

    @classmethod
    def load(cls, path: Path | str, *, engine: Engine | None = None, device: str = "cpu") -> Run:
        """Read what :meth:`save` wrote.

        Raises:
            MissingFile: No such folder.
            DamagedRun: A file is missing, changed or unreadable.
            NewerRun: Written by a later version of the format.
        """
        from fedshare.learning.checkpoint import load_run

        return load_run(Path(path), engine=engine, device=device)

    def __repr__(self) -> str:
        return f"Run({self.algorithm.name}, rounds={self.state.round}/{self.rounds}, seed={self.seed}, {self.method})"
