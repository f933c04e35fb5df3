"""Runs that were made from a run by a withdrawal: the next withdrawal has to go on from them.

From run A comes B without Ann's pair, and then, from A again, C without Bob's: C still holds Ann's. So a run remembers
what was withdrawn from it, and :func:`warn_of_lost` says so when another request would lose that.

Two runs in one process are told apart by the objects. On disk the memory is ``devices/successors.parquet`` of the run
that was withdrawn from: who withdrew what is known there anyway, and stands nowhere outside ``devices/``. The file is
not part of what was saved: the manifest does not list it, and a run without it, or with one that cannot be read, is
whole. A run that may not be written to keeps no memory.

    out      name of the folder of the run that was made
    user     index of a person
    item     index of an item
    erased   whether the pair was erased, or else unshared
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import polars as pl

from fedshare.errors import SecondWithdrawal
from fedshare.files import atomic_file
from fedshare.options import shown

if TYPE_CHECKING:
    from fedshare.sharing.request import Request
    from fedshare.simulation.run import Run

__all__ = ["SUCCESSORS", "lost_by", "note_place", "note_saved", "note_successor", "warn_of_lost"]

SUCCESSORS = "successors.parquet"
"The file in ``devices/`` that what was saved does not include."

_COLUMNS = {"out": pl.String, "user": pl.Int32, "item": pl.Int32, "erased": pl.Boolean}
_MOST_BYTES = 1 << 30

Withdrawn = dict[tuple[int, int], bool]
"Withdrawn pairs, and whether they were erased."


class _Made(NamedTuple):
    """A run that came from another one."""

    out: str
    "Name of its folder; empty where it was not saved."
    withdrawn: Withdrawn


_place_of: WeakKeyDictionary[Run, Path] = WeakKeyDictionary()
"Where a run was read from or written to."
_made_from: WeakKeyDictionary[Run, list[_Made]] = WeakKeyDictionary()
"What was made in this process."
_parent_of: WeakKeyDictionary[Run, tuple[Path, Withdrawn]] = WeakKeyDictionary()
"Where the run lies that a run was made from, and what was withdrawn."


def note_place(run: Run, path: Path) -> None:
    """A run was read from a folder, or written to one."""
    _place_of[run] = path.absolute()


def note_successor(run: Run, after: Run, request: Request) -> None:
    """``after`` was made from ``run`` by a request."""
    withdrawn = _pairs(request)
    if not withdrawn:
        return
    _made_from.setdefault(run, []).append(_Made("", withdrawn))
    if run in _place_of:
        _parent_of[after] = _place_of[run], withdrawn


def note_saved(run: Run, path: Path) -> None:
    """A run was written: if it was made from one that lies in a folder, that one remembers it."""
    note_place(run, path)
    if run not in _parent_of:
        return
    parent, withdrawn = _parent_of[run]
    if parent == path.absolute() or not (parent / "devices").is_dir():
        return
    others = [made for made in _read(parent) if made.withdrawn != withdrawn or made.out != path.name]
    try:
        _write(parent, [*others, _Made(path.name, withdrawn)])
    except OSError:
        warnings.warn(
            f"run {shown(str(parent))}: could not be marked as one that has a successor. Delete it, or go on from "
            f"{shown(str(path))} only.",
            SecondWithdrawal,
            stacklevel=3,
        )


def lost_by(run: Run, request: Request) -> str | None:
    """A sentence, if a run made from this one is without pairs that a request leaves in; None if none is."""
    if not len(request):
        return None
    withdrawn = _pairs(request)
    made = [*(_read(_place_of[run]) if run in _place_of else ()), *_made_from.get(run, ())]
    lost = [each for each in made if not _covers(withdrawn, each.withdrawn)]
    if not lost:
        return None
    named = next((each.out for each in lost if each.out), "")
    return (
        f"this run has a successor already, {shown(named) if named else 'made in this process'}: what was withdrawn "
        "there is not withdrawn in the new run. Make the request from the successor, or make one request of both."
    )


def warn_of_lost(run: Run, request: Request) -> None:
    """Warn if a run made from this one is without pairs that this request leaves in.

    Warns:
        SecondWithdrawal: It is.
    """
    sentence = lost_by(run, request)
    if sentence is not None:
        warnings.warn(sentence, SecondWithdrawal, stacklevel=3)


def _pairs(request: Request) -> Withdrawn:
    pairs = zip(request.user.tolist(), request.item.tolist(), strict=True)
    return dict(zip(pairs, request.erased.tolist(), strict=True))


def _covers(mine: Withdrawn, theirs: Withdrawn) -> bool:
    """Whether a request withdraws all that another one did, and erases what that one erased."""
    return all(pair in mine and (mine[pair] or not erased) for pair, erased in theirs.items())


def _read(place: Path) -> list[_Made]:
    file = place / "devices" / SUCCESSORS
    try:
        if not file.is_file() or file.stat().st_size > _MOST_BYTES:
            return []
        table = pl.read_parquet(file)
        if dict(table.schema) != _COLUMNS:
            return []
    except (OSError, pl.exceptions.PolarsError):
        return []
    made: dict[str, Withdrawn] = {}
    for out, user, item, erased in table.drop_nulls().rows():
        made.setdefault(out, {})[user, item] = erased
    return [_Made(out, withdrawn) for out, withdrawn in made.items()]


def _write(place: Path, made: Iterable[_Made]) -> None:
    rows = [(each.out, *pair, erased) for each in made for pair, erased in each.withdrawn.items()]
    file = place / "devices" / SUCCESSORS
    with atomic_file(file) as draft:
        pl.DataFrame(rows, schema=_COLUMNS, orient="row").write_parquet(draft)
    file.chmod(0o600)
