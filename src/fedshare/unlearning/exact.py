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
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fedshare.errors import BadOption, RequestMismatch
from fedshare.evaluation.cost import Cost, CpuClock, peak_mib
from fedshare.learning.algorithm import State
from fedshare.learning.run import Run
from fedshare.learning.shared_ease import SharedEASE
from fedshare.learning.solution import Solution, published, shared_rows
from fedshare.models.gram import degree_of, moved_gram
from fedshare.models.item_item import inverse_error, moved_inverse
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.request import Request
from fedshare.unlearning.unlearner import Progress

__all__ = ["ExactUnlearning", "refresh"]


@dataclass(frozen=True, kw_only=True)
class ExactUnlearning:
    """Options of exact unlearning."""

    refresh: Literal["auto", "update", "factorise"] = "auto"
    "How weights follow: by what is cheaper, or always by one way. ``update`` falls back where it is not good enough."
    max_rank: float = 0.2
    """Largest rank of a change, over the size of the catalogue, that ``auto`` takes as an update. Everybody who changed
    something counts for two. The costs were measured to cross at about 0.25, see benchmarks/exact.py."""
    updates_in_a_row: int = 100
    "Updates after which a factorisation is due."
    tolerance: float = 1e-6
    """Largest difference that an update may make to a weight, which is 1 in size at most; else a factorisation is due.
    Above the default, verification will not accept what comes of it."""

    def __post_init__(self) -> None:
        if self.refresh not in ("auto", "update", "factorise"):
            raise BadOption(f"refresh: got '{self.refresh}', expected auto, update or factorise.")
        if self.updates_in_a_row < 0:
            raise BadOption(f"updates_in_a_row: got {self.updates_in_a_row}, expected 0 or more.")
        for name in ("max_rank", "tolerance"):
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}: got {getattr(self, name)}, expected a number above 0.")

    @property
    def name(self) -> str:
        return "exact"

    def __call__(self, run: Run, request: Request, progress: Progress | None = None) -> Run:
        """The run without the request's pairs.

        Raises:
            BadOption: The run's algorithm is not ``shared-ease``.
        """
        return self.follow(run, request.after) if len(request) else run.on(request.after)

    def follow(self, run: Run, ledger: Ledger) -> Run:
        """The run on another ledger of the same people and items, whether more is shared there or less.

        Raises:
            BadOption: The run's algorithm is not ``shared-ease``.
        """
        algorithm = run.algorithm
        if not isinstance(algorithm, SharedEASE):
            raise BadOption(
                f"method: exact unlearning needs a shared-ease run, got one of '{algorithm.name}'. Use "
                "ContrastiveUnlearning() for fedshare, or Retrain()."
            )
        after = run.on(ledger)
        previous = run.certificate
        updates = (previous.updates if previous else 0) + 1
        moved = None
        if not algorithm.private_contributions and self._may_update(run, updates):
            moved = self._updated(run, after)
        if moved is None:
            state, info = algorithm.step(State(run.state.server), after.world, run.state.round)
            after = replace(after, state=state, cost=_moved_bytes(after, info.bytes_up, info.bytes_down))
            return replace(after, certificate=algorithm.certify(state, after.world, previous))
        state = State(moved.server_state(run.state.server.numbers), None, run.state.round)
        certificate = algorithm.certify(state, after.world, previous)
        certificate = replace(certificate, how="updated", updates=updates, tolerance=self.tolerance)
        down = after.world.n_users * algorithm.download_bytes(moved)
        return replace(after, state=state, certificate=certificate, cost=_moved_bytes(after, 0, down))

    def _may_update(self, run: Run, updates: int) -> bool:
        due = self.refresh == "factorise" or updates > self.updates_in_a_row
        return not due and "inverse" in run.state.server.kept

    def _updated(self, run: Run, after: Run) -> Solution | None:
        """The solution by update; None where that is dearer than a factorisation, or not as good as it has to be."""
        numbers, old = run.state.server.numbers, Solution.of(run.state.server, run.world.n_items)
        rows, new_rows = shared_rows(run.world.server_view), shared_rows(after.world.server_view)
        changed = _changed(rows, new_rows)
        if self.refresh == "auto" and 2 * len(changed) > self.max_rank * run.world.n_items:
            return None
        counts = moved_gram(old.counts, rows[changed], new_rows[changed])
        assert old.inverse is not None
        ridge = numbers["ridge"]
        # an error r of the inverse is one of r / ridge in its entries at most, and a weight divides by 1 / (degree +
        # ridge) at least
        bound = self.tolerance * ridge / (float(degree_of(counts).max()) + ridge)
        inverse = moved_inverse(old.inverse, rows, ridge, rows[changed], new_rows[changed], bound / 10)
        if inverse_error(inverse, new_rows, ridge) > bound:
            return None
        return Solution(counts, published(inverse, counts, numbers), inverse)


def refresh(run: Run, ledger: Ledger, *, method: ExactUnlearning | None = None) -> Run:
    """Bring a SharedEASE run to a later ledger: what was shared since is learned, what was withdrawn is unlearned.

    Args:
        run: A run of ``SharedEASE``.
        ledger: One that goes on from the run's own.
        method: How; with ``ExactUnlearning(refresh="factorise")`` the weights have the bytes of training on ``ledger``.

    Returns:
        A new run, with what this cost.

    Raises:
        RequestMismatch: ``ledger`` does not go on from the run's.
        BadOption: The run is of another algorithm.
    """
    if not ledger.goes_on_from(run.ledger):
        raise RequestMismatch(
            f"refresh: {ledger!r} does not go on from the run's {run.ledger!r}; expected the same data, seed and "
            "events, with events added. Make it from run.ledger."
        )
    method = method or ExactUnlearning()
    clock = CpuClock()
    with clock:
        after = method.follow(run, ledger)
    spent = replace(
        after.cost,
        cpu_s=clock.cpu_s,
        wall_s=clock.wall_s,
        kept_bytes_server=after.kept_bytes,
        peak_mib=peak_mib(),
    )
    return replace(after, method=method.name, cost=spent)


def _changed(before: sparse.csr_matrix, after: sparse.csr_matrix) -> NDArray[np.intp]:
    """Users who do not share what they did, ascending."""
    apart = (before - after).tocsr()
    apart.eliminate_zeros()
    return np.flatnonzero(np.diff(apart.indptr))


def _moved_bytes(run: Run, up: int, down: int) -> Cost:
    n_users = run.world.n_users
    return Cost(cpu_s=0.0, wall_s=0.0, bytes_up_per_client=up / n_users, bytes_down_per_client=down / n_users)
