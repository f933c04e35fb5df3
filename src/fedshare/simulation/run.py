"""A run of the simulation: both sides of what training leaves behind, in one process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fedshare.progress import Progress
from fedshare.simulation.device_run import DeviceRun, Recommendation, Recommendations
from fedshare.simulation.engines import Engine
from fedshare.simulation.successors import note_place, note_saved
from fedshare.training.algorithm import Algorithm, Choice
from fedshare.training.certificate import Certificate
from fedshare.training.server_run import ServerRun

if TYPE_CHECKING:
    from fedshare.cost import Cost
    from fedshare.data.interactions import Interactions
    from fedshare.models.scorer import Scorer
    from fedshare.sharing.ledger import Ledger
    from fedshare.sharing.views import ServerView
    from fedshare.simulation.device_scorer import DeviceScorer
    from fedshare.simulation.recommend_file import Written
    from fedshare.simulation.update_log import UpdateLog

__all__ = ["Recommendation", "Recommendations", "Run", "server_view_of"]


@dataclass(frozen=True, eq=False)
class Run:
    """What training leaves behind. The two sides are apart, here and on disk; server code is handed ``server``."""

    server: ServerRun
    devices: DeviceRun
    cost: Cost
    method: str = "train"
    "What made it: 'train', or the name of an unlearning method."
    update_log: UpdateLog | None = None
    "Single uploads, if somebody asked the simulation for what no server should have; never written to disk."

    @property
    def ledger(self) -> Ledger:
        return self.devices.ledger

    @property
    def test(self) -> Interactions | None:
        """Pairs that were held out for testing; nothing is trained on them."""
        return self.devices.test

    @property
    def algorithm(self) -> Algorithm:
        return self.server.algorithm

    @property
    def known(self) -> Interactions:
        """Every interaction that devices know of, whatever its state."""
        return self.ledger.known

    @property
    def seed(self) -> int:
        return self.server.seed

    @property
    def rounds(self) -> int:
        return self.server.rounds

    @property
    def finished(self) -> bool:
        """False while it is a checkpoint of training that goes on."""
        return self.server.finished

    @property
    def chosen(self) -> Choice | None:
        """What validation clients chose."""
        return self.server.state.chosen

    @property
    def certificate(self) -> Certificate | None:
        return self.server.certificate

    @property
    def min_cohort(self) -> int:
        """People who stand behind every answer of devices, at least."""
        return self.server.min_cohort

    @property
    def kept_bytes(self) -> int:
        """What the server keeps for unlearning alone: snapshots, counts, an inverse."""
        return self.server.kept_bytes

    def device_scorer(self) -> DeviceScorer:
        """Scores as devices compute them: what people are recommended."""
        return self.devices.device_scorer()

    def server_scorer(self) -> Scorer:
        """Scores as the server could compute them: what an audit attacks."""
        return self.server.server_scorer(self.devices.released)

    def recommend(
        self,
        user: str,
        k: int = 10,
        *,
        among: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        again: bool = False,
    ) -> Recommendations:
        """The ``k`` best items that the person does not know; see :meth:`DeviceRun.recommend`."""
        return self.devices.recommend(user, k, among=among, exclude=exclude, again=again)

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
        """Lists of many people, one after the other; see :meth:`DeviceRun.recommend_many`."""
        return self.devices.recommend_many(users, k, among=among, exclude=exclude, again=again, progress=progress)

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
        """Write lists of many people as Parquet, CSV or JSON Lines; see :meth:`DeviceRun.recommend_to`."""
        return self.devices.recommend_to(
            path, users, k, among=among, exclude=exclude, again=again, replace=replace, progress=progress
        )

    def following(self, ledger: Ledger) -> DeviceRun:
        """Devices after later events, before the server has learned any of it: newcomers can be recommended to at once.

        Args:
            ledger: One that goes on from the run's own; made by ``observe`` and the rest.

        Raises:
            RequestMismatch: It does not.
        """
        from fedshare.simulation.newcomers import following

        return following(self.devices, ledger, self.seed)

    def without_update_log(self) -> Run:
        """The same run without single uploads, so that it can be saved."""
        return replace(self, update_log=None)

    def purged(self) -> Run:
        """The same run in which erased pairs have never been; see :func:`fedshare.purge`.

        The server's side is as it was. What the model still says of them is what unlearning has left.
        """
        from fedshare.simulation.purge import purged

        return purged(self)

    def save(self, path: Path | str, *, replace: bool = False) -> None:
        """Write the run as a folder: all of it or nothing.

        Args:
            path: A folder that is not there yet.
            replace: Whether it may be there and is replaced.

        Raises:
            OutputExists: ``path`` is taken.
            BadOption: The run holds single uploads, which are never written to disk.
        """
        from fedshare.simulation.run_folder import save_run

        save_run(self, Path(path), replace=replace)
        note_saved(self, Path(path))

    @classmethod
    def load(cls, path: Path | str, *, engine: Engine | None = None, device: str = "cpu") -> Run:
        """Read what :meth:`save` wrote.

        Raises:
            MissingFile: No such folder.
            DamagedRun: A file is missing, changed or unreadable.
            OldRun: Written in an earlier format.
            NewerRun: Written by a later version of the format.
        """
        from fedshare.simulation.run_folder import load_run

        run = load_run(Path(path), engine=engine, device=device)
        note_place(run, Path(path))
        return run

    def __repr__(self) -> str:
        at, more = self.server.state.round, self.server.state.round - self.rounds
        rounds = f"{self.rounds}+{more}" if more > 0 else f"{at}/{self.rounds}"
        return f"Run({self.algorithm.name}, rounds={rounds}, seed={self.seed}, {self.method})"


def server_view_of(algorithm: Algorithm, ledger: Ledger) -> ServerView:
    """What a server is given: the shared pairs; everything, if it is that of a central reference."""
    return ledger.central_view() if algorithm.central else ledger.server_view()
