"""What every model looks like from the outside: scores of items for users.

Evaluation and audits see a model only through this. A scorer has no training data and no opinion on which items
may be recommended; leaving known items out is the caller's work.
"""

from __future__ import annotations

from typing import Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedshare.errors import BadOption

__all__ = ["MatrixScorer", "Ranker", "Scorer", "tie_order"]


@runtime_checkable
class Scorer(Protocol):
    """Scores of all items for some users."""

    @property
    def n_users(self) -> int: ...

    @property
    def n_items(self) -> int: ...

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        """Scores of every item for these users, ``(len(users), n_items)``; higher is better."""
        ...


@runtime_checkable
class Ranker(Protocol):
    """A scorer that also says what lists are made of where its scores say nothing, or equal things."""

    @property
    def tie_order(self) -> NDArray[np.int64]:
        """All items, ``(n_items,)``; of two with equal scores the one that comes first here is listed first."""
        ...

    def rank_by(self, users: NDArray[np.intp], scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """What lists of these users are made of, ``(len(users), n_items)``, from what ``scores`` gave."""
        ...


def tie_order(scorer: Scorer) -> NDArray[np.int64] | None:
    """How equal scores are listed; None for "by item index"."""
    return scorer.tie_order if isinstance(scorer, Ranker) else None


@final
class MatrixScorer:
    """A scorer that holds all its scores: for tests, references and models small enough to write out.

    Args:
        matrix: Scores, ``(n_users, n_items)``; kept as a read-only float32 copy.

    Raises:
        BadOption: The matrix has not two dimensions, or a score is not a finite number.

    Example:
        >>> MatrixScorer(np.eye(2)).scores(np.array([1])).tolist()
        [[0.0, 1.0]]
    """

    def __init__(self, matrix: ArrayLike) -> None:
        self.matrix: NDArray[np.float32] = np.array(matrix, dtype=np.float32)
        if self.matrix.ndim != 2:
            raise BadOption(
                f"scores: got {self.matrix.ndim} dimensions, expected 2 (n_users, n_items). Reshape the matrix."
            )
        if not np.isfinite(self.matrix).all():
            raise BadOption("scores: got one that is not finite, expected numbers only. Look for a division by zero.")
        self.matrix.flags.writeable = False

    @property
    def n_users(self) -> int:
        return self.matrix.shape[0]

    @property
    def n_items(self) -> int:
        return self.matrix.shape[1]

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        """Scores of every item for these users, ``(len(users), n_items)``."""
        return self.matrix[users]
