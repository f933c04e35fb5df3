"""Judges: the people whose devices choose among models, on interactions that no model has seen.

A seeded part of the people keep their newest shared and their newest private interactions out of training. Their
devices rank those under every candidate, and only sums of the results leave the devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fedshare.models.ragged import Ragged
from fedshare.sharing.order import pair_numbers, user_numbers
from fedshare.sharing.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.learning.algorithm import World
    from fedshare.sharing.views import ServerView

__all__ = ["Judges"]


@dataclass(frozen=True, eq=False)
class Judges:
    """The people who decide, what they know without their newest interactions, and those interactions."""

    users: NDArray[np.int64]
    known: Ragged
    held_out: Ragged
    training: Ragged
    "What all devices train on: everything but the judges' newest interactions."

    @classmethod
    def draw(cls, world: World, *, fraction: float, n_held_out: int) -> Judges:
        """A seeded fraction of the people, by name; who has few interactions of a kind keeps none of that kind out.

        Shared and private interactions are held out apart: which shared ones do not train must not depend on private
        ones.

        Args:
            world: Where the run takes place.
            fraction: Of the people, above 0 and at most 1.
            n_held_out: Newest shared and newest private interactions that each keeps out.
        """
        known, state = world.ledger.known, world.ledger.state
        kept = state != State.ERASED
        owner, items, shared = known.user[kept].astype(np.int64), known.item[kept], state[kept] == State.SHARED
        chance = user_numbers(known, world.seed)
        users = np.sort(np.argsort(chance, kind="stable")[: round(fraction * known.n_users)])
        age = np.zeros(len(items), dtype=np.int64) if known.timestamp is None else -known.timestamp[kept]
        ties = pair_numbers(known, world.seed)[kept]  # a basket has no order of its own
        kind = 2 * owner + shared
        order = np.lexsort((ties, age, kind))
        counts = np.bincount(kind, minlength=2 * known.n_users)
        rank = np.empty(len(items), dtype=np.int64)
        rank[order] = np.arange(len(items)) - np.repeat(counts.cumsum() - counts, counts)
        enough = counts[kind] >= 5 * n_held_out
        hidden = np.isin(owner, users) & enough & (rank < n_held_out)
        users = np.unique(owner[hidden])
        training = _pattern(owner[~hidden], items[~hidden], world)
        chosen = torch.from_numpy(users).to(world.device)
        return cls(
            users, training.select(chosen), _pattern(owner[hidden], items[hidden], world).select(chosen), training
        )

    def others_shared(self, view: ServerView) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Shared pairs without the held-out ones, as offsets and items."""
        hidden = np.repeat(self.users, self.held_out.counts.cpu().numpy()) * view.n_items
        kept = ~np.isin(
            view.user.astype(np.int64) * view.n_items + view.item, hidden + self.held_out.columns.cpu().numpy()
        )
        counts = np.bincount(view.user[kept], minlength=view.n_users)
        return np.concatenate([[0], counts.cumsum()]), view.item[kept]

    def on_items(self, chosen: NDArray[np.int64]) -> Judges:
        """The same judges on a part of the catalogue; who has nothing left to judge by is left out.

        Args:
            chosen: Items, ascending; they become items ``0 .. len(chosen) - 1``.
        """
        known, held_out = (_on_columns(pattern, chosen) for pattern in (self.known, self.held_out))
        able = held_out.counts.nonzero().squeeze(1)
        users = self.users[able.cpu().numpy()]
        return Judges(users, known.select(able), held_out.select(able), _on_columns(self.training, chosen))

    def ndcg(self, scores: Float[Tensor, "judges items"], k: int) -> NDArray[np.float64]:
        """NDCG@k of the held-out items of each judge; items that must not be ranked have a score of minus infinity."""
        rows = self.held_out.owners
        own = scores[rows, self.held_out.columns]
        place = (scores.index_select(0, rows) > own.unsqueeze(1)).sum(1)
        gained = self.held_out.sum(torch.where(place < k, 1 / torch.log2(place + 2.0), 0.0))
        ideal = (1 / torch.log2(torch.arange(k, device=scores.device) + 2.0)).cumsum(0)
        return (gained / ideal[self.held_out.counts.clamp(max=k) - 1]).double().cpu().numpy()


def _pattern(owner: NDArray[np.int64], items: NDArray[np.int32], world: World) -> Ragged:
    offsets = np.concatenate([[0], np.bincount(owner, minlength=world.n_users).cumsum()])
    return Ragged.from_numpy(offsets, items, world.n_items, world.device)


def _on_columns(pattern: Ragged, chosen: NDArray[np.int64]) -> Ragged:
    """The slots of some columns, numbered anew."""
    place = torch.full((pattern.n_columns,), -1, dtype=torch.int32, device=pattern.columns.device)
    place[torch.from_numpy(chosen)] = torch.arange(len(chosen), dtype=torch.int32, device=place.device)
    columns = place[pattern.columns]
    kept = columns >= 0
    counts = torch.bincount(pattern.owners[kept], minlength=pattern.n_owners)
    return Ragged(torch.cat([counts.new_zeros(1), counts.cumsum(0)]), columns[kept], len(chosen))
