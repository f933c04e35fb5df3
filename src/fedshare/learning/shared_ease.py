"""SharedEASE: closed-form item-item weights from what is shared, applied on devices to all they know.

The model is EASE (Steck, WWW 2019) on shared rows. The server counts in how many shared histories two items stand
together, inverts once and publishes weights; every device downloads all of them and scores with its own whole history,
private pairs included. Nothing is uploaded. Counts are whole numbers, so taking pairs out again is exact:
``fedshare.unlearning.exact`` ends in the bytes of training without them, and ``fedshare verify`` checks it.

Ridge, damping and the number of neighbours are chosen on devices, by judges who hold their newest interactions out
(see ``judges``); above ``selection_items`` items they judge on the most shared ones alone. What was chosen is a
hyperparameter: unlearning and retraining keep it.

With ``private_contributions`` all devices add what they do not share through a secure sum. Then nothing has to be
shared for full quality, the server learns the sum and no summand, and a device uploads ``n_items^2 / 2`` numbers
whenever anything changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from fedshare.errors import BadOption
from fedshare.federation.messages import weights_bytes
from fedshare.learning.algorithm import RoundInfo, ServerState, State, World
from fedshare.learning.certificate import Certificate, catalogue_digest, numerics
from fedshare.learning.contributions import collect
from fedshare.learning.judges import Judges
from fedshare.learning.scorers import HistoryScorer
from fedshare.learning.solution import Solution, published, shared_rows
from fedshare.models.gram import canonical, degree_of, digest, gram, rows_of
from fedshare.models.item_item import damping_of, inverse_of, weights_from
from fedshare.models.ragged import Ragged

if TYPE_CHECKING:
    from fedshare.models.scorer import Scorer
    from fedshare.sharing.views import ServerView

__all__ = ["SharedEASE"]

_LAPACK_ITEMS = 46_340
"Above, the number of entries of the matrix does not fit LAPACK's 32-bit sizes."


@dataclass(frozen=True, kw_only=True)
class SharedEASE:
    """Hyperparameters of SharedEASE. Where several values are to choose from, devices choose; one is no choice.

    Example:
        >>> SharedEASE(ridges=(100.0,), dampings=(0.2,), neighbours=(25,)).name
        'shared-ease'
    """

    ridges: tuple[float, ...] = (25.0, 50.0, 100.0, 250.0, 500.0)
    "Ridge weights, above 0; larger ones trust thin evidence less."
    dampings: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)
    "How much popular items are held down, 0 or more; see :func:`fedshare.models.item_item.weights_from`."
    neighbours: tuple[int, ...] = (12, 25, 100, 400, 2000)
    "Weights kept for each item, 1 or more; a catalogue's size or more keeps all. Decides what a device downloads."
    judges: int = 1000
    "People who judge, at most."
    held_out: float = 0.2
    "Part of a person's shared, and of their private, interactions by which they judge: the newest, one at least."
    selection_items: int = 2000
    "Most shared items on which larger catalogues are judged."
    inverse_items: int = 12_000
    "Largest catalogue of which the inverse is kept, so that few changes need no new factorisation."
    private_contributions: bool = False
    "Whether devices add what they do not share by secure summation."
    k: int = 20
    "Length of the list that is judged."

    def __post_init__(self) -> None:
        for name, least, words in (
            ("ridges", 1e-9, "above 0"),
            ("dampings", 0, "0 or more"),
            ("neighbours", 1, "1 or more"),
        ):
            values = getattr(self, name)
            if not values or not all(value >= least for value in values):
                raise BadOption(f"{name}: got {values}, expected one or more numbers, each {words}.")
        for name, least in (("judges", 2), ("selection_items", 2), ("inverse_items", 0), ("k", 1)):
            if getattr(self, name) < least:
                raise BadOption(f"{name}: got {getattr(self, name)}, expected {least} or more.")
        if not 0 < self.held_out <= 0.5:
            raise BadOption(f"held_out: got {self.held_out}, expected above 0 and at most 0.5.")

    @property
    def name(self) -> str:
        return "shared-ease"

    @property
    def in_one_round(self) -> bool:
        return True

    @property
    def keeps_snapshots(self) -> bool:
        return False

    def start(self, world: World) -> State:
        return State(ServerState())

    def step(self, state: State, world: World, round_number: int) -> tuple[State, RoundInfo]:
        """Choose, where nothing is chosen yet; count, invert, publish."""
        _check_size(world.n_items)
        numbers, judged_bytes = dict(state.server.numbers), 0
        if "ridge" not in numbers:
            numbers, judged_bytes = self._choose(world)
        contributed, uploaded = collect(world) if self.private_contributions else (None, 0)
        solution = self.solve(world.server_view, numbers, contributed)
        down = world.n_users * self.download_bytes(solution) + judged_bytes
        return State(solution.server_state(numbers), None, round_number), RoundInfo(bytes_up=uploaded, bytes_down=down)

    def finish(self, state: State, world: World) -> State:
        return state

    def certify(self, state: State, world: World, previous: Certificate | None = None) -> Certificate:
        """The digests of a model that was factorised in this world."""
        held = Solution.of(state.server, world.n_items)
        return Certificate(
            share_set=world.server_view.version,
            catalogue=catalogue_digest(world.ledger.known.items.ids),
            options=dict(state.server.numbers),
            gram=digest(held.counts),
            contributed=None if held.contributed is None else digest(held.contributed),
            weights=digest(held.weights),
            how="factorised",
            numerics=numerics(),
            previous=None if previous is None else previous.digest,
        )

    def download_bytes(self, solution: Solution) -> int:
        """What a device downloads to score with."""
        return weights_bytes(solution.weights.nnz, solution.weights.indptr.size - 1)

    def device_scorer(self, state: State, world: World) -> Scorer:
        """Published weights applied to each device's whole history."""
        offsets, items = world.ledger.device_pairs()
        return HistoryScorer(rows_of(offsets, items, world.n_items), Solution.of(state.server, world.n_items).weights)

    def server_scorer(self, state: State, world: World) -> Scorer:
        """Published weights applied to what each person shares."""
        rows = shared_rows(world.server_view)
        return HistoryScorer(rows, Solution.of(state.server, world.n_items).weights)

    def solve(
        self, view: ServerView, numbers: Mapping[str, float], contributed: sparse.csr_matrix | None = None
    ) -> Solution:
        """The solution of a share set, from nothing: what training and verification compute.

        Args:
            view: What is shared.
            numbers: What was chosen.
            contributed: Counts that came by secure sum, if any did.
        """
        counts = gram(shared_rows(view))
        everything = counts if contributed is None else canonical(counts + contributed)
        inverse = inverse_of(everything, numbers["ridge"])
        kept = inverse if view.n_items <= self.inverse_items and contributed is None else None
        return Solution(counts, published(inverse, everything, numbers), kept, contributed)

    def _choose(self, world: World) -> tuple[dict[str, float], int]:
        """What judges prefer, and the bytes that they download for it."""
        middle = {
            name: float(values[len(values) // 2])
            for name, values in (("ridge", self.ridges), ("damping", self.dampings), ("neighbours", self.neighbours))
        }
        if len(self.ridges) * len(self.dampings) * len(self.neighbours) == 1 or not len(world.server_view):
            return middle, 0
        judges = Judges.draw(world, held_out=self.held_out, most=self.judges)
        rows = rows_of(*judges.others_shared(world.server_view), world.n_items)
        degree = np.bincount(rows.indices, minlength=world.n_items)
        judged = np.sort(np.argsort(-degree, kind="stable")[: self.selection_items])
        judges, degree = judges.on_items(judged), degree[judged]
        if len(judges.users) < 2:
            return middle, 0
        trials: dict[tuple[float, float, int], float] = {}
        downloaded, known = 0, judges.training
        for ridge, neighbours, weights in self._candidates(rows[:, judged]):
            downloaded += weights_bytes(weights.nnz, len(judged)) * (neighbours == max(self.neighbours))
            scorer = HistoryScorer(_matrix(known), weights)

            def damped(users: Tensor, scorer: HistoryScorer = scorer) -> Iterator[Tensor]:
                sums, own = torch.from_numpy(scorer.scores(users.cpu().numpy())).to(users.device), known.select(users)
                for damping in self.dampings:
                    scores = sums / torch.from_numpy(damping_of(degree, damping)).to(sums)
                    scores[own.owners, own.columns] = -torch.inf  # nobody is recommended what they know
                    yield scores

            for damping, found in zip(self.dampings, judges.ndcg(damped, self.k), strict=True):
                trials[ridge, damping, neighbours] = float(found.mean())
        ridge, damping, kept = max(trials, key=trials.__getitem__)
        chosen = {"ridge": float(ridge), "damping": float(damping), "neighbours": float(kept)}
        return chosen, downloaded * len(judges.users)

    def _candidates(self, rows: sparse.csr_matrix) -> Iterator[tuple[float, int, sparse.csr_matrix]]:
        """Undamped weights of every ridge and number of neighbours; the fewer are a part of the more."""
        counts = gram(rows)
        for ridge in self.ridges:
            inverse = inverse_of(counts, ridge)
            for neighbours in self.neighbours:
                yield ridge, neighbours, weights_from(inverse, degree_of(counts), 0.0, neighbours)


def _matrix(pattern: Ragged) -> sparse.csr_matrix:
    return rows_of(pattern.offsets.cpu().numpy(), pattern.columns.cpu().numpy(), pattern.n_columns)


def _check_size(n_items: int) -> None:
    """Raise, before hours of work, where the matrix cannot be factorised here."""
    if n_items > _LAPACK_ITEMS:
        raise BadOption(
            f"shared-ease: got a catalogue of {n_items} items, expected at most {_LAPACK_ITEMS}. Leave rare items out "
            "(--k-core), or use fedshare."
        )
    needed, there = 8 * n_items**2, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise BadOption(
            f"shared-ease: a catalogue of {n_items} items needs {needed / 2**30:.1f} GiB of memory, and there are "
            f"{there / 2**30:.1f} GiB. Leave rare items out (--k-core), or use fedshare."
        )
