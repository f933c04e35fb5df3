"""Private contributions, server side: the counts that come out of a masked sum.

Devices send, for every two items, whether they know both and do not share both, masked so that only the sum over all
devices says anything (``federation/masking``). The server learns in how many histories two items stand together, beyond
what is shared, and of no single device anything.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer
from scipy import sparse
from torch import Tensor

from fedshare.models.gram import canonical

__all__ = ["counts_of"]


def counts_of(values: Integer[Tensor, " pairs"], n_items: int) -> sparse.csr_matrix:
    """The whole ``(n_items, n_items)`` matrix of an upper triangle.

    Args:
        values: ``(n_items (n_items + 1) / 2,)``, row by row.
        n_items: Catalogue size.
    """
    pairs = values.cpu().numpy()
    first, second = np.triu_indices(n_items)
    found = pairs.nonzero()[0]
    upper = sparse.csr_matrix((pairs[found].astype(np.int32), (first[found], second[found])), shape=(n_items, n_items))
    return canonical(upper + sparse.triu(upper, 1).T.tocsr())
