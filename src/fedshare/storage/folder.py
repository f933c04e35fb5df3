"""What all folders have in common: a manifest with digests, an exact list of files, and refusing what is off.

``manifest.json`` names its own digest, the size and the digest of every other file, and nothing else may lie there:
no other file, no link, no pipe, no folder.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedshare.errors import DamagedRun, NewerRun, NotFound, OldRun, RunError
from fedshare.storage.json_files import digest_of, read_sealed, sealed
from fedshare.storage.schema import check_fields

__all__ = [
    "FORMAT",
    "MANIFEST",
    "check_format",
    "files_of",
    "protect",
    "read_manifest",
    "reading",
    "refuse_other_formats",
    "write_manifest",
]

FORMAT = 3
"Version of the layout; a reader refuses others."

MANIFEST = "manifest.json"


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Write ``manifest.json``: the content, and size and digest of every file that is in the folder by then."""
    files = {
        each.name: {"bytes": each.stat().st_size, "sha256": _digest(each)}
        for each in sorted(folder.iterdir())
        if each.name != MANIFEST
    }
    text = sealed({"format": FORMAT, **content, "files": files})
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def read_manifest(
    folder: Path,
    what: str,
    fields: Mapping[str, Any],
    files: frozenset[str],
    may: frozenset[str] = frozenset(),
    *,
    beside: frozenset[str] = frozenset(),
    drafts: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """The manifest of a folder, once every file is there and is what was written, and nothing else is.

    Args:
        folder: The folder.
        what: What it is called in messages.
        fields: Everything that the manifest says, by type; see :func:`fedshare.storage.schema.check_fields`.
        files: What has to be in the folder, beside the manifest.
        may: What may be there too.
        beside: What may be there although it was written later, and the manifest says nothing of it.
        drafts: What a living process is writing there: not looked at.

    Raises:
        MissingFile: No manifest there.
        OldRun: Written in an earlier format.
        NewerRun: Written in a later one.
        DamagedRun: Something is missing, changed or unreadable, or does not belong there.
    """
    manifest = read_sealed(folder / MANIFEST, what)
    with reading(folder, what):
        check_format(manifest, folder, MANIFEST)
        check_fields(manifest, {"format": int, **fields, "files": dict[str, Any], "digest": str}, MANIFEST)
        named, there = set(manifest["files"]), files_of(folder, drafts) - {MANIFEST} - beside
        _check_names(named | there, files, may)
        for name in sorted(named | files):
            if name not in there:
                raise DamagedRun(f"{name} is missing.")
        for name in sorted(there - named):
            raise DamagedRun(f"{name} is not in the manifest, expected no other files.")
        for name, written in manifest["files"].items():
            check_fields(written, {"bytes": int, "sha256": str}, f"{MANIFEST}, {name}")
            same_size = (folder / name).stat().st_size == written["bytes"]  # before all of it is read
            if not same_size or _digest(folder / name) != written["sha256"]:
                raise DamagedRun(f"{name} is not what was written.")
    return manifest


def check_format(manifest: Mapping[str, Any], folder: Path, name: str) -> None:
    """Raise unless a manifest is of the present format and says what was written.

    Raises:
        OldRun: Of an earlier format.
        NewerRun: Of a later one.
        DamagedRun: It was changed.
    """
    written = manifest.get("format")
    if not isinstance(written, int) or isinstance(written, bool):
        raise DamagedRun(f"{name} cannot be read (no format).")
    refuse_other_formats(written, folder, manifest.get("fedshare", "?"))
    if manifest.get("digest") != digest_of(manifest):
        raise DamagedRun(f"{name} is not what was written: its digest does not fit.")


def refuse_other_formats(written: int, folder: Path, by: object) -> None:
    """Raise unless a format is the present one.

    Raises:
        OldRun: It is an earlier one.
        NewerRun: It is a later one.
    """
    if written > FORMAT:
        raise NewerRun(
            f"run '{folder}': written in format {written} by fedshare {by!s:.40}, this version reads format {FORMAT}. "
            "Upgrade fedshare."
        )
    if written < FORMAT:
        raise OldRun(
            f"run '{folder}': written in format {written} by an earlier development version, this version reads format "
            f"{FORMAT} only. Train again; nothing in that format has been released."
        )


@contextmanager
def reading(folder: Path, what: str) -> Iterator[None]:
    """Names whatever goes wrong while files are read, and says where.

    Files may hold anything, and so may the exceptions of libraries that read them; nothing else happens in the block.

    Raises:
        DamagedRun: A file cannot be read, or holds something else than it should.
    """
    advice = "Restore it from a copy, or train again."
    try:
        yield
    except (NotFound, OldRun, NewerRun):
        raise
    except RunError as error:
        raise DamagedRun(f"{what} '{folder}': {_short(error)} {advice}") from error
    except Exception as error:
        raise DamagedRun(f"{what} '{folder}': cannot be read ({_short(error)}). {advice}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of libraries in Rust; it is no Exception
            raise
        raise DamagedRun(f"{what} '{folder}': cannot be read ({_short(error)}). {advice}") from error


def files_of(folder: Path, apart: frozenset[str] = frozenset()) -> set[str]:
    """The names of all files in a folder.

    Args:
        folder: The folder.
        apart: What is not looked at.

    Raises:
        MissingFile: There is no such folder.
        DamagedRun: Something in it is no regular file, or it is none itself.
    """
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise DamagedRun(f"{folder.name} is no folder.")
    with os.scandir(folder) as entries:
        found = [each for each in entries if each.name not in apart]
    for each in found:
        if not each.is_file(follow_symlinks=False):
            raise DamagedRun(f"{each.name[:60]} is no regular file, expected no links, pipes or folders.")
    return {each.name for each in found}


def protect(folder: Path) -> None:
    """Keep a folder and all files in it for the account that wrote them."""
    for each in folder.iterdir():
        each.chmod(0o600)
    folder.chmod(0o700)


def _check_names(names: set[str], files: frozenset[str], may: frozenset[str]) -> None:
    strangers = sorted(names - files - may)
    if strangers:
        raise DamagedRun(f"{strangers[0][:60]} is not in the manifest, expected no other files.")


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 400 else f"{text[:400]}..."


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
