"""Choices that wait: what people chose since a run was made, until a refresh makes the next one.

They stand in ``devices/journal.jsonl`` of the run, a line each, and are on the disk when they are acknowledged. The
file is not part of what was saved: the manifest does not list it. Only one process adds to it at a time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, cast, final

from fedshare.errors import BadData, CannotWrite, DamagedRun, RunError
from fedshare.sharing.journal import entries, line_of
from fedshare.sharing.ledger import Ledger
from fedshare.storage.folder import MANIFEST
from fedshare.storage.json_files import read_sealed

__all__ = ["JOURNAL", "Journal", "note", "nothing_waits", "replacing", "waiting"]

JOURNAL = "journal.jsonl"
"The file in ``devices/`` that what was saved does not include."
_MOST_BYTES = 1 << 34


@final
class Journal:
    """Adds events to a file, each of them on the disk before it is acknowledged.

    Args:
        file: The file; made if it is not there, for this account alone.

    Raises:
        CannotWrite: It cannot be opened.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._lock = _locked(file.parent)
            try:
                self._handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
                self._cut_off_what_has_no_end()
            except OSError:
                os.close(self._lock)
                raise
        except OSError as error:
            raise CannotWrite(f"journal '{file}': cannot be opened ({error.strerror}). Nothing was chosen.") from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)
        os.close(self._lock)  # and gives the lock back

    def add(self, ledger: Ledger, since: int) -> None:
        """The events of a ledger from one on.

        Args:
            ledger: With them.
            since: The first of them.

        Raises:
            CannotWrite: The disk is full, or failing; none of them is kept then.
        """
        lines = b"".join(map(line_of, ledger.entries_since(since)))
        begun = os.lseek(self._handle, 0, os.SEEK_END)
        try:
            written = os.write(self._handle, lines)
            if written < len(lines):
                os.write(self._handle, lines[written:])
            os.fsync(self._handle)
        except OSError as error:
            os.ftruncate(self._handle, begun)
            raise CannotWrite(
                f"journal '{self.file}': cannot be written ({error.strerror}). What was chosen before is kept, this is "
                "not. Make space and choose again."
            ) from error

    def is_in_place(self) -> bool:
        """Whether the file still has its name: not if its folder was replaced while the lock was waited for."""
        mine = os.fstat(self._handle)
        try:
            there = self.file.stat()
        except FileNotFoundError:
            return False
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def _cut_off_what_has_no_end(self) -> None:
        size = os.lseek(self._handle, 0, os.SEEK_END)
        if size:
            end = os.pread(self._handle, size, 0).rfind(b"\n") + 1
            if end < size:
                os.ftruncate(self._handle, end)


@contextmanager
def replacing(path: Path, ledger: Ledger) -> Iterator[None]:
    """Nobody chooses anything in a run while another takes its name, and nothing that waits there is lost.

    Args:
        path: The run that is replaced, if there is one.
        ledger: Of the run that takes its name.

    Raises:
        RunError: Choices wait there that ``ledger`` is without.
    """
    devices = path / "devices"
    if not devices.is_dir():
        yield
        return
    lock = _locked(devices)
    try:
        _nothing_is_lost(path, ledger)
        yield
    finally:
        os.close(lock)


def _nothing_is_lost(path: Path, ledger: Ledger) -> None:
    file = path / "devices" / JOURNAL
    try:
        waits = [each.event for each in entries(file.read_bytes())] if file.is_file() else []
    except BadData as error:
        raise RunError(
            f"run '{path}': what waits there cannot be read ({error}). Remove that run, or choose another name."
        ) from error
    events, n = ledger.events, ledger.position
    lost = [each for each in waits if each.position >= n or events[each.position].id != each.id]
    if lost:
        raise RunError(
            f"run '{path}': {len(lost):,} choices wait there that the run taking its name is without; expected none. "
            f"Nothing was replaced. Write to another name, or refresh that run first: fedshare refresh {path} --out NEW"
        )


def _locked(folder: Path) -> int:
    """A lock on a folder, held until it is closed; on the folder that bears the name once the lock is there."""
    while True:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        mine, there = os.fstat(handle), folder.stat()
        if (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino):
            return handle
        os.close(handle)  # another folder took the name while the lock was waited for


def waiting(run: Path, ledger: Ledger) -> Ledger:
    """A run's ledger with what waits.

    Args:
        run: The run's folder.
        ledger: As the run has it.

    Raises:
        DamagedRun: The journal is not what was written, or belongs to another run.
    """
    file = run / "devices" / JOURNAL
    try:
        if not file.exists():
            return ledger
        if not file.is_file() or file.is_symlink() or file.stat().st_size > _MOST_BYTES:
            raise DamagedRun(f"run '{run}': devices/{JOURNAL} is no journal. Remove it, or restore it.")
        for entry in entries(file.read_bytes()):
            ledger = ledger.replayed(entry)
    except (BadData, OSError) as error:
        raise DamagedRun(f"run '{run}': devices/{JOURNAL}: {error}") from error
    return ledger


def note(run: Path, ledger: Ledger, change: Callable[[Ledger], Ledger]) -> Ledger:
    """Let somebody choose, on top of what waits already; it is on the disk when this returns.

    Args:
        run: The run's folder.
        ledger: As the run has it.
        change: What is chosen.

    Returns:
        The ledger after it.

    Raises:
        CannotWrite: It cannot be kept.
        RunError: Another process has replaced the run.
    """
    with Journal(run / "devices" / JOURNAL) as journal:
        _still_there(run, journal, ledger)
        before = waiting(run, ledger)
        after = change(before)
        if after.position > before.position:
            journal.add(after, before.position)
        return after


def _still_there(run: Path, journal: Journal, ledger: Ledger) -> None:
    """Refuse a run that another process, such as a purge, has replaced since the ledger was read.

    What is added would go with the old folder, or would not follow on the new one.

    Raises:
        RunError: It was replaced.
    """
    written = read_sealed(run / "devices" / MANIFEST, "devices' folder").get("ledger")
    position = cast("dict[str, Any]", written).get("position") if isinstance(written, dict) else None
    if position != ledger.position or not journal.is_in_place():
        raise RunError(
            f"run '{run}': was replaced by another process meanwhile; expected the run that was read. Nothing was "
            "chosen: choose again."
        )


def nothing_waits(run: Path, ledger: Ledger) -> None:
    """Refuse what would pass over choices that wait.

    Raises:
        RunError: Some do.
    """
    n = waiting(run, ledger).position - ledger.position
    if n:
        raise RunError(
            f"run '{run}': {n:,} choices wait for a refresh, and a run made from this one would be without them; "
            f"expected none. Refresh it first: fedshare refresh {run} --out NEW"
        )
