"""From a table to ``Interactions``: find the columns, leave out what is nothing, turn values into ids and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedshare.data.interactions import TEST, TRAIN, Interactions
from fedshare.data.merging import keep_rated
from fedshare.data.readers.events import event_rows
from fedshare.data.readers.ids import ids
from fedshare.data.readers.notes import Notes
from fedshare.data.readers.options import Options, Role
from fedshare.data.readers.roles import pick
from fedshare.data.readers.table import Table
from fedshare.data.readers.times import LAST_SECOND, seconds
from fedshare.data.readers.values import numbers, texts, without_missing
from fedshare.data.readers.wording import count, listed, place, rows, shown
from fedshare.data.vocabulary import Kind, Vocabulary
from fedshare.errors import BadData, EmptyData, MissingColumn

__all__ = ["assemble"]

_ROW = "\0row"
"The number of a row in its source, so that messages name it although others were left out before."
_TRUE, _FALSE = (
    ("true", "1", "1.0", "yes", "y", "t", "gift", "ja", "x"),
    ("false", "0", "0.0", "no", "n", "f", "nein", "-"),
)


def assemble(table: Table, options: Options, notes: Notes) -> Interactions:
    """The interactions of a table.

    Raises:
        MissingColumn: There is no column of users or items.
        EmptyData: No row is left.
        BadData: A value cannot be what its column says.
    """
    picked = pick([name for name in table.names if name != table.split], options, table.label)
    if options.events is not None and "event" not in picked:
        raise MissingColumn(
            f"{place(table.label)}: found no column of events among {listed(table.names)}; expected one to choose "
            "from. Say which it is: `event='NAME'`."
        )
    wanted = [*picked.values(), *([table.split] if table.split else [])]
    frame = _filled(table.read(wanted), table, notes)
    frame, weights = _of_events(frame, picked, options, table, notes)
    frame = _with_ids(frame, picked, options, table, notes)
    frame, moments, how = _with_times(frame, picked, options, table, notes)
    stars = _ratings(frame, picked, weights, table)
    if stars is not None and (below := int((stars < 0).sum())):
        notes.say(f"{count(below, 'rating')} below 0, as some sets write 'not rated'; `min_rating=0` leaves them out")
    users, user = _numbered("user", frame[picked["user"]])
    items, item = _numbered("item", frame[picked["item"]])
    marks = _marks(frame, picked, options, table, notes)
    part = _parts(frame[table.split], table) if table.split else None
    titles = _per_item("title", frame, picked, options, item, items, notes) | _of_items(table.titles, items)
    categories = _per_item("category", frame, picked, options, item, items, notes) | _of_items(table.categories, items)
    n_rows = len(user)
    if options.min_rating is not None:
        if stars is None:
            raise MissingColumn(
                f"min_rating: got {options.min_rating}, but {place(table.label)} has no ratings. Leave it out, or "
                "name the column: `rating='NAME'`."
            )
        kept = keep_rated(user, item, moments, stars, options.min_rating)
        if not kept.any():
            raise EmptyData(
                f"min_rating: no interaction is rated {options.min_rating} or higher, expected at most "
                f"{stars.max():g}, the highest rating of {place(table.label)}."
            )
        notes.say(
            f"{count(n_rows - int(kept.sum()), 'row')} of {n_rows:,} left out, being rated below "
            f"{options.min_rating:g} or of a pair whose latest rating is"
        )
        user, item, n_rows = user[kept], item[kept], int(kept.sum())
        stars = stars[kept]
        moments = None if moments is None else moments[kept]
        marks = None if marks is None else marks[kept]
        part = None if part is None else part[kept]
    made = Interactions.from_indices(
        users, items, user, item, timestamp=moments, rating=stars, split=part, gift=marks, titles=titles,
        categories=categories, name=table.label,
    )  # fmt: skip
    if made.n_merged:
        notes.say(
            f"{count(made.n_merged, 'row')} of {n_rows:,} merged, having the user and item of another: a pair has "
            "its earliest time and its latest rating"
        )
    made = made.compact() if options.min_rating is not None else made
    reading = {
        **table.form,
        **{role: picked[role] for role in picked if _used(role, made)},
        **({"times": how} if how else {}),
    }
    return replace(made, name=table.name, reading=reading)


def _used(role: Role, made: Interactions) -> bool:
    there: Mapping[Role, object] = {
        "timestamp": made.timestamp is not None, "rating": made.rating is not None, "gift": made.gift is not None,
        "title": bool(made.titles), "category": bool(made.categories),
    }  # fmt: skip
    return bool(there.get(role, True))


def _filled(frame: pl.DataFrame, table: Table, notes: Notes) -> pl.DataFrame:
    """The rows in which anything stands."""
    if frame.is_empty():
        raise EmptyData(f"{place(table.label)}: got the columns but no row; expected at least one interaction.")
    frame = frame.with_row_index(_ROW)
    text = [name for name in frame.columns if frame[name].dtype == pl.String]
    if len(text) == frame.width - 1:
        blank = frame.select(
            pl.all_horizontal((pl.col(name).str.strip_chars() == "").fill_null(True) for name in text)
        ).to_series()
        if blank.any():
            notes.say(f"{count(int(blank.sum()), 'row')} left out, being blank or the header again")
            frame = frame.filter(~blank)
            if frame.is_empty():
                raise EmptyData(f"{place(table.label)}: got the columns but no row; expected at least one interaction.")
    return frame


def _of_events(
    frame: pl.DataFrame, picked: dict[Role, str], options: Options, table: Table, notes: Notes
) -> tuple[pl.DataFrame, str | None]:
    """The rows of the events that are wanted, and the column of their weights, if they have any."""
    if "event" not in picked:
        return frame, None
    name = picked["event"]
    chosen = event_rows(frame[name], options.weights(), options.event is not None, table.label, notes)
    if chosen is None:
        del picked["event"]
        return frame, None
    kept, weights = chosen
    weight = "\0weight"
    if weights is not None:
        frame = frame.with_columns(weights.alias(weight))
    frame = frame.filter(kept)
    if frame.is_empty():
        raise EmptyData(
            f"{place(table.label)}: no event of the chosen kinds is left; expected at least one interaction."
        )
    if weights is None:
        return frame, None
    pair = [picked["user"], picked["item"]]
    return frame.with_columns(pl.col(weight).max().over(pair)), weight


def _with_ids(
    frame: pl.DataFrame, picked: Mapping[Role, str], options: Options, table: Table, notes: Notes
) -> pl.DataFrame:
    """Users and items as text; rows without are an error, or left out if that was said."""
    for role in ("user", "item"):
        column = picked[role]
        made = ids(frame[column], role, table.label, notes)
        frame = frame.with_columns(made.alias(column))
    for role in ("user", "item"):
        missing = frame[picked[role]].is_null()
        if missing.any() and not options.drop_missing:
            raise BadData(
                f"{place(table.label)}: {role} ids: got none (empty, NaN, null, NA or the like) in "
                f"{_rows(frame, missing)}, "
                "expected an id in every row. Fill them in, or leave these rows out: `drop_missing=True`."
            )
        frame = _dropped(frame, missing, f"{role} id", table, notes)
    if "rating" in picked:
        values = without_missing(frame[picked["rating"]])
        if options.drop_missing and values.null_count() < len(values):
            frame = _dropped(frame.with_columns(values), values.is_null(), "rating", table, notes)
    return frame


def _with_times(
    frame: pl.DataFrame, picked: Mapping[Role, str], options: Options, table: Table, notes: Notes
) -> tuple[pl.DataFrame, NDArray[np.int64] | None, str]:
    if "timestamp" not in picked:
        return frame, None, ""
    column = without_missing(frame[picked["timestamp"]])
    missing = column.null_count()
    if missing == len(column):
        notes.say(f"column {shown(picked['timestamp'])} has no time in any row")
        return frame, None, ""
    if missing and options.drop_missing:
        frame = _dropped(frame.with_columns(column), column.is_null(), "time", table, notes)
        column = frame[picked["timestamp"]]
    elif missing:
        notes.warn(
            f"{count(missing, 'row')} of {len(column):,} without a time, so all times are left out: an order of "
            "only some rows misleads. Leave these rows out instead with `drop_missing=True`."
        )
        return frame, None, ""
    made, how = seconds(column, options.time_format, table.label, notes)
    impossible = pl.Series((made < 0) | (made > LAST_SECOND))
    if impossible.any():
        got = made[impossible.to_numpy()][0]
        raise BadData(
            f"{place(table.label)}: timestamp: got {got} in {_rows(frame, impossible)}, expected "
            "times from 1970 (0 or above) to the year 9999. Mend these rows, or leave times out: `timestamp=False`."
        )
    if len(made) > 1 and made.min() == made.max():
        notes.warn("all times are equal, so nothing is earlier or later: a split by time is one by chance")
    return frame, made, how


def _ratings(
    frame: pl.DataFrame, picked: Mapping[Role, str], weights: str | None, table: Table
) -> NDArray[np.float32] | None:
    """Ratings; None where the column has none at all."""
    if weights is not None:
        return frame[weights].cast(pl.Float32).to_numpy()
    if "rating" not in picked:
        return None
    column = without_missing(frame[picked["rating"]])
    if column.null_count() == len(column):
        return None
    if not (column.dtype.is_numeric() or column.dtype == pl.String or column.dtype == pl.Boolean):
        raise BadData(
            f"{place(table.label)}: column {shown(column.name)} is {shown(column.dtype)[1:-1]}; expected numbers as "
            "ratings. Name another, `rating='NAME'`, or leave them out: `rating=False`."
        )
    values = (numbers(column) if column.dtype == pl.String else column).cast(pl.Float32, strict=False)
    words = values.is_null() & column.is_not_null()
    if words.any():
        raise BadData(
            f"{place(table.label)}: column {shown(column.name)} holds {shown(column.filter(words)[0])} "
            f"({int(words.sum()):,} rows "
            "like it); expected a number as rating. Mend these rows, or leave ratings out: `rating=False`."
        )
    bad = values.is_null() | values.is_infinite().fill_null(False)
    if bad.any():
        got = "nan" if values.filter(bad)[0] is None else "inf"
        raise BadData(
            f"{place(table.label)}: rating: got {got} in {_rows(frame, bad)}, expected a number. Leave these rows out, "
            "`drop_missing=True`, or all ratings, `rating=False`."
        )
    return values.to_numpy()


def _marks(
    frame: pl.DataFrame, picked: Mapping[Role, str], options: Options, table: Table, notes: Notes
) -> NDArray[np.bool_] | None:
    """Which rows are gifts; nothing in a row means that it is none."""
    if "gift" not in picked:
        return None
    column = frame[picked["gift"]]
    if column.dtype == pl.Boolean:
        return column.fill_null(False).to_numpy()
    text = texts(column).str.to_lowercase()
    if text.null_count() == len(text):
        return None
    other = text.filter(~text.is_in([*_TRUE, *_FALSE]).fill_null(True))
    if len(other):
        said = (
            f"column {shown(column.name)} holds {shown(other[0])} ({len(other):,} rows like it) beside true and false"
        )
        if options.gift is None:
            notes.say(f"{said}, so it is not taken for a mark of gifts")
            return None
        raise BadData(
            f"{place(table.label)}: {said}; expected a mark such as true and false, 1 and 0, yes and no. Name "
            "another column: `gift='NAME'`."
        )
    return text.is_in(_TRUE).fill_null(False).to_numpy()


def _per_item(
    role: Role, frame: pl.DataFrame, picked: Mapping[Role, str], options: Options, item: NDArray[np.int32],
    items: Vocabulary, notes: Notes,
) -> dict[str, str]:  # fmt: skip
    """What a column says of each item: what most of its rows say."""
    if role not in picked:
        return {}
    column = frame[picked[role]]
    if column.dtype.is_nested():
        return {}
    said = pl.DataFrame({"item": item, "text": texts(column)}).drop_nulls()
    counts = said.group_by("item", "text").len().sort("item", "len", "text", descending=[False, True, False])
    usual = counts.group_by("item", maintain_order=True).agg(
        pl.col("text").first(), pl.col("len").first(), pl.col("len").sum().alias("all")
    )
    several = usual.filter(pl.col("all") > 1)
    if options.named(role) is None and several.height and several["len"].sum() * 2 <= several["all"].sum():
        notes.say(f"column {shown(picked[role])} says different things of one item, so it is not taken for its {role}")
        return {}
    if differ := int((several["len"] < several["all"]).sum()):
        notes.say(
            f"{differ:,} items have more than one {role} in column {shown(picked[role])}; the most frequent one counts"
        )
    return {items.id(int(index)): text for index, text in zip(usual["item"], usual["text"], strict=True)}


def _of_items(texts_of: Mapping[str, str], items: Vocabulary) -> dict[str, str]:
    return {id: text for id, text in texts_of.items() if id in items}


def _numbered(kind: Kind, column: pl.Series) -> tuple[Vocabulary, NDArray[np.int32]]:
    """The sorted vocabulary of a column of ids, and each row's index; polars sorts by code points, as Python does."""
    values = column.unique().sort()
    index = column.cast(pl.Enum(values)).to_physical().cast(pl.Int32).to_numpy()
    return Vocabulary(kind, tuple(values.to_list())), index


def _parts(column: pl.Series, table: Table) -> NDArray[np.int8] | None:
    """The canonical split: 0 for train, 1 for test; None where the column is empty."""
    if column.null_count() == len(column):
        return None
    values = {"train": TRAIN, "test": TEST}
    present = texts(column)
    other = sorted({str(value) for value in present.unique()} - set(values))
    if other:
        raise BadData(
            f"{place(table.label)}: column {shown(column.name)} holds {listed(other, 4)}; expected 'train' or "
            "'test' in every row."
        )
    return present.replace_strict(values, return_dtype=pl.Int8).to_numpy()


def _dropped(frame: pl.DataFrame, missing: pl.Series, why: str, table: Table, notes: Notes) -> pl.DataFrame:
    if not missing.any():
        return frame
    notes.warn(f"{count(int(missing.sum()), 'row')} of {len(frame):,} left out, having no {why}")
    frame = frame.filter(~missing)
    if frame.is_empty():
        raise EmptyData(
            f"{place(table.label)}: no row is left without missing values; expected at least one interaction."
        )
    return frame


def _rows(frame: pl.DataFrame, bad: pl.Series) -> str:
    return rows(int(bad.sum()), len(frame), int(frame[_ROW].filter(bad)[0]))
