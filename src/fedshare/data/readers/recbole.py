"""RecBole's atomic files: text whose header gives each column a type, ``user_id:token``, ``rating:float``.

See https://recbole.io/docs/user_guide/data/atomic_files.html. Titles are taken from a ``.item`` file beside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from fedshare.data.readers.content import Text
from fedshare.data.readers.delimited import delimited_table
from fedshare.data.readers.notes import Notes
from fedshare.data.readers.options import Options
from fedshare.data.readers.table import Table, distinct
from fedshare.data.readers.wording import listed, place
from fedshare.errors import BadData

__all__ = ["looks_like_recbole", "recbole_table"]

_TYPED = re.compile(r"[^\s:]+:(token|float|token_seq|float_seq)")


def looks_like_recbole(head: str) -> bool:
    """Whether the first line gives types to all columns."""
    first = next((line for line in head.split("\n") if line.strip()), "")
    fields = first.replace(",", "\t").split()
    return len(fields) > 1 and all(_TYPED.fullmatch(field) for field in fields)


def recbole_table(text: Text, options: Options, notes: Notes, *, name: str) -> Table:
    """The table, its columns named without their types.

    Raises:
        BadData: The header has no types.
    """
    first = next((line for line in text.head().split("\n") if line.strip()), "")
    if first and ":" not in first:
        raise BadData(
            f"{place(text.label)}: the header has no types, got {listed(first.split(), 6)}; expected such as "
            "'user_id:token'. If this is plain text in columns, say so: `format='tsv'`."
        )
    separator = next((each for each in ("\t", ",") if each in first), " ")
    given = replace(options, quote=False if options.quote is None else options.quote, header=True)
    table = delimited_table(text, given, notes, name=name, form="RecBole", separator=separator)
    typed = dict(zip(distinct([each.split(":")[0] for each in table.names]), table.names, strict=True))

    def read(columns: Sequence[str]) -> pl.DataFrame:
        frame = table.read([typed[each] for each in columns])
        return frame.rename({typed[each]: each for each in columns})

    return replace(table, names=tuple(typed), read=read)
