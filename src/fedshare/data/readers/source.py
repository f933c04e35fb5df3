"""From a path to a table: which form it has, by its content, and what lies beside it.

A folder and a zip archive are the same thing here: named files. In them, in this order: the folder form
(interactions.parquet), MovieLens, RecBole, and else all tables that have a column of users and one of items. Several
such tables with the same columns are read one below the other, and "train" beside "test" becomes a split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from mmap import mmap
from pathlib import Path, PurePosixPath

import polars as pl

from fedshare.data.readers import movielens, recbole
from fedshare.data.readers.content import file_bytes, text_of
from fedshare.data.readers.delimited import delimited_table
from fedshare.data.readers.json_form import json_table, looks_like_json
from fedshare.data.readers.lists import lists_table, looks_like_lists
from fedshare.data.readers.notes import Notes
from fedshare.data.readers.options import Options
from fedshare.data.readers.parquet import is_parquet, parquet_table
from fedshare.data.readers.roles import has_both, title_table
from fedshare.data.readers.table import Table, stacked
from fedshare.data.readers.unpack import Allowance, Buffer, member, members
from fedshare.data.readers.wording import listed, place
from fedshare.errors import BadData, FedShareError, MissingColumn, MissingFile

__all__ = ["open_source"]

_NONE: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})
PARTS = "\0part"
"The column that says which file a row came from, train or test."
INTERACTIONS, ITEMS = "interactions.parquet", "items.parquet"
_MAX_FILES = 10_000
_TABLES = (".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".parquet", ".pq", ".json", ".jsonl", ".ndjson", ".gz",
           ".bz2", ".xz", ".zst", ".tab", ".psv", ".jl")  # fmt: skip
_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test", "valid": "train", "val": "train",
           "validation": "train", "dev": "train"}  # fmt: skip


@dataclass(frozen=True)
class _File:
    """One named file of a folder or archive, opened when it is needed."""

    path: PurePosixPath
    label: str
    open: Callable[[], tuple[Buffer, str | None, Path | None]]

    @property
    def stem(self) -> str:
        return self.path.name.split(".")[0] or self.path.name


def open_source(path: Path, options: Options, notes: Notes) -> Table:
    """The table at a path.

    Raises:
        MissingFile: A folder or archive has no file that can be read.
        BadData: What is there is damaged, or no table.
    """
    whole = path.resolve()
    if path.is_dir():
        if options.format in ("csv", "tsv", "parquet", "json", "jsonl", "lists") and not _in_folder(path):
            raise MissingFile(
                f"{place(path)}: got a folder without a file, expected one with tables. Give the path of a file."
            )
        return _of_files(_in_folder(path), str(path), whole.name, options, notes)
    label = str(path)
    data, how = file_bytes(path, label, options)
    if how == "zip":
        files = _in_archive(data, label, options)
        table = _of_files(files, label, whole.stem, options, notes)
        return replace(table, form={"packed": "zip", **table.form})
    name = whole.parent.name if _is_movielens(whole.name, options) else whole.name.split(".")[0] or whole.name
    table = _table(data, label, name, options, notes, path if isinstance(data, mmap) else None)
    near: tuple[str, ...] = (f"{path.stem}.item",) if table.form.get("form") == "RecBole" else ()
    near = tuple(movielens.TITLES) if _is_movielens(whole.name, options) else near
    beside = {each: _beside(path.parent / each, options) for each in near}
    table = _with_titles(table, {each: made for each, made in beside.items() if made}, options)
    return replace(table, form={"packed": how, **table.form}) if how else table


def _table(data: Buffer, label: str, name: str, options: Options, notes: Notes, path: Path | None) -> Table:
    """The table that some bytes are, by the form that was named or else by what they look like."""
    if options.format == "parquet" or (options.format in (None, "folder") and is_parquet(bytes(data[:4]))):
        return parquet_table(data, label, options, name=name)
    text = text_of(data, label, options, notes, path)
    head = text.head()
    form = options.format or _form_of(head, PurePosixPath(label).name, options)
    match form:
        case "json" | "jsonl":
            return json_table(text, options, name=name)
        case "lists":
            return lists_table(text, name=name)
        case "recbole":
            return recbole.recbole_table(text, options, notes, name=name)
        case "movielens":
            return movielens.movielens_table(text, options, notes, name=name)
        case _:
            separator = "\t" if form == "tsv" else None
            return delimited_table(text, options, notes, name=name, separator=separator)


def _form_of(head: str, file: str, options: Options) -> str:
    told = options.separator or options.columns or options.header is not None
    if looks_like_json(head) and not told:
        return "json"
    if recbole.looks_like_recbole(head) or (file.endswith(".inter") and not told):
        return "recbole"
    if not told and (
        movielens.looks_like_ratings(head) or (file in ("u.data", "ratings.dat") and "|" not in head[:200])
    ):
        return "movielens"
    if not told and looks_like_lists(head):
        return "lists"
    return "csv"


def _is_movielens(file: str, options: Options) -> bool:
    return file in movielens.RATINGS or options.format == "movielens"


def _in_folder(path: Path) -> list[_File]:
    """The files below a folder, hidden ones left aside, in the order of their names."""
    found: list[_File] = []
    try:
        for each in sorted(path.rglob("*")):
            parts = each.relative_to(path).parts
            if any(part.startswith((".", "_")) for part in parts) or not each.is_file():
                continue
            found.append(_File(PurePosixPath(*parts), str(each), _opener(each)))
            if len(found) > _MAX_FILES:
                raise BadData(f"{place(path)}: holds more than {_MAX_FILES:,} files. Give the path of one table.")
    except OSError as error:
        raise BadData(
            f"{place(path)}: cannot be listed ({error.strerror}); expected a folder. Check its rights."
        ) from error
    return found


def _opener(path: Path) -> Callable[[], tuple[Buffer, str | None, Path | None]]:
    def opened() -> tuple[Buffer, str | None, Path | None]:
        data, how = file_bytes(path, str(path), Options())
        return data, how, path if isinstance(data, mmap) else None

    return opened


def _in_archive(data: Buffer, label: str, options: Options) -> list[_File]:
    archive, infos = members(data, label)
    if len(infos) > _MAX_FILES:
        raise BadData(
            f"{place(label)}: holds more than {_MAX_FILES:,} files. Unpack it, and give the path of one table."
        )
    allowance = Allowance(label, len(data), options.max_unpacked_mib)
    said = Allowance(label, len(data), options.max_unpacked_mib)

    def opener(number: int) -> Callable[[], tuple[Buffer, str | None, Path | None]]:
        def opened() -> tuple[Buffer, str | None, Path | None]:
            return member(archive, infos[number], allowance), None, None

        return opened

    made = [
        _File(PurePosixPath(info.filename.replace("\\", "/")), f"{label}/{info.filename}", opener(n))
        for n, info in enumerate(infos)
    ]
    for info, file in zip(infos, made, strict=True):
        if file.path.suffix.lower() in _TABLES:
            said.take(info.file_size)
    return made


def _of_files(files: Sequence[_File], label: str, name: str, options: Options, notes: Notes) -> Table:
    if options.format in (None, "folder"):
        form = next((file for file in files if file.path.name == INTERACTIONS), None)
        if form is not None:
            return _folder_form(form, files, name, options, notes)
        if options.format == "folder":
            raise MissingFile(
                f"{place(label)}: no {INTERACTIONS} in this folder; expected one beside an optional {ITEMS}."
            )
    if options.format in (None, "movielens"):
        found = next((file for ratings in movielens.RATINGS for file in files if file.path.name == ratings), None)
        if found is not None and (options.format or _is_set(found, files)):
            return _movielens(found, files, name, options, notes)
        if options.format == "movielens":
            raise MissingFile(
                f"{place(label)}: no ratings of MovieLens in it, got {listed(_names(files)) or 'nothing'}; expected "
                f"one of {', '.join(movielens.RATINGS)}."
            )
    if options.format in (None, "recbole"):
        inter = [file for file in files if file.path.suffix == ".inter"]
        if inter:
            return _recbole(inter, files, label, name, options, notes)
        if options.format == "recbole":
            raise MissingFile(
                f"{place(label)}: no .inter file in this folder; expected NAME.inter and maybe NAME.item."
            )
    return _tables(files, label, name, options, notes)


def _is_set(ratings: _File, files: Sequence[_File]) -> bool:
    """Whether it is MovieLens: titles lie beside the ratings, or the name leaves no doubt."""
    return ratings.path.name == "u.data" or ratings.path.name == "ratings.dat" or len(files) == 1 or any(
        file.path.parent == ratings.path.parent and file.path.name in movielens.TITLES for file in files
    )  # fmt: skip


def _folder_form(file: _File, files: Sequence[_File], name: str, options: Options, notes: Notes) -> Table:
    data, _, path = file.open()
    table = replace(_table(data, file.label, name, options, notes, path), form={"form": "folder form"})
    items = next((each for each in files if each.path == file.path.with_name(ITEMS)), None)
    if items is None:
        return table
    data, _, path = items.open()
    titles, categories = title_table(_table(data, items.label, name, Options(), Notes(), path))
    return replace(table, titles=titles, categories=categories)


def _movielens(file: _File, files: Sequence[_File], name: str, options: Options, notes: Notes) -> Table:
    data, _, path = file.open()
    text = text_of(data, file.label, options, notes, path)
    table = movielens.movielens_table(text, options, notes, name=name)
    beside = {
        each.path.name: each.open()[0]
        for each in files
        if each.path.parent == file.path.parent and each.path.name in movielens.TITLES
    }
    return _with_titles(table, beside, options)


def _recbole(
    inter: Sequence[_File], files: Sequence[_File], label: str, name: str, options: Options, notes: Notes
) -> Table:
    named = [file for file in inter if file.path.stem == name]
    if len(inter) > 1 and len(named) != 1:
        raise BadData(
            f"{place(label)}: got {listed(_names(inter))}; expected one .inter file, or one named as the folder. "
            "Give the path of the file to read."
        )
    file = (named or list(inter))[0]
    data, _, path = file.open()
    text = text_of(data, file.label, options, notes, path)
    table = recbole.recbole_table(text, options, notes, name=file.path.stem)
    beside = {each.path.name: each.open()[0] for each in files if each.path == file.path.with_suffix(".item")}
    return _with_titles(table, beside, options)


def _tables(files: Sequence[_File], label: str, name: str, options: Options, notes: Notes) -> Table:
    """All tables of interactions among the files, one below the other."""
    readable = [file for file in files if file.path.suffix.lower() in _TABLES or file.path.suffix == ""]
    made: list[tuple[_File, Table]] = []
    why: FedShareError | None = None
    for file in readable:
        try:
            data, _, path = file.open()
            table = _with_partitions(_table(data, file.label, name, options, notes, path), file.path)
        except MissingColumn as error:
            why = why or error
            continue
        if has_both(table.names, options):
            made.append((file, table))
    if not made:
        if why is not None and len(readable) == 1:
            raise why
        if len(readable) == 1:
            data, _, path = readable[0].open()
            return _table(data, readable[0].label, name, options, notes, path)  # the columns say what is missing
        raise MissingFile(
            f"{place(label)}: holds {listed(_names(files), 5) or 'nothing'}; expected a table with a column of "
            "users and one "
            "of items, such as interactions.parquet. Give the path of a file in it, or name the columns: `user='NAME'`."
        )
    parts = {_SPLITS[file.stem.lower()] for file, _ in made if file.stem.lower() in _SPLITS}
    if len(made) > 1 and parts == {"train", "test"} and all(file.stem.lower() in _SPLITS for file, _ in made):
        notes.say(f"{listed([file.path.name for file, _ in made], 4)}: read as a split into train and test")
        return stacked([_in_part(table, _SPLITS[file.stem.lower()]) for file, table in made], label, name)
    if len(made) == 1:
        if len(readable) > 1:
            notes.say(f"read {made[0][0].path.name!r}; the other files have no column of users and one of items")
        return made[0][1]
    notes.say(f"read {len(made):,} files, one below the other")
    return stacked([table for _, table in made], label, name)


def _in_part(table: Table, part: str) -> Table:
    """The table with the column of its split."""

    def read(columns: Sequence[str]) -> pl.DataFrame:
        frame = table.read([column for column in columns if column != PARTS])
        return frame.with_columns(pl.lit(part).alias(PARTS)).select(columns) if PARTS in columns else frame

    return replace(table, names=(*table.names, PARTS), read=read, split=PARTS)


def _with_partitions(table: Table, path: PurePosixPath) -> Table:
    """The table with a column for each folder of the form ``year=2020``, as Hive and Spark write them."""
    told = dict(part.split("=", 1) for part in path.parts[:-1] if "=" in part)
    told = {key: value for key, value in told.items() if key and key not in table.names}
    if not told:
        return table

    def read(columns: Sequence[str]) -> pl.DataFrame:
        inside = [column for column in columns if column not in told] or [table.names[0]]
        frame = table.read(inside)
        return frame.with_columns(pl.lit(told[key]).alias(key) for key in told if key in columns).select(columns)

    return replace(table, names=(*table.names, *told), read=read)


def _with_titles(table: Table, beside: dict[str, Buffer], options: Options) -> Table:
    """Titles and categories from the files that lie beside, as far as these can be read."""
    quiet, plain = Notes(), Options(max_unpacked_mib=options.max_unpacked_mib)
    titles, categories = dict(table.titles), dict(table.categories)
    for file, data in beside.items():
        text = text_of(data, file, plain, quiet)
        if file not in movielens.TITLES:
            more = title_table(recbole.recbole_table(text, plain, quiet, name=file)) if text.data else _NONE
        else:
            more = movielens.titles_and_genres(bytes(text.data).decode("utf-8"), movielens.TITLES[file])
        titles |= more[0]
        categories |= more[1]
    return replace(table, titles=titles, categories=categories)


def _beside(path: Path, options: Options) -> Buffer | None:
    return file_bytes(path, str(path), options)[0] if path.is_file() else None


def _names(files: Sequence[_File]) -> list[str]:
    return [str(file.path) for file in files]
