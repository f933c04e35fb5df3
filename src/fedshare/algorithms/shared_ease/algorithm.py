"""SharedEASE: closed-form item-item weights from what is shared, applied on devices to all they know.

The model is EASE (Steck, WWW 2019) on shared rows. The server counts in how many shared histories two items stand
together, inverts once and publishes weights; every device downloads all of them and scores with its own whole history,
private pairs included. Nothing is uploaded. Counts are whole numbers, so taking pairs out again is exact:
``fedshare.unlearning.exact`` ends in the bytes of training without them, and ``fedshare verify`` checks it.

Regulariser, popularity penalty and the number of neighbours are chosen by validation clients, who hold their newest
interactions out; above ``selection_items`` items they rank the most shared ones alone. What was chosen is a
hyperparameter: unlearning and retraining keep it.

With ``private_contributions`` all devices add what they do not share through a secure sum. Then nothing has to be
shared for full quality, the server learns the sum and no summand, and a device uploads ``n_items^2 / 2`` numbers
whenever anything changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from fedshare.algorithms.published_weights import packed, unpacked_sparse
from fedshare.algorithms.scorers import HistoryScorer
from fedshare.algorithms.shared_ease.contributions import counts_of
from fedshare.algorithms.shared_ease.solution import EaseChoice, Solution, published, shared_rows
from fedshare.errors import BadOption
from fedshare.federation.orders import Aggregate, Ballot, CountsCall, Program, Votes, ask
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import Cohort, RankingTask
from fedshare.models.gram import canonical, degree_of, digest, gram, history_matrix
from fedshare.models.item_item import inverse_of, penalty_of, weights_from
from fedshare.models.ragged import Ragged
from fedshare.options import above, at_least, not_empty, whole
from fedshare.sharing.holdout import Holdout
from fedshare.training.algorithm import Choice, DevicesDoNotTrain, ServerState
from fedshare.training.certificate import Certificate, catalogue_digest, numerics
from fedshare.training.server_side import ServerSide

if TYPE_CHECKING:
    from fedshare.models.scorer import Scorer
    from fedshare.sharing.views import ServerView

__all__ = ["HistoryWeights", "SharedEASE"]

_LAPACK_ITEMS = 46_340
"Above, the number of entries of the matrix does not fit LAPACK's 32-bit sizes."


@dataclass(frozen=True, kw_only=True)
class SharedEASE(DevicesDoNotTrain):
    """Hyperparameters of SharedEASE. Where several values are to choose from, devices choose; one is no choice.

    Example:
        >>> SharedEASE(regs=(100.0,), popularity_penalties=(0.2,), neighbours=(25,)).name
        'shared-ease'
    """

    name: ClassVar[str] = "shared-ease"
    closed_form: ClassVar[bool] = True
    central: ClassVar[bool] = False
    choice: ClassVar[type[Choice] | None] = EaseChoice

    regs: tuple[float, ...] = (25.0, 50.0, 100.0, 250.0, 500.0)
    "Regularisers, above 0; larger ones trust thin evidence less."
    popularity_penalties: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)
    "How much popular items are held down, 0 or more; see :func:`fedshare.models.item_item.weights_from`."
    neighbours: tuple[int, ...] = (12, 25, 100, 400, 2000)
    "Weights kept for each item, 1 or more; a catalogue's size or more keeps all. Decides what a device downloads."
    validation_clients: int = 1000
    "About so many people choose, at most."
    held_out: float = 0.2
    "Part of a person's shared, and of their private, interactions that is held out: the newest, one at least."
    selection_items: int = 2000
    "Most shared items on which larger catalogues are ranked for the choice."
    inverse_items: int = 12_000
    "Largest catalogue of which the inverse is kept, so that few changes need no new factorisation."
    private_contributions: bool = False
    "Whether devices add what they do not share by secure summation."
    k: int = 20
    "Length of the list that is ranked."

    def __post_init__(self) -> None:
        for name in ("regs", "popularity_penalties", "neighbours"):
            not_empty(name, getattr(self, name))
        for reg in self.regs:
            above("regs", reg, 0)
        for penalty in self.popularity_penalties:
            at_least("popularity_penalties", penalty, 0)
        for kept in self.neighbours:
            whole("neighbours", kept, 1)
        for name, least in (("validation_clients", 2), ("selection_items", 2), ("inverse_items", 0), ("k", 1)):
            whole(name, getattr(self, name), least)
        _ = self._rule  # checks its options

    @property
    def _rule(self) -> Holdout:
        return Holdout(fraction=self.held_out, most=self.validation_clients)

    def task(self) -> HistoryWeights:
        """Devices apply published weights to their history."""
        return HistoryWeights(contributes=self.private_contributions)

    def start(self, server: ServerSide) -> ServerState:
        """Nothing yet."""
        return ServerState()

    def update(self, state: ServerState, aggregate: Aggregate | None, server: ServerSide, number: int) -> ServerState:
        """As it was: all is done by :meth:`select`, which asks devices first."""
        return state

    def holdout(self, number: int, server: ServerSide) -> Holdout | None:
        """Nobody trains, so nobody holds anything out of training."""
        return None

    def select(self, state: ServerState, server: ServerSide, number: int) -> Program[ServerState]:
        """Choose, where nothing is chosen yet; collect contributions, if there are any; count, invert."""
        _check_size(server.n_items)
        chosen = state.chosen if isinstance(state.chosen, EaseChoice) else (yield from self._choose(server))
        contributed = None
        if self.private_contributions:
            counted = yield from ask(CountsCall(n_items=server.n_items, seed=server.seed))
            contributed = counts_of(counted.values, server.n_items)
        return replace(self.solve(server.view, chosen, contributed).server_state(chosen), round=state.round)

    def release(self, state: ServerState, server: ServerSide) -> Payload:
        """The weights."""
        return released(Solution.of(state, server.n_items))

    def certify(self, state: ServerState, server: ServerSide, previous: Certificate | None = None) -> Certificate:
        """The digests of a model that was factorised on this share set."""
        held = Solution.of(state, server.n_items)
        return Certificate(
            share_set=server.view.version(server.catalogue.ids),
            catalogue=catalogue_digest(server.catalogue.ids),
            options=state.chosen.to_dict() if state.chosen else {},
            gram=digest(held.counts),
            contributed=None if held.contributed is None else digest(held.contributed),
            weights=digest(held.weights),
            how="factorised",
            numerics=numerics(),
            previous=None if previous is None else previous.digest,
        )

    def server_scorer(self, state: ServerState, released: Payload, server: ServerSide) -> Scorer:
        """Published weights applied to what each person shares."""
        return HistoryScorer(shared_rows(server.view), Solution.of(state, server.n_items).weights)

    def solve(self, view: ServerView, chosen: EaseChoice, contributed: sparse.csr_matrix | None = None) -> Solution:
        """The solution of a share set, from nothing: what training and verification compute.

        Args:
            view: What is shared.
            chosen: Regulariser and the rest.
            contributed: Counts that came by secure sum, if any did.
        """
        counts = gram(shared_rows(view))
        everything = counts if contributed is None else canonical(counts + contributed)
        inverse = inverse_of(everything, chosen.reg)
        kept = inverse if view.n_items <= self.inverse_items and contributed is None else None
        return Solution(counts, published(inverse, everything, chosen), kept, contributed)

    # -- the choice -------------------------------------------------------------------------------------------------

    def _choose(self, server: ServerSide) -> Program[EaseChoice]:
        """What validation clients prefer; the middle of each where nobody shares, or nobody can tell."""
        regs, penalties, kept = self.regs, self.popularity_penalties, self.neighbours
        middle = EaseChoice(*(each[len(each) // 2] for each in (regs, penalties, kept)))  # type: ignore[arg-type]
        if len(regs) * len(penalties) * len(kept) == 1 or not len(server.view):
            return middle
        rows = shared_rows(server.without(self._rule).view)
        degree = np.bincount(rows.indices, minlength=server.n_items)
        judged = np.sort(np.argsort(-degree, kind="stable")[: self.selection_items])
        trials: dict[EaseChoice, float] = {}
        for reg, neighbours, weights in self._candidates(rows[:, judged]):
            votes: Votes = yield from ask(self._ballot(weights, degree[judged], judged, neighbours, server))
            if votes.n_people < 2:
                return middle
            for penalty, total in zip(penalties, votes.totals, strict=True):
                trials[EaseChoice(reg, penalty, neighbours)] = total / votes.n_people
        return max(trials, key=trials.__getitem__)

    def _ballot(
        self,
        weights: sparse.csr_matrix,
        degree: np.ndarray,
        judged: np.ndarray,
        neighbours: int,
        server: ServerSide,
    ) -> Ballot:
        return Ballot(
            payload=Payload(tables={"sharers": torch.from_numpy(degree)}, arrays=packed(weights, "item_item")),
            task=self.task(),
            seed=server.seed,
            holdout=self._rule,
            candidates=tuple({"popularity_penalty": penalty} for penalty in self.popularity_penalties),
            k=self.k,
            items=torch.from_numpy(judged),
            nothing_new=neighbours < max(self.neighbours),
        )

    def _candidates(self, rows: sparse.csr_matrix) -> Iterator[tuple[float, int, sparse.csr_matrix]]:
        """Weights without a penalty, of every regulariser and number of neighbours; fewer are a part of more."""
        counts = gram(rows)
        for reg in self.regs:
            inverse = inverse_of(counts, reg)
            for neighbours in self.neighbours:
                yield reg, neighbours, weights_from(inverse, degree_of(counts), 0.0, neighbours)


@dataclass(frozen=True)
class HistoryWeights(RankingTask):
    """A device applies published item-item weights to its whole history."""

    name: ClassVar[str] = "history-weights"
    contributes: bool = False

    def scorer(self, released: Payload, private: Mapping[str, Tensor], known: Ragged) -> Scorer:
        """Sums of weights over each history."""
        return HistoryScorer(_matrix(known), unpacked_sparse(released.arrays, "item_item", known.n_columns))

    def candidate_scores(
        self, cohort: Cohort, candidates: Sequence[Mapping[str, float]], numbers: Mapping[str, float]
    ) -> Iterator[Float[Tensor, "clients items"]]:
        """Sums of weights under each popularity penalty; nobody is recommended what they know."""
        known, sharers = cohort.known, cohort.tables["sharers"]
        scorer = HistoryScorer(_matrix(known), unpacked_sparse(cohort.arrays, "item_item", known.n_columns))
        sums = torch.from_numpy(scorer.scores(np.arange(known.n_owners))).to(sharers.device)
        for candidate in candidates:
            penalty = penalty_of(sharers.cpu().numpy(), candidate["popularity_penalty"])
            scores = sums / torch.from_numpy(penalty).to(sums)
            scores[known.owners, known.columns] = -torch.inf
            yield scores


def released(solution: Solution) -> Payload:
    """What devices download of a solution."""
    return Payload(arrays=packed(solution.weights, "item_item"))


def _matrix(pattern: Ragged) -> sparse.csr_matrix:
    return history_matrix(pattern.offsets.cpu().numpy(), pattern.columns.cpu().numpy(), pattern.n_columns)


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
