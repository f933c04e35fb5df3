"""Devices in another process, behind a pipe.

The server's process holds :class:`RemoteDevices`; the other one calls :func:`serve` with whoever stands for devices
there. Whatever can send and receive bytes whole is a pipe: a ``multiprocessing`` connection, or something over a
network.
"""

from __future__ import annotations

from typing import Any, Protocol, final, runtime_checkable

from fedshare import errors
from fedshare.errors import BadMessage, FedShareError
from fedshare.federation.orders import (
    Aggregate,
    Ballot,
    CountsCall,
    Devices,
    MaskedSum,
    Order,
    Outscored,
    Probe,
    Refit,
    RoundOrder,
    Votes,
    put,
)
from fedshare.transport.codec import Done, Refused, decode, encode

__all__ = ["Pipe", "RemoteDevices", "serve"]


@runtime_checkable
class Pipe(Protocol):
    """Sends and receives bytes whole, such as ``multiprocessing.connection.Connection``."""

    def send_bytes(self, buf: bytes, /) -> None: ...

    def recv_bytes(self) -> bytes: ...


@final
class RemoteDevices:
    """An implementation of :class:`fedshare.federation.orders.Devices` that asks through a pipe.

    Args:
        pipe: With somebody who serves at its other end.
    """

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def train(self, order: RoundOrder) -> Aggregate:
        """See :class:`Devices`."""
        return self._ask(order, Aggregate)

    def validate(self, ballot: Ballot) -> Votes:
        """See :class:`Devices`."""
        return self._ask(ballot, Votes)

    def compare(self, probe: Probe) -> Outscored | None:
        """See :class:`Devices`."""
        answer = self._ask(probe, (Outscored, Done))
        return None if isinstance(answer, Done) else answer

    def contribute(self, call: CountsCall) -> MaskedSum:
        """See :class:`Devices`."""
        return self._ask(call, MaskedSum)

    def refit(self, order: Refit) -> None:
        """See :class:`Devices`."""
        self._ask(order, Done)

    def _ask(self, order: Order[Any], expected: type[Any] | tuple[type[Any], ...]) -> Any:
        self._pipe.send_bytes(encode(order))
        answer = decode(self._pipe.recv_bytes())
        if isinstance(answer, Refused):
            raise _error(answer)
        if not isinstance(answer, expected):
            raise BadMessage(f"message: got a {type(answer).__name__} as the answer to a {type(order).__name__}.")
        return answer


def serve(devices: Devices, pipe: Pipe) -> None:
    """Answer orders until the other end closes the pipe.

    Args:
        devices: Who answers.
        pipe: With a server at its other end.

    Raises:
        BadMessage: Something else than an order arrived.
    """
    while True:
        try:
            data = pipe.recv_bytes()
        except EOFError:
            return
        order = decode(data)
        if not isinstance(order, RoundOrder | Ballot | Probe | CountsCall | Refit):
            raise BadMessage(f"message: got a {type(order).__name__}, expected an order.")
        pipe.send_bytes(encode(_answer(order, devices)))


def _answer(order: Order[Any], devices: Devices) -> Any:
    try:
        answer = put(order, devices)
    except Exception as refusal:  # whatever is wrong with an order, the next one is answered
        return Refused(type(refusal).__name__, str(refusal))
    return Done() if answer is None else answer


def _error(refused: Refused) -> FedShareError:
    """The error that devices raised, as far as its name is one of the library's."""
    kind = getattr(errors, refused.kind, None)
    if isinstance(kind, type) and issubclass(kind, FedShareError):
        return kind(refused.reason)
    return BadMessage(f"devices refused: {refused.reason}")
