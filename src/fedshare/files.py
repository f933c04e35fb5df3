"""Files and folders that are whole or not there, whatever happens and whenever it happens.

What is written is written into a draft beside its place (see ``drafts.py``), brought to disk, and takes its name in one
step, by an exchange where something has the name already. So a kill or a power cut leaves the old one or the new one
under the name, each of them whole. What else a dead process leaves is swept by the next one that writes or reads there.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fedshare.drafts import draft_beside, sweep
from fedshare.durable import exchange, place, sync_folder, sync_tree
from fedshare.errors import CannotWrite, FedShareError, OutputExists

__all__ = ["atomic_directory", "atomic_file", "free_name", "remove_directory", "sweep", "sweep_beside"]


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path to write to; what is there takes the place of ``path`` when the block ends without an error.

    A device or a pipe is written to as it is.

    Raises:
        CannotWrite: The disk is full or failing, or nobody may write there; ``path`` is as it was.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path
        return
    with _named(path) as done, _draft_of(path) as draft:
        new = draft / f"new{path.suffix}"
        yield new
        if path.exists():
            shutil.copymode(path, new)
        sync_tree(new)
        os.replace(new, path)
        done.append(path)
        sync_folder(path.parent)


@contextmanager
def atomic_directory(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A new folder to write to, which takes the name ``path`` when the block ends without an error.

    Args:
        path: The folder to write.
        replace: Whether what has that name may be replaced; it stays until the new one is whole and on disk.

    Raises:
        OutputExists: ``path`` is there already, or was by the time that the block ended, and ``replace`` is off.
        CannotWrite: The disk is full or failing, or nobody may write there; ``path`` is as it was.
    """
    path = Path(os.path.realpath(path))
    sweep_beside(path)  # before looking: the old one may have to come back
    if os.path.lexists(path) and not replace:
        raise _taken(path)
    with _named(path) as done, _draft_of(path) as draft:
        new = draft / "new"
        new.mkdir()
        yield new
        if path.is_dir():
            shutil.copymode(path, new)
        sync_tree(new)
        sync_folder(draft)
        _swap(new, path, replace)
        done.append(path)
        sync_folder(path.parent)
        sync_folder(draft)


def remove_directory(path: Path) -> None:
    """Remove a folder, if it is there: its name goes in one step, and what a kill leaves the next start sweeps.

    Raises:
        CannotWrite: Nobody may do that.
    """
    path = Path(os.path.realpath(path))
    if os.path.lexists(path):
        with _named(path), _draft_of(path) as draft, suppress(FileNotFoundError):
            os.rename(path, draft / "new")
            sync_folder(path.parent)


def sweep_beside(path: Path) -> None:
    """Remove what dead processes have left beside ``path``, and bring it back if one was about to replace it."""
    sweep(Path(os.path.realpath(path)).parent)


def free_name(path: Path) -> Path:
    """``path`` if nothing has that name, else the first of ``path-2``, ``path-3`` and so on that is free."""
    names = (path if number == 1 else path.with_name(f"{path.name}-{number}") for number in range(1, 10_000))
    return next(name for name in names if not os.path.lexists(name))


@contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    with draft_beside(path.parent) as draft:
        yield draft


def _swap(new: Path, path: Path, replace: bool) -> None:
    """Give ``new`` the name; what had it is in the draft afterwards."""
    while True:
        try:
            return place(new, path)
        except FileExistsError:
            if not replace:
                raise _taken(path) from None
        try:
            if exchange(new, path):
                return None
            return _in_two_steps(new, path)
        except FileNotFoundError:  # gone in the meantime: the name is free
            if os.path.lexists(path):
                raise


def _in_two_steps(new: Path, path: Path) -> None:
    """The same where names cannot be exchanged: who sweeps a draft brings the old one back, if its name is free."""
    old = new.parent / "old"
    old.mkdir()
    os.rename(path, old / path.name)
    for folder in (old, new.parent, path.parent):
        sync_folder(folder)
    try:
        place(new, path)
    except BaseException:
        if not os.path.lexists(path):
            os.rename(old / path.name, path)
        raise
    os.rename(old, new.parent / "new.retired")  # half of it, while it is removed, must never come back


def _taken(path: Path) -> OutputExists:
    return OutputExists(f"output '{path}' is there already; expected a free name. Choose another or remove it.")


@contextmanager
def _named(path: Path) -> Iterator[list[Path]]:
    """Names whatever the system refuses; the block adds to the list what is in place by then."""
    done: list[Path] = []
    try:
        yield done
    except FedShareError:
        raise
    except Exception as error:
        number = _number_of(error)
        if number is None:
            raise
        if done:
            kept = "It is in place, but may be lost in a power cut"
        else:
            kept = "What was there is as it was" if os.path.lexists(path) else "Nothing is there"
        found = CannotWrite(
            f"output '{path}': cannot be written ({os.strerror(number)}). {kept}. {_ADVICE.get(number, _CHOOSE)}"
        )
        found.errno = number
        raise found from error


def _number_of(error: Exception) -> int | None:
    """The system's number of an error, of Python or of a library that writes files; None where it has none."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = re.search(r"(?:\bcode: |\bos error )(\d+)", str(error))
    return int(found.group(1)) if found else errno.EIO if isinstance(error, OSError) else None


_CHOOSE = "Choose a place that can be written to."
_ADVICE = {
    errno.ENOSPC: "Make room on the disk, or choose a place on another one.",
    errno.EDQUOT: "Make room within your quota, or choose a place outside it.",
    errno.EFBIG: "A file is larger than the disk or this account may have (see `ulimit -f`); choose another place.",
    errno.EIO: "The disk reports an error: check it, and choose a place on another one.",
    errno.EROFS: "The disk is read-only: choose a place on another one.",
}
