"""Dates and times written as text, as seconds since 1970.

ISO dates come first, with or without a time, a fraction and a zone; a time without a zone is taken as UTC. "04/01/2020"
is read if some row can be read in one way only; otherwise the caller has to say, since both ways would look right.
"""

from __future__ import annotations

import polars as pl

from fedshare.data.readers.wording import place, rows, shown
from fedshare.errors import BadData, BadOption

__all__ = ["by_format", "dates"]

_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?"
_ZONE = r"(Z|z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})"
_ISO = rf"^(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}})(?:(?:T|t| +){_CLOCK})?\s*{_ZONE}?$"
_SHORT = rf"^(\d{{1,2}})([-/.])(\d{{1,2}})[-/.](\d{{4}}|\d{{2}})(?:,?[T ]\s*{_CLOCK}\s*([AaPp])?\.?[Mm]?\.?)?$"
_OTHERS = (
    "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%m %d, %Y", "%b %d %Y",
    "%d-%b-%Y %H:%M:%S", "%d-%b-%Y %H:%M", "%d %b %Y %H:%M:%S", "%d %b %Y %H:%M", "%d %b %Y, %H:%M",
    "%b %d, %Y %H:%M:%S", "%b %d, %Y %H:%M", "%b %d, %Y %I:%M:%S %p", "%b %d, %Y, %I:%M:%S %p", "%B %d, %Y %H:%M",
    "%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S GMT",
    "%d/%b/%Y:%H:%M:%S %z", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ", "%Y%m%d %H:%M:%S",
)  # fmt: skip


def dates(column: pl.Series, label: str) -> tuple[pl.Series, str]:
    """Seconds since 1970, and how the text was read.

    Raises:
        BadData: A row is no date, or dates can be read in two ways.
    """
    made = _iso(column)
    if not made.null_count():
        return made, "ISO dates"
    short = column.str.contains(_SHORT)
    if short.all():
        return _short(column, label)
    for written in _OTHERS:
        if not _parsed(column.head(100), written).null_count():
            parsed = _parsed(column, written)
            if not parsed.null_count():
                return parsed, f"dates as {written}"
    bad = made.is_null() if made.null_count() < len(made) else ~short if short.any() else made.is_null()
    raise _no_date(column, bad, label)


def by_format(column: pl.Series, written: str, label: str) -> pl.Series:
    """Seconds since 1970, of text written in one format of ``strptime``.

    Raises:
        BadOption: It is no format.
        BadData: A row is written otherwise.
    """
    try:
        seconds = _parsed(column, written)
    except pl.exceptions.PolarsError as error:
        raise BadOption(
            f"time_format: got {shown(written)}, expected a format such as '%d/%m/%Y %H:%M', or s, ms, us, ns or excel."
        ) from error
    if seconds.null_count():
        bad = column.filter(seconds.is_null())
        raise BadData(
            f"{place(label)}: column {shown(column.name)} holds {shown(bad[0])} in "
            f"{rows(len(bad), len(column), int(seconds.is_null().arg_true()[0]))}; expected times as "
            f"{shown(written)}. Give another `time_format='%d/%m/%Y %H:%M'`, or leave times out: `timestamp=False`."
        )
    return seconds


def _parsed(column: pl.Series, written: str) -> pl.Series:
    """Seconds since 1970, null where text is written otherwise."""
    if not any(part in written for part in ("%H", "%I", "%T", "%R", "%s", "%c", "%X", "%k", "%l", "%r", "%+")):
        return column.str.to_date(written, strict=False).cast(pl.Int64) * 86_400
    zone = "UTC" if "%z" in written else None
    return column.str.to_datetime(written, strict=False, time_unit="us", time_zone=zone, ambiguous="null").dt.epoch("s")


def _iso(column: pl.Series) -> pl.Series:
    parts = column.str.extract_groups(_ISO).struct.unnest()
    zone = parts["7"].fill_null("Z").str.replace(":", "")
    sign = pl.when(pl.col("zone").str.starts_with("-")).then(-1).otherwise(1)
    hours, minutes = pl.col("zone").str.slice(1, 2), pl.col("zone").str.slice(3, 2)
    offset = (sign * (_int(hours) * 3600 + _int(minutes) * 60)).fill_null(0)
    frame = parts.with_columns(zone.alias("zone"))
    return frame.select(_moment("1", "2", "3", "4", "5", "6") - offset).to_series().alias(column.name)


def _short(column: pl.Series, label: str) -> tuple[pl.Series, str]:
    frame = column.str.extract_groups(_SHORT).struct.unnest()
    first, second = frame["1"].cast(pl.Int64), frame["3"].cast(pl.Int64)
    day_first, month_first = bool((first > 12).any()), bool((second > 12).any())
    if not (day_first or month_first):
        day_first = bool((frame["2"] == ".").all())  # as German writes; nobody puts the month first with points
    if day_first == month_first:
        why = "some rows have the day first and some the month" if day_first else "either number could be the day"
        raise BadData(
            f"{place(label)}: column {shown(column.name)} holds dates such as {shown(column[0])}, and {why}; "
            "expected dates that "
            "can be read in one way. Say which: `time_format='%m/%d/%Y'` (with %H:%M behind, where there are "
            "times), or leave times out: `timestamp=False`."
        )
    year = pl.when(pl.col("4").str.len_bytes() == 2).then(
        pl.when(pl.col("4") < "70").then(pl.lit("20")).otherwise(pl.lit("19")) + pl.col("4")
    ).otherwise(pl.col("4"))  # fmt: skip
    hour = _int(pl.col("5"))
    half = pl.col("8").str.to_lowercase()
    hour = pl.when(half == "p").then(hour % 12 + 12).when(half == "a").then(hour % 12).otherwise(hour)
    frame = frame.with_columns(year.alias("year"), hour.cast(pl.String).alias("hour"))
    day, month = ("1", "3") if day_first else ("3", "1")
    seconds = frame.select(_moment("year", month, day, "hour", "6", "7")).to_series().alias(column.name)
    if seconds.null_count():
        raise _no_date(column, seconds.is_null(), label)
    return seconds, "dates with the day first" if day_first else "dates with the month first"


def _moment(year: str, month: str, day: str, hour: str, minute: str, second: str) -> pl.Expr:
    """Seconds since 1970, null where there is no such day or time of day."""
    written = pl.concat_str(pl.col(year), pl.col(month).str.zfill(2), pl.col(day).str.zfill(2), separator="-")
    days = written.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int64)
    h, m, s = (_int(pl.col(each)).fill_null(0) for each in (hour, minute, second))
    seconds = days * 86_400 + h * 3_600 + m * 60 + s
    return pl.when((h <= 24) & (m <= 59) & (s <= 60)).then(seconds)


def _int(text: pl.Expr) -> pl.Expr:
    return text.cast(pl.Int64, strict=False)


def _no_date(column: pl.Series, bad: pl.Series, label: str) -> BadData:
    which = column.filter(bad)
    return BadData(
        f"{place(label)}: column {shown(column.name)} holds {shown(which[0])} in "
        f"{rows(len(which), len(column), int(bad.arg_true()[0]))}; expected seconds or milliseconds since 1970, or "
        "an ISO "
        "date such as 2010-12-01 08:26:00. Say how it is written: `time_format='%d/%m/%Y %H:%M'`, or leave times out: "
        "`timestamp=False`."
    )
