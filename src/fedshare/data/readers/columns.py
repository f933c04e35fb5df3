"""From a table with some columns to ``Interactions``: the part that all readers share.

Columns are found by common names, compared without case, spaces, ``_``, ``-`` and ``.`` ("userId", "USER_ID"); of
several, the first in ``COMMON`` is taken. Ids become strings: whole numbers are written without ``.0``. Times become
seconds since 1970 (UTC). A number may count seconds, milliseconds, microseconds or nanoseconds: the median tells which,
since seconds stay below 1e11 until the year 5138. Text is read as a number or as an ISO date; a date without a time
zone is taken as UTC. Where some rows have no time, no row has: an order in time of half of the pairs misleads.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedshare.data.interactions import TEST, TRAIN, Interactions
from fedshare.data.readers import Columns
from fedshare.errors import BadData, BadOption, EmptyData, MissingColumn

__all__ = ["pick", "reading", "title_table", "to_interactions"]

Role = Literal["user", "item", "timestamp", "rating"]

COMMON: dict[str, tuple[str, ...]] = {
    "user": (
        "user_id", "user", "uid", "customer_id", "customer", "reviewer_id", "visitor_id", "member_id", "account_id",
        "client_id", "person_id",
    ),
    "item": (
        "item_id", "item", "iid", "movie_id", "movie", "product_id", "product", "stock_code", "sku", "asin",
        "article_id", "book_id", "isbn", "song_id", "track_id", "artist_id", "game_id", "video_id", "news_id",
        "business_id", "venue_id", "location_id",
    ),
    "timestamp": (
        "timestamp", "time", "unix_time", "unix_review_time", "datetime", "date", "ts", "event_time", "created_at",
        "invoice_date",
    ),
    "rating": ("rating", "score", "stars", "overall"),
    "title": ("title", "name", "item_name", "movie_title", "product_title", "description"),
}  # fmt: skip

_UNITS = ((1e17, 10**9), (1e14, 10**6), (1e11, 10**3))
"Above this median, this many to a second."


@contextmanager
def reading(path: Path | str, form: str) -> Generator[None, None, None]:
    """Turn what polars says about a file into one of our errors."""
    try:
        yield
    except pl.exceptions.NoDataError as error:
        raise EmptyData(f"'{path}': the file is empty; expected a table of interactions.") from error
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0]
        raise BadData(f"'{path}': cannot be read as {form} ({reason}). Is it whole, and is this its format?") from error


def pick(present: Sequence[str], columns: Columns, path: Path | str) -> dict[Role, str]:
    """Which column plays which role; a role without a column is left out.

    Raises:
        MissingColumn: There is no column for users or items, or one that was named is not there.
        BadOption: One column was named for two roles.
    """
    there = ", ".join(f"'{column}'" for column in present)
    picked: dict[Role, str] = {}
    for role in ("user", "item", "timestamp", "rating"):
        given: str | None = getattr(columns, role)
        if given is not None and given not in present:
            raise MissingColumn(f"'{path}': {role}='{given}' is not a column; expected one of {there}.")
        found = given or _find(COMMON[role], present)
        if found is not None:
            picked[role] = found
        elif role in ("user", "item"):
            usual = ", ".join(COMMON[role][:4])
            raise MissingColumn(
                f"'{path}': found no column of {role}s among {there}; expected a name such as {usual}. "
                f"Give it: load(..., {role}='NAME').{_headerless(present)}"
            )
    if len(set(picked.values())) < len(picked):
        raise BadOption(
            f"'{path}': one column was taken twice ({', '.join(f'{r}={c!r}' for r, c in picked.items())}); "
            f"expected different ones. The columns are {there}."
        )
    return picked


def to_interactions(
    frame: pl.DataFrame,
    columns: Columns,
    *,
    path: Path | str,
    name: str,
    titles: dict[str, str] | None = None,
    split: str | None = None,
) -> Interactions:
    """The table as ``Interactions``.

    Args:
        frame: One row per interaction.
        columns: The names that the caller gave.
        path: The source, for messages.
        name: What to call the data.
        titles: Item id to title.
        split: The column with 'train' and 'test', if the form has one.
    """
    picked = pick(frame.columns, columns, path)
    if frame.is_empty():
        raise EmptyData(f"'{path}': got the columns but no row; expected at least one interaction.")
    timestamp = frame[picked["timestamp"]] if "timestamp" in picked else None
    rating = frame[picked["rating"]] if "rating" in picked else None
    interactions = Interactions.from_arrays(
        _ids(frame[picked["user"]], path).to_list(),
        _ids(frame[picked["item"]], path).to_list(),
        timestamp=None if timestamp is None else _seconds(timestamp, path),
        rating=None if rating is None else _ratings(rating, path),
        split=_parts(frame[split], path) if split in frame.columns else None,
        titles=titles,
        name=str(path),
    )
    return replace(interactions, name=name)


def title_table(frame: pl.DataFrame, path: Path | str) -> dict[str, str]:
    """Item id to title; empty where the table has no titles."""
    item, title = _find(COMMON["item"], frame.columns), _find(COMMON["title"], frame.columns)
    if item is None or title is None:
        return {}
    pairs = zip(_ids(frame[item], path).to_list(), frame[title].cast(pl.String).to_list(), strict=True)
    return {id: text.strip() for id, text in pairs if id and text and text.strip()}


def _find(common: Sequence[str], present: Sequence[str]) -> str | None:
    by_plain_name = {_plain(column): column for column in reversed(present)}
    return next((by_plain_name[_plain(name)] for name in common if _plain(name) in by_plain_name), None)


def _plain(column: str) -> str:
    return "".join(letter for letter in column.casefold() if letter not in " _-.\ufeff")


def _headerless(present: Sequence[str]) -> str:
    """A hint where the first row seems to be data."""
    numbers = all(column.removesuffix("_duplicated_0").replace(".", "", 1).isdigit() for column in present)
    if not numbers:
        return ""
    return (
        " These look like data: is the header missing? Files with the four columns of MovieLens need none: "
        "load(..., format='movielens')."
    )


def _ids(column: pl.Series, path: Path | str) -> pl.Series:
    """Ids as strings, missing ones as nulls."""
    if column.dtype.is_integer():
        return column.cast(pl.String)
    if column.dtype.is_float():
        known = column.fill_nan(None)
        if not (known.drop_nulls() == known.drop_nulls().round()).all():
            raise BadData(
                f"'{path}': column '{column.name}' holds fractions; expected ids (text or whole numbers). "
                f"Is this the right column?"
            )
        return known.cast(pl.Int64).cast(pl.String)
    if column.dtype.base_type() not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise BadData(f"'{path}': column '{column.name}' is {column.dtype}; expected ids (text or whole numbers).")
    text = column.cast(pl.String).str.strip_chars()
    if text.str.contains(r"^-?\d+\.0+$").all() and text.drop_nulls().len():  # whole numbers that became floats once
        return text.str.replace(r"\.0+$", "")
    return text


def _ratings(column: pl.Series, path: Path | str) -> NDArray[np.float32] | None:
    """Ratings, missing ones as NaN; None where the column has none at all."""
    if column.null_count() == len(column):
        return None
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        raise BadData(f"'{path}': column '{column.name}' is {column.dtype}; expected numbers as ratings.")
    values = (column.str.strip_chars() if column.dtype == pl.String else column).cast(pl.Float32, strict=False)
    _refuse_new_gaps(column, values, path, "a number as rating")
    return values.to_numpy()  # nulls become NaN


def _seconds(column: pl.Series, path: Path | str) -> NDArray[np.int64] | None:
    """Seconds since 1970; None where any row has no time."""
    values = column.fill_nan(None) if column.dtype.is_float() else column
    if values.null_count():
        return None
    if values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime):
        return values.dt.epoch("s").to_numpy()  # of the moment itself, whatever the time zone
    if values.dtype == pl.String:
        numbers = values.str.strip_chars().cast(pl.Float64, strict=False)
        if numbers.null_count() == len(numbers):
            return _iso_seconds(values, path)
        _refuse_new_gaps(column, numbers, path, "seconds or milliseconds since 1970 as in the other rows")
        values = numbers.fill_nan(None)
        if values.null_count():
            return None
    if not values.dtype.is_numeric():
        raise BadData(f"'{path}': column '{column.name}' is {column.dtype}; expected times (numbers or dates).")
    counts = values.to_numpy()
    if not np.isfinite(counts).all():
        raise BadData(f"'{path}': column '{column.name}' holds infinity; expected seconds since 1970. Mend these rows.")
    typical = float(np.median(np.abs(counts))) if len(counts) else 0.0
    per_second = next((unit for bound, unit in _UNITS if typical > bound), 1)
    return np.floor_divide(counts, per_second).astype(np.int64)


def _iso_seconds(column: pl.Series, path: Path | str) -> NDArray[np.int64]:
    seconds = np.empty(len(column), dtype=np.int64)
    for row, text in enumerate(column.to_list()):
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise BadData(
                f"'{path}': column '{column.name}' holds '{text}' (row {row + 1:,}); expected seconds or milliseconds "
                f"since 1970, or an ISO date such as 2010-12-01 08:26:00. Rewrite the column or name another one."
            ) from None
        seconds[row] = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1
    return seconds


def _parts(column: pl.Series, path: Path | str) -> NDArray[np.int8] | None:
    """The canonical split: 0 for train, 1 for test; None where the column is empty."""
    if column.null_count() == len(column):
        return None
    values = {"train": TRAIN, "test": TEST}
    other = sorted({str(value) for value in column.unique()} - set(values))
    if other:
        raise BadData(f"'{path}': column '{column.name}' holds {other}; expected 'train' or 'test' in every row.")
    return column.replace_strict(values, return_dtype=pl.Int8).to_numpy()


def _refuse_new_gaps(column: pl.Series, values: pl.Series, path: Path | str, expected: str) -> None:
    bad = column.filter(values.is_null() & column.is_not_null())
    if len(bad):
        raise BadData(
            f"'{path}': column '{column.name}' holds '{bad[0]}' ({len(bad):,} rows like it); expected {expected}. "
            f"Mend these rows or name another column."
        )
