"""Looks for one person's pair in all files of a folder, in whatever encoding one would think of."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

CATALOGUE = "catalogue.parquet"
"Where the item's id may stand, as it is an item like any other."


class Pair(NamedTuple):
    """What to look for. The item is one that nobody else has, and no other purchase bears its time."""

    user: str
    item: str
    user_index: int
    item_index: int
    n_items: int
    second: int


def found(folder: Path, pair: Pair) -> list[str]:
    """Where the pair stands, or its time, and how."""
    return [f"{file.relative_to(folder.parent)}: {how}" for file in files(folder) for how in _in_file(file, pair)]


def files(folder: Path) -> list[Path]:
    """All files below a folder, and below its parent if they are hidden drafts."""
    beside = [path for path in folder.parent.glob(".*") if path.is_dir()]
    return [path for top in (folder, *beside) for path in sorted(top.rglob("*")) if path.is_file()]


def _in_file(file: Path, pair: Pair) -> Iterator[str]:
    content = file.read_bytes()
    if file.name != CATALOGUE:
        yield from (f"item as {name}" for name, code in _of_text(pair.item) if code in content)
    yield from (f"time as {name}" for name, code in _of_time(pair.second) if code in content)
    if file.suffix != ".parquet":  # a column of items may hold two such numbers side by side
        yield from (f"indices as {name}" for name, code in _of_indices(pair) if code in content)
        return
    for row in pl.read_parquet(file).rows():
        values = set(_flat(row))
        text = "\n".join(str(each) for each in values)
        persons, items = {pair.user, pair.user_index} & values, {pair.item, pair.item_index} & values
        if persons and items and not (persons == items == {pair.user_index}):
            yield f"a row with both: {row}"
        if file.name != CATALOGUE and any(code.decode("latin-1") in text for _, code in _of_text(pair.item)):
            yield f"a row with the item: {row}"
        if pair.second in values or any(code.decode("latin-1") in text for _, code in _as_words(pair.second)):
            yield f"a row with the time: {row}"


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _flat(each)
    else:
        yield value.hex() if isinstance(value, bytes) else value


def _of_text(text: str) -> Iterable[tuple[str, bytes]]:
    plain = text.encode()
    yield "text", plain
    yield "UTF-16", text.encode("utf-16-le")
    yield "hex", plain.hex().encode()
    yield "HEX", plain.hex().upper().encode()
    for start in range(3):  # where the id stands in a longer text, its first and last letters depend on neighbours
        whole = base64.b64encode(b"\0" * start + plain)
        yield "base64", whole[-(-start * 4 // 3) if start else 0 :][:-4][1 if start else 0 :]


def _as_words(second: int) -> Iterable[tuple[str, bytes]]:
    moment = datetime.fromtimestamp(second, UTC)
    yield "digits", str(second).encode()
    yield "a date", moment.isoformat(timespec="seconds")[:19].encode()
    yield "a date", moment.isoformat(" ", timespec="seconds")[:19].encode()


def _of_time(second: int) -> Iterable[tuple[str, bytes]]:
    yield from _as_words(second)
    for order in "<>":
        for kind in "iqd":
            yield f"{order}{kind}", struct.pack(f"{order}{kind}", second)
        yield f"{order} milliseconds", struct.pack(f"{order}q", second * 1000)


def _of_indices(pair: Pair) -> Iterable[tuple[str, bytes]]:
    user, item = pair.user_index, pair.item_index
    for kind in ("<2i", ">2i", "<2q", ">2q"):
        yield kind, struct.pack(kind, user, item)
        yield kind, struct.pack(kind, item, user)
    yield "key", struct.pack("<q", user * pair.n_items + item)
    for text in (f"[{user}, {item}]", f"[{user},{item}]", f"({user}, {item})", f"{user},{item}"):
        yield "text", text.encode()
