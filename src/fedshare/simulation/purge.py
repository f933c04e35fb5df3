"""Purging a run: what was erased goes from its folder for good, and older versions of it go as a whole.

The server's folder needs nothing done: it holds what is shared as it stands, and unlearning has been there. On the
devices' side the pairs go from all tables, and with them whatever names them: see ``sharing/purging.py``. What is
written beside a saved run, which is what waits and what later runs were made for, is not written again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from fedshare.errors import BadOption, MissingFile, RunError
from fedshare.files import remove_directory
from fedshare.options import as_path, shown
from fedshare.sharing.purging import without_forgotten
from fedshare.sharing.state import State
from fedshare.simulation.run_folder import clear_away, is_only_a_run
from fedshare.simulation.waiting import nothing_waits

if TYPE_CHECKING:
    from fedshare.simulation.run import Run

__all__ = ["Purge", "purge", "purged"]


@final
@dataclass(frozen=True)
class Purge:
    """What has gone."""

    n_pairs: int
    "Erased pairs."
    n_users: int
    "People whose they were."
    old: tuple[Path, ...] = ()
    "Older runs that were removed."


def purged(run: Run) -> Run:
    """A run in which erased pairs have never been, test pairs of theirs included; without single uploads."""
    ledger, test = run.ledger.purged(), run.test
    if test is not None:
        test = without_forgotten(test, ledger.forgotten)
    return replace(run, devices=replace(run.devices, ledger=ledger, test=test), update_log=None)


def purge(path: Path | str, *, old: Iterable[Path | str] = ()) -> Purge:
    """Remove for good what was erased from a run, in place, and older versions of the run as a whole.

    A kill leaves the run as it was or as it is to be. Copies and backups are out of reach: purge them too.

    Args:
        path: The run's folder.
        old: Folders of older runs, which are removed.

    Returns:
        What has gone.

    Raises:
        MissingFile: There is no such run.
        RunError: Choices wait for a refresh, or the run is a checkpoint.
        BadOption: An older run is no run, or the run itself.
        DamagedRun: A file is missing, changed or unreadable.
        CannotWrite: The disk is full, or nobody may write there.
    """
    from fedshare.simulation.run import Run

    place = as_path(path)
    clear_away(place)
    olders = _olders(place, [as_path(each) for each in old])
    before = Run.load(place)
    if not before.finished:
        raise RunError(
            f"run {shown(str(place))}: is a checkpoint of training that did not end; expected a finished run. Finish "
            "it, or delete it."
        )
    nothing_waits(place, before.ledger)
    before.purged().save(place, replace=True)  # which refuses as well, should somebody choose in between
    for each in olders:
        remove_directory(each)
    erased = before.ledger.state == State.ERASED
    n_users = len(np.unique(before.known.user[erased]))
    return Purge(int(np.count_nonzero(erased)), n_users, tuple(olders))


def _olders(run: Path, olders: list[Path]) -> list[Path]:
    """Older runs, once each of them may be removed."""
    there = run.resolve()
    for each in olders:
        folder = each.resolve()
        if not folder.exists():
            raise MissingFile(f"--old {shown(str(each))}: is not there, expected the folder of a run. Check the path.")
        if folder == there or folder in there.parents:
            raise BadOption(f"--old {shown(str(each))}: is the run that is purged, expected an older one.")
        if not is_only_a_run(folder):
            raise BadOption(
                f"--old {shown(str(each))}: is no run, or holds something else too; expected a folder that fedshare "
                "wrote. Remove it by hand, if that is meant."
            )
    return olders
