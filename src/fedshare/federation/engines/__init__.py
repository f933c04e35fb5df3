"""How the devices of a round are run: one at a time, or many at once. Results agree; speed does not."""

from fedshare.federation.engines.batched import Batched
from fedshare.federation.engines.engine import Engine, LocalRound, RoundRequest
from fedshare.federation.engines.sequential import Sequential

__all__ = ["Batched", "Engine", "LocalRound", "RoundRequest", "Sequential"]
