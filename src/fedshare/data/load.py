"""``load``: from a name, a path, a frame or rows to ``Interactions``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from fedshare.data.embedded import EMBEDDED, read_embedded
from fedshare.data.interactions import Interactions
from fedshare.data.readers.notes import Notes
from fedshare.data.readers.options import ColumnName, Events, Format, Options
from fedshare.data.readers.wording import bounded, place, shown
from fedshare.errors import FedShareError, TooSmall, UnknownDataset

__all__ = ["Format", "load"]


def load(
    source: str | os.PathLike[str] | Iterable[Any] | Mapping[str, Any] | Any,
    *,
    user: ColumnName = None,
    item: ColumnName = None,
    timestamp: ColumnName = None,
    rating: ColumnName = None,
    gift: ColumnName = None,
    category: ColumnName = None,
    title: ColumnName = None,
    event: ColumnName = None,
    events: Events | None = None,
    min_rating: float | None = None,
    drop_missing: bool = False,
    format: Format | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    quote: str | Literal[False] | None = None,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    comment: str | None = None,
    time_format: str | None = None,
    max_unpacked_mib: int | None = None,
    few: bool = False,
) -> Interactions:
    """Interactions from the embedded data set, a file or folder, a frame, or rows.

    "online-retail" is embedded; a name goes before a path, so write "./online-retail" for a folder called so. A path
    leads to CSV or other delimited text, JSON Lines, JSON, Parquet, RecBole's or MovieLens' files or LightGCN's lists,
    packed by gzip, zip, zstd, bzip2 or xz, or to a folder or zip archive of such files. Its form is told by what stands
    in it; every option below is for the cases in which that goes wrong. Frames are those of pandas, polars and Arrow;
    rows are tuples, mappings, dataclasses or named tuples.

    Rows of the same user and item become one pair, with the earliest time and the latest rating. What was noticed and
    left out stands in ``notes`` of the result; what may make the data other than one thinks is a ``DataWarning`` too.

    Args:
        source: Name of the embedded data set, path, frame, mapping of columns, or iterable of rows.
        user: The column of user ids, by name or by position from 1; None looks for a usual name.
        item: The column of item ids; likewise.
        timestamp: The column of times; likewise, and False leaves it out.
        rating: The column of ratings; likewise.
        gift: The column that marks gifts, true or false; likewise.
        category: The column of the items' categories; likewise.
        title: The column of the items' titles; likewise.
        event: The column of kinds of events, such as view and purchase; likewise.
        events: The kinds to read, or the weight of each, which becomes the pair's rating.
        min_rating: Read only rows rated so or higher, of pairs whose latest rating is.
        drop_missing: Leave out rows without an id, time or rating, instead of refusing them.
        format: What the source is; None tells by its content.
        separator: Between two fields of text, such as ";" or "tab".
        encoding: Of text, such as "windows-1252".
        quote: What encloses fields; False or "none" for nothing.
        header: Whether the first line names the columns.
        columns: Names for all columns in their order, where the source has none or others.
        comment: How lines begin that are to be left out.
        time_format: How times are written: a format of ``strptime``, or s, ms, us, ns (since 1970) or excel (days).
        max_unpacked_mib: How much a packed file may unpack to; without, fifty times its size and 4 GiB at most.
        few: Whether one user or one item will do, as in a file of the latest purchases for ``Ledger.observe``.

    Raises:
        UnknownDataset: Neither a name nor a path that exists.
        MissingFile: The folder or archive holds nothing that can be read.
        MissingColumn: A column is not there; the message lists those that are.
        EmptyData: There is no row, or none rated ``min_rating``.
        BadData: An id is missing, a rating is NaN, a time is negative, or the file is damaged.
        TooSmall: There is one user or one item, and ``few`` is off.
        BadOption: An option is none of those possible.

    Example:
        >>> interactions = load("online-retail")
        >>> interactions.n_users, interactions.n_items, len(interactions)
        (4334, 3659, 266221)
        >>> load([("ann", "tea"), ("bob", "milk")]).n_pairs
        2
    """
    options = Options(
        user=user, item=item, timestamp=timestamp, rating=rating, gift=gift, category=category,
        title=title, event=event, events=events, min_rating=min_rating, drop_missing=drop_missing, format=format,
        separator=separator,
        encoding=encoding, quote=quote, header=header, columns=columns, comment=comment, time_format=time_format,
        max_unpacked_mib=max_unpacked_mib,
    )  # fmt: skip
    notes = Notes()
    try:
        interactions = _read(source, options, notes)
        if not few:
            _check_size(interactions)
    except FedShareError as error:
        if len(str(error)) > len(short := bounded(str(error))):
            raise type(error)(short) from error
        raise
    notes.issue(interactions.name or "data", stacklevel=2)
    return replace(interactions, notes=notes.texts())


def _read(source: Any, options: Options, notes: Notes) -> Interactions:
    if isinstance(source, str) and source in EMBEDDED and options.format is None:
        return read_embedded(source, options, notes)
    path = _existing(source) if isinstance(source, str | os.PathLike) else None  # pyright: ignore[reportUnknownArgumentType]
    # readers import polars, which most of the library does not need
    from fedshare.data.readers.assemble import assemble
    from fedshare.data.readers.guard import reading

    with reading(path or _kind(source), "a table"):
        if path is not None:
            from fedshare.data.readers.source import open_source

            table = open_source(path, options, notes)
        else:
            from fedshare.data.readers.frames import table_of

            table = table_of(source, options)
        return assemble(table, options, notes)


def _kind(source: Any) -> str:
    return type(source).__name__


def _existing(source: Any) -> Path:
    text = str(os.fspath(cast("os.PathLike[str]", source)))
    try:
        path = Path(text).expanduser()
        there = bool(text) and path.exists()
    except (OSError, ValueError, RuntimeError, TypeError):  # too long, a zero inside, no such home
        there, path = False, Path()
    if not there:
        raise UnknownDataset(
            f"data {shown(text, 120)} is not there; expected {' or '.join(repr(name) for name in EMBEDDED)}, which is "
            f"embedded, or the path of a file or folder. The working folder is {place(Path.cwd())}."
        )
    return path


def _check_size(interactions: Interactions) -> None:
    for kind, count in (("user", interactions.n_users), ("item", interactions.n_items)):
        if count < 2:
            raise TooSmall(
                f"{place(interactions.name or 'data')}: got one {kind}, expected two or more. With one there is "
                f"nothing to {'share with' if kind == 'user' else 'rank'}; name the right column: `{kind}='NAME'`."
            )
