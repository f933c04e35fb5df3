"""Ids as text. One rule for all sources: an id stays as it is written, and what cannot be one is refused.

Whole numbers are written without ``.0``. Floats above 2**53 are refused, since several numbers have become one there.
"""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from fedshare.data.readers.notes import Notes
from fedshare.data.readers.values import without_missing
from fedshare.data.readers.wording import count, place, shown
from fedshare.errors import BadData

__all__ = ["ids"]

_LARGEST = 2**53
_LONGEST = 1_000


def ids(column: pl.Series, role: str, label: str, notes: Notes) -> pl.Series:
    """Ids as strings, missing ones as nulls.

    Raises:
        BadData: The column holds fractions, numbers too large to be told apart, or no ids at all.
    """
    if column.dtype.is_integer():
        return column.cast(pl.String)
    if column.dtype.is_float():
        return _of_floats(column, role, label)
    if column.dtype.is_decimal():
        return _of_decimals(column, role, label)
    if column.dtype == pl.Binary:
        return _text(_decoded(column, role, label), role, label, notes)
    if column.dtype.base_type() not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise BadData(
            f"{place(label)}: column {shown(column.name)} is {shown(column.dtype)[1:-1]}; expected ids (text or whole "
            f"numbers). Name another: `{role}='NAME'`."
        )
    return _text(column.cast(pl.String), role, label, notes)


def _of_floats(column: pl.Series, role: str, label: str) -> pl.Series:
    known = column.fill_nan(None)
    numbers = known.drop_nulls()
    if not (numbers == numbers.round()).all() and not numbers.is_infinite().any():
        raise _fractions(column, role, label)
    if (numbers.abs() > _LARGEST).any():
        raise BadData(
            f"{place(label)}: column {shown(column.name)} holds numbers above 2**53, or infinity, as floats; "
            "expected ids "
            f"that can be told apart, and those cannot. Export the column as text, or name another: `{role}='NAME'`."
        )
    return known.cast(pl.Int64).cast(pl.String)


def _of_decimals(column: pl.Series, role: str, label: str) -> pl.Series:
    def whole(value: Decimal | None) -> str | None:
        if value is None:
            return None
        if value != value.to_integral_value():
            raise _fractions(column, role, label)
        return str(int(value))

    values = column.unique()
    written = pl.Series([whole(value) for value in values.to_list()], dtype=pl.String)
    texts = pl.DataFrame({column.name: values, "\0text": written})
    made = column.to_frame().join(texts, on=column.name, how="left", maintain_order="left", nulls_equal=True)
    return made["\0text"].alias(column.name)


def _decoded(column: pl.Series, role: str, label: str) -> pl.Series:
    try:
        return pl.Series(
            column.name, [None if each is None else each.decode("utf-8") for each in column.to_list()], pl.String
        )
    except UnicodeDecodeError:
        raise BadData(
            f"{place(label)}: column {shown(column.name)} holds bytes that are no text; expected ids (text or whole "
            f"numbers). Name another: `{role}='NAME'`."
        ) from None


def _text(column: pl.Series, role: str, label: str, notes: Notes) -> pl.Series:
    column = without_missing(column)
    values = column.unique().drop_nulls()
    if values.is_empty():
        return column
    if (values.str.len_chars() > _LONGEST).any():
        raise BadData(
            f"{place(label)}: column {shown(column.name)} holds an id of more than {_LONGEST:,} characters; "
            f"expected ids. Is a quote open, or is it another column? Name it: `{role}='NAME'`."
        )
    floats = values.str.contains(r"^-?\d+\.0+$")
    if floats.all():  # whole numbers that became floats once
        column = column.str.replace(r"\.0+$", "")
    elif floats.any():
        twins = int(values.filter(floats).str.replace(r"\.0+$", "").is_in(values.implode()).sum())
        if twins:
            notes.warn(
                f"{count(twins, f'{role} id')} written with and without '.0' ('7' and '7.0'), which is read as "
                f"different {role}s; if they are the same, write them alike"
            )
    if values.str.contains(r"^\d(\.\d+)?E\+?\d{2}$").any():
        notes.warn(
            f"some {role} ids look like '1.23E+11', as spreadsheets write long numbers: their last digits are lost, "
            f"and several {role}s may have become one. Export the column as text."
        )
    if strange := int(values.str.contains(r"[\x00-\x1f\x7f\x{80}-\x{9f}]").sum()):
        notes.warn(f"{count(strange, f'{role} id')} with control characters, kept as written")
    return column


def _fractions(column: pl.Series, role: str, label: str) -> BadData:
    return BadData(
        f"{place(label)}: column {shown(column.name)} holds fractions; expected ids (text or whole numbers). Is "
        f"this the right column? Name another: `{role}='NAME'`."
    )
