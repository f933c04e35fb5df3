"""The reference: training again, from nothing, without the request's pairs.

Same seeds, same rounds, same hyperparameters, local data intact. What the run chose on validation, such as the weight
of the item-item part, counts as a hyperparameter and is kept: chosen anew, a step of that grid would outweigh what any
request leaves behind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from fedshare.federation.orders import Program
from fedshare.progress import Progress
from fedshare.training.history import History
from fedshare.training.loop import RoundInfo, all_rounds, start
from fedshare.training.server_run import ServerRun
from fedshare.unlearning.withdrawal import Withdrawal

__all__ = ["Retrain"]


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """Retraining.

    Args:
        seed: Another seed than the run's, for a noise floor; None for the run's own, which makes the reference.
    """

    name: ClassVar[str] = "retrain"

    seed: int | None = None

    def unlearn(self, run: ServerRun, withdrawal: Withdrawal, told: Progress | None = None) -> Program[ServerRun]:
        """The run that would have been, had the pairs never been shared."""
        seed = run.seed if self.seed is None else self.seed
        fresh = replace(run.on(withdrawal.after), seed=seed, history=History(), certificate=None)
        side = fresh.side()

        def after_round(sofar: ServerRun, info: RoundInfo) -> None:
            if told is not None:
                told(sofar.state.round, sofar.rounds, str(info))

        return (yield from all_rounds(start(fresh, side), side, after_round))
