"""What all folders have in common: a manifest with a digest of every file, tensors, and refusing what is off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fedshare.errors import DamagedRun, FedShareError, MissingFile, NewerRun, OldRun

__all__ = ["FORMAT", "load_tensors", "read_manifest", "reading", "save_tensors", "write_manifest"]

FORMAT = 2
"Version of the layout; a reader refuses others."


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Write ``manifest.json``: the content, and a digest of every file that is in the folder by then."""
    files = {str(each.relative_to(folder)): _digest(each) for each in sorted(folder.rglob("*")) if each.is_file()}
    manifest = {"format": FORMAT, **content, "files": files}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path, what: str, *, beside: Collection[str] = ()) -> dict[str, Any]:
    """The manifest of a folder, once every file is there and is what was written.

    Args:
        folder: The folder.
        what: What it is called in messages.
        beside: Files that may be there although the manifest does not list them.

    Raises:
        MissingFile: No manifest there.
        OldRun: Written in an earlier format.
        NewerRun: Written in a later one.
        DamagedRun: Something is missing, changed or unreadable.
    """
    file = folder / "manifest.json"
    if not file.is_file():
        raise MissingFile(f"{what} '{folder}': no manifest.json there. Expected a folder that fedshare wrote.")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        written = int(manifest["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedRun(f"{what} '{folder}': manifest.json cannot be read ({error}). Restore it.") from error
    refuse_other_formats(written, folder, manifest.get("fedshare", "?"))
    try:
        files = dict(manifest["files"])
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedRun(f"{what} '{folder}': manifest.json cannot be read ({error}). Restore it.") from error
    there = {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}
    there -= {"manifest.json", *beside}
    strangers = sorted(there - set(files))
    if strangers:
        raise DamagedRun(
            f"{what} '{folder}': {strangers[0]} is not in the manifest, expected no other files. Remove it, or restore "
            "the folder from a copy."
        )
    for name, digest in files.items():
        if not (folder / name).is_file():
            raise DamagedRun(f"{what} '{folder}': {name} is missing. Restore it from a copy, or train again.")
        if _digest(folder / name) != digest:
            raise DamagedRun(f"{what} '{folder}': {name} is not what was written. Restore it, or train again.")
    return manifest


def refuse_other_formats(written: int, folder: Path, by: str) -> None:
    """Raise unless a format is the present one.

    Raises:
        OldRun: It is an earlier one.
        NewerRun: It is a later one.
    """
    if written > FORMAT:
        raise NewerRun(
            f"run '{folder}': written in format {written} by fedshare {by}, this version reads format {FORMAT}. "
            "Upgrade fedshare."
        )
    if written < FORMAT:
        raise OldRun(
            f"run '{folder}': written in format {written} by an earlier development version, this version reads format "
            f"{FORMAT} only. Train again; nothing in that format has been released."
        )


@contextmanager
def reading(folder: Path, what: str) -> Iterator[None]:
    """Names whatever goes wrong while files are read.

    Raises:
        DamagedRun: A file cannot be read.
    """
    try:
        yield
    except FedShareError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, OSError, SafetensorError, pl.exceptions.PolarsError) as error:
        raise DamagedRun(
            f"{what} '{folder}': cannot be read ({error}). Restore it from a copy, or train again."
        ) from error


def save_tensors(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Write tensors as safetensors."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, file)


def load_tensors(file: Path, device: str) -> dict[str, Tensor]:
    """Read what :func:`save_tensors` wrote, into memory of its own.

    In the file arrays stand where the one before ends, and a product over memory that is not aligned may differ in its
    last bit.
    """
    return {name: tensor.clone() for name, tensor in load_file(file, device=device).items()}


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
