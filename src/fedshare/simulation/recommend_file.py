"""Recommendations of many people as a file: Parquet, CSV or JSON Lines.

Rows go to disk batch by batch, so memory does not grow with the number of people, and the file takes its name when it
is whole. Text columns are written as they are: CSV quotes commas, quotes and line breaks; nothing is put in front of an
id that a spreadsheet might take for a formula, since it would be another id then.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedshare.errors import BadOption, OutputExists
from fedshare.evaluation.ranking import NOTHING
from fedshare.files import atomic_file

if TYPE_CHECKING:
    from fedshare.progress import Progress
    from fedshare.simulation.recommend import Ranked, Recommender

__all__ = ["COLUMNS", "Written", "check_suffix", "write_lists"]

COLUMNS = ("user", "rank", "item", "title", "score")
_SUFFIXES = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


class Written(NamedTuple):
    """What stands in the file."""

    n_users: int
    "People who were asked for."
    n_rows: int
    n_popularity: int
    "People whose list is popularity, as the model has nothing to say of them."
    n_empty: int
    "People for whom nothing is left to recommend."


def check_suffix(path: Path) -> str:
    """The format that a name stands for.

    Raises:
        BadOption: None.
    """
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise BadOption(f"output '{path}': got suffix '{path.suffix}', expected one of {', '.join(_SUFFIXES)}.")
    return kind


def write_lists(
    recommender: Recommender,
    users: NDArray[np.intp],
    k: int,
    path: Path,
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> Written:
    """Write everybody's list.

    Args:
        recommender: Makes the lists.
        users: Ascending, each once.
        k: Length of each list.
        path: The file.
        replace: Whether it may be there.
        progress: Called with the people done, the people in all, and what is being done.

    Raises:
        OutputExists: The file is there, or it is a folder.
        BadOption: Another suffix, or ``k`` below 1.
    """
    kind = check_suffix(path)
    if path.is_dir() or (path.exists() and not replace):
        raise OutputExists(f"output '{path}' is there already; expected a free name. Choose another or remove it.")
    known = recommender.ledger.known
    ids = pl.Series(known.users.ids, dtype=pl.String), pl.Series(known.items.ids, dtype=pl.String)
    titles = pl.Series([known.title(item) for item in known.items.ids], dtype=pl.String)
    done = rows = popular = empty = 0
    with atomic_file(path) as draft, _Sink(draft, kind) as sink:
        for ranked in recommender.batches(users, k):
            table = _table(ranked, *ids, titles)
            sink.add(table)
            listed = (ranked.items != NOTHING).any(axis=1)
            noted = np.array([bool(note) for note in ranked.notes], dtype=np.bool_)
            done, rows = done + len(ranked.users), rows + len(table)
            popular, empty = popular + int((noted & listed).sum()), empty + int((~listed).sum())
            if progress is not None:
                progress(done, len(users), "recommending")
    return Written(done, rows, popular, empty)


def _table(ranked: Ranked, users: pl.Series, items: pl.Series, titles: pl.Series) -> pl.DataFrame:
    row, place = np.nonzero(ranked.items != NOTHING)
    item = ranked.items[row, place]
    values = (
        users.gather(ranked.users[row]),
        pl.Series(place + 1, dtype=pl.Int32),
        items.gather(item),
        titles.gather(item),
        pl.Series(ranked.scores[row, place], dtype=pl.Float32),
    )
    return pl.DataFrame(dict(zip(COLUMNS, values, strict=True)))


class _Sink:
    """A file that is added to. Parquet has one end, so its parts are files of their own until that is reached."""

    def __init__(self, draft: Path, kind: str) -> None:
        self._draft, self._kind, self._n_parts = draft, kind, 0
        self._parts = Path(tempfile.mkdtemp(prefix=f"{draft.name}.", dir=draft.parent)) if kind == "parquet" else None
        self._empty = _table_of_nothing()

    def __enter__(self) -> _Sink:
        if self._kind == "csv":
            self._empty.write_csv(self._draft)
        elif self._kind == "jsonl":
            self._draft.touch()
        return self

    def add(self, table: pl.DataFrame) -> None:
        """Some more rows."""
        if self._parts is not None:
            table.write_parquet(self._parts / f"{self._n_parts:08d}.parquet")
            self._n_parts += 1
            return
        with self._draft.open("ab") as file:
            if self._kind == "csv":
                table.write_csv(file, include_header=False)
            else:
                table.write_ndjson(file)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._parts is None:
            return
        try:
            if kind is None and self._n_parts:
                pl.scan_parquet(sorted(self._parts.iterdir()), glob=False).sink_parquet(self._draft)
            elif kind is None:
                self._empty.write_parquet(self._draft)
        finally:
            shutil.rmtree(self._parts, ignore_errors=True)


def _table_of_nothing() -> pl.DataFrame:
    types = (pl.String, pl.Int32, pl.String, pl.String, pl.Float32)
    return pl.DataFrame(schema=dict(zip(COLUMNS, types, strict=True)))
