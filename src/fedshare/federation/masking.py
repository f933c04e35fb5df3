"""A sum of whole numbers that reveals no summand: pairwise masks that cancel.

After Bonawitz et al., CCS 2017, without dropouts. Devices stand in a ring. Each agrees on one mask with the next device
and one with the one before, adds the first to its numbers and subtracts the second, all modulo ``2**bits``. An upload
alone is uniformly random; in the sum over all devices every mask comes once with either sign and what is left is
exact.

This is a simulation. The masks come from a named random stream instead of a key exchange, nobody drops out, and two
neighbours who work together would see the device between them: a deployment needs agreed keys, more neighbours and
recovery shares. Sizes and sums are those of the real thing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from fedshare.errors import BadOption, TooSmall
from fedshare.federation.messages import MaskedContribution
from fedshare.rng import stream

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["accumulator_dtype", "masked", "sum_of_masked"]


def accumulator_dtype(n_devices: int, most: int = 1) -> np.dtype:
    """The smallest unsigned type in which a sum over the devices cannot overflow.

    Args:
        n_devices: How many contribute.
        most: Largest number that one device may contribute.

    Raises:
        TooSmall: Fewer than three devices: with two, each would know the other's numbers from the sum.
        BadOption: No type is large enough.
    """
    if n_devices < 3:
        raise TooSmall(f"secure sum: got {n_devices} devices, expected 3 or more. A sum of two hides neither.")
    for kind in (np.uint16, np.uint32, np.uint64):
        if n_devices * most <= np.iinfo(kind).max:
            return np.dtype(kind)
    raise BadOption(f"secure sum: {n_devices} times {most} does not fit 64 bits; expected smaller numbers.")


def masked(
    values: NDArray[np.unsignedinteger], device: int, n_devices: int, seed: int, label: str
) -> MaskedContribution:
    """What one device uploads: its numbers, masked.

    Args:
        values: ``(n_values,)`` of the type of :func:`accumulator_dtype`.
        device: Its place in the ring, from 0.
        n_devices: Size of the ring.
        seed: The run's seed.
        label: Names this collection. Masks must never be used twice: the difference of two uploads would be bare.
    """
    following = _mask(len(values), values.dtype, seed, label, device)
    preceding = _mask(len(values), values.dtype, seed, label, (device - 1) % n_devices)
    return MaskedContribution(values + following - preceding)  # unsigned numbers wrap around, as they should


def sum_of_masked(uploads: Iterable[MaskedContribution], n_devices: int, most: int = 1) -> NDArray[np.int64]:
    """The sum of all devices' numbers, ``(n_values,)``; holds one upload at a time.

    Args:
        uploads: One of each device.
        n_devices: How many there are.
        most: Largest number that one device may contribute.

    Raises:
        BadOption: An upload is missing or was altered: the sum is none that honest devices could have.
    """
    total, arrived = np.zeros(0, dtype=accumulator_dtype(n_devices, most)), 0
    for upload in uploads:
        total = total + upload.values if arrived else upload.values.copy()
        arrived += 1
    largest = int(total.max(initial=0))
    if arrived != n_devices or largest > n_devices * most:
        raise BadOption(
            f"secure sum: got {arrived} of {n_devices} uploads and a largest sum of {largest}, expected all of them "
            f"and at most {n_devices * most}. Masks cancel only if every device sends what it agreed to. Collect again."
        )
    return total.astype(np.int64)


def _mask(n_values: int, kind: DTypeLike, seed: int, label: str, place: int) -> NDArray[np.unsignedinteger]:
    """The mask between the devices at ``place`` and ``place + 1``."""
    random = stream(seed, "mask", label, place).bytes(n_values * np.dtype(kind).itemsize)
    return np.frombuffer(random, dtype=kind)
