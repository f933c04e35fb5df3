"""Lists for people, one or many: what devices rank by, less what a list must not name.

Leaving items out never changes the order of the others: every list is a part of one ranking of the whole catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from fedshare.errors import UnknownItem, UnknownUser
from fedshare.evaluation.pairs import Pairs, ranking_batches
from fedshare.evaluation.ranking import NOTHING, top_k
from fedshare.options import shown, texts, visible, whole
from fedshare.sharing.state import State

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions
    from fedshare.sharing.ledger import Ledger
    from fedshare.simulation.device_scorer import DeviceScorer

__all__ = ["Recommendation", "Recommendations", "Recommender", "user_numbers"]


@dataclass(frozen=True)
class Recommendation:
    """One recommended item."""

    item: str
    title: str
    "The item's title; its id where there is none."
    score: float


class Recommendations(tuple[Recommendation, ...]):
    """A ranked list that prints as one line per item, and a line for the note if there is one."""

    note: str = ""
    "Why the list is not the model's; empty where it is."

    @classmethod
    def of(cls, several: Iterable[Recommendation], note: str = "") -> Recommendations:
        """A list with a note."""
        made = cls(several)
        made.note = note
        return made

    def __str__(self) -> str:
        shown = [(visible(each.item), visible(each.title)) for each in self]
        width = max((len(item) for item, _ in shown), default=0)
        lines = [f"{place:>3}  {item:<{width}}  {title}" for place, (item, title) in enumerate(shown, 1)]
        return "\n".join([*lines, *([f"note: {self.note}"] if self.note else [])])


class Ranked(NamedTuple):
    """Lists of some people."""

    users: NDArray[np.intp]
    "``(batch,)``"
    items: NDArray[np.int32]
    "``(batch, k)`` best first, filled up with ``NOTHING``."
    scores: NDArray[np.float32]
    "``(batch, k)``; what stands beside ``NOTHING`` means nothing."
    notes: list[str]
    "Why somebody's list is not the model's;  where it is."


@final
@dataclass(frozen=True, eq=False)
class Recommender:
    """Makes lists by one set of rules. Retired items are on none.

    Args:
        scorer: What devices rank by.
        ledger: What people know and have erased.
        among: Item ids, or names of categories: nothing else is recommended. None for the whole catalogue.
        exclude: Likewise: none of these is recommended.
        again: Whether what people erased may be recommended to them.

    Raises:
        UnknownItem: An id is neither an item nor a category.
        BadOption: ``among`` or ``exclude`` is no collection of ids.
    """

    scorer: DeviceScorer
    ledger: Ledger
    among: Iterable[str] | None = None
    exclude: Iterable[str] = ()
    again: bool = False
    _order: NDArray[np.int64] = field(init=False)
    _hidden: Pairs = field(init=False)

    def __post_init__(self) -> None:
        known = self.ledger.known
        allowed = np.ones(known.n_items, dtype=np.bool_)
        if self.among is not None:
            allowed[:] = False
            allowed[_numbers("among", self.among, known)] = True
        allowed[_numbers("exclude", self.exclude, known)] = False
        allowed[known.items.indices(self.ledger.retired)] = False
        order = self.scorer.tie_order
        hidden = Pairs(known.user, known.item)
        object.__setattr__(self, "_order", order[allowed[order]])
        object.__setattr__(self, "_hidden", hidden.take(self.ledger.state != State.ERASED) if self.again else hidden)

    def one(self, user: str, k: int) -> Recommendations:
        """One person's list.

        Raises:
            UnknownUser: No such person.
            BadOption: ``k`` below 1.
        """
        index = np.array([self.ledger.known.users.index(user)])
        (ranked,) = self.batches(index, k)
        return self.recommendations(ranked, 0)

    def batches(self, users: NDArray[np.intp], k: int) -> Iterator[Ranked]:
        """Lists of many people, some at a time, so that memory does not grow with their number.

        Args:
            users: Ascending, each once.
            k: Length of the lists.

        Raises:
            BadOption: ``k`` below 1.
        """
        whole("k", k, 1)
        k = min(k, len(self._order))
        for batch, scores in ranking_batches(self.scorer, users):
            ranking = scores.copy()
            ranking[self._hidden.within(batch)] = -np.inf
            items = self._listed(batch, ranking, k)
            listed = np.take_along_axis(scores, np.maximum(items, 0).astype(np.int64), axis=1)
            yield Ranked(batch, items, listed, self.scorer.notes(batch, scores))

    def _listed(self, users: NDArray[np.intp], ranking: NDArray[np.float32], k: int) -> NDArray[np.int32]:
        """The best items of each person; what a device has forgotten is known again only when it is looked at."""
        forgotten = {} if self.again else self.ledger.forgotten
        rows = [(row, forgotten[user]) for row, user in enumerate(users.tolist()) if user in forgotten]
        while True:
            items = top_k(ranking, k, self._order)
            ids = self.ledger.known.items.id
            again = [
                (row, item)
                for row, device in rows
                for item in items[row].tolist()
                if item != NOTHING and device.has(ids(item))
            ]
            if not again:
                return items
            ranking[tuple(np.array(again).T)] = -np.inf

    def recommendations(self, ranked: Ranked, row: int) -> Recommendations:
        """One row of a batch, with ids, titles and a note."""
        known = self.ledger.known
        found: list[Recommendation] = []
        for item, score in zip(ranked.items[row].tolist(), ranked.scores[row].tolist(), strict=True):
            if item != NOTHING:
                id = known.items.id(item)
                found.append(Recommendation(id, known.title(id), score))
        return Recommendations.of(found, ranked.notes[row] if found else "nothing is left to recommend")


def user_numbers(users: Iterable[str] | None, ledger: Ledger) -> NDArray[np.intp]:
    """Numbers of people, ascending; of everybody for None.

    Raises:
        UnknownUser: Somebody is not there. Nobody is named but the first of them.
        BadOption: No collection of ids.
    """
    everybody = ledger.known.users
    if users is None:
        return np.arange(len(everybody))
    ids = texts("users", users)
    strangers = [id for id in ids if id not in everybody]
    if strangers:
        raise UnknownUser(
            f"users: {len(strangers):,} of {len(ids):,} ids are not in the run, the first is {shown(strangers[0])}; "
            f"expected some of its {len(everybody):,} people. Check the spelling."
        )
    return np.sort(everybody.indices(ids))


def _numbers(name: str, ids: Iterable[str], known: Interactions) -> NDArray[np.intp]:
    """Item numbers of ids; the name of a category stands for all its items."""
    wanted = texts(name, ids)
    categories = known.categories
    named = {id for id in wanted if id not in known.items}
    inside = [item for item, category in categories.items() if category in named and item in known.items]
    unknown = named.difference(categories.values())
    strangers = [id for id in wanted if id in unknown]
    if strangers:
        what = "neither items nor categories" if categories else "not items"
        raise UnknownItem(
            f"{name}: {len(strangers):,} of {len(wanted):,} ids are {what} of the run, the first is "
            f"{shown(strangers[0])}; expected ids of its {known.n_items:,} items. Check the spelling."
        )
    return known.items.indices([*(id for id in wanted if id not in named), *inside])
