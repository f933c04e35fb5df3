"""Exact unlearning of SharedEASE: take the pairs out of the counts, then make the weights follow.

1. The rows of whoever changed something leave the Gram matrix as they were and come back as they are: whole numbers, so
   the matrix has the bytes of one counted from the share set afterwards, whatever the order of requests.
2. The inverse follows by a low-rank update where few people changed (see ``models/item_item``), by a new factorisation
   otherwise. Only a factorisation gives the bytes of training again. An update is within ``tolerance`` of it, tested
   each time, and after ``updates_in_a_row`` of them a factorisation is due.
3. Devices use the published weights; what was erased is gone from their histories.

No snapshots are kept. Counts and inverse are: the run's cost says how many bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.algorithms.shared_ease.solution import EaseChoice, Solution, published, shared_rows
from fedshare.errors import BadOption
from fedshare.federation.orders import Program
from fedshare.models.gram import degree_of, updated_gram
from fedshare.models.item_item import inverse_error, updated_inverse
from fedshare.options import above, one_of, whole
from fedshare.progress import Progress
from fedshare.sharing.views import ServerView
from fedshare.training.growth import grown
from fedshare.training.server_run import ServerRun
from fedshare.training.server_side import Catalogue
from fedshare.unlearning.withdrawal import Withdrawal

__all__ = ["ExactUnlearning"]


@dataclass(frozen=True, kw_only=True)
class ExactUnlearning:
    """Options of exact unlearning."""

    name: ClassVar[str] = "exact"

    refresh: Literal["auto", "update", "factorise"] = "auto"
    "How weights follow: by what is cheaper, or always by one way. ``update`` falls back where it is not good enough."
    max_rank: float = 0.2
    """Largest rank of a change, over the size of the catalogue, that ``auto`` takes as an update. Each changed
    user adds 2 to the rank. The costs were measured to cross at about 0.25, see benchmarks/exact.py."""
    updates_in_a_row: int = 100
    "Updates after which a factorisation is due."
    tolerance: float = 1e-6
    """Largest difference that an update may make to a weight, which is 1 in size at most; else a factorisation is due.
    Above the default, verification will not accept what comes of it."""

    def __post_init__(self) -> None:
        one_of("refresh", self.refresh, ("auto", "update", "factorise"))
        whole("updates_in_a_row", self.updates_in_a_row)
        for name in ("max_rank", "tolerance"):
            above(name, getattr(self, name), 0)

    def unlearn(self, run: ServerRun, withdrawal: Withdrawal, told: Progress | None = None) -> Program[ServerRun]:
        """The run without the withdrawn pairs.

        Raises:
            BadOption: The run's algorithm is not ``shared-ease``.
        """
        return (yield from self.follow(run, withdrawal.after))

    def follow(self, run: ServerRun, view: ServerView, catalogue: Catalogue | None = None) -> Program[ServerRun]:
        """The run on another share set, whether more is shared there or less.

        Args:
            run: As it stands.
            view: The share set, of the same people and perhaps more.
            catalogue: The items, if there are more of them by now; those of before come first.

        Raises:
            BadOption: The run's algorithm is not ``shared-ease``.
        """
        algorithm = run.algorithm
        if not isinstance(algorithm, SharedEASE):
            raise BadOption(
                f"method: exact unlearning needs a shared-ease run, got one of '{algorithm.name}'. Use "
                "ContrastiveUnlearning() for fedshare, or Retrain()."
            )
        previous, n_before = run.certificate, len(run.catalogue)
        run = grown(run, run.view.among(view.n_users, view.n_items), catalogue or run.catalogue)
        after = run.on(view)
        side = after.side()
        updates = (previous.updates if previous else 0) + 1
        moved = None
        if not algorithm.private_contributions and self._may_update(run, updates):
            moved = self._updated(run, view, n_before)
        if moved is None:
            state = yield from algorithm.select(run.state, side, run.state.round)
            return replace(after, state=state, certificate=algorithm.certify(state, side, previous))
        state = replace(moved.server_state(_chosen(run)), round=run.state.round)
        certificate = replace(
            algorithm.certify(state, side, previous), how="updated", updates=updates, tolerance=self.tolerance
        )
        return replace(after, state=state, certificate=certificate)

    def _may_update(self, run: ServerRun, updates: int) -> bool:
        due = self.refresh == "factorise" or updates > self.updates_in_a_row
        return not due and "inverse" in run.state.kept

    def _updated(self, run: ServerRun, view: ServerView, n_before: int) -> Solution | None:
        """The solution by update; None where that is dearer than a factorisation, or not as good as it has to be."""
        chosen = _chosen(run)
        old = Solution.of(run.state, n_before).grown(view.n_items, chosen.reg)
        rows, new_rows = shared_rows(run.view), shared_rows(view)
        changed = _changed(rows, new_rows)
        if self.refresh == "auto" and 2 * len(changed) > self.max_rank * view.n_items:
            return None
        counts = updated_gram(old.counts, rows[changed], new_rows[changed])
        assert old.inverse is not None
        reg = chosen.reg
        # an error r of the inverse is one of r / reg in its entries at most, and a weight divides by 1 / (degree +
        # reg) at least
        bound = self.tolerance * reg / (float(degree_of(counts).max()) + reg)
        inverse = updated_inverse(old.inverse, rows, reg, rows[changed], new_rows[changed], bound / 10)
        if inverse_error(inverse, new_rows, reg) > bound:
            return None
        return Solution(counts, published(inverse, counts, chosen), inverse)


def _changed(before: sparse.csr_matrix, after: sparse.csr_matrix) -> NDArray[np.intp]:
    """Users who do not share what they did, ascending."""
    apart = (before - after).tocsr()
    apart.eliminate_zeros()
    return np.flatnonzero(np.diff(apart.indptr))


def _chosen(run: ServerRun) -> EaseChoice:
    assert isinstance(run.state.chosen, EaseChoice)
    return run.state.chosen
