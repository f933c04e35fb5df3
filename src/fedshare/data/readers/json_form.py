"""JSON: one record a line, or one value with all records in it.

Numbers keep the digits they are written with and become text, as in CSV. A record inside of a record becomes columns
with a dot: ``{"user": {"id": 7}}`` has the column "user.id".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import polars as pl

from fedshare.data.readers.content import Text
from fedshare.data.readers.names import finds_both
from fedshare.data.readers.options import Options
from fedshare.data.readers.table import MAX_COLUMNS, Table, distinct, of_frame
from fedshare.data.readers.wording import listed, place, shown
from fedshare.errors import BadData, EmptyData, MissingColumn

__all__ = ["json_table", "looks_like_json", "of_records"]

_MAX_DEPTH = 4
_MAX_TEXT = 1 << 30
"Values of one big JSON value are all in memory at once, at many times their size."

_decode: Callable[[str], Any] = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str).decode


def looks_like_json(head: str) -> bool:
    """Whether a text begins as JSON does."""
    start = head.lstrip()[:200]
    return (start.startswith(("{", "[")) and not start.startswith(("[]\n", "{}\n")) and '"' in start) or start[
        :2
    ] == "[["


def json_table(text: Text, options: Options, *, name: str) -> Table:
    """The table in a JSON text, whichever form it has.

    Raises:
        BadData: It is no JSON, or holds no records.
        EmptyData: There is no record.
    """
    lines = options.format == "jsonl" or (options.format is None and _by_line(text))
    if lines:
        return of_records(_line_records(text), text.label, name, options, "JSON Lines", text.encoding)
    if len(text.data) > _MAX_TEXT:
        raise BadData(
            f"{place(text.label)}: one JSON value of {len(text.data) >> 20:,} MiB is more than expected "
            f"({_MAX_TEXT >> 20:,} MiB). Write it as JSON Lines, one record a line."
        )
    try:
        value = _decode(bytes(text.data).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        where = f"line {getattr(error, 'lineno', 1):,}: " if isinstance(error, json.JSONDecodeError) else ""
        reason = getattr(error, "msg", "nested too deeply")
        raise BadData(
            f"{place(text.label)}: not whole JSON ({where}{shown(reason, 80)[1:-1]}). Fetch or export it again."
        ) from None
    return _whole_value(value, text, options, name)


def of_records(
    records: Iterable[Any], label: str, name: str, options: Options, form: str, encoding: str | None = None
) -> Table:
    """The table that records make: mappings, or lists with the names in ``options.columns`` or in the first of them.

    Raises:
        BadData: A record is neither, or has another length than the others.
        EmptyData: There is no record.
    """
    columns: dict[str, list[str | None]] = {}
    names: Sequence[str] | None = None
    count = 0
    for number, record in enumerate(records, start=1):
        if isinstance(record, Mapping):
            flat = dict(_flattened(cast("Mapping[str, Any]", record)))
            if len(columns) + len(flat.keys() - columns.keys()) > MAX_COLUMNS:
                raise BadData(
                    f"{place(label)}: got more than {MAX_COLUMNS:,} names, expected a few columns. Is it a table?"
                )
            for key in flat.keys() - columns.keys():
                columns[key] = [None] * count
            for key, values in columns.items():
                values.append(flat.get(key))
        elif isinstance(record, list):
            row = [_as_text(value) for value in cast("list[Any]", record)]
            if names is None:
                names, is_header = _names_of(row, options, label)
                columns = {column: [] for column in names}
                if is_header:
                    continue
            if len(row) != len(names):
                raise BadData(
                    f"{place(label)}: record {number:,} has {len(row)} values, expected {len(names)}. Mend it."
                )
            for column, value in zip(names, row, strict=True):
                columns[column].append(value)
        else:
            raise BadData(
                f"{place(label)}: record {number:,} is {shown(record)}; expected an object such as "
                '{"user": "a", "item": "x"} in every record.'
            )
        count += 1
    if not count:
        raise EmptyData(f"{place(label)}: got no record; expected at least one interaction.")
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    if options.columns is not None and names is None and len(options.columns) == frame.width:
        frame = frame.rename(dict(zip(frame.columns, options.columns, strict=True)))
    return of_frame(frame, label, name, {"form": form} | ({"encoding": encoding} if encoding else {}))


def _names_of(row: Sequence[str | None], options: Options, label: str) -> tuple[Sequence[str], bool]:
    """The names of columns where records are lists, and whether the first of them holds those names."""
    texts = [value or "" for value in row]
    if options.columns is not None and len(options.columns) == len(row):
        return options.columns, finds_both(texts) or list(options.columns) == texts
    if options.header or (options.header is None and finds_both(texts)):
        return distinct(texts), True
    if isinstance(options.user, int) and isinstance(options.item, int):
        return [str(position) for position in range(1, len(row) + 1)], False
    raise MissingColumn(
        f"{place(label)}: records are lists of {len(row)} values; expected to know what they are. Say it: "
        "`columns=['user', 'item']`."
    )


def _by_line(text: Text) -> bool:
    """Whether each of the first lines is a whole value."""
    lines = [line for line in text.head().split("\n") if line.strip()][:2]
    try:
        values = [_decode(line) for line in lines[:1]]
        values += [None] * (len(lines) - 1)
    except (ValueError, RecursionError):
        return False
    if len(values) == 1:  # one record on one line is a file of one line; one list of records is not
        only = values[0]
        return isinstance(only, dict) and not any(map(_as_list, cast("dict[str, Any]", only).values()))
    return True


def _line_records(text: Text) -> Iterator[Any]:
    for number, line in enumerate(_lines(text), start=1):
        if not line.strip():
            continue
        try:
            yield _decode(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", "nested too deeply")
            raise BadData(
                f"{place(text.label)}: line {number:,} is not whole JSON ({shown(reason, 60)[1:-1]}); expected one "
                "record a line. Mend that line or fetch the file again."
            ) from None


def _lines(text: Text) -> Iterator[bytes]:
    at, data = 0, text.data
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        yield bytes(data[at:end])
        at = end + 1


def _whole_value(value: Any, text: Text, options: Options, name: str) -> Table:
    """A list of records; an object of columns; or an object that holds either under some name."""
    if isinstance(value, list):
        return of_records(cast("list[Any]", value), text.label, name, options, "JSON", text.encoding)
    if isinstance(value, dict):
        content = cast("dict[str, Any]", value)
        names, data = content.get("columns"), content.get("data")
        if isinstance(names, list) and isinstance(data, list):  # pandas, orient="split"
            return of_records(
                [names, *cast("list[Any]", data)], text.label, name, _headed(options), "JSON", text.encoding
            )
        first = next(iter(content.values()), None)
        if isinstance(first, dict) and finds_both([str(key) for key in cast("dict[str, Any]", first)]):
            return of_records(
                content.values(), text.label, name, options, "JSON", text.encoding
            )  # pandas, orient="index"
        lists = [_as_list(each) for each in content.values() if isinstance(each, list)]
        inside = [each for each in lists if each and isinstance(each[0], dict | list)]
        if len(inside) == 1:
            return of_records(inside[0], text.label, name, options, "JSON", text.encoding)
        columns = {key: _as_list(each) for key, each in content.items()}
        lengths = {-1 if each is None else len(each) for each in columns.values()}
        if len(lengths) == 1 and lengths.pop() >= 1 and len(columns) <= MAX_COLUMNS:
            made = {key: [_as_text(each) for each in values or []] for key, values in columns.items()}
            frame = pl.DataFrame(made, schema=dict.fromkeys(made, pl.String))
            return of_frame(frame, text.label, name, {"form": "JSON, by column", "encoding": text.encoding})
        raise BadData(
            f"{place(text.label)}: got a JSON object with {listed(content, 4) or 'nothing in it'}; expected a list "
            "of records, or an object with a list for each column. Write it as JSON Lines, one record a line."
        )
    raise BadData(
        f"{place(text.label)}: got a single JSON value, {shown(value)}; expected records. Is it the right file?"
    )


def _as_list(value: Any) -> list[Any] | None:
    """A list, or the values of an object; None for anything else."""
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value).values())
    return cast("list[Any]", value) if isinstance(value, list) else None


def _headed(options: Options) -> Options:
    from dataclasses import replace

    return replace(options, header=True, columns=None)


def _flattened(record: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, str | None]]:
    for key, value in record.items():
        if isinstance(value, Mapping) and value and depth < _MAX_DEPTH:
            if set(cast("Mapping[str, Any]", value)) <= {
                "$oid",
                "$numberLong",
                "$date",
                "$numberInt",
            }:  # MongoDB's export
                inner = next(iter(cast("Mapping[str, Any]", value).values()))
                if isinstance(inner, Mapping):
                    inner = next(iter(cast("Mapping[str, Any]", inner).values()), None)
                yield prefix + key, _as_text(inner)
            else:
                yield from _flattened(cast("Mapping[str, Any]", value), f"{prefix}{key}.", depth + 1)
        else:
            yield prefix + str(key), _as_text(value)


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)[:1000] if isinstance(value, (list, dict)) else str(value)
