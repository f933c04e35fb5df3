"""One table in one file: CSV, TSV or Parquet, with a header.

The separator of a ``.csv`` is the one of ``,`` ``;`` tab and ``|`` that occurs most in its first line. Gzipped text
(``.csv.gz``) is read as it is.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl

from fedshare.data.interactions import Interactions
from fedshare.data.readers import Columns
from fedshare.data.readers.columns import pick, reading, to_interactions

__all__ = ["read_parquet", "read_text", "read_text_table"]


def read_text(path: Path, columns: Columns, *, separator: str | None = None) -> Interactions:
    """A CSV or TSV file.

    Args:
        path: The file.
        columns: The names of its columns, where they are not the common ones.
        separator: Between two columns; None finds it.
    """
    frame = read_text_table(path, separator or _separator(path))
    return to_interactions(frame, columns, path=path, name=_stem(path))


def read_parquet(path: Path, columns: Columns) -> Interactions:
    """A Parquet file; only the columns that are needed are read."""
    with reading(path, "Parquet"):
        picked = pick(list(pl.read_parquet_schema(path)), columns, path)
        frame = pl.read_parquet(path, columns=list(picked.values()))
    return to_interactions(frame, columns, path=path, name=_stem(path))


def read_text_table(path: Path, separator: str, *, quote: str | None = '"') -> pl.DataFrame:
    """A text file with a header as a table of strings: "007" stays "007"."""
    with reading(path, "delimited text"):
        frame = pl.read_csv(path, separator=separator, infer_schema=False, quote_char=quote)
    return frame.rename({column: column.strip().lstrip("\ufeff") for column in frame.columns})


def _separator(path: Path) -> str:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        header = file.readline()
    return max(",;\t|", key=lambda separator: header.count(separator.encode()))


def _stem(path: Path) -> str:
    return path.name.split(".")[0] or path.name
