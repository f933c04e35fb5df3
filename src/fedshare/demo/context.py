"""What every part of the demo works with: the data, a seed, the rounds, and the progress of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedshare.evaluation.evaluate import evaluate
from fedshare.learning.train import train
from fedshare.progress import Meter
from fedshare.unlearning.unlearner import unlearn

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions
    from fedshare.evaluation.cost import Cost
    from fedshare.learning.algorithm import Algorithm
    from fedshare.learning.run import Run
    from fedshare.models.scorer import Scorer
    from fedshare.sharing.ledger import Ledger
    from fedshare.sharing.request import Request
    from fedshare.unlearning.unlearner import Unlearner

__all__ = ["DemoContext", "ScoredRun"]


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """A run reduced to what an evaluation or an audit asks for; a run itself keeps every simulated device in memory."""

    known: Interactions
    ledger: Ledger
    cost: Cost
    device: Scorer
    server: Scorer

    @classmethod
    def of(cls, run: Run) -> ScoredRun:
        """The scorers of a run, made once."""
        return cls(run.known, run.ledger, run.cost, run.device_scorer(), run.server_scorer())

    def device_scorer(self) -> Scorer:
        """What devices recommend from."""
        return self.device

    def server_scorer(self) -> Scorer:
        """What an audit attacks."""
        return self.server


@dataclass(frozen=True, eq=False)
class DemoContext:
    """Where the demo takes place."""

    known: Interactions
    test: Interactions
    seed: int
    rounds: int
    meter: Meter

    @property
    def small_step(self) -> int:
        """Units of progress of anything that is much shorter than a training."""
        return max(1, self.rounds // 10)

    def train(self, what: str, algorithm: Algorithm, ledger: Ledger) -> Run:
        """A training that the progress bar calls ``what``."""
        self.meter.begin(what, self.rounds)
        return train(algorithm, ledger, rounds=self.rounds, seed=self.seed, progress=self.meter.on_round)

    def retrain(self, what: str, run: Run, request: Request, method: Unlearner) -> Run:
        """An unlearning that takes as long as a training."""
        self.meter.begin(what, self.rounds)
        return unlearn(run, request, method=method, progress=self.meter.on_round)

    def unlearn(self, what: str, run: Run, request: Request, method: Unlearner) -> Run:
        """An unlearning that takes moments."""
        self.meter.begin(what, self.small_step)
        return unlearn(run, request, method=method, progress=self.meter.on_round)

    @staticmethod
    def light(run: Run) -> Run:
        """The run without its simulated devices: they weigh hundreds of megabytes and are made again when asked for."""
        return run.on(run.ledger)

    def quality(self, run: Run | ScoredRun) -> dict[str, Any]:
        """Quality on what people chose next, sharers and others apart."""
        found = evaluate(run, self.test, ks=(20,))
        return {
            "metrics": found.metrics,
            "sharers": found.sharers or None,
            "non_sharers": found.non_sharers or None,
            "n_sharers": found.n_sharers,
            "n_users": found.n_users,
        }
