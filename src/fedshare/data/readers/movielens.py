"""MovieLens as GroupLens packs it: a zip file, the folder in it, or the ratings file alone.

    ml-100k          u.data        tabs, no header       u.item      titles, "|" between columns, Latin-1
    ml-1m, ml-10m    ratings.dat   "::", no header       movies.dat  titles, Latin-1 or UTF-8
    later ones       ratings.csv   commas, a header      movies.csv  titles, UTF-8

The four columns are user, item, rating, time in seconds. Titles are taken from beside the ratings.
"""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path, PurePosixPath

import polars as pl

from fedshare.data.interactions import Interactions
from fedshare.data.readers import Columns
from fedshare.data.readers.columns import reading, to_interactions
from fedshare.errors import BadData, EmptyData, MissingFile

__all__ = ["RATINGS", "read"]

RATINGS = ("ratings.csv", "ratings.dat", "u.data")
_TITLES = {"movies.csv": ",", "movies.dat": "::", "u.item": "|"}
_COLUMNS = ["user_id", "item_id", "rating", "timestamp"]


def read(path: Path, columns: Columns) -> Interactions:
    """A MovieLens zip file, folder or ratings file.

    Raises:
        MissingFile: There is no ratings file in the zip file or folder.
        BadData: The file is no zip file, or has not four columns.
        EmptyData: There is no rating.
    """
    whole = path.resolve()
    if path.suffix.lower() == ".zip":
        ratings, contents = _from_zip(path)
        source, name = path / ratings, whole.stem
    elif path.is_dir():
        ratings = _ratings_among([file.name for file in path.iterdir()], path)
        contents = _from_folder(path, ratings)
        source, name = path / ratings, whole.name
    else:
        ratings, contents = path.name, _from_folder(path.parent, path.name)
        source, name = path, whole.parent.name
    titles = next((_titles(contents[file], separator) for file, separator in _TITLES.items() if file in contents), None)
    return to_interactions(_ratings(contents[ratings], source), columns, path=source, name=name, titles=titles)


def _from_folder(folder: Path, ratings: str) -> dict[str, bytes]:
    """The content of the ratings file and of the titles beside it."""
    return {name: (folder / name).read_bytes() for name in (ratings, *_TITLES) if (folder / name).is_file()}


def _from_zip(path: Path) -> tuple[str, dict[str, bytes]]:
    """The name of the ratings file, and its content and that of the titles beside it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [PurePosixPath(name) for name in archive.namelist() if not name.startswith("__MACOSX")]
            ratings = _ratings_among([member.name for member in members], path)
            folder = next(member.parent for member in members if member.name == ratings)
            wanted = [member for member in members if member.parent == folder and member.name in (ratings, *_TITLES)]
            return ratings, {member.name: archive.read(str(member)) for member in wanted}
    except zipfile.BadZipFile as error:
        raise BadData(f"'{path}': not a zip file, or not a whole one ({error}). Download it again.") from error


def _ratings_among(names: list[str], path: Path) -> str:
    found = next((name for name in RATINGS if name in names), None)
    if found is None:
        raise MissingFile(
            f"'{path}': no ratings of MovieLens in it, got {sorted(names)[:8]}; expected one of {', '.join(RATINGS)}."
        )
    return found


def _ratings(content: bytes, source: Path | str) -> pl.DataFrame:
    """Four columns of strings."""
    head, _, _ = content.partition(b"\n")
    if not head.strip():
        raise EmptyData(f"'{source}': the file is empty; expected user, item, rating and time in every line.")
    has_header = not head.lstrip(b"\xef\xbb\xbf\"' ")[:1].isdigit()
    if b"::" in head:  # polars knows separators of one byte only
        content, separator = content.replace(b"::", b"\t"), "\t"
    else:
        separator = "\t" if b"\t" in head else ","
    with reading(source, "ratings of MovieLens"):
        frame = pl.read_csv(content, separator=separator, has_header=has_header, infer_schema=False)
    if has_header:
        return frame
    if frame.width != len(_COLUMNS):
        raise BadData(
            f"'{source}': got {frame.width} columns, expected 4 (user, item, rating, time). "
            f"For another form, use load(..., format='csv') with a header."
        )
    return frame.rename(dict(zip(frame.columns, _COLUMNS, strict=True)))


def _titles(content: bytes, separator: str) -> dict[str, str]:
    """Item id to title."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if separator == ",":
        rows = list(csv.reader(io.StringIO(text)))[1:]
    else:
        rows = [line.split(separator) for line in text.split("\n")]
    return {row[0]: row[1].strip() for row in rows if len(row) > 1 and row[1].strip()}
