"""Whether the quotes of a text enclose fields, or are letters like any other."""

from __future__ import annotations

import csv
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedshare.data.readers.content import Text

__all__ = ["line_widths", "pair_up", "tolerant_rows"]

_QUOTE = 34
_CHUNK = 1 << 26


def pair_up(text: Text, separator: str) -> Literal["regular", "literal", "loose"]:
    """How to read the double quotes of a text.

    Returns:
        "regular": every quote begins or ends a field, or is doubled inside of one. "literal": they do not, and without
        any meaning of quotes all lines have equally many fields. "loose": neither.
    """
    if text.data.find(b'"') < 0 or _regular(np.frombuffer(text.data, np.uint8), separator):
        return "regular"
    widths, _ = line_widths(text, separator)
    return "literal" if len(np.unique(widths)) <= 1 else "loose"


def line_widths(text: Text, separator: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many fields each line has that is not blank, quotes left aside, and the line's number from 1."""
    fields, numbers = list[int](), list[int]()
    mark = separator.encode()
    for number, line in enumerate(bytes(text.data).split(b"\n"), start=1):
        if line.strip():
            fields.append(len(line.split()) if separator == " " else line.count(mark) + 1)
            numbers.append(number)
    return np.array(fields, np.int64), np.array(numbers, np.int64)


def tolerant_rows(text: Text, separator: str, skip_lines: int) -> list[tuple[int, list[str]]]:
    """Line number and fields of each row, by a parser that takes a stray quote as a letter."""
    lines = bytes(text.data).decode("utf-8").split("\n")[skip_lines:]
    csv.field_size_limit(1 << 20)
    reader = csv.reader((line + "\n" for line in lines), delimiter=separator, skipinitialspace=True)
    return [(reader.line_num + skip_lines, row) for row in reader if row]


def _regular(data: NDArray[np.uint8], separator: str) -> bool:
    """Quotes open and close in turn: behind a separator or a line's end, and before one; two inside stand together."""
    ends = np.zeros(256, np.bool_)
    ends[[ord(separator[0]), *b'\r\n"']] = True
    ends_behind = ends.copy()
    n_before = 0
    for start in range(0, len(data), _CHUNK):
        at = np.flatnonzero(data[start : start + _CHUNK] == _QUOTE) + start
        opening, closing = at[n_before % 2 :: 2], at[1 - n_before % 2 :: 2]
        n_before += len(at)
        opening = opening[opening > 0]
        closing = closing[closing < len(data) - 1]
        if not (ends[data[opening - 1]].all() and ends_behind[data[closing + 1]].all()):
            return False
    return n_before % 2 == 0
