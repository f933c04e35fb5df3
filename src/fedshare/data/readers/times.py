"""A column of times as seconds since 1970 (UTC), whole and ascending as the moments are.

Numbers may count seconds, milliseconds, microseconds or nanoseconds, told by their size: seconds stay below 1e11 until
the year 5138. Whole numbers such as 20200401 are dates. Fractions that are no such count keep their order and mean
nothing else. Rows in different units are refused: nobody could tell an early millisecond from a late second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedshare.data.readers.dates import by_format, dates
from fedshare.data.readers.notes import Notes
from fedshare.data.readers.values import numbers
from fedshare.data.readers.wording import count, place, rows, shown
from fedshare.errors import BadData

__all__ = ["LAST_SECOND", "seconds"]

LAST_SECOND = 253_402_300_799
"The last one of the year 9999, after which no calendar goes on."

_UNITS = ((1e17, 10**9, "nanoseconds"), (1e14, 10**6, "microseconds"), (1e11, 10**3, "milliseconds"))
"Above this size, this many to a second."
_NAMED = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH = 1e8
"From 1973 on; smaller counts of seconds are hardly dates."
_EXCEL_1970, _EXCEL_2100 = 25_569, 73_050
_DIGITS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def seconds(column: pl.Series, written: str | None, label: str, notes: Notes) -> tuple[NDArray[np.int64], str]:
    """Seconds since 1970 of each row, none of which is missing, and how they were read.

    Raises:
        BadData: A row is no time, or rows differ in their unit.
    """
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.epoch("s").to_numpy(), "dates"  # of the moment itself, whatever the time zone
    if column.dtype == pl.Date:
        return column.cast(pl.Int64).to_numpy() * 86_400, "dates"
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        raise BadData(
            f"{place(label)}: column {shown(column.name)} is {shown(column.dtype)[1:-1]}; expected times (numbers "
            "or dates). Name another, `timestamp='NAME'`, or leave times out: `timestamp=False`."
        )
    if written is not None and written not in (*_NAMED, "excel"):
        text = column.cast(pl.Int64) if column.dtype.is_float() else column
        return by_format(text.cast(pl.String), written, label).to_numpy(), f"dates as {written}"
    counts = _counts(column, label)
    if counts is None:
        if written is not None:
            raise _no_number(column, column.cast(pl.Float64, strict=False), label)
        read, how = dates(column, label)
        return read.to_numpy(), how
    if counts.dtype.is_float() and not np.isfinite(counts.to_numpy()).all():
        raise BadData(
            f"{place(label)}: column {shown(column.name)} holds infinity; expected seconds since 1970. Mend these "
            "rows, or leave times out: `timestamp=False`."
        )
    if written == "excel":
        return _whole(_from_excel(counts.to_numpy()), counts.name, label), "days as Excel counts them"
    if written is not None:
        made = np.floor_divide(counts.to_numpy(), _NAMED[written])
        return _whole(made, counts.name, label), f"counts of {written} since 1970"
    return _by_size(counts, label, notes)


def _counts(column: pl.Series, label: str) -> pl.Series | None:
    """The column as numbers; None where it is dates."""
    if column.dtype.is_integer():
        return column
    if column.dtype.is_numeric():
        return column.cast(pl.Float64)
    whole = column.cast(pl.Int64, strict=False)
    if not whole.null_count():
        return whole
    made = numbers(column)
    if made.null_count() == len(made):
        return None
    if made.null_count():
        raise _no_number(column, made, label)
    return made


def _no_number(column: pl.Series, made: pl.Series, label: str) -> BadData:
    bad = column.filter(made.is_null())
    return BadData(
        f"{place(label)}: column {shown(column.name)} holds {shown(bad[0])} ({len(bad):,} rows like it); expected "
        "seconds or "
        "milliseconds since 1970 as in the other rows. Mend these rows, or leave times out: `timestamp=False`."
    )


def _by_size(counts: pl.Series, label: str, notes: Notes) -> tuple[NDArray[np.int64], str]:
    values = counts.to_numpy()
    largest, least = float(values.max()), float(values.min())
    whole = counts.dtype.is_integer() or bool((values == np.floor(values)).all())
    dated = _as_digits(counts, notes) if whole else None
    if dated is not None:
        return dated, "dates written as digits"
    if not whole and least >= 0 and largest < _EPOCH:
        return _fractions(values, largest, least, notes)
    if whole and least >= _EXCEL_1970 and largest <= _EXCEL_2100:
        notes.say("times are read as seconds; if they are days as Excel counts them, give `time_format='excel'`")
    typical = float(np.median(np.abs(values)))
    per_second, unit = next(((per, name) for bound, per, name in _UNITS if typical > bound), (1, "seconds"))
    _check_units(values, per_second, unit, counts.name, label)
    if typical > _EPOCH and (zeros := int((values == 0).sum())):
        notes.warn(
            f"{count(zeros, 'time')} of 0, which is 1970-01-01; if they are unknown, leave these rows empty or out"
        )
    return _whole(np.floor_divide(values, per_second), counts.name, label), f"{unit} since 1970"


def _whole(seconds: NDArray[Any], name: str, label: str) -> NDArray[np.int64]:
    """Seconds without their fractions; what no calendar has is refused before it overflows."""
    if len(late := np.flatnonzero(np.abs(np.asarray(seconds, np.float64)) > LAST_SECOND)):
        raise BadData(
            f"{place(label)}: column {shown(name)} holds times after the year 9999 in "
            f"{rows(len(late), len(seconds), int(late[0]))}; expected seconds since 1970. Say how they are written, "
            "`time_format='ms'`, or leave times out: `timestamp=False`."
        )
    return np.floor(seconds).astype(np.int64) if seconds.dtype.kind == "f" else seconds.astype(np.int64)


def _as_digits(counts: pl.Series, notes: Notes) -> NDArray[np.int64] | None:
    """Dates such as 20200401 or 20200401164920; None where a row is no such date."""
    text = (counts if counts.dtype.is_integer() else counts.cast(pl.Int64, strict=False)).cast(pl.String)
    lengths = text.str.len_bytes().unique().to_list()
    written = _DIGITS.get(lengths[0] or 0) if len(lengths) == 1 else None
    if written is None or not text.str.contains(r"^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])").all():
        return None
    made = _digits(text, written)
    if made.null_count():
        return None
    notes.say(f"times such as {text[0]} are read as dates; if they count seconds, give `time_format='s'`")
    return made.to_numpy()


def _digits(text: pl.Series, written: str) -> pl.Series:
    if written == "%Y%m%d":
        return text.str.to_date(written, strict=False).cast(pl.Int64) * 86_400
    # a separator, since a run of digits has no end for the parser
    apart = text.str.replace(r"^(\d{8})(\d\d)(\d\d)(\d*)$", "$1 $2:$3:$4")
    apart = apart.str.replace(r":$", ":00")
    return apart.str.to_datetime("%Y%m%d %H:%M:%S", strict=False, time_unit="us").dt.epoch("s")


def _fractions(
    values: NDArray[np.float64], largest: float, least: float, notes: Notes
) -> tuple[NDArray[np.int64], str]:
    if least >= _EXCEL_1970 and largest <= _EXCEL_2100:
        notes.warn("times are read as days as Excel counts them; if they are not, give `time_format='s'`")
        return np.floor(_from_excel(values)).astype(np.int64), "days as Excel counts them"
    notes.warn("times are fractions and no counts of seconds since 1970: their order is kept, their dates mean nothing")
    scale = 10.0 ** int(np.floor(np.log10(1e9 / max(largest, 1e-9))))
    return np.floor(values * min(scale, 1e9)).astype(np.int64), "fractions in order"


def _from_excel(days: NDArray[Any]) -> NDArray[np.float64]:
    return (np.asarray(days, np.float64) - _EXCEL_1970) * 86_400 + 1e-3  # days have no exact seconds


def _check_units(values: NDArray[np.generic], per_second: int, unit: str, name: str, label: str) -> None:
    size = np.abs(np.asarray(values, np.float64))
    of_row = np.select([size > bound for bound, _, _ in _UNITS], [per for _, per, _ in _UNITS], 1)
    other = np.flatnonzero((of_row != per_second) & (size > _EPOCH))
    if len(other):
        raise BadData(
            f"{place(label)}: column {shown(name)} counts {unit} in most rows, and in another unit in "
            f"{rows(len(other), len(size), int(other[0]))}; expected one unit. Mend these rows, or leave times out: "
            "`timestamp=False`."
        )
