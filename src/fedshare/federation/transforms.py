"""What bounds, rounds and blurs an upload before it leaves its device: one chain, applied in one place.

Each link says how large an upload can be after it (:meth:`Transform.bound`), and is told how large it can be before.
Clipping bounds the Euclidean norm of a device's whole upload. Quantising rounds its numbers to a grid of so many bits
over that bound. Noise is normal, with a standard deviation in multiples of the bound (the Gaussian mechanism: Dwork and
Roth, 2014, appendix A). None is a guarantee by itself: an accountant has to say what a number of rounds amounts to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from fedshare.errors import BadOption
from fedshare.federation.uploads import Dense, Part, Rows, Uploads
from fedshare.models.ragged import Ragged
from fedshare.options import above, at_least, whole
from fedshare.rng import stream

__all__ = ["TRANSFORMS", "Clip", "Noise", "Quantise", "Transform", "Whose", "apply_chain", "chain_bound", "value_bytes"]

_FLOAT_BYTES = 4.0


@dataclass(frozen=True)
class Whose:
    """Whose uploads they are: randomness is named after these."""

    seed: int
    round: int
    names: Sequence[str]


@runtime_checkable
class Transform(Protocol):
    """One link of the chain; a frozen dataclass of plain values, so that it crosses to devices."""

    name: ClassVar[str]
    one_by_one: ClassVar[bool]
    "Whether every number of every upload is needed in memory."

    def bound(self, before: float) -> float:
        """Largest Euclidean norm of one device's upload after this.

        Args:
            before: Largest norm before it; infinite for no bound.
        """
        ...

    def __call__(self, uploads: Uploads, whose: Whose, before: float) -> Uploads:
        """The uploads after this link."""
        ...


@dataclass(frozen=True)
class Clip:
    """Scales an upload down to a norm of ``norm`` at most.

    Raises:
        BadOption: ``norm`` is not above 0.
    """

    norm: float
    name: ClassVar[str] = "clip"
    one_by_one: ClassVar[bool] = False

    def __post_init__(self) -> None:
        above("clip_norm", self.norm, 0)

    def bound(self, before: float) -> float:
        """See :class:`Transform`."""
        return min(before, self.norm)

    def __call__(self, uploads: Uploads, whose: Whose, before: float) -> Uploads:
        """See :class:`Transform`."""
        return uploads.scaled((self.norm / uploads.norms().clamp(min=1e-12)).clamp(max=1.0))


@dataclass(frozen=True)
class Quantise:
    """Rounds numbers towards zero to a grid of ``bits`` bits over the bound: a norm never grows by it.

    Raises:
        BadOption: ``bits`` is not in 2..24, beyond which float32 has no room.
    """

    bits: int
    name: ClassVar[str] = "quantise"
    one_by_one: ClassVar[bool] = True

    def __post_init__(self) -> None:
        whole("quantise_bits", self.bits, 2, most=24)

    def bound(self, before: float) -> float:
        """See :class:`Transform`."""
        return before

    def step(self, before: float) -> float:
        """Width of the grid."""
        if not math.isfinite(before):
            raise BadOption("quantise_bits: got uploads without a bound, expected a clip_norm to spread the grid over.")
        return before / (2 ** (self.bits - 1) - 1)

    def __call__(self, uploads: Uploads, whose: Whose, before: float) -> Uploads:
        """See :class:`Transform`."""
        step = self.step(before)

        def rounded(_: str, part: Part) -> Part:
            written = part.written_out()
            return written.changed((written.values / step).trunc() * step)

        return uploads.map(rounded)


@dataclass(frozen=True)
class Noise:
    """Adds normal noise to every number, with a standard deviation of ``multiplier`` times the bound.

    Raises:
        BadOption: ``multiplier`` is below 0.
    """

    multiplier: float
    name: ClassVar[str] = "noise"
    one_by_one: ClassVar[bool] = False

    def __post_init__(self) -> None:
        at_least("noise_multiplier", self.multiplier, 0)

    def bound(self, before: float) -> float:
        """See :class:`Transform`: that of the upload without the noise, which says nothing of anybody."""
        return before

    def scale(self, before: float) -> float:
        """Standard deviation of the noise."""
        if not math.isfinite(before):
            raise BadOption("noise_multiplier: got uploads without a bound, expected 0 without a clip_norm.")
        return self.multiplier * before

    def __call__(self, uploads: Uploads, whose: Whose, before: float) -> Uploads:
        """See :class:`Transform`."""
        scale = self.scale(before)
        return uploads if scale == 0 else uploads.map(lambda name, part: _Noisy(part, name, scale, whose))


@dataclass(frozen=True, eq=False)
class _Noisy:
    """A part with each device's own noise on its own numbers, drawn when it is added up or written out."""

    part: Part
    label: str
    scale: float
    whose: Whose

    def squared_norms(self) -> Float[Tensor, " clients"]:
        return self.written_out().squared_norms()

    def scaled(self, factors: Float[Tensor, " clients"]) -> Part:
        return self.written_out().scaled(factors)

    def written_out(self) -> Rows | Dense:
        def noisy(index: int, values: Tensor) -> Tensor:
            return values + self._noise(index, values.shape).to(values.device)

        return self.part.written_out().map_devices(noisy)

    def total(self) -> Tensor:
        pattern = pattern_of(self.part)
        if pattern is None:
            return self.written_out().total()
        total = self.part.total()
        for index in range(pattern.n_owners):  # rows of all devices at once would not fit in memory
            rows = pattern.columns[int(pattern.offsets[index]) : int(pattern.offsets[index + 1])]
            noise = self._noise(index, torch.Size((len(rows), *total.shape[1:])))
            total.index_add_(0, rows, noise.to(total.device))
        return total

    def _noise(self, index: int, shape: torch.Size) -> Tensor:
        name = self.whose.names[index]
        drawn = stream(self.whose.seed, "local-noise", self.label, name, self.whose.round)
        return torch.from_numpy(drawn.standard_normal(tuple(shape), dtype="float32")) * self.scale


def pattern_of(part: Part) -> Ragged | None:
    """The rows that each device uploads; None of a part that is a whole array."""
    return getattr(part, "pattern", None)


TRANSFORMS: dict[str, type[Clip] | type[Quantise] | type[Noise]] = {each.name: each for each in (Clip, Quantise, Noise)}
"By name: what crosses to devices is a name and options."


def apply_chain(chain: Sequence[Transform], uploads: Uploads, whose: Whose) -> Uploads:
    """The uploads after every link, each told the bound before it."""
    bound = math.inf
    for link in chain:
        uploads = link(uploads, whose, bound)
        bound = link.bound(bound)
    return uploads


def chain_bound(chain: Sequence[Transform]) -> float:
    """Largest Euclidean norm of one device's upload, noise apart; infinite without a bound."""
    bound = math.inf
    for link in chain:
        bound = link.bound(bound)
    return bound


def value_bytes(chain: Sequence[Transform]) -> float:
    """Bytes of an uploaded number."""
    bits = [link.bits for link in chain if isinstance(link, Quantise)]
    return bits[-1] / 8 if bits else _FLOAT_BYTES
