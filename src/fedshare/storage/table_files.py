"""Tables on disk, as Parquet, read against what is expected: columns, kinds, no gaps, and no more rows than can be.

A few bytes of Parquet can stand for millions of rows, so their number is compared before they are unpacked.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from fedshare.errors import DamagedRun
from fedshare.storage.json_files import file_bytes

__all__ = ["read_table", "texts"]

_MOST_BYTES = 2**36
_ROWS_AT_LEAST, _ROWS_A_BYTE = 100_000, 200
"Rows that a file may have, whatever its size, and for each of its bytes: a dense share set has 125."
_TEXT_AT_LEAST, _TEXT_A_BYTE = 2**24, 100

Columns = Mapping[str, DataType | DataTypeClass]


def read_table(
    file: Path,
    columns: Columns | None,
    *,
    rows: int | None = None,
    most: int | None = None,
    gaps: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """A table of exactly these columns.

    Args:
        file: The file.
        columns: Kind of each, in order; None where whoever uses the table checks that.
        rows: How many rows there have to be; None where that is not known.
        most: How many there may be.
        gaps: Columns that may have missing values.

    Raises:
        DamagedRun: It is another table.
    """
    content = file_bytes(file, _MOST_BYTES)
    schema = pl.read_parquet_schema(io.BytesIO(content))
    columns = schema if columns is None else columns
    if list(schema.items()) != list(columns.items()):
        raise DamagedRun(f"{file.name}: got columns {str(dict(schema))[:200]}, expected {dict(columns)}.")
    n_rows = pl.scan_parquet(io.BytesIO(content)).select(pl.len()).collect().item()
    possible = min(_ROWS_AT_LEAST + _ROWS_A_BYTE * len(content), n_rows if most is None else most)
    if n_rows > possible or (rows is not None and n_rows != rows):
        raise DamagedRun(f"{file.name}: got {n_rows} rows, expected {possible if rows is None else rows}.")
    table = pl.read_parquet(io.BytesIO(content))
    if len(table) != n_rows:
        raise DamagedRun(f"{file.name}: got {len(table)} rows, expected {n_rows}.")
    for name in columns:
        if name not in gaps and table[name].null_count():
            raise DamagedRun(f"{file.name}: column '{name}' has gaps, expected a value in every row.")
        if columns[name] == pl.String and len(table):
            length = int(table[name].str.len_bytes().sum())
            if length > _TEXT_AT_LEAST + _TEXT_A_BYTE * len(content):
                raise DamagedRun(f"{file.name}: column '{name}' has {length} bytes of text, which no such file has.")
    return table


def texts(table: pl.DataFrame, column: str, where: str) -> tuple[str, ...]:
    """A column of distinct ids.

    Raises:
        DamagedRun: One is empty, or stands there twice.
    """
    found = tuple(table[column].to_list())
    if len(set(found)) < len(found) or not all(each.strip() for each in found):
        raise DamagedRun(f"{where}: column '{column}' has an id twice, or an empty one, expected distinct ids.")
    return found
