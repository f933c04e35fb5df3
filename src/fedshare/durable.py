"""The system calls by which files and folders change their names, and outlive a power cut.

Two names are exchanged in one step where the system can do that: ``renameat2`` on Linux, ``renamex_np`` on macOS. Where
it cannot, :func:`exchange` says so, and who calls it has to take two steps that a crash in between cannot lose data by.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

__all__ = ["exchange", "place", "sync_folder", "sync_tree"]

_HERE = -100  # AT_FDCWD
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR}

Rename = Callable[[bytes, bytes], int]


def exchange(one: Path, other: Path) -> bool:
    """Let two names swap what they stand for, in one step.

    Returns:
        False where the system or the file system cannot do that; nothing has changed then.

    Raises:
        OSError: One of them is not there, or may not be renamed.
    """
    return _called(_renames()[1], one, other)


def place(new: Path, target: Path) -> None:
    """Rename ``new``, a folder, to a name that is free; never replace anything.

    Raises:
        FileExistsError: The name is taken.
        OSError: It cannot be renamed.
    """
    if _called(_renames()[0], new, target):
        return
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    try:
        os.rename(new, target)  # whatever took the name since: a folder replaces none but an empty one
    except OSError as error:
        if error.errno in _TAKEN:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        raise


def sync_tree(top: Path) -> None:
    """Have a file, or a folder with all that is in it, on disk: what is inside before the folder that names it."""
    if not top.is_dir():
        _sync(top)
        return
    for folder, _, names in os.walk(top, topdown=False):
        for name in names:
            _sync(Path(folder, name))
        sync_folder(Path(folder))


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk."""
    if os.name == "posix":  # elsewhere folders cannot be opened
        _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:  # some file systems know no such thing for folders
            raise
    finally:
        os.close(handle)


def _called(rename: Rename | None, old: Path, new: Path) -> bool:
    if rename is None:
        return False
    failed = rename(os.fsencode(old), os.fsencode(new))
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(old), None, str(new))


@cache
def _renames() -> tuple[Rename | None, Rename | None]:
    """A rename that never replaces, and one that exchanges; None where there is none."""
    if os.name != "posix":
        return None, None
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        linux = library.renameat2
        linux.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
        return (lambda old, new: linux(_HERE, old, _HERE, new, 1)), (lambda old, new: linux(_HERE, old, _HERE, new, 2))
    if hasattr(library, "renamex_np"):
        macos = library.renamex_np
        macos.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint]
        return (lambda old, new: macos(old, new, 4)), (lambda old, new: macos(old, new, 2))
    return None, None
