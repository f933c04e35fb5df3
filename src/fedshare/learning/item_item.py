"""The item-item part of the global view: full-rank structure that vectors of a few dozen numbers cannot hold.

The server computes closed-form weights from shared pairs (``models/item_item``); a device applies them to its own
whole history, private pairs included, and uploads nothing. How much they count is decided on devices: people keep
their newest interactions out of the first rounds. Then, against weights that have not seen those either, each device
ranks them with every candidate, and only sums of the results leave the devices. A candidate is worth what it gains
over leaving the part out, less one standard error, so that a thin share changes nothing rather than something for the
worse. The other rounds train on everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fedshare.errors import BadOption
from fedshare.learning.scorers import history_scores
from fedshare.models.item_item import gram, item_item_weights
from fedshare.models.ragged import Ragged
from fedshare.sharing.order import pair_numbers
from fedshare.sharing.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fedshare.federation.clients import Clients
    from fedshare.learning.algorithm import World
    from fedshare.sharing.views import ServerView

__all__ = ["ItemItem", "Judges"]

_JUDGES_AT_ONCE = 1024
"Bounds the memory of a choice."
_MIN_PAIRS = 5
"Who has fewer interactions of a kind keeps none of that kind out."


@dataclass(frozen=True, kw_only=True)
class ItemItem:
    """Options of the item-item part."""

    ridges: tuple[float, ...] = (50.0, 4000.0)
    "Ridge weights to choose from: a small one takes indirect links apart, a large one comes near to plain counts."
    dampings: tuple[float, ...] = (0.25, 0.5)
    "How much popular items are held down with each ridge; see :func:`fedshare.models.item_item.item_item_weights`."
    weights_tried: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
    "Factors of the item-item sums, added to cosines, to choose from; beside 0."
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
        for name, least in (("k", 1), ("max_items", 0)):
            if getattr(self, name) < least:
                raise BadOption(f"{name}: got {getattr(self, name)}, expected {least} or more.")
        if not 0 < self.held_out <= 0.5:
            raise BadOption(f"held_out: got {self.held_out}, expected above 0 and at most 0.5.")
        if len(self.dampings) != len(self.ridges) or min(self.dampings) < 0:
            raise BadOption(f"dampings: got {self.dampings}, expected a number of 0 or more for each of the ridges.")

    def judges(self, world: World) -> Judges:
        """What people keep out of the first rounds, to decide by it."""
        return Judges.draw(self, world)

    def weights(self, world: World, ridge: float) -> Tensor:
        """The weights of a world's share set, ``(n_items, n_items)``; made once."""
        view, damping = world.server_view, dict(zip(self.ridges, self.dampings, strict=True))[ridge]

        def make() -> Tensor:
            return torch.from_numpy(item_item_weights(gram(view.offsets, view.item, view.n_items), ridge, damping))

        return world.once(("item-item weights", ridge, damping), make).to(world.device)

    def calibrate(
        self, judges: Judges, clients: Clients, views: Tensor, items: Tensor, world: World
    ) -> dict[str, float]:
        """The weight and ridge that judges prefer.

        Args:
            judges: What was kept out.
            clients: The devices without it.
            views: ``(n_users, dim)`` local views of everybody.
            items: ``(n_items, dim)`` unit item vectors.
            world: Where the run takes place.

        Returns:
            ``item_item_weight`` (0 for leaving the part out) and ``item_item_ridge``.
        """
        sure, weight, ridge = 0.0, 0.0, self.ridges[0]
        if world.n_items > self.max_items or len(judges.users) < 2:
            return {"item_item_weight": weight, "item_item_ridge": ridge}
        counts = gram(*judges.others_shared(world.server_view), world.n_items)
        for each, damping in zip(self.ridges, self.dampings, strict=True):
            weights = torch.from_numpy(item_item_weights(counts, each, damping)).to(world.device)
            by_weight = judges.ndcg(clients, views, items, weights, (0.0, *self.weights_tried), self.k)
            for candidate, gain in zip(self.weights_tried, by_weight[1:] - by_weight[0], strict=True):
                at_least = gain.mean() - gain.std(ddof=1) / np.sqrt(len(gain))
                if at_least > sure:
                    sure, weight, ridge = float(at_least), candidate, each
        return {"item_item_weight": weight, "item_item_ridge": ridge}


@dataclass(frozen=True, eq=False)
class Judges:
    """What people train on without their newest interactions, and those interactions, by which they judge."""

    training: Ragged
    held_out: Ragged

    @classmethod
    def draw(cls, options: ItemItem, world: World) -> Judges:
        """Who has few interactions of a kind, shared or private, keeps none of that kind out.

        The two are held out apart: which shared ones do not train must not depend on private ones.
        """
        known, state = world.ledger.known, world.ledger.state
        kept = state != State.ERASED
        owner, items, shared = known.user[kept].astype(np.int64), known.item[kept], state[kept] == State.SHARED
        age = np.zeros(len(items), dtype=np.int64) if known.timestamp is None else -known.timestamp[kept]
        ties = pair_numbers(known, world.seed)[kept]  # a basket has no order of its own
        kind = 2 * owner + shared
        order = np.lexsort((ties, age, kind))
        counts = np.bincount(kind, minlength=2 * known.n_users)
        rank = np.empty(len(items), dtype=np.int64)
        rank[order] = np.arange(len(items)) - np.repeat(counts.cumsum() - counts, counts)
        wanted = np.where(counts < _MIN_PAIRS, 0, np.maximum(1, np.rint(options.held_out * counts)))
        hidden = rank < wanted[kind]
        return cls(_pattern(owner[~hidden], items[~hidden], world), _pattern(owner[hidden], items[hidden], world))

    @cached_property
    def users(self) -> Tensor:
        """Who keeps something out."""
        return self.held_out.counts.nonzero().squeeze(1)

    def others_shared(self, view: ServerView) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Shared pairs without the held-out ones, as offsets and items."""
        hidden = self.held_out.owners.long() * view.n_items + self.held_out.columns
        kept = ~np.isin(view.user.astype(np.int64) * view.n_items + view.item, hidden.cpu().numpy())
        counts = np.bincount(view.user[kept], minlength=view.n_users)
        return np.concatenate([[0], counts.cumsum()]), view.item[kept]

    def ndcg(
        self,
        clients: Clients,
        views: Float[Tensor, "users dim"],
        items: Float[Tensor, "items dim"],
        weights: Float[Tensor, "items items"],
        factors: Sequence[float],
        k: int,
    ) -> NDArray[np.float64]:
        """NDCG@k of what each judge kept out among its pseudo-items, ``(n_factors, n_judges)``, for each factor."""
        batches = self.users.split(_JUDGES_AT_ONCE)
        return np.concatenate(
            [self._ndcg(clients, views, items, weights, factors, k, each) for each in batches], axis=1
        )

    def _ndcg(
        self,
        clients: Clients,
        views: Tensor,
        items: Tensor,
        weights: Tensor,
        factors: Sequence[float],
        k: int,
        users: Tensor,
    ) -> NDArray[np.float64]:
        held_out, known, pseudo = (each.select(users) for each in (self.held_out, clients.known, clients.pseudo))
        sums = history_scores(known, weights)
        vectors = torch.full_like(sums, -torch.inf)
        vectors[pseudo.owners, pseudo.columns] = pseudo.dot(views[users], items)
        ideal = (1 / torch.log2(torch.arange(k, device=items.device) + 2.0)).cumsum(0)
        ideal = ideal[held_out.counts.clamp(max=k) - 1]
        rows, by_factor = held_out.owners, []
        for factor in factors:
            scores = vectors + factor * sums
            best = scores.topk(min(k, scores.shape[1])).values
            place = (best.index_select(0, rows) > scores[rows, held_out.columns].unsqueeze(1)).sum(1)
            gained = held_out.sum(torch.where(place < k, 1 / torch.log2(place + 2.0), 0.0))
            by_factor.append((gained / ideal).double().cpu().numpy())
        return np.stack(by_factor)


def _pattern(owner: NDArray[np.int64], items: NDArray[np.int32], world: World) -> Ragged:
    offsets = np.concatenate([[0], np.bincount(owner, minlength=world.n_users).cumsum()])
    return Ragged.from_numpy(offsets, items, world.n_items, world.device)
