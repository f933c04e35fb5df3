"""What bounds and blurs an upload before it leaves the device.

Clipping bounds the Euclidean norm of a device's whole gradient; local noise is normal, with a standard deviation given
as a multiple of that bound (the Gaussian mechanism: Dwork and Roth, 2014, appendix A). Neither is a guarantee by
itself: an accountant has to say what a number of rounds with this noise amounts to.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from fedshare.rng import stream

__all__ = ["clip_factors", "local_noise"]


def clip_factors(norms: Float[Tensor, " clients"], clip_norm: float | None) -> Float[Tensor, " clients"]:
    """Factors that bring every norm down to ``clip_norm`` at most; 1 where it is already.

    Args:
        norms: Norm of each device's gradient.
        clip_norm: The bound; None for no bound.
    """
    if clip_norm is None:
        return torch.ones_like(norms)
    return (clip_norm / norms.clamp(min=1e-12)).clamp(max=1.0)


def local_noise(
    shape: tuple[int, int], scale: float, seed: int, user: str, round_number: int
) -> Float[Tensor, "rows dim"]:
    """The noise that one device adds to its rows in one round.

    Args:
        shape: Rows and columns of the upload.
        scale: Standard deviation.
        seed: The run's seed.
        user: Outside name of the device's owner.
        round_number: From 1.
    """
    noise = stream(seed, "local-noise", user, round_number).standard_normal(shape, dtype="float32")
    return torch.from_numpy(noise) * scale
