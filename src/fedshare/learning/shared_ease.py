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
from fedshare.federation.masking import masked, sum_of_masked, word_for
from fedshare.federation.messages import MaskedContribution, weights_bytes
from fedshare.learning.algorithm import RoundInfo, ServerState, State, World
from fedshare.learning.certificate import Certificate, catalogue_digest, numerics
from fedshare.learning.judges import Judges
from fedshare.learning.scorers import HistoryScorer
from fedshare.models.gram import canonical, degree_of, digest, gram, rows_of
from fedshare.models.item_item import damping_of, inverse_of, weights_from
from fedshare.models.ragged import Ragged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.models.scorer import Scorer
    from fedshare.sharing.views import ServerView

__all__ = ["SharedEASE", "Solution", "published", "shared_rows"]

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
        for name, least in (("selection_items", 2), ("inverse_items", 0), ("k", 1)):
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
        contributed, uploaded = self.collect(world) if self.private_contributions else (None, 0)
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

    def collect(self, world: World) -> tuple[sparse.csr_matrix, int]:
        """What devices know and do not share, summed up under masks; and the bytes that all of them sent."""
        n_users, n_items = world.n_users, world.n_items
        shared = shared_rows(world.server_view)
        known = rows_of(*world.ledger.device_pairs(), n_items)
        word = word_for(n_users)
        sent = 0

        def uploads() -> Iterator[MaskedContribution]:
            nonlocal sent
            for user in range(n_users):
                own = _pairs_of(known[user].indices, n_items, word) - _pairs_of(shared[user].indices, n_items, word)
                upload = masked(own, user, n_users, world.seed, f"gram {world.ledger.position}")
                sent += upload.nbytes
                yield upload

        return _symmetric(sum_of_masked(uploads(), n_users), n_items), sent

    def _choose(self, world: World) -> tuple[dict[str, float], int]:
        """What judges prefer, and the bytes that they download for it."""
        middle = {
            name: float(values[len(values) // 2])
            for name, values in (("ridge", self.ridges), ("damping", self.dampings), ("neighbours", self.neighbours))
        }
        if len(self.ridges) * len(self.dampings) * len(self.neighbours) == 1 or not len(world.server_view):
            return middle, 0
        judges = Judges.draw(world, held_out=self.held_out)
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


@dataclass(frozen=True, eq=False)
class Solution:
    """All that a share set amounts to."""

    counts: sparse.csr_matrix
    "Gram matrix of what is shared."
    weights: sparse.csr_matrix
    "What is published."
    inverse: NDArray[np.float64] | None
    "``(n_items, n_items)``; None where it is not kept."
    contributed: sparse.csr_matrix | None = None
    "Counts that came by secure sum."

    @classmethod
    def of(cls, server: ServerState, n_items: int) -> Solution:
        """What a server state holds."""
        inverse = server.kept.get("inverse")
        return cls(
            _unpack(server.kept, "gram", n_items),
            _unpack(server.arrays, "weights", n_items),
            None if inverse is None else inverse.cpu().numpy(),
            _unpack(server.kept, "contributed", n_items) if "contributed.values" in server.kept else None,
        )

    def server_state(self, numbers: Mapping[str, float]) -> ServerState:
        """This as a server state; :meth:`of` reads it."""
        kept = _pack("gram", self.counts)
        if self.inverse is not None:
            kept["inverse"] = torch.from_numpy(self.inverse)
        if self.contributed is not None:
            kept |= _pack("contributed", self.contributed)
        return ServerState(arrays=_pack("weights", self.weights), numbers=dict(numbers), kept=kept)


def published(
    inverse: NDArray[np.float64], counts: sparse.csr_matrix, numbers: Mapping[str, float]
) -> sparse.csr_matrix:
    """The weights that devices download."""
    return weights_from(inverse, degree_of(counts), numbers["damping"], int(numbers["neighbours"]))


def shared_rows(view: ServerView) -> sparse.csr_matrix:
    """``(n_users, n_items)`` what everybody shares."""
    return rows_of(view.offsets, view.item, view.n_items)


def _matrix(pattern: Ragged) -> sparse.csr_matrix:
    return rows_of(pattern.offsets.cpu().numpy(), pattern.columns.cpu().numpy(), pattern.n_columns)


def _pack(name: str, matrix: sparse.csr_matrix) -> dict[str, Tensor]:
    parts = {"offsets": matrix.indptr, "items": matrix.indices, "values": matrix.data}
    return {f"{name}.{part}": torch.from_numpy(array) for part, array in parts.items()}


def _unpack(arrays: Mapping[str, Tensor], name: str, n_items: int) -> sparse.csr_matrix:
    values, items, offsets = (arrays[f"{name}.{part}"].cpu().numpy() for part in ("values", "items", "offsets"))
    return sparse.csr_matrix((values, items, offsets), shape=(n_items, n_items))


def _pairs_of(items: NDArray[np.int32], n_items: int, word: np.dtype) -> NDArray[np.unsignedinteger]:
    """One history's part of the Gram matrix: its upper triangle, row by row, ``(n_items (n_items + 1) / 2,)``."""
    pairs = np.zeros(n_items * (n_items + 1) // 2, dtype=word)
    first, second = np.meshgrid(np.sort(items).astype(np.int64), np.sort(items).astype(np.int64), indexing="ij")
    upper = first <= second
    first, second = first[upper], second[upper]
    pairs[first * n_items - first * (first - 1) // 2 + second - first] = 1
    return pairs


def _symmetric(pairs: NDArray[np.int64], n_items: int) -> sparse.csr_matrix:
    """The whole matrix of an upper triangle."""
    first, second = np.triu_indices(n_items)
    found = pairs.nonzero()[0]
    upper = sparse.csr_matrix((pairs[found].astype(np.int32), (first[found], second[found])), shape=(n_items, n_items))
    return canonical(upper + sparse.triu(upper, 1).T.tocsr())


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
