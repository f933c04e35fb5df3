"""RecBole's atomic files: ``NAME.inter`` and, where items have titles, ``NAME.item``.

Tab-separated text without quotes, whose header gives each column a type: ``user_id:token``, ``rating:float``.
See https://recbole.io/docs/user_guide/data/atomic_files.html.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from fedshare.data.interactions import Interactions
from fedshare.data.readers import Columns
from fedshare.data.readers.columns import title_table, to_interactions
from fedshare.data.readers.delimited import read_text_table
from fedshare.errors import BadData, MissingFile

__all__ = ["read"]


def read(path: Path, columns: Columns) -> Interactions:
    """An ``.inter`` file, or a folder with one. Columns are named without their type (``user="user_id"``).

    Raises:
        MissingFile: The folder has no ``.inter`` file.
        BadData: The folder has several, or the header has no types.
    """
    source = _inter_file(path) if path.is_dir() else path
    items = source.with_suffix(".item")
    titles = title_table(_table(items), items) if items.is_file() else {}
    return to_interactions(_table(source), columns, path=source, name=source.stem, titles=titles)


def _inter_file(folder: Path) -> Path:
    found = sorted(folder.glob("*.inter"))
    named = folder / f"{folder.resolve().name}.inter"
    if named in found:
        return named
    if not found:
        raise MissingFile(f"'{folder}': no .inter file in this folder; expected NAME.inter and maybe NAME.item.")
    if len(found) > 1:
        raise BadData(
            f"'{folder}': got {', '.join(file.name for file in found)}; expected one .inter file, or one named as the "
            f"folder. Give the path of the file to read."
        )
    return found[0]


def _table(path: Path) -> pl.DataFrame:
    frame = read_text_table(path, "\t", quote=None)
    if not any(":" in column for column in frame.columns):
        raise BadData(
            f"'{path}': the header has no types, got {frame.columns}; expected such as 'user_id:token'. "
            f"If this is plain tab-separated text, use load(..., format='tsv')."
        )
    return frame.rename({column: column.split(":")[0] for column in frame.columns})
