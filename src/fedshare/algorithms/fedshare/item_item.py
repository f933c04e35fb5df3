"""The item-item part of the global view: full-rank structure that vectors of a few dozen numbers cannot hold.

The server computes closed-form weights from shared pairs (``models/item_item``); a device applies them to its own
whole history, private pairs included, and uploads nothing. How much they count is decided by validation clients: they
hold their newest interactions out of the first rounds. Then, against weights that have not seen those either, each
device ranks them with every candidate, and only sums of the results leave the devices. A candidate is worth what it
gains over leaving the part out, less one standard error. So a thin share changes nothing rather than something for
the worse. The other rounds train on everything. Single precision is enough here, at half of the cost: validation
figures agree to four digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from fedshare.algorithms.published_weights import packed
from fedshare.errors import BadOption
from fedshare.federation.orders import Ballot, Program, Votes, ask
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import RankingTask
from fedshare.models.gram import degree_of, gram, history_matrix
from fedshare.models.item_item import inverse_of, weights_from
from fedshare.options import above, at_least, not_empty, whole
from fedshare.sharing.holdout import Holdout
from fedshare.training.algorithm import Choice
from fedshare.training.server_side import ServerSide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scipy import sparse

__all__ = ["ItemItem", "ItemItemChoice"]


@dataclass(frozen=True)
class ItemItemChoice(Choice):
    """What validation clients chose."""

    weight: float
    "Factor of the item-item sums, added to cosines; 0 leaves the part out."
    reg: float
    popularity_penalty: float
    neighbours: int
    "Weights kept for each item."


@dataclass(frozen=True, kw_only=True)
class ItemItem:
    """Options of the item-item part."""

    regs: tuple[float, ...] = (50.0, 4000.0)
    "Regularisers to choose from: a small one takes indirect links apart, a large one comes near to plain counts."
    popularity_penalties: tuple[float, ...] = (0.25, 0.5)
    "How much popular items are held down with each; see :func:`fedshare.models.item_item.weights_from`."
    neighbours: tuple[int, ...] = (25, 400)
    "Weights kept for each item, to choose from; decides what a device downloads."
    weights_tried: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
    "Factors of the item-item sums to choose from; beside 0."
    validation_clients: int = 1000
    "About so many people choose, at most."
    held_out: float = 0.2
    "Part of a person's shared, and of their private, interactions that is held out: the newest, one at least."
    k: int = 20
    "Length of the list that is ranked."
    max_items: int = 12_000
    "Largest catalogue for which the dense weights are computed; above it the part stays silent."

    def __post_init__(self) -> None:
        for name in ("regs", "weights_tried", "neighbours"):
            not_empty(name, getattr(self, name))
        for reg in self.regs:
            above("regs", reg, 0)
        for weight in self.weights_tried:
            above("weights_tried", weight, 0)
        for kept in self.neighbours:
            whole("neighbours", kept, 1)
        for penalty in self.popularity_penalties:
            at_least("popularity_penalties", penalty, 0)
        if len(self.popularity_penalties) != len(self.regs):
            raise BadOption(
                f"popularity_penalties: got {self.popularity_penalties}, expected one for each of the regs {self.regs}."
            )
        for name, least in (("validation_clients", 2), ("k", 1), ("max_items", 0)):
            whole(name, getattr(self, name), least)
        _ = self.holdout  # checks its options

    @property
    def holdout(self) -> Holdout:
        """What validation clients hold out of the first rounds."""
        return Holdout(fraction=self.held_out, most=self.validation_clients)

    def weights(self, server: ServerSide, chosen: ItemItemChoice) -> dict[str, Tensor]:
        """The published weights of a share set, as arrays.

        Args:
            server: Where the shared pairs are.
            chosen: By whom ever.
        """

        def make() -> dict[str, Tensor]:
            counts = _counts(server)
            inverse = inverse_of(counts, chosen.reg, np.float32)
            return _published(inverse, counts, chosen.popularity_penalty, chosen.neighbours)

        made = server.once(("item-item weights", chosen.reg, chosen.popularity_penalty, chosen.neighbours), make)
        return {name: each.to(server.device) for name, each in made.items()}

    def choose(self, items: Tensor, task: RankingTask, side: ServerSide) -> Program[ItemItemChoice]:
        """The weight, regulariser and number of neighbours that validation clients prefer.

        Args:
            items: ``(n_items, dim)`` unit item vectors.
            task: What ranks on devices.
            side: The server without what was held out.
        """
        best = 0.0
        chosen = ItemItemChoice(0.0, self.regs[0], self.popularity_penalties[0], self.neighbours[0])
        if side.n_items > self.max_items:
            return chosen
        for reg, penalty, neighbours, weights in self._tried(side):
            part_of_more = neighbours < max(self.neighbours)
            votes = yield from ask(self._ballot(items, weights, task, side, part_of_more))
            for weight, worth in zip(self.weights_tried, _worth(votes), strict=True):
                if worth > best:
                    best, chosen = worth, ItemItemChoice(weight, reg, penalty, neighbours)
        return chosen

    def _tried(self, side: ServerSide) -> Iterator[tuple[float, float, int, dict[str, Tensor]]]:
        counts = _counts(side)
        for reg, penalty in zip(self.regs, self.popularity_penalties, strict=True):
            inverse = inverse_of(counts, reg, np.float32)
            for neighbours in self.neighbours:
                yield reg, penalty, neighbours, _published(inverse, counts, penalty, neighbours)

    def _ballot(
        self, items: Tensor, weights: dict[str, Tensor], task: RankingTask, side: ServerSide, part_of_more: bool
    ) -> Ballot:
        factors = ({"item_item_weight": factor} for factor in (0.0, *self.weights_tried))
        return Ballot(
            payload=Payload(tables={"items": items}, arrays=weights),
            task=task,
            seed=side.seed,
            holdout=self.holdout,
            candidates=tuple(factors),
            k=self.k,
            nothing_new=part_of_more,
        )


def _worth(votes: Votes) -> list[float]:
    """Mean gain of each candidate over the first one, less its standard error; those after the first."""
    n = votes.n_people
    if n < 2:
        return [0.0] * (len(votes.totals) - 1)
    worth = []
    for gain, square in zip(votes.gains[1:], votes.squared_gains[1:], strict=True):
        variance = max(0.0, square - gain**2 / n) / (n - 1)
        worth.append(gain / n - math.sqrt(variance / n))
    return worth


def _counts(server: ServerSide) -> sparse.csr_matrix:
    view = server.view
    return gram(history_matrix(view.offsets, view.item, view.n_items))


def _published(inverse: np.ndarray, counts: sparse.csr_matrix, penalty: float, neighbours: int) -> dict[str, Tensor]:
    return packed(weights_from(inverse, degree_of(counts), penalty, neighbours), "item_item")
