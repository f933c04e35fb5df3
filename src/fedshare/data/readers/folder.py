"""The folder form: ``interactions.parquet`` and, where items have titles, ``items.parquet``.

``interactions.parquet`` has user_id, item_id and, each of them optional or null, timestamp (seconds), rating, and split
('train' or 'test', the canonical split). ``items.parquet`` has item_id and title. Further columns and files are left
alone.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from fedshare.data.interactions import Interactions
from fedshare.data.readers import Columns
from fedshare.data.readers.columns import pick, reading, title_table, to_interactions
from fedshare.errors import MissingFile

__all__ = ["INTERACTIONS", "ITEMS", "read"]

INTERACTIONS, ITEMS = "interactions.parquet", "items.parquet"


def read(path: Path, columns: Columns) -> Interactions:
    """A folder with ``interactions.parquet``.

    Raises:
        MissingFile: The folder has no such file.
    """
    table = path / INTERACTIONS
    if not table.is_file():
        raise MissingFile(f"'{path}': no {INTERACTIONS} in this folder; expected one beside an optional {ITEMS}.")
    with reading(table, "Parquet"):
        present = list(pl.read_parquet_schema(table))
        needed = [*pick(present, columns, table).values(), *(["split"] if "split" in present else [])]
        frame = pl.read_parquet(table, columns=needed)
    return to_interactions(
        frame, columns, path=table, name=path.resolve().name, titles=_titles(path / ITEMS), split="split"
    )


def _titles(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with reading(path, "Parquet"):
        return title_table(pl.read_parquet(path), path)
