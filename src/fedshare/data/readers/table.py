"""The shape that every reader hands on: named columns, read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from fedshare.data.readers.wording import listed, place
from fedshare.errors import BadData

__all__ = ["MAX_COLUMNS", "Table", "distinct", "of_frame", "stacked"]

MAX_COLUMNS = 10_000


@dataclass(frozen=True)
class Table:
    """Named columns of one source.

    Text comes as it is written, so that "007" stays "007"; typed sources (Parquet, frames) keep their types.
    """

    label: str
    "The source, for messages."
    name: str
    "What to call the data."
    names: tuple[str, ...]
    read: Callable[[Sequence[str]], pl.DataFrame]
    "The columns of these names, one row per row of the source."
    form: Mapping[str, str] = field(default_factory=dict[str, str])
    "How the source was understood, for people: form, encoding, separator and so on."
    split: str | None = None
    "The column with 'train' and 'test', in forms that have one."
    titles: Mapping[str, str] = field(default_factory=dict[str, str])
    categories: Mapping[str, str] = field(default_factory=dict[str, str])

    def sample(self, columns: Sequence[str], n_rows: int = 100) -> pl.DataFrame:
        """The first rows of some columns."""
        return self.read(columns).head(n_rows)


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Column names, each once: a second "id" becomes "id (2)", an empty one its position."""
    seen: dict[str, int] = {}
    made: list[str] = []
    for position, name in enumerate(names, start=1):
        plain = name.strip().lstrip("\ufeff").strip() or f"column {position}"
        seen[plain] = seen.get(plain, 0) + 1
        made.append(plain if seen[plain] == 1 else f"{plain} ({seen[plain]})")
    return tuple(made) if len(set(made)) == len(made) else tuple(f"{name} [{n}]" for n, name in enumerate(made, 1))


def of_frame(frame: pl.DataFrame, label: str, name: str, form: Mapping[str, str]) -> Table:
    """A table that is in memory already."""
    return Table(label, name, tuple(frame.columns), lambda columns: frame.select(list(columns)), form)


def stacked(tables: Sequence[Table], label: str, name: str) -> Table:
    """Several tables of the same columns, one below the other.

    Raises:
        BadData: Their columns differ.
    """
    first = tables[0]
    for other in tables[1:]:
        if set(other.names) != set(first.names):
            differ = sorted(set(other.names) ^ set(first.names))
            raise BadData(
                f"{place(label)}: {place(other.label)} has other columns than {place(first.label)} "
                f"({listed(differ, 4)}); expected the same in all files. Give the path of one file."
            )

    def read(columns: Sequence[str]) -> pl.DataFrame:
        return pl.concat([table.read(columns) for table in tables], how="vertical_relaxed")

    form = {**first.form, "files": f"{len(tables):,}"}
    return replace(first, label=label, name=name, read=read, form=form)
