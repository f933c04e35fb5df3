"""The reference: training again, from nothing, without the request's pairs.

Same seeds, same rounds, same hyperparameters, local data intact. What the run chose on validation, the weight and
ridge of the item-item part, counts as a hyperparameter and is kept: chosen anew, a step of that grid would outweigh
what any request leaves behind.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedshare.learning.run import Run
from fedshare.learning.train import train
from fedshare.sharing.request import Request
from fedshare.unlearning.unlearner import Progress

__all__ = ["Retrain"]


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """Retraining.

    Args:
        seed: Another seed than the run's, for a noise floor; None for the run's own, which makes the reference.
    """

    seed: int | None = None

    @property
    def name(self) -> str:
        return "retrain"

    def __call__(self, run: Run, request: Request, progress: Progress | None = None) -> Run:
        """The run that would have been, had the pairs never been shared."""
        return train(
            run.algorithm,
            request.after,
            rounds=run.rounds,
            seed=run.seed if self.seed is None else self.seed,
            engine=run.world.engine,
            snapshots=run.snapshots_wanted,
            device=run.world.device,
            chosen=run.state.server.numbers,
            progress=progress,
        )
