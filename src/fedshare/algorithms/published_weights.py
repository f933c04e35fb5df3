"""Item-item weights as they are published: three arrays, the same for every device.

``NAME.counts`` is ``(n_items,)``, weights of each row; ``NAME.items`` and ``NAME.values`` are their columns and
numbers, row by row.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

__all__ = ["packed", "unpacked", "unpacked_sparse"]


def packed(weights: sparse.csr_matrix, name: str) -> dict[str, Tensor]:
    """The three arrays of ``(n_items, n_items)`` weights."""
    counts = np.diff(weights.indptr).astype(np.int32)
    return {
        f"{name}.counts": torch.from_numpy(counts),
        f"{name}.items": torch.from_numpy(weights.indices.astype(np.int32)),
        f"{name}.values": torch.from_numpy(weights.data),
    }


def unpacked_sparse(arrays: Mapping[str, Tensor], name: str, n_items: int) -> sparse.csr_matrix:
    """The weights that :func:`packed` took apart."""
    counts, items, values = (arrays[f"{name}.{part}"].cpu().numpy() for part in ("counts", "items", "values"))
    offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    return sparse.csr_matrix((values, items, offsets), shape=(n_items, n_items))


def unpacked(arrays: Mapping[str, Tensor], name: str, n_items: int) -> Tensor:
    """The same as a dense ``(n_items, n_items)`` tensor."""
    return torch.from_numpy(unpacked_sparse(arrays, name, n_items).toarray())
