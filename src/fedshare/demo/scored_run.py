"""A run reduced to its scorers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

if TYPE_CHECKING:
    from fedshare.cost import Cost
    from fedshare.data.interactions import Interactions
    from fedshare.models.scorer import Scorer
    from fedshare.sharing.ledger import Ledger
    from fedshare.simulation.run import Run

__all__ = ["ScoredRun"]


@final
@dataclass(frozen=True, eq=False)
class ScoredRun:
    """What an evaluation or an audit needs of a run.

    A run keeps every simulated device in memory. The demo holds five of them against each other, so it keeps these.
    """

    known: Interactions
    ledger: Ledger
    cost: Cost
    device: Scorer
    server: Scorer
    min_cohort: int

    @classmethod
    def of(cls, run: Run) -> Self:
        """The scorers of a run, made once."""
        return cls(run.known, run.ledger, run.cost, run.device_scorer(), run.server_scorer(), run.min_cohort)

    def device_scorer(self) -> Scorer:
        """Scores as devices compute them: what people are recommended."""
        return self.device

    def server_scorer(self) -> Scorer:
        """Scores as the server can compute them: what an audit attacks."""
        return self.server
