"""What all columns have in common: words for "nothing", and numbers as people write them."""

from __future__ import annotations

import polars as pl

from fedshare.data.vocabulary import MISSING

__all__ = ["numbers", "texts", "without_missing"]


def texts(column: pl.Series) -> pl.Series:
    """A column as text without white space around, in whatever type it came; missing values are null."""
    if column.dtype == pl.Null:
        return column.cast(pl.String)
    if column.dtype.is_nested() or column.dtype == pl.Object:
        return pl.Series(column.name, [None if each is None else str(each) for each in column.to_list()], pl.String)
    if column.dtype == pl.Binary:
        column = pl.Series(column.name, [None if each is None else each.decode("utf-8", "replace") for each in column])
    return without_missing(column.cast(pl.String))


def without_missing(column: pl.Series) -> pl.Series:
    """Text stripped, with nulls for the words that mean nothing; NaN of numbers likewise."""
    if column.dtype.is_float():
        return column.fill_nan(None)
    if column.dtype != pl.String:
        return column
    column = column.str.strip_chars(" \t\r\n\u00a0")
    short = column.str.len_bytes() <= max(map(len, MISSING))
    if not short.any():
        return column
    is_word = column.str.to_lowercase().is_in(MISSING)
    return column.set(is_word.fill_null(False), None) if is_word.any() else column


def numbers(column: pl.Series) -> pl.Series:
    """Text as numbers, null where it is none: "4.5", "4,5" as spreadsheets in Europe write, "1,234.5" or "1.234,5".

    A comma before exactly three digits could be either in all rows; then it groups digits only if there are several
    commas in a value or there is a point behind.
    """
    plain = column.cast(pl.Float64, strict=False)
    if plain.null_count() == column.null_count():
        return plain
    other = column.filter(plain.is_null() & column.is_not_null())
    grouped = other.str.contains(r"^[-+]?\d{1,3}(,\d{3})+(\.\d*)?$")
    if grouped.all() and (other.str.contains(r",\d{3},|\.") | (other.str.len_chars() > 7)).any():
        return column.str.replace_all(",", "").cast(pl.Float64, strict=False)
    if other.str.contains(r"^[-+]?\d{1,3}(\.\d{3})+,\d+$").all():
        return column.str.replace_all(".", "", literal=True).str.replace(",", ".").cast(pl.Float64, strict=False)
    if other.str.contains(r"^[-+]?\d+,\d+$").all():
        return column.str.replace(",", ".").cast(pl.Float64, strict=False)
    return plain
