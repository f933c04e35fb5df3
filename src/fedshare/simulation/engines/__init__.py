"""How the devices of a round are run: one at a time, or many at once. Results agree; speed does not."""

from fedshare.simulation.engines.batched import Batched
from fedshare.simulation.engines.engine import Engine, LocalRound, LocalWork, UploadObserver, sample_cohort
from fedshare.simulation.engines.sequential import Sequential

__all__ = ["Batched", "Engine", "LocalRound", "LocalWork", "Sequential", "UploadObserver", "sample_cohort"]
