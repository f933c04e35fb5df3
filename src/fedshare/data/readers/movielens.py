"""MovieLens as GroupLens packs it, told by the names of its files.

    ml-100k          u.data        tabs, no header       u.item      titles, "|" between columns, Latin-1
    ml-1m, ml-10m    ratings.dat   "::", no header       movies.dat  titles, Latin-1 or UTF-8
    later ones       ratings.csv   commas, a header      movies.csv  titles, UTF-8

The four columns are user, item, rating, time in seconds. Titles and genres are taken from beside the ratings.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

from fedshare.data.readers.content import Text
from fedshare.data.readers.delimited import delimited_table
from fedshare.data.readers.dialect import split_line
from fedshare.data.readers.notes import Notes
from fedshare.data.readers.options import Options
from fedshare.data.readers.table import Table
from fedshare.data.readers.wording import place
from fedshare.errors import BadData

__all__ = ["COLUMNS", "RATINGS", "TITLES", "looks_like_ratings", "movielens_table", "titles_and_genres"]

RATINGS = ("ratings.csv", "ratings.dat", "u.data")
TITLES = {"movies.csv": ",", "movies.dat": "::", "u.item": "|"}
COLUMNS = ("user_id", "item_id", "rating", "timestamp")
_ROW = re.compile(r"\d+(::|\t)\d+\1[0-5](\.[05])?\1\d{8,10}")


def looks_like_ratings(head: str) -> bool:
    """Whether every line is user, item, a rating up to 5 and a time, with the separators of MovieLens."""
    lines = [line.strip() for line in head.split("\n")[:50] if line.strip()]
    return bool(lines) and all(_ROW.fullmatch(line) for line in lines)


def movielens_table(text: Text, options: Options, notes: Notes, *, name: str) -> Table:
    """The four columns, with or without a header.

    Raises:
        BadData: There are not four columns.
    """
    lines = [line for line in text.head(4096).split("\n") if line.strip()]
    first = lines[0] if lines else ""
    separator = next((each for each in ("::", "\t") if each in first), None) or options.separator
    width = len(split_line(first, separator or ","))
    has_header = not first.lstrip("\"' ")[:1].isdigit()
    if first and not has_header and width != 4 and options.columns is None:
        raise BadData(
            f"{place(text.label)}: got {width} columns, expected 4 (user, item, rating, time). If it is not "
            "MovieLens, say what they are: `columns=['user', 'item', 'rating']`."
        )
    if not has_header and options.columns is None:
        options = replace(options, columns=COLUMNS, header=False)
    return delimited_table(text, options, notes, name=name, form="MovieLens", separator=separator)


def titles_and_genres(text: str, separator: str) -> tuple[dict[str, str], dict[str, str]]:
    """Item id to title, and item id to genres; u.item has genres in another form, which is left aside."""
    if separator == ",":
        rows = list(csv.reader(io.StringIO(text)))[1:]
    else:
        rows = [line.split(separator) for line in text.split("\n")]
    titles = {row[0].strip(): row[1].strip() for row in rows if len(row) > 1 and row[1].strip()}
    genres = {row[0].strip(): row[2].strip() for row in rows if len(row) == 3 and row[2].strip()}
    return titles, genres
