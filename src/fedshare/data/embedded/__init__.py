"""The data that comes with the library: UCI Online Retail, real purchases at a gift-ware shop in 2010 and 2011.

CC BY 4.0; source, licence and changes are in ``LICENCE.md`` beside the files, which
``scripts/build_online_retail.py`` writes. Times are UK local times, stored as if they were UTC.
"""

from __future__ import annotations

import io
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions
    from fedshare.data.readers.notes import Notes
    from fedshare.data.readers.options import Options

__all__ = ["EMBEDDED", "read_embedded"]

EMBEDDED = ("online-retail",)
"The names that ``fedshare.load`` knows."


def read_embedded(name: str, options: Options, notes: Notes) -> Interactions:
    """The embedded data set of this name, one of ``EMBEDDED``; its columns are user_id, item_id and timestamp."""
    import polars as pl

    from fedshare.data.readers.assemble import assemble
    from fedshare.data.readers.roles import title_table
    from fedshare.data.readers.table import of_frame

    stem = name.replace("-", "_")
    pairs = pl.read_parquet(io.BytesIO((files(__name__) / f"{stem}.parquet").read_bytes()))
    items = pl.read_parquet(io.BytesIO((files(__name__) / f"{stem}_items.parquet").read_bytes()))
    titles, _ = title_table(of_frame(items, name, name, {}))
    return assemble(replace(of_frame(pairs, name, name, {"form": "embedded"}), titles=titles), options, notes)
