"""Small things that one does with rows of vectors."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

__all__ = ["unit"]


def unit(vectors: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
    """Rows at length one; a zero row stays zero."""
    return vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-8)
