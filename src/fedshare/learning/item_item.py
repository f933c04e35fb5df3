"""The item-item part of the global view: full-rank structure that vectors of a few dozen numbers cannot hold.

The server computes closed-form weights from shared pairs (``models/item_item``); a device applies them to its own
whole history, private pairs included, and uploads nothing. How much they count is decided on devices: a seeded part of
the people, the judges, keep their newest interactions out of most rounds. Then, against weights that have not seen
those either, each judge's device ranks them with every candidate, and only sums of the results leave the devices. A
weight other than 0 must beat 0 by more than one standard error, so that a thin share changes nothing rather than
something for the worse. The last rounds train on everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fedshare.errors import BadOption
from fedshare.learning.judges import Judges
from fedshare.learning.scorers import history_scores, standardised
from fedshare.models.gram import gram, rows_of
from fedshare.models.item_item import item_item_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.learning.algorithm import World

__all__ = ["ItemItem"]


@dataclass(frozen=True, kw_only=True)
class ItemItem:
    """Options of the item-item part."""

    ridges: tuple[float, ...] = (50.0, 250.0)
    "Ridge weights to choose from."
    damping: float = 0.25
    "How much popular items are held down; see :func:`fedshare.models.item_item.item_item_weights`."
    weights_tried: tuple[float, ...] = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5)
    "How much the item-item part may count against the vectors, beside nothing."
    validation_users: float = 0.3
    "Fraction of the people whose devices take part in the choice."
    validation_items: int = 1
    "Newest shared and newest private interactions, as many of each, on which a judge judges: lost to training."
    k: int = 20
    "Length of the list that is judged."
    max_items: int = 12_000
    "Largest catalogue for which the dense weights are computed; above it the part stays silent."

    def __post_init__(self) -> None:
        if not self.ridges or min(self.ridges) <= 0:
            raise BadOption(f"ridges: got {self.ridges}, expected one or more numbers above 0.")
        if not self.weights_tried or min(self.weights_tried) <= 0:
            raise BadOption(f"weights_tried: got {self.weights_tried}, expected one or more numbers above 0.")
        for name, least in (("validation_items", 1), ("k", 1), ("max_items", 0)):
            if getattr(self, name) < least:
                raise BadOption(f"{name}: got {getattr(self, name)}, expected {least} or more.")
        if not 0 < self.validation_users <= 1:
            raise BadOption(f"validation_users: got {self.validation_users}, expected above 0 and at most 1.")
        if self.damping < 0:
            raise BadOption(f"damping: got {self.damping}, expected 0 or more.")

    def judges(self, world: World) -> Judges:
        """Who decides, and what they keep out of training; the same people whatever is shared."""
        return Judges.draw(world, fraction=self.validation_users, n_held_out=self.validation_items)

    def weights(self, world: World, ridge: float) -> Tensor:
        """The weights of a world's share set, ``(n_items, n_items)``; made once."""
        view = world.server_view

        def make() -> Tensor:
            counts = gram(rows_of(view.offsets, view.item, view.n_items))
            return torch.from_numpy(item_item_weights(counts, ridge, self.damping).toarray())

        return world.once(("item-item weights", ridge, self.damping), make).to(world.device)

    def calibrate(self, judges: Judges, vectors: Tensor, world: World) -> dict[str, float]:
        """The weight and ridge that judges prefer.

        Args:
            judges: Who decides.
            vectors: ``(n_judges, n_items)`` their scores by local views alone.
            world: Where the run takes place.

        Returns:
            ``item_item_weight`` (0 for leaving the part out) and ``item_item_ridge``.
        """
        silent = {"item_item_weight": 0.0, "item_item_ridge": self.ridges[0]}
        if world.n_items > self.max_items or len(judges.users) < 2:
            return silent
        vectors = standardised(vectors)
        vectors[judges.known.owners, judges.known.columns] = -torch.inf  # nobody is recommended what they know
        baseline = judges.ndcg(vectors, self.k)
        counts = gram(rows_of(*judges.others_shared(world.server_view), world.n_items))
        trials: list[tuple[float, float, NDArray[np.float64]]] = []
        for ridge in self.ridges:
            weights = torch.from_numpy(item_item_weights(counts, ridge, self.damping).toarray()).to(world.device)
            shared = standardised(history_scores(judges.known, weights))
            for weight in self.weights_tried:
                gain = judges.ndcg(vectors + weight * shared, self.k) - baseline
                trials.append((weight, ridge, gain))
        weight, ridge, gain = max(trials, key=lambda trial: trial[2].mean())
        if gain.mean() <= _standard_error(gain):
            return silent
        return {"item_item_weight": weight, "item_item_ridge": ridge}


def _standard_error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))
