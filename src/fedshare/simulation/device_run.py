"""A run as devices have it: what people know and choose, their devices' private state, and what was published last.

Nothing of the server is needed to recommend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fedshare.federation.orders import MIN_COHORT
from fedshare.federation.payload import POPULARITY, Payload
from fedshare.federation.tasks import ClientTask
from fedshare.options import as_path, whole
from fedshare.progress import Progress
from fedshare.simulation.device_scorer import DeviceScorer
from fedshare.simulation.engines import Batched, Engine, UploadObserver
from fedshare.simulation.population import Population
from fedshare.simulation.recommend import Recommendation, Recommendations, Recommender, user_numbers

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions
    from fedshare.sharing.ledger import Ledger
    from fedshare.sharing.request import Request
    from fedshare.simulation.recommend_file import Written

__all__ = ["DeviceRun", "Recommendation", "Recommendations"]


@dataclass(frozen=True, eq=False)
class DeviceRun:
    """What training leaves on everybody's devices."""

    ledger: Ledger
    "What people know, share, keep private and have erased."
    task: ClientTask
    "What devices run."
    private: Mapping[str, Tensor] = field(default_factory=dict)
    "``(n_users, ...)`` private state of every device, by name."
    released: Payload = field(default_factory=Payload)
    "What the server published last: devices recommend with it."
    test: Interactions | None = None
    "Pairs that were held out for testing, kept so that a later audit needs no data; nothing is trained on them."
    engine: Engine = field(default_factory=Batched)
    "How devices are simulated; changes speed only."
    device: str = "cpu"
    "Torch device."
    min_cohort: int = MIN_COHORT
    "People who have to stand behind an answer."

    def population(
        self, ledger: Ledger | None = None, *, request: Request | None = None, observer: UploadObserver | None = None
    ) -> Population:
        """Everybody's devices as they stand.

        Args:
            ledger: Another one of the same people and items; the run's own without.
            request: What is being withdrawn.
            observer: Is shown single uploads.
        """
        return Population(
            ledger or self.ledger,
            private=self.private,
            engine=self.engine,
            device=self.device,
            min_cohort=self.min_cohort,
            request=request,
            observer=observer,
            contributes=self.task.contributes,
        )

    def device_scorer(self) -> DeviceScorer:
        """Scores as devices compute them: what people are recommended."""
        shared = self.released.arrays.get(POPULARITY)
        popularity = None if shared is None else shared.cpu().numpy().astype(np.float32)
        return DeviceScorer(self.population().scorer(self.task, self.released), self.ledger, popularity)

    def recommend(
        self,
        user: str,
        k: int = 10,
        *,
        among: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        again: bool = False,
    ) -> Recommendations:
        """The ``k`` best items that the person does not know, best first.

        Equal scores are listed by popularity among what is shared. Who has no interaction yet gets the most shared
        items, and the list's ``note`` says so. Leaving items out never changes the order of the others.

        Args:
            user: The person's id.
            k: Length of the list; shorter where less is left.
            among: Ids of items, or names of categories: nothing else is recommended, such as what is in stock. Without,
                the whole catalogue. Of none at all the list is empty.
            exclude: Likewise: none of these is recommended.
            again: Whether items that the person has erased may be recommended.

        Raises:
            UnknownUser: No such person.
            UnknownItem: An id of ``among`` or ``exclude`` is not in the catalogue.
            BadOption: ``k`` below 1, or ids that are no strings.
        """
        return self._recommender(among, exclude, again).one(user, k)

    def recommend_many(
        self,
        users: Iterable[str] | None = None,
        k: int = 10,
        *,
        among: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        again: bool = False,
        progress: Progress | None = None,
    ) -> Iterator[tuple[str, Recommendations]]:
        """Lists of many people, one after the other, in the order of the run's people; some at a time are in memory.

        Args:
            users: Ids, each once; everybody without.
            k: Length of each list.
            among: As in :meth:`recommend`.
            exclude: Likewise.
            again: Likewise.
            progress: Called with the people done, the people in all, and what is being done.

        Raises:
            UnknownUser: Somebody is not in the run.
            UnknownItem: An id of ``among`` or ``exclude`` is not in the catalogue.
            BadOption: ``k`` below 1, or ids that are no strings.
        """
        whole("k", k, 1)
        numbers = user_numbers(users, self.ledger)
        recommender = self._recommender(among, exclude, again)  # what is wrong is told now, not at the first list
        return _lists(recommender, numbers, k, progress)

    def recommend_to(
        self,
        path: Path | str,
        users: Iterable[str] | None = None,
        k: int = 10,
        *,
        among: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        again: bool = False,
        replace: bool = False,
        progress: Progress | None = None,
    ) -> Written:
        """Write the lists of many people to a file: Parquet, CSV or JSON Lines, by its suffix; whole or not at all.

        One row for each item of each list: ``user``, ``rank`` from 1, ``item``, ``title``, ``score``. Ids stand there
        as they are. A spreadsheet may take one that begins with = for a formula; it reads Parquet safely.

        Args:
            path: A file that is not there yet; its suffix is .parquet, .csv, .jsonl or .ndjson.
            users: Ids, each once; everybody without.
            k: Length of each list.
            among: As in :meth:`recommend`.
            exclude: Likewise.
            again: Likewise.
            replace: Whether the file may be there and is replaced.
            progress: Called with the people done, the people in all, and what is being done.

        Returns:
            How many people and rows, and how many lists are popularity.

        Raises:
            OutputExists: The file is there.
            UnknownUser: Somebody is not in the run.
            UnknownItem: An id of ``among`` or ``exclude`` is not in the catalogue.
            BadOption: Another suffix, ``k`` below 1, or ids that are no strings.
        """
        from fedshare.simulation.recommend_file import write_lists

        whole("k", k, 1)
        file = as_path(path)
        numbers = user_numbers(users, self.ledger)
        return write_lists(
            self._recommender(among, exclude, again), numbers, k, file, replace=replace, progress=progress
        )

    def _recommender(self, among: Iterable[str] | None, exclude: Iterable[str], again: bool) -> Recommender:
        return Recommender(self.device_scorer(), self.ledger, among=among, exclude=exclude, again=again)


def _lists(
    recommender: Recommender, numbers: NDArray[np.intp], k: int, progress: Progress | None
) -> Iterator[tuple[str, Recommendations]]:
    done = 0
    for ranked in recommender.batches(numbers, k):
        for row, user in enumerate(ranked.users.tolist()):
            yield recommender.ledger.known.users.id(user), recommender.recommendations(ranked, row)
        done += len(ranked.users)
        if progress is not None:
            progress(done, len(numbers), "recommending")
