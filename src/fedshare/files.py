"""Files that are whole or not there: write beside the target, then rename."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedshare.errors import OutputExists

__all__ = ["atomic_directory", "atomic_file"]


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        draft.chmod(0o644)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary folder beside ``path`` that takes its name when the block ends without an error.

    Args:
        path: The folder to write.
        replace: Whether a folder of that name may be replaced; the old one stays until the new one is whole.

    Raises:
        OutputExists: ``path`` is there already and ``replace`` is off.
    """
    if path.exists() and not replace:
        raise OutputExists(f"output '{path}' is there already; expected a free name. Choose another or remove it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield draft
        draft.chmod(0o755)
        if path.exists():
            retired = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
            try:
                path.rename(retired / "run")
                draft.rename(path)
            finally:
                if not path.exists():  # interrupted in between: the old one comes back
                    (retired / "run").replace(path)
                shutil.rmtree(retired, ignore_errors=True)
        else:
            draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
