"""The server as algorithms see it: shared pairs, the catalogue, sizes, a seed, and nothing of any device.

A :class:`ServerSide` is a session: whoever trains, unlearns or evaluates makes one, and what is computed once from the
shared pairs (:meth:`ServerSide.once`) goes when it is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, final

import numpy as np

from fedshare.models.graph import SharedGraph
from fedshare.sharing.holdout import Holdout, draw_holdout
from fedshare.sharing.views import ServerView

__all__ = ["Catalogue", "ServerSide"]

T = TypeVar("T")


@final
@dataclass(frozen=True)
class Catalogue:
    """What can be recommended. Public: both sides have it."""

    ids: tuple[str, ...]
    titles: tuple[str | None, ...]
    categories: tuple[str | None, ...] = ()
    "As many as there are items, or none at all."
    retired: frozenset[int] = frozenset()
    "Places of items that are known and not recommended."

    def __len__(self) -> int:
        return len(self.ids)

    def title(self, index: int) -> str:
        """The title of an item; its id where there is none."""
        return self.titles[index] or self.ids[index]


@final
class ServerSide:
    """Where server code works.

    Args:
        view: The shared pairs.
        catalogue: The items.
        seed: Names the server's random numbers.
        rounds: Rounds of the whole run.
        device: Torch device.
    """

    def __init__(self, view: ServerView, catalogue: Catalogue, *, seed: int, rounds: int, device: str = "cpu") -> None:
        self.view = view
        self.catalogue = catalogue
        self.seed = seed
        self.rounds = rounds
        self.device = device
        self._made: dict[Hashable, Any] = {}

    @property
    def n_users(self) -> int:
        return self.view.n_users

    @property
    def n_items(self) -> int:
        return self.view.n_items

    @cached_property
    def graph(self) -> SharedGraph:
        """The graph of shared pairs."""
        return SharedGraph.of(self.view, self.device)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives, made once in this session."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def nothing_shared(self) -> ServerSide:
        """The same server in a federation in which nobody shares."""

        def build() -> ServerSide:
            nothing = self.view.select(np.zeros(len(self.view), dtype=np.bool_))
            return self._with(nothing)

        return self.once("nothing shared", build)

    def without(self, rule: Holdout) -> ServerSide:
        """The same server without what validation clients hold out: nothing may have seen what candidates rank.

        Devices apply the same rule to their own pairs, see :mod:`fedshare.sharing.holdout`.
        """

        def build() -> ServerSide:
            view, sharers = self.view, self.view.sharers
            held_out = draw_holdout(
                rule,
                self.seed,
                np.searchsorted(sharers, view.user),
                view.item,
                view.timestamp,
                view.user_ids,
                self.catalogue.ids,
                view.n_users,
            )
            return self._with(view.select(~held_out))

        return self.once(("without", rule), build)

    def _with(self, view: ServerView) -> ServerSide:
        return ServerSide(view, self.catalogue, seed=self.seed, rounds=self.rounds, device=self.device)
