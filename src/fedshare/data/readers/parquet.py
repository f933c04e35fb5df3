"""A Parquet file: only the columns that are needed are read, and nothing before its sizes are believable."""

from __future__ import annotations

import io
from collections.abc import Sequence

import polars as pl

from fedshare.data.readers.guard import reading
from fedshare.data.readers.options import Options
from fedshare.data.readers.parquet_sizes import check_sizes
from fedshare.data.readers.table import Table
from fedshare.data.readers.unpack import Buffer

__all__ = ["is_parquet", "parquet_table"]


def is_parquet(head: bytes) -> bool:
    """Whether a file begins as Parquet does."""
    return head.startswith((b"PAR1", b"PARE"))


def parquet_table(data: Buffer, label: str, options: Options, *, name: str) -> Table:
    """The table in a Parquet file.

    Raises:
        BadData: It is damaged, or would unpack to too much.
    """
    check_sizes(data, label, options.max_unpacked_mib)
    with reading(label, "Parquet"):
        names = tuple(pl.read_parquet_schema(io.BytesIO(data)))
    split = "split" if "split" in names else None

    def read(columns: Sequence[str]) -> pl.DataFrame:
        with reading(label, "Parquet"):
            return pl.read_parquet(
                io.BytesIO(data), columns=list(columns), use_statistics=False, hive_partitioning=False
            ).select(columns)

    return Table(label, name, names, read, {"form": "Parquet"}, split)
