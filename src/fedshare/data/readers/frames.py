"""Frames and rows in Python as a table: polars, pandas, Arrow, mappings of columns, and anything that yields rows.

Neither pandas nor pyarrow is imported: Arrow's data come by the capsule interface that all of them have, and pandas
without pyarrow by its columns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, cast

import polars as pl

from fedshare.data.readers.guard import reading
from fedshare.data.readers.names import finds_both
from fedshare.data.readers.options import Options
from fedshare.data.readers.table import MAX_COLUMNS, Table, distinct, of_frame
from fedshare.data.readers.wording import place, shown
from fedshare.errors import BadData, EmptyData, MissingColumn

__all__ = ["table_of"]


def table_of(thing: Any, options: Options) -> Table:
    """The table in a frame, a mapping of columns, or an iterable of rows.

    Raises:
        BadData: It is none of these, or its rows differ in length.
        EmptyData: There is no row.
        MissingColumn: Rows are tuples of three values or more, and nobody said what they are.
    """
    label = type(thing).__name__
    if isinstance(thing, pl.LazyFrame):
        with reading(label, "a lazy frame"):
            thing = thing.collect()
    if isinstance(thing, pl.DataFrame):
        return _table(thing, label, options)
    if hasattr(thing, "columns") and hasattr(thing, "iloc"):
        return _table(_of_pandas(thing, label), label, options)
    if hasattr(thing, "__arrow_c_stream__"):
        with reading(label, "an Arrow table"):
            return _table(pl.DataFrame(thing), label, options)
    if isinstance(thing, Mapping):
        return _table(_of_columns(cast("Mapping[Any, Any]", thing), label), label, options)
    if not isinstance(thing, Iterable) or isinstance(thing, str | bytes):
        raise _neither(thing)
    return _table(_of_rows(cast("Iterable[Any]", thing), label, options), label, options)


def _table(frame: pl.DataFrame, label: str, options: Options) -> Table:
    if frame.width > MAX_COLUMNS:
        raise BadData(
            f"{place(label)}: got {frame.width:,} columns, expected {MAX_COLUMNS:,} at most. Choose those needed."
        )
    if options.columns is not None:
        if len(options.columns) != frame.width:
            raise BadData(
                f"{place(label)}: got {len(options.columns)} names of columns, expected {frame.width}, as many as "
                "it has."
            )
        frame = frame.rename(dict(zip(frame.columns, options.columns, strict=True)))
    return of_frame(frame, label, "", {"form": label})


def _of_pandas(frame: Any, label: str) -> pl.DataFrame:
    """pandas by its columns; an index with a name is a column too, as after ``groupby``."""
    names = [name for name in frame.index.names if name is not None]
    if names:
        frame = frame.reset_index()
    columns = [
        " ".join(map(str, cast("tuple[Any, ...]", name))) if isinstance(name, tuple) else str(name)
        for name in frame.columns
    ]
    made = {name: _of_values(frame.iloc[:, n], name, label) for n, name in enumerate(distinct(columns))}
    return pl.DataFrame(made)


def _of_columns(columns: Mapping[Any, Any], label: str) -> pl.DataFrame:
    made: dict[str, pl.Series] = {}
    for name, values in columns.items():
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise BadData(
                f"{place(label)}: column {shown(name)} is {shown(values)}; expected several values, one a row, such as "
                "{'user': ['a', 'b'], 'item': ['x', 'y']}."
            )
        made[str(name)] = _of_values(values, str(name), label)
    if len({len(values) for values in made.values()}) > 1:
        lengths = ", ".join(f"{shown(name, 20)} {len(values):,}" for name, values in list(made.items())[:6])
        raise BadData(f"{place(label)}: columns differ in length ({lengths}); expected one value a row in each.")
    return pl.DataFrame(made)


def _of_rows(rows: Iterable[Any], label: str, options: Options) -> pl.DataFrame:
    """Rows that are tuples, lists, mappings, dataclasses or named tuples."""
    every = iter(rows)
    first = next(every, None)
    if first is None:
        raise EmptyData(f"{place(label)}: no interaction, expected at least one row with a user and an item.")
    names: Sequence[str] | None = None
    columns: dict[str, list[Any]] = {}
    row: Any
    for number, row in enumerate(chain([first], every), start=1):
        if dataclasses.is_dataclass(row) and not isinstance(row, type):
            row = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
        elif callable(as_dict := getattr(cast("object", row), "_asdict", None)):  # a named tuple
            row = as_dict()
        if isinstance(row, Mapping):
            record = cast("Mapping[Any, Any]", row)
            for key in record:
                columns.setdefault(str(key), [None] * (number - 1))
            for key, values in columns.items():
                values.append(record.get(key))
            if len(columns) > MAX_COLUMNS:
                raise BadData(
                    f"{place(label)}: got more than {MAX_COLUMNS:,} names, expected a few columns. Is it a table?"
                )
            continue
        if isinstance(row, str | bytes) or not isinstance(row, Iterable):
            raise BadData(
                f"{place(label)}: row {number:,} is {shown(row)}; expected a tuple such as ('ann', 'tea'), or a dict."
            )
        values = list(cast("Iterable[Any]", row))
        if names is None:
            names = _names(values, options, label)
            columns = {name: [] for name in names}
            if options.columns is None and len(values) > 2:
                continue  # its values were the names
        if len(values) != len(names):
            raise BadData(f"{place(label)}: row {number:,} has {len(values)} values, expected {len(names)}. Mend it.")
        for name, value in zip(names, values, strict=True):
            columns[name].append(value)
    return _of_columns(columns, label)


def _names(values: Sequence[Any], options: Options, label: str) -> Sequence[str]:
    if options.columns is not None:
        if len(options.columns) != len(values):
            raise BadData(
                f"{place(label)}: got {len(options.columns)} names of columns, expected {len(values)}, as many as a "
                "row has."
            )
        return options.columns
    texts = [str(value) for value in values]
    if len(values) > 2 and all(isinstance(value, str) for value in values) and finds_both(texts):
        return distinct(texts)
    if len(values) == 2:
        return ("user", "item")
    if isinstance(options.user, int) and isinstance(options.item, int):
        return tuple(str(n) for n in range(1, len(values) + 1))
    raise MissingColumn(
        f"{place(label)}: rows have {len(values)} values, expected to know what they are. Say it: "
        "`columns=['user', 'item', 'timestamp']`."
    )


def _of_values(values: Any, name: str, label: str) -> pl.Series:
    """One column as a series: of its own type where all values have it, and as text where they are mixed."""
    if isinstance(values, pl.Series):
        return values.alias(name)
    kind = getattr(getattr(values, "dtype", None), "kind", None)
    if kind is not None and kind in "iufbM" and getattr(values, "ndim", 1) == 1:
        array = values.to_numpy() if hasattr(values, "to_numpy") else values
        if getattr(array.dtype, "kind", "O") in "iufb":
            return pl.Series(name, array)
        if array.dtype.kind == "M":
            return pl.Series(name, array.astype("datetime64[us]"))
    every = [None if _is_missing(value) else _plain(value) for value in values]
    types: set[type] = {type(value) for value in every if value is not None}
    if types - {int, float} and types != {str} and len(types) > 1:
        every = [None if value is None else str(value) for value in every]
    try:
        return pl.Series(name, every, strict=False)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return pl.Series(name, [None if value is None else str(value) for value in every], pl.String)


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)  # NaN and NaT differ from themselves
    except (TypeError, ValueError):
        return "NA" in type(value).__name__


def _plain(value: Any) -> Any:
    """Python's value for NumPy's and pandas' scalars; whole numbers beyond 64 bits as text."""
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime()
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    return str(value) if isinstance(value, int) and abs(value) >= 2**63 else value


def _neither(thing: Any) -> BadData:
    return BadData(
        f"load: got {shown(thing)} of type {type(thing).__name__}, expected a name, a path, a frame, or rows such as "
        "[('ann', 'tea'), ('bob', 'milk')]."
    )
