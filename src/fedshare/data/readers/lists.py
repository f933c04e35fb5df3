"""One line a person: their number, then the numbers of their items, as LightGCN and its successors publish data."""

from __future__ import annotations

import re
from array import array

import numpy as np
import polars as pl

from fedshare.data.readers.content import Text
from fedshare.data.readers.table import Table, of_frame
from fedshare.data.readers.wording import place, shown
from fedshare.errors import BadData, EmptyData

__all__ = ["lists_table", "looks_like_lists"]

_LINE = re.compile(r"\d+([ \t]\d+)*[ \t]*")


def looks_like_lists(head: str) -> bool:
    """Whether all lines are whole numbers and each begins with another one, while their lengths differ or are large."""
    lines = [line.rstrip("\r") for line in head.split("\n")[:200] if line.strip()]
    if len(lines) < 2 or not all(_LINE.fullmatch(line) for line in lines):
        return False
    fields = [line.split() for line in lines]
    widths = {len(row) for row in fields}
    return len({row[0] for row in fields}) == len(fields) and (len(widths) > 1 or widths.pop() >= 5)


def lists_table(text: Text, *, name: str) -> Table:
    """The table with a row for each person and item.

    Raises:
        BadData: A line holds something else than whole numbers.
    """
    user, item = array("q"), array("q")
    for number, line in enumerate(bytes(text.data).split(b"\n"), start=1):
        try:
            first, *rest = map(int, line.split()) if line.strip() else (0,)
            item.extend(rest)
        except (ValueError, OverflowError):
            raise BadData(
                f"{place(text.label)}: line {number:,} holds {shown(line.decode('utf-8', 'replace'))}; expected "
                "whole numbers, a person's and those of their items. If it is another form, say which: `format='csv'`."
            ) from None
        user.extend([first] * len(rest))
    if not user:
        raise EmptyData(f"{place(text.label)}: got no item in any line; expected at least one interaction.")
    frame = pl.DataFrame({"user_id": np.array(user, np.int64), "item_id": np.array(item, np.int64)})
    return of_frame(frame, text.label, name, {"form": "lists of items, one line a person"})
