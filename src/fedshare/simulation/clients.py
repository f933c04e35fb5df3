"""The patterns of all simulated devices: what they know, which pseudo-items they ask for.

A :class:`Clients` stands in for all phones at once. It is device side and belongs to a population, with which it is
dropped: server code has no way to it.

Pseudo-items hide the known items in what a device downloads and uploads, and serve as its negatives. They are drawn
once per device and kept: fresh ones in every round would reveal the known rows as the ones that stay. The idea of
pseudo-interacted items is from FedGNN (Wu et al., Nature Communications 2022), which draws them anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
import torch
from torch import Tensor

from fedshare.models.ragged import Ragged
from fedshare.rng import stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Clients", "draw_pseudo_items"]


@final
class Clients:
    """What devices hold: ``known`` pairs they train on and their ``pseudo`` items.

    Args:
        known: ``(n_clients, n_items)``.
        pseudo: Likewise; no pair is in both.
        user_ids: Ids of the owners.
    """

    def __init__(self, known: Ragged, pseudo: Ragged, user_ids: Sequence[str]) -> None:
        self.known = known
        self.pseudo = pseudo
        self.user_ids = user_ids
        self._partitions: dict[int, list[tuple[Tensor, Clients]]] = {}

    @property
    def n_clients(self) -> int:
        return self.known.n_owners

    @property
    def rows_per_client(self) -> Tensor:
        """Item rows that each device asks for."""
        return self.known.counts + self.pseudo.counts

    def without(self, held_out: Ragged, training: Ragged) -> Clients:
        """The same devices while they hold something out: it is among their pseudo-items.

        So they move the same rows in all rounds, and validation compares like with like. Were it no pseudo-item, it
        alone would not have been pushed away, and vectors would seem to know it.
        """
        return Clients(training, self.pseudo.union(held_out), self.user_ids)

    def partition(self, size: int) -> list[tuple[Tensor, Clients]]:
        """All devices in groups of ``size``, kept: sorting patterns by item costs more than a round."""
        if size not in self._partitions:
            groups = torch.arange(self.n_clients, device=self.known.columns.device).split(size)
            self._partitions[size] = [(g, self if len(g) == self.n_clients else self.select(g)) for g in groups]
        return self._partitions[size]

    def select(self, users: Tensor) -> Clients:
        """Some of the devices, in the given order."""
        user_ids = [self.user_ids[int(user)] for user in users.tolist()]
        return Clients(self.known.select(users), self.pseudo.select(users), user_ids)


def draw_pseudo_items(
    offsets: NDArray[np.int64],
    items: NDArray[np.int32],
    user_ids: Sequence[str],
    n_items: int,
    pseudo_items: int,
    pseudo_ratio: float,
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The fixed pseudo-items of every device, ascending, none of them known to it.

    A device whose known items leave fewer gets all that is left; a device that knows nothing gets none, since there is
    nothing to hide.

    Args:
        offsets: ``(n_users + 1,)``.
        items: ``(n_pairs,)`` known items, user by user.
        user_ids: Outside names; randomness is named after them.
        n_items: Catalogue size.
        pseudo_items: Pseudo-items of a device, at least.
        pseudo_ratio: Pseudo-items per known item, at least.
        seed: The run's seed.

    Returns:
        ``(n_users + 1,)`` offsets and the ``(n_slots,)`` items.
    """
    chosen: list[NDArray[np.int32]] = []
    for user, name in enumerate(user_ids):
        known = items[offsets[user] : offsets[user + 1]]
        wanted = min(n_items - len(known), max(pseudo_items, round(pseudo_ratio * len(known)))) if len(known) else 0
        chosen.append(_draw(known, n_items, wanted, seed, name))
    counts = np.array([len(each) for each in chosen], dtype=np.int64)
    return np.concatenate([[0], counts.cumsum()]), np.concatenate([*chosen, np.empty(0, np.int32)])


def _draw(known: NDArray[np.int32], n_items: int, wanted: int, seed: int, name: str) -> NDArray[np.int32]:
    if wanted == 0:
        return np.empty(0, np.int32)
    candidates = stream(seed, "pseudo-items", name).permutation(n_items)
    free = candidates[~np.isin(candidates, known, kind="table")]
    return np.sort(free[:wanted]).astype(np.int32)
