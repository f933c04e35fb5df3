"""Drafts: private folders in which something is written before it takes its name.

    .fedshare-draft-0123456789abcdef/    0700 from the first moment
      lock      held by the process that writes, for as long as it lives
      new       what is being written
      old/NAME  what had the name, on its way out, where names cannot be exchanged in one step

A process that dies leaves its draft, and drafts hold private data. So whoever writes or reads beside one sweeps it: a
lock that can be taken belongs to nobody. The system gives a lock back when its process ends, however it ends, so that
neither reused process numbers nor containers deceive. Where files cannot be locked nothing is ever swept.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fedshare.durable import place, sync_folder

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["draft_beside", "living_drafts", "sweep"]

_NAME = re.compile(r"\.fedshare-draft-[0-9a-f]{16}")
_PARTS = re.compile(r"lock|new(\..*)?|old")
_TRIES = 20


@contextmanager
def draft_beside(folder: Path) -> Iterator[Path]:
    """An empty draft in a folder; it is gone when the block ends, with all that is in it by then.

    Raises:
        OSError: The folder cannot be written to.
    """
    draft, lock = _locked_draft(folder)
    try:
        yield draft
    finally:
        with suppress(OSError):  # what is left will be swept
            _remove(draft)
        os.close(lock)


def sweep(folder: Path) -> None:
    """Remove what dead processes have left in a folder, and bring back what they were replacing.

    Drafts of living processes, of other accounts, and whatever else looks only like a draft are left alone.
    """
    try:
        with os.scandir(folder) as entries:
            found = [Path(each.path) for each in entries if _NAME.fullmatch(each.name)]
    except OSError:  # not there, or not for us
        return
    for draft in found:
        with suppress(OSError):  # somebody else is at it, or may write here, and we may not
            _sweep(draft)


def living_drafts(folder: Path) -> frozenset[str]:
    """Names of the drafts in a folder that a living process is writing."""
    try:
        return frozenset(each.name for each in folder.iterdir() if _NAME.fullmatch(each.name) and _is_held(each))
    except OSError:
        return frozenset()


def _is_held(draft: Path) -> bool:
    try:
        lock = os.open(draft / "lock", os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        return _lock(lock) is False
    finally:
        os.close(lock)


def _locked_draft(folder: Path) -> tuple[Path, int]:
    for _ in range(_TRIES):
        draft = folder / f".fedshare-draft-{secrets.token_hex(8)}"
        os.mkdir(draft, 0o700)
        try:
            lock = os.open(draft / "lock", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:  # swept before it was locked
            continue
        except OSError:
            with suppress(OSError):
                os.rmdir(draft)
            raise
        if _lock(lock) is not False and _is(draft / "lock", lock):
            os.chmod(draft, 0o700)  # whatever the umask
            return draft, lock
        os.close(lock)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(folder))


def _sweep(draft: Path) -> None:
    found = os.lstat(draft)
    mine = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or not mine:
        return
    if not all(_PARTS.fullmatch(name) for name in os.listdir(draft)):
        return
    try:
        lock = os.open(draft / "lock", os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:  # its process died before it had a lock, or after it had removed all else
        os.rmdir(draft)
        return
    try:
        if _lock(lock) and _is(draft / "lock", lock):
            _bring_back(draft)
            _remove(draft)
    finally:
        os.close(lock)


def _bring_back(draft: Path) -> None:
    """What had been moved away, unless its successor is in place."""
    old = draft / "old"
    for name in os.listdir(old) if old.is_dir() else []:
        if not os.path.lexists(draft.parent / name):
            place(old / name, draft.parent / name)
            sync_folder(draft.parent)


def _remove(draft: Path) -> None:
    """The lock goes last: whatever is left before that can be told from what is alive."""
    for part in draft.iterdir():
        if part.name != "lock":
            shutil.rmtree(part) if part.is_dir() and not part.is_symlink() else part.unlink()
    (draft / "lock").unlink()
    draft.rmdir()


def _lock(handle: int) -> bool | None:
    """Whether the lock is ours now; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES) else None
    return True


def _is(path: Path, handle: int) -> bool:
    """Whether a path still is what was opened."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except OSError:
        return False
