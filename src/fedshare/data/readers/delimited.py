"""Delimited text, such as CSV and TSV, as a table of strings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from fedshare.data.readers.content import Text
from fedshare.data.readers.dialect import Dialect, find_dialect, no_columns
from fedshare.data.readers.guard import reading
from fedshare.data.readers.notes import Notes
from fedshare.data.readers.options import Options
from fedshare.data.readers.quotes import line_widths, tolerant_rows
from fedshare.data.readers.table import Table
from fedshare.data.readers.wording import place, shown
from fedshare.errors import BadData, MissingColumn

__all__ = ["delimited_table"]

_UNIT = "\x1f"
"Stands for separators of several bytes, which polars does not know."
_SHOWN = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe", " ": "spaces", "\x01": "\\x01"}


def delimited_table(
    text: Text, options: Options, notes: Notes, *, name: str, form: str = "", separator: str | None = None
) -> Table:
    """The table that a text holds.

    Args:
        text: What the file holds.
        options: What the caller said.
        notes: Where to put what was noticed.
        name: What to call the data.
        form: How to call the form; found by the separator without.
        separator: The separator of the form, if it has one.

    Raises:
        BadData: Lines are longer than the header, or quotes lead nowhere.
    """
    dialect = find_dialect(text, options, notes, separator=separator)
    if dialect.header is not None and len(dialect.names) == 1:
        raise no_columns(dialect.names, text.label, dialect.separator)
    described = {
        "form": form
        or ("TSV" if dialect.separator == "\t" else "CSV" if dialect.separator in ",;" else "delimited text"),
        "encoding": text.encoding,
        "separator": _SHOWN.get(dialect.separator, dialect.separator),
        "quote": "none" if dialect.quote is None else dialect.quote,
        "header": "no" if dialect.header is None else "yes",
    }
    if dialect.quote is None and options.quote is None:
        notes.say("quotes do not enclose fields here, so they are read as letters; for another way give `quote='\"'`")
    parse = _loose(text, dialect, notes) if dialect.loose else _parser(text, dialect, options)
    return Table(text.label, name, dialect.names, parse, described)


def _parser(text: Text, dialect: Dialect, options: Options) -> Callable[[Sequence[str]], pl.DataFrame]:
    source, separator = _single_byte(text, dialect)
    plain = {name: f"column_{n}" for n, name in enumerate(dialect.names, start=1)}  # as polars calls them

    def read(columns: Sequence[str]) -> pl.DataFrame:
        try:
            with reading(text.label, "delimited text"):
                frame = pl.read_csv(
                    source,
                    has_header=False,
                    separator=separator,
                    quote_char=dialect.quote,
                    comment_prefix=dialect.comment,
                    skip_lines=dialect.skip_lines,
                    schema=dict.fromkeys(plain.values(), pl.String),
                    missing_columns="insert",  # where the first row is too short, as others may be
                    columns=[plain[name] for name in columns],
                ).select(pl.col(plain[name]).alias(name) for name in columns)
        except MissingColumn:
            raise
        except BadData as error:
            raise _named_line(text, dialect, error) from error.__cause__
        return _without_header(_unquoted(frame, dialect, options), dialect)

    return read


def _single_byte(text: Text, dialect: Dialect) -> tuple[bytes | Path, str]:
    """What polars reads, and with which separator."""
    separator = dialect.separator
    if separator == " ":
        lines = (b"\x1f".join(line.split()) for line in bytes(text.data).split(b"\n"))
        return b"\n".join(lines), _UNIT
    if len(separator.encode()) == 1:
        return (text.path or bytes(text.data)), separator
    if text.data.find(_UNIT.encode()) >= 0:
        raise BadData(
            f"{place(text.label)}: the separator {shown(separator)} cannot be used beside the control character "
            "0x1f in the text; expected one of the two. Remove that character."
        )
    return bytes(text.data).replace(separator.encode(), _UNIT.encode()), _UNIT


def _unquoted(frame: pl.DataFrame, dialect: Dialect, options: Options) -> pl.DataFrame:
    """Where quotes are letters, but enclose every value of a column, they are none of the value after all."""
    if dialect.quote is not None or options.quote is not None:
        return frame
    for name in frame.columns:
        values = frame[name].str.strip_chars()
        if values.str.contains(r'^".*"$').all() and values.drop_nulls().str.len_chars().min() != 1:
            frame = frame.with_columns(values.str.slice(1).str.head(-1).alias(name))
    return frame


def _without_header(frame: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
    """Rows that repeat the header, as files have that were put one behind the other, become rows of nulls."""
    if dialect.header is None or frame.is_empty():
        return frame
    written = dict(zip(dialect.names[-len(dialect.header) :], dialect.header, strict=False))
    told = [name for name in frame.columns if name in written]
    if not told or (frame[told[0]].str.strip_chars() != written[told[0]].strip()).all():
        return frame
    repeats = pl.all_horizontal(pl.col(name).str.strip_chars() == written[name].strip() for name in told)
    return frame.with_columns(pl.when(repeats).then(None).otherwise(pl.col(name)).alias(name) for name in frame.columns)


def _loose(text: Text, dialect: Dialect, notes: Notes) -> Callable[[Sequence[str]], pl.DataFrame]:
    rows = tolerant_rows(text, dialect.separator, dialect.skip_lines)
    width = len(dialect.names)
    for line, row in rows:
        if len(row) != width:
            raise BadData(
                f"{place(text.label)}: line {line:,} has {len(row)} fields, expected {width}; a quote in or before "
                "it does not pair up. Mend it, or read quotes as letters: `quote=False`."
            )
    notes.warn("quotes do not pair up everywhere; where they do not they are read as letters")

    @lru_cache(1)
    def frame() -> pl.DataFrame:
        columns = list(zip(*(row for _, row in rows), strict=True)) or [()] * width
        return pl.DataFrame(
            dict(zip(dialect.names, columns, strict=True)), schema=dict.fromkeys(dialect.names, pl.String)
        )

    return lambda columns: _without_header(frame().select(columns), dialect)


def _named_line(text: Text, dialect: Dialect, error: BadData) -> BadData:
    """What is wrong, with the line, where a parser only says that something is."""
    if text.data.find(b'"') < 0 or dialect.quote is None:
        widths, numbers = line_widths(text, dialect.separator)
        wrong = np.flatnonzero((widths > len(dialect.names)) & (numbers > dialect.skip_lines))
        if len(wrong):
            return BadData(
                f"{place(text.label)}: line {numbers[wrong[0]]:,} has {widths[wrong[0]]:,} fields, expected "
                f"{len(dialect.names):,} as in the header ({len(wrong):,} lines like it). Is a separator inside a "
                "value? Enclose it in quotes, or name another `separator=';'`."
            )
    else:
        for line, row in tolerant_rows(text, dialect.separator, dialect.skip_lines):
            if len(row) > len(dialect.names):
                return BadData(
                    f"{place(text.label)}: line {line:,} has {len(row):,} fields, expected {len(dialect.names):,} "
                    "as in the "
                    "header. Is a separator inside a value? Enclose it in quotes, or name another `separator=';'`."
                )
    return error
