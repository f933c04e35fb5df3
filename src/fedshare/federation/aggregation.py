"""Adding up what devices send. The server learns the sum; blind to order up to float rounding."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from fedshare.federation.messages import ClientUpdate

__all__ = ["add_updates"]


def add_updates(
    updates: Iterable[ClientUpdate], n_items: int, dim: int, device: str = "cpu"
) -> Float[Tensor, "items dim"]:
    """Sum of sparse updates as a dense ``(n_items, dim)`` gradient.

    Args:
        updates: Messages of the cohort.
        n_items: Catalogue size.
        dim: Embedding size.
        device: Torch device of the sum.
    """
    total = torch.zeros(n_items, dim, device=device)
    for update in updates:  # running sum: holding every client's update at once does not fit at 1e5 users
        total.index_add_(0, update.rows, update.values)
    return total
