"""``load``: from a name or a path to ``Interactions``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, get_args

from fedshare.data.embedded import EMBEDDED, read_embedded
from fedshare.data.filters import at_least_rated
from fedshare.data.interactions import Interactions
from fedshare.data.readers import Columns
from fedshare.errors import BadData, MissingFile, TooSmall, UnknownDataset
from fedshare.options import one_of

__all__ = ["Format", "load"]

Format = Literal["folder", "csv", "tsv", "parquet", "recbole", "movielens"]

_BY_SUFFIX: dict[str, Format] = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".inter": "recbole",
    ".zip": "movielens",
    ".dat": "movielens",
    ".data": "movielens",
}
_IN_FOLDER: dict[str, Format] = {
    "interactions.parquet": "folder",
    "*.inter": "recbole",
    "ratings.csv": "movielens",
    "ratings.dat": "movielens",
    "u.data": "movielens",
}


def load(
    name_or_path: str | os.PathLike[str],
    *,
    user: str | None = None,
    item: str | None = None,
    timestamp: str | None = None,
    rating: str | None = None,
    format: Format | None = None,
    min_rating: float | None = None,
) -> Interactions:
    """Interactions from the embedded data set, a file or a folder.

    "online-retail" is embedded. Anything else is a path: the folder form (interactions.parquet, items.parquet), a CSV,
    TSV or Parquet file, RecBole's ``.inter`` or its folder, or MovieLens as a zip file, folder or ratings file. A name
    goes before a path; write "./online-retail" for a folder called so.

    Rows of the same user and item become one pair: the earliest. Numbers as times may be seconds, milliseconds,
    microseconds or nanoseconds (told by their size), text may be ISO dates; where some rows have no time, the result
    has none.

    Args:
        name_or_path: Name of the embedded data set, or a path.
        user: The column of user ids; None looks for a common name.
        item: The column of item ids; likewise.
        timestamp: The column of times; likewise, and none is needed.
        rating: The column of ratings; likewise, and none is needed.
        format: What the path holds; None tells by its name.
        min_rating: Keep only pairs rated so or higher.

    Raises:
        UnknownDataset: Neither a name nor a path that exists.
        MissingFile: The folder holds nothing that can be read.
        MissingColumn: A column is not there; the message lists those that are.
        EmptyData: There is no row, or none rated ``min_rating``.
        BadData: An id is missing, a rating is NaN, a time is negative, or the file is damaged.
        TooSmall: There is one user or one item.
        BadOption: ``format`` is none of those known.

    Example:
        >>> interactions = load("online-retail")
        >>> interactions.n_users, interactions.n_items, len(interactions)
        (4334, 3659, 266221)
    """
    if format is not None:
        one_of("format", format, get_args(Format))
    columns = Columns(user=user, item=item, timestamp=timestamp, rating=rating)
    if isinstance(name_or_path, str) and name_or_path in EMBEDDED and format is None:
        interactions = read_embedded(name_or_path, columns)
    else:
        path = Path(name_or_path).expanduser()
        _check_exists(path, name_or_path)
        interactions = _read(path, format or _format_of(path), columns)
    if min_rating is not None:
        interactions = at_least_rated(interactions, min_rating)
    _check_size(interactions)
    return interactions


def _read(path: Path, format: Format, columns: Columns) -> Interactions:
    if format in ("csv", "tsv", "parquet") and path.is_dir():
        raise BadData(f"'{path}': got a folder, expected a file for format '{format}'. Give the path of a file in it.")
    match format:  # readers import polars, so each is imported when it is needed
        case "folder":
            from fedshare.data.readers import folder

            return folder.read(path, columns)
        case "csv" | "tsv":
            from fedshare.data.readers import delimited

            return delimited.read_text(path, columns, separator="\t" if format == "tsv" else None)
        case "parquet":
            from fedshare.data.readers import delimited

            return delimited.read_parquet(path, columns)
        case "recbole":
            from fedshare.data.readers import recbole

            return recbole.read(path, columns)
        case "movielens":
            from fedshare.data.readers import movielens

            return movielens.read(path, columns)


def _check_exists(path: Path, given: object) -> None:
    if not str(given) or not path.exists():
        raise UnknownDataset(
            f"data '{given}' is not there; expected {' or '.join(repr(name) for name in EMBEDDED)}, which is embedded, "
            f"or the path of a file or folder. The working folder is '{Path.cwd()}'."
        )


def _format_of(path: Path) -> Format:
    if path.is_dir():
        for pattern, format in _IN_FOLDER.items():
            if any(path.glob(pattern)):
                return format
        holds = ", ".join(sorted(file.name for file in path.iterdir())[:8]) or "nothing"
        raise MissingFile(
            f"'{path}': the folder holds {holds}; expected {', '.join(_IN_FOLDER)}. Give the path of a file in it."
        )
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix.lower() not in _BY_SUFFIX:
        raise BadData(
            f"'{path}': got the ending '{suffix}', expected one of {', '.join(_BY_SUFFIX)}. "
            f"Say what it holds: load(..., format='csv')."
        )
    return _BY_SUFFIX[suffix.lower()]


def _check_size(interactions: Interactions) -> None:
    for kind, count in (("user", interactions.n_users), ("item", interactions.n_items)):
        if count < 2:
            only = (interactions.users if kind == "user" else interactions.items).ids
            raise TooSmall(
                f"'{interactions.name}': got one {kind} ({', '.join(map(repr, only))}), expected two or more. "
                f"With one there is nothing to {'share with' if kind == 'user' else 'rank'}; "
                f"check that {kind}='...' names the right column."
            )
