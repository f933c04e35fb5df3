"""What people keep out of training for a while, to choose options by it.

Some people, the *validation clients*, keep their newest shared and their newest private interactions out of the first
rounds. The rule is computed on both sides apart: a device applies it to its own pairs, the server to the shared ones,
and neither has to ask the other. Shared and private pairs are held out apart, so that which shared ones do not train
never depends on private ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from fedshare.errors import BadOption
from fedshare.sharing.numbers import draw_numbers, stable_numbers

__all__ = ["Holdout", "draw_holdout"]


@final
@dataclass(frozen=True, kw_only=True)
class Holdout:
    """The rule.

    Args:
        fraction: Part of a person's interactions of each kind, shared or private, that is held out; at least one.
        most: About so many people hold something out, drawn by the seed and their ids; None for everybody.
        least_pairs: Users with fewer shared (or private) items hold out none of that kind.
    """

    fraction: float = 0.2
    most: int | None = None
    least_pairs: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 0.5:
            raise BadOption(f"held_out: got {self.fraction}, expected above 0 and at most 0.5.")


def draw_holdout(
    rule: Holdout,
    seed: int,
    user: NDArray[np.integer],
    item: NDArray[np.integer],
    timestamp: NDArray[np.int64] | None,
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    n_users: int,
) -> NDArray[np.bool_]:
    """Which pairs of one kind are held out: the newest of each validation client.

    A person is a validation client if their number is below a bound that everybody knows. So a device decides it
    alone, and so does the server for those who share.

    Args:
        rule: How much is held out.
        seed: The run's seed.
        user: ``(n_pairs,)`` places in ``user_ids``.
        item: ``(n_pairs,)`` places in ``item_ids``.
        timestamp: ``(n_pairs,)`` or None; ties, such as one basket, are broken by the pairs' stable numbers.
        user_ids: Ids of these users.
        item_ids: Ids of the catalogue.
        n_users: People of the whole federation.

    Returns:
        ``(n_pairs,)``.
    """
    age = np.zeros(len(item), dtype=np.int64) if timestamp is None else -timestamp
    order = np.lexsort((stable_numbers(seed, user_ids, item_ids, user, item), age, user))
    counts = np.bincount(user, minlength=len(user_ids))
    rank = np.empty(len(item), dtype=np.int64)
    rank[order] = np.arange(len(item)) - np.repeat(counts.cumsum() - counts, counts)
    wanted = np.where(counts < rule.least_pairs, 0, np.maximum(1, np.rint(rule.fraction * counts)))
    if rule.most is not None and rule.most < n_users:
        bound = np.uint64(rule.most / n_users * 2.0**64)
        wanted[draw_numbers(seed, user_ids) >= bound] = 0
    return rank < wanted[user]
