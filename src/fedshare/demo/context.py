"""What every part of the demo works with: the data, a seed, the rounds, and the progress of the whole."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fedshare.errors import SecondWithdrawal
from fedshare.evaluation.evaluate import evaluate
from fedshare.federation.orders import MIN_COHORT
from fedshare.progress import Meter
from fedshare.simulation.train import train
from fedshare.simulation.unlearn import unlearn

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions
    from fedshare.demo.figures import MetricsAt20, QualityFigures
    from fedshare.demo.scored_run import ScoredRun
    from fedshare.sharing.ledger import Ledger
    from fedshare.sharing.request import Request
    from fedshare.simulation.run import Run
    from fedshare.training.algorithm import Algorithm
    from fedshare.unlearning.unlearner import Unlearner

__all__ = ["DemoContext"]


@final
@dataclass(frozen=True, eq=False)
class DemoContext:
    """The data, a seed and the rounds; trains, unlearns and evaluates with them, and reports progress."""

    known: Interactions
    test: Interactions
    seed: int
    rounds: int
    meter: Meter
    min_cohort: int = MIN_COHORT
    "People who stand behind every sum that leaves devices."

    @property
    def small_step(self) -> int:
        """Units of progress of anything that is much shorter than a training."""
        return max(1, self.rounds // 10)

    def train(self, what: str, algorithm: Algorithm, ledger: Ledger) -> Run:
        """A training that the progress bar calls ``what``."""
        self.meter.begin(what, self.rounds)
        return train(
            algorithm,
            ledger,
            rounds=self.rounds,
            seed=self.seed,
            min_cohort=self.min_cohort,
            progress=self.meter.on_round,
        )

    def retrain(self, what: str, run: Run, request: Request, method: Unlearner) -> Run:
        """An unlearning that takes as long as a training."""
        self.meter.begin(what, self.rounds)
        return self._unlearned(run, request, method)

    def unlearn(self, what: str, run: Run, request: Request, method: Unlearner) -> Run:
        """An unlearning that takes moments."""
        self.meter.begin(what, self.small_step)
        return self._unlearned(run, request, method)

    def _unlearned(self, run: Run, request: Request, method: Unlearner) -> Run:
        with warnings.catch_warnings():  # the page shows several requests, each of them made from the main run
            warnings.simplefilter("ignore", SecondWithdrawal)
            return unlearn(run, request, method=method, progress=self.meter.on_round)

    def quality(self, run: Run | ScoredRun) -> QualityFigures:
        """Quality on the test pairs: of everybody, of users who share something, of users who share nothing."""
        found = evaluate(run, self.test, ks=(20,))
        return {
            "metrics": _at_20(found.metrics),
            "sharers": _at_20(found.sharers) if found.sharers else None,
            "non_sharers": _at_20(found.non_sharers) if found.non_sharers else None,
            "n_sharers": found.n_sharers,
            "n_users": found.n_users,
        }


def _at_20(metrics: Mapping[str, float]) -> MetricsAt20:
    return {
        "recall@20": metrics["recall@20"],
        "ndcg@20": metrics["ndcg@20"],
        "hr@20": metrics["hr@20"],
        "mrr@20": metrics["mrr@20"],
    }
