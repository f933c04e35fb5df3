"""Judges: people's devices choose among models, on interactions that no model has seen.

Judges keep their newest shared and their newest private interactions out of training. Their devices rank those under
every candidate, and only sums of the results leave the devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fedshare.models.ragged import Ragged
from fedshare.sharing.order import pair_numbers, user_numbers
from fedshare.sharing.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.learning.algorithm import World
    from fedshare.sharing.views import ServerView

__all__ = ["Judges"]

_JUDGES_AT_ONCE = 1024
"Bounds the memory of a choice."
_MIN_PAIRS = 5
"Who has fewer interactions of a kind keeps none of that kind out."


@dataclass(frozen=True, eq=False)
class Judges:
    """What people train on without their newest interactions, and those interactions, by which they judge."""

    training: Ragged
    held_out: Ragged

    @classmethod
    def draw(cls, world: World, *, held_out: float, most: int | None = None) -> Judges:
        """Who has few interactions of a kind, shared or private, keeps none of that kind out.

        The two are held out apart: which shared ones do not train must not depend on private ones.

        Args:
            world: Where the run takes place.
            held_out: Part of a person's interactions of each kind, above 0; one at least is kept out.
            most: So many people judge at most, drawn by the seed and their names; None for everybody.
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
        wanted = np.where(counts < _MIN_PAIRS, 0, np.maximum(1, np.rint(held_out * counts)))
        if most is not None:
            asked = np.argsort(user_numbers(known, world.seed), kind="stable")[:most]
            wanted[np.setdiff1d(np.arange(2 * known.n_users), [2 * asked, 2 * asked + 1])] = 0
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

    def on_items(self, chosen: NDArray[np.int64]) -> Judges:
        """The same judges on a part of the catalogue.

        Args:
            chosen: Items, ascending; they become items ``0 .. len(chosen) - 1``.
        """
        return Judges(*(_on_columns(pattern, chosen) for pattern in (self.training, self.held_out)))

    def ndcg(self, candidates: Callable[[Tensor], Iterable[Tensor]], k: int) -> NDArray[np.float64]:
        """NDCG@k of what each judge kept out, under each candidate.

        Args:
            candidates: For some users, one ``(len(users), n_items)`` matrix of scores for each candidate; minus
                infinity where an item is not to be ranked. A matrix may be written over when the next one is made.
            k: Length of the list.

        Returns:
            ``(n_candidates, n_judges)``.
        """
        batches = (self._ndcg(candidates, k, users) for users in self.users.split(_JUDGES_AT_ONCE))
        return np.concatenate(list(batches), axis=1)

    def _ndcg(self, candidates: Callable[[Tensor], Iterable[Tensor]], k: int, users: Tensor) -> NDArray[np.float64]:
        held_out = self.held_out.select(users)
        ideal = (1 / torch.log2(torch.arange(k, device=users.device) + 2.0)).cumsum(0)
        ideal = ideal[held_out.counts.clamp(max=k) - 1]
        rows, found = held_out.owners, []
        for scores in candidates(users):
            best = scores.topk(min(k, scores.shape[1])).values
            place = (best.index_select(0, rows) > scores[rows, held_out.columns].unsqueeze(1)).sum(1)
            gained = held_out.sum(torch.where(place < k, 1 / torch.log2(place + 2.0), 0.0))
            found.append((gained / ideal).double().cpu().numpy())
        return np.stack(found)


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
