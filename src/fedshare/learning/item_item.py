"""The item-item part of the global view: full-rank structure that vectors of a few dozen numbers cannot hold.

The server computes closed-form weights from shared pairs (``models/item_item``); a device applies them to its own
whole history, private pairs included, and uploads nothing. How much they count is decided on devices: people keep
their newest interactions out of the first rounds. Then, against weights that have not seen those either, each device
ranks them with every candidate, and only sums of the results leave the devices. A candidate is worth what it gains
over leaving the part out, less one standard error, so that a thin share changes nothing rather than something for the
worse. The other rounds train on everything. Single precision is enough here, at half of the cost: validation figures
agree to four digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fedshare.errors import BadOption
from fedshare.federation.messages import weights_bytes
from fedshare.learning.judges import Judges
from fedshare.learning.scorers import history_scores
from fedshare.models.gram import degree_of, gram, rows_of
from fedshare.models.item_item import inverse_of, weights_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray
    from scipy import sparse

    from fedshare.federation.clients import Clients
    from fedshare.learning.algorithm import World

__all__ = ["ItemItem"]


@dataclass(frozen=True, kw_only=True)
class ItemItem:
    """Options of the item-item part."""

    ridges: tuple[float, ...] = (50.0, 4000.0)
    "Ridge weights to choose from: a small one takes indirect links apart, a large one comes near to plain counts."
    neighbours: tuple[int, ...] = (25, 400)
    "Weights kept for each item, to choose from; decides what a device downloads."
    dampings: tuple[float, ...] = (0.25, 0.5)
    "How much popular items are held down with each ridge; see :func:`fedshare.models.item_item.weights_from`."
    weights_tried: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
    "Factors of the item-item sums, added to cosines, to choose from; beside 0."
    judges: int = 1000
    "People who judge, at most."
    held_out: float = 0.2
    "Part of a person's shared, and of their private, interactions by which they judge: the newest, one at least."
    k: int = 20
    "Length of the list that is judged."
    max_items: int = 12_000
    "Largest catalogue for which the dense weights are computed; above it the part stays silent."

    def __post_init__(self) -> None:
        if not self.ridges or min(self.ridges) <= 0:
            raise BadOption(f"ridges: got {self.ridges}, expected one or more numbers above 0.")
        if not self.weights_tried or min(self.weights_tried) <= 0:
            raise BadOption(f"weights_tried: got {self.weights_tried}, expected one or more numbers above 0.")
        if not self.neighbours or min(self.neighbours) < 1:
            raise BadOption(f"neighbours: got {self.neighbours}, expected one or more whole numbers, 1 or more.")
        for name, least in (("judges", 2), ("k", 1), ("max_items", 0)):
            if getattr(self, name) < least:
                raise BadOption(f"{name}: got {getattr(self, name)}, expected {least} or more.")
        if not 0 < self.held_out <= 0.5:
            raise BadOption(f"held_out: got {self.held_out}, expected above 0 and at most 0.5.")
        if len(self.dampings) != len(self.ridges) or min(self.dampings) < 0:
            raise BadOption(f"dampings: got {self.dampings}, expected a number of 0 or more for each of the ridges.")

    def draw_judges(self, world: World) -> Judges:
        """What people keep out of the first rounds, to decide by it."""
        return Judges.draw(world, held_out=self.held_out, most=self.judges)

    def weights(self, world: World, numbers: Mapping[str, float]) -> Tensor:
        """The weights of a world's share set, ``(n_items, n_items)``; made once.

        Args:
            world: Where the run takes place.
            numbers: What was chosen; see :meth:`calibrate`.
        """
        ridge, neighbours = numbers["item_item_ridge"], int(numbers["item_item_neighbours"])
        view, damping = world.server_view, dict(zip(self.ridges, self.dampings, strict=True))[ridge]

        def make() -> Tensor:
            counts = gram(rows_of(view.offsets, view.item, view.n_items))
            return _dense(inverse_of(counts, ridge, np.float32), counts, damping, neighbours)

        return world.once(("item-item weights", ridge, damping, neighbours), make).to(world.device)

    def calibrate(
        self, judges: Judges, clients: Clients, views: Tensor, items: Tensor, world: World
    ) -> tuple[dict[str, float], int]:
        """The weight, ridge and number of neighbours that judges prefer.

        Args:
            judges: What was kept out.
            clients: The devices without it.
            views: ``(n_users, dim)`` local views of everybody.
            items: ``(n_items, dim)`` unit item vectors.
            world: Where the run takes place.

        Returns:
            ``item_item_weight`` (0 for leaving the part out), ``item_item_ridge`` and ``item_item_neighbours``; and the
            bytes that a judge downloads: for every ridge the largest number of neighbours, of which fewer are a part.
        """
        sure, downloaded = 0.0, 0
        chosen = self._numbers(0.0, self.ridges[0], self.neighbours[0])
        if world.n_items > self.max_items or len(judges.users) < 2:
            return chosen, downloaded
        counts = gram(rows_of(*judges.others_shared(world.server_view), world.n_items))
        for ridge, damping in zip(self.ridges, self.dampings, strict=True):
            inverse = inverse_of(counts, ridge, np.float32)
            for neighbours in self.neighbours:
                weights = _dense(inverse, counts, damping, neighbours).to(world.device)
                if neighbours == max(self.neighbours):
                    downloaded += weights_bytes(int(weights.count_nonzero()), world.n_items)
                by_weight = judges.ndcg(self.candidates(clients, views, items, weights), self.k)
                for weight, gain in zip(self.weights_tried, by_weight[1:] - by_weight[0], strict=True):
                    at_least = gain.mean() - gain.std(ddof=1) / np.sqrt(len(gain))
                    if at_least > sure:
                        sure, chosen = float(at_least), self._numbers(weight, ridge, neighbours)
        return chosen, downloaded

    def candidates(
        self, clients: Clients, views: Tensor, items: Tensor, weights: Tensor
    ) -> Callable[[Tensor], Iterator[Tensor]]:
        """What judges choose among: pseudo-items scored by vectors alone, and with each weight of the item-item sums.

        Args:
            clients: The devices without what was kept out.
            views: ``(n_users, dim)`` local views of everybody.
            items: ``(n_items, dim)`` unit item vectors.
            weights: ``(n_items, n_items)``.
        """

        def of(users: Tensor) -> Iterator[Tensor]:
            known, pseudo = clients.known.select(users), clients.pseudo.select(users)
            sums = history_scores(known, weights)
            vectors = torch.full_like(sums, -torch.inf)
            vectors[pseudo.owners, pseudo.columns] = pseudo.dot(views[users], items)
            scores = torch.empty_like(sums)
            for factor in (0.0, *self.weights_tried):
                yield torch.add(vectors, sums, alpha=factor, out=scores)

        return of

    @staticmethod
    def _numbers(weight: float, ridge: float, neighbours: int) -> dict[str, float]:
        return {
            "item_item_weight": weight,
            "item_item_ridge": ridge,
            "item_item_neighbours": float(neighbours),
        }


def _dense(inverse: NDArray[np.floating], counts: sparse.csr_matrix, damping: float, neighbours: int) -> Tensor:
    return torch.from_numpy(weights_from(inverse, degree_of(counts), damping, neighbours).toarray())
