"""Test pairs on the people and items of a run, matched by id.

Two tables that were read apart number their ids apart: index 3 is another person in each. So nothing here goes by
index. Test pairs of people whom the run does not know are left out and counted. Test pairs with items that are not in
the run's catalogue cannot be recommended, so they count as misses; they are numbered behind the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.errors import BadData, EmptyData
from fedshare.evaluation.pairs import Pairs, pairs_of
from fedshare.options import instance

__all__ = ["Relevant", "aligned_pairs", "count", "numbers_in", "withheld_pairs"]


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Relevant:
    """Test pairs in the numbers of a run."""

    pairs: Pairs
    "All of people whom the run knows, ``(n_pairs,)``; items beyond the catalogue included."
    in_catalogue: Pairs
    "Those whose item is in the catalogue: the ones that a list can hit."
    n_numbers: int
    "Item numbers in use: the catalogue's, and those behind it."
    n_pairs_of_unknown: int
    "Test pairs of people whom the run does not know; they are in neither table."
    n_unknown_users: int
    "Those people."
    n_unknown_items: int
    "Items of ``pairs`` that are not in the catalogue."
    n_cold_items: int
    "Items of ``pairs`` that nobody has in training, those outside the catalogue included."
    n_cold_pairs: int
    "Their pairs."

    def notes(self) -> Iterator[str]:
        """What a reader of the figures should know, one sentence each."""
        if self.n_unknown_users:
            yield (
                f"{count(self.n_unknown_users, 'test user')} not known to the run left out, with "
                f"{count(self.n_pairs_of_unknown, 'pair')}."
            )
        if self.n_cold_items:
            outside = f", {self.n_unknown_items:,} of them not even in the catalogue" if self.n_unknown_items else ""
            yield (
                f"{count(self.n_cold_items, 'cold test item')}, which nobody has in training{outside}: "
                f"{self.n_cold_pairs:,} of {count(self.pairs.n_pairs, 'test pair')}, hardly to be found."
            )


def withheld_pairs(test: Interactions, known: Interactions, hidden: Pairs, trained: Pairs) -> Relevant:
    """The test pairs in the numbers of ``known``, once it is clear that they can be ranked.

    Args:
        test: The withheld pairs.
        known: The run's people and items.
        hidden: The pairs that are left out of the ranking, in the numbers of ``known``.
        trained: The pairs that training had, likewise: they say which items are cold.

    Raises:
        BadOption: ``test`` is no set of interactions.
        EmptyData: There is no test pair.
        BadData: No person or no item is known to the run, or a test pair is a known one.
    """
    instance("test", test, Interactions, "interactions", hint="Take them from a split, or read them with fs.load.")
    if not len(test):
        raise EmptyData("test pairs: got none, expected at least one. Split with a larger test_fraction.")
    user, item = numbers_in(known.users, test.users)[test.user], numbers_in(known.items, test.items)[test.item]
    _check_common("people", "users", np.unique(test.user).size, user, known.n_users)
    _check_common("items", "items", np.unique(test.item).size, item, known.n_items)
    mine = user >= 0
    outside = np.unique(test.item[mine & (item < 0)])
    behind = known.n_items + np.searchsorted(outside, test.item)
    pairs = pairs_of(user[mine], np.where(item < 0, behind, item)[mine])
    n_numbers = known.n_items + len(outside)
    both = hidden.contains(pairs.user, pairs.item, n_numbers)
    if both.any():
        raise BadData(
            f"test pairs: {int(both.sum()):,} of {len(test):,} are known pairs too, which nobody is recommended; "
            "expected none. Leave them out of the test pairs, or split one table in two."
        )
    cold = np.bincount(trained.item, minlength=n_numbers)[pairs.item] == 0
    return Relevant(
        pairs=pairs,
        in_catalogue=pairs.take(pairs.item < known.n_items),
        n_numbers=n_numbers,
        n_pairs_of_unknown=int(np.count_nonzero(~mine)),
        n_unknown_users=len(np.unique(test.user[~mine])),
        n_unknown_items=len(outside),
        n_cold_items=len(np.unique(pairs.item[cold])),
        n_cold_pairs=int(np.count_nonzero(cold)),
    )


def aligned_pairs(pairs: Interactions, known: Interactions) -> Pairs:
    """The pairs in the numbers of ``known``; those of people or items that it has not are left out."""
    user, item = numbers_in(known.users, pairs.users)[pairs.user], numbers_in(known.items, pairs.items)[pairs.item]
    both = (user >= 0) & (item >= 0)
    return pairs_of(user[both], item[both])


def numbers_in(mine: Vocabulary, theirs: Vocabulary) -> NDArray[np.int64]:
    """What number each id of ``theirs`` has in ``mine``, ``(len(theirs),)``; -1 for ids that ``mine`` has not."""
    if mine is theirs or mine.ids == theirs.ids:
        return np.arange(len(theirs))
    index_of = {id: index for index, id in enumerate(mine.ids)}
    return np.fromiter((index_of.get(id, -1) for id in theirs.ids), dtype=np.int64, count=len(theirs))


def count(number: int, noun: str) -> str:
    """``1 pair``, ``2 pairs``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _check_common(what: str, column: str, n_theirs: int, numbers: NDArray[np.int64], n_mine: int) -> None:
    if not (numbers >= 0).any():
        raise BadData(
            f"test pairs: none of their {n_theirs:,} {what} is among the run's {n_mine:,}, by id; expected the same "
            f"{what}. Check that both tables name the same column of {column}, or split one table."
        )
