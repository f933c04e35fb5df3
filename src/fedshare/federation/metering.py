"""Counting what crosses: devices with a meter in front."""

from __future__ import annotations

from typing import final

from fedshare.federation.orders import (
    Aggregate,
    Ballot,
    CountsCall,
    Devices,
    MaskedSum,
    Outscored,
    Probe,
    Refit,
    RoundOrder,
    Votes,
)

__all__ = ["Metered"]


@final
class Metered:
    """Passes orders on and adds up the bytes that answers report.

    Args:
        devices: Who answers.
    """

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.rounds = 0
        "Rounds of local work."
        self.bytes_up = 0
        "Of all devices together."
        self.bytes_down = 0

    def train(self, order: RoundOrder) -> Aggregate:
        """See :class:`Devices`."""
        answer = self._devices.train(order)
        self.rounds += 1
        self.bytes_up += answer.bytes_up
        self.bytes_down += answer.bytes_down
        return answer

    def validate(self, ballot: Ballot) -> Votes:
        """See :class:`Devices`."""
        answer = self._devices.validate(ballot)
        self.bytes_down += answer.bytes_down
        return answer

    def compare(self, probe: Probe) -> Outscored | None:
        """See :class:`Devices`."""
        return self._devices.compare(probe)

    def contribute(self, call: CountsCall) -> MaskedSum:
        """See :class:`Devices`."""
        answer = self._devices.contribute(call)
        self.bytes_up += answer.bytes_up
        return answer

    def refit(self, order: Refit) -> None:
        """See :class:`Devices`."""
        self._devices.refit(order)
