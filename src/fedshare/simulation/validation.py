"""Validation clients, device side: people's devices rank what they held out, under each candidate.

Only sums of the results leave the devices.
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
from fedshare.sharing.holdout import Holdout, draw_holdout
from fedshare.sharing.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.sharing.ledger import Ledger

__all__ = ["HeldOut"]

_AT_ONCE = 1024
"Validation clients side by side: bounds the memory of a choice."


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What people train on without what they hold out, and what that is."""

    training: Ragged
    held_out: Ragged

    @classmethod
    def of(cls, ledger: Ledger, rule: Holdout, seed: int, device: str) -> HeldOut:
        """Every device applies the rule to its shared and to its private pairs, apart.

        Args:
            ledger: What devices know and share.
            rule: What is held out.
            seed: The run's seed.
            device: Torch device.
        """
        known = ledger.known
        hidden = np.zeros(known.n_pairs, dtype=np.bool_)
        for state in (State.SHARED, State.PRIVATE):
            kind = ledger.state == state
            hidden[kind] = draw_holdout(
                rule,
                seed,
                known.user[kind],
                known.item[kind],
                None if known.timestamp is None else known.timestamp[kind],
                known.users.ids,
                known.items.ids,
                known.n_users,
            )
        kept = ~hidden & (ledger.state != State.ERASED)

        def pattern(chosen: NDArray[np.bool_]) -> Ragged:
            counts = np.bincount(known.user[chosen], minlength=known.n_users)
            offsets = np.concatenate([[0], counts.cumsum()])
            return Ragged.from_numpy(offsets, known.item[chosen], known.n_items, device)

        return cls(pattern(kept), pattern(hidden))

    @cached_property
    def users(self) -> Tensor:
        """Who holds something out."""
        return self.held_out.counts.nonzero().squeeze(1)

    def on_items(self, chosen: Tensor) -> HeldOut:
        """The same on a part of the catalogue.

        Args:
            chosen: Items, ascending; they become items ``0 .. len(chosen) - 1``.
        """
        return HeldOut(_on_columns(self.training, chosen), _on_columns(self.held_out, chosen))

    def ndcg(self, candidates: Callable[[Tensor], Iterable[Tensor]], k: int, n_candidates: int) -> NDArray[np.float64]:
        """NDCG@k of what each validation client held out, under each candidate.

        Args:
            candidates: For some users, one ``(len(users), n_items)`` matrix of scores for each candidate; minus
                infinity where an item is not to be ranked. A matrix may be written over when the next one is made.
            k: Length of the list.
            n_candidates: How many there are.

        Returns:
            ``(n_candidates, n_validation_clients)``.
        """
        batches = [self._ndcg(candidates, k, users) for users in self.users.split(_AT_ONCE) if len(users)]
        return np.concatenate(batches, axis=1) if batches else np.empty((n_candidates, 0))

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


def _on_columns(pattern: Ragged, chosen: Tensor) -> Ragged:
    """The slots of some columns, numbered anew."""
    place = torch.full((pattern.n_columns,), -1, dtype=torch.int32, device=pattern.columns.device)
    place[chosen.to(place.device)] = torch.arange(len(chosen), dtype=torch.int32, device=place.device)
    columns = place[pattern.columns]
    kept = columns >= 0
    counts = torch.bincount(pattern.owners[kept], minlength=pattern.n_owners)
    return Ragged(torch.cat([counts.new_zeros(1), counts.cumsum(0)]), columns[kept], len(chosen))
