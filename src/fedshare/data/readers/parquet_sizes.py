"""What a Parquet file says of its own sizes, checked before anybody allocates memory by it.

A file names the size of each page after unpacking, so a few flipped bits can ask for terabytes. This walks the footer
and the headers of all pages (Thrift's compact protocol; apache/parquet-format, ``parquet.thrift``) and refuses what
does not fit the file or the limit. What stands inside of pages is left to polars.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from fedshare.data.readers.unpack import Allowance, Buffer
from fedshare.data.readers.wording import place
from fedshare.errors import BadData

__all__ = ["check_sizes"]

_MAGIC = b"PAR1"
_MAX_DEPTH = 16
_MAX_PAGES = 2_000_000
_SNAPPY = 1


class _Broken(Exception):
    """What stands there is no Thrift, or cannot be; the message says why."""


@dataclass
class _Reader:
    """Thrift's compact protocol: structs as mappings from field number to value."""

    data: memoryview
    at: int

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise _Broken("it ends in the middle of its description")
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
            if shift > 63:
                raise _Broken("a number is too long")

    def signed(self) -> int:
        value = self.number()
        return (value >> 1) ^ -(value & 1)

    def value(self, kind: int, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise _Broken("its description is nested too deeply")
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self.byte()
        if kind in (4, 5, 6):
            return self.signed()
        if kind == 7:
            return self._skip(8)
        if kind == 8:
            return self._skip(self.number())
        if kind in (9, 10):
            return self._list(depth)
        if kind == 12:
            return self.struct(depth + 1)
        raise _Broken(f"a field has the type {kind}, which is none")

    def struct(self, depth: int = 0) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        number = 0
        while head := self.byte():
            number = number + (head >> 4) if head >> 4 else self.signed()
            fields[number] = self.value(head & 15, depth)
        return fields

    def _list(self, depth: int) -> list[Any]:
        head = self.byte()
        size, kind = head >> 4, head & 15
        size = self.number() if size == 15 else size
        if size > len(self.data) - self.at:
            raise _Broken("a list is longer than the file")
        if kind in (1, 2):
            return [self.byte() == 1 for _ in range(size)]
        return [self.value(kind, depth + 1) for _ in range(size)]

    def _skip(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise _Broken("a text is longer than the file")
        self.at += size
        return bytes(self.data[self.at - size : self.at])


def check_sizes(data: Buffer, label: str, max_mib: int | None) -> None:
    """Check the sizes that a Parquet file names.

    Raises:
        BadData: They are impossible, or more than the limit for what is unpacked.
    """
    view = memoryview(data)
    allowance = Allowance(label, 8 * len(view), max_mib)  # dictionaries and run lengths pack columns hundreds of times
    try:
        if bytes(view[:4]) == b"PARE":
            raise _Broken("it is encrypted")
        if len(view) < 12 or bytes(view[-4:]) != _MAGIC:
            raise _Broken("it does not end as it should, so it was cut short")
        (size,) = struct.unpack("<I", view[-8:-4])
        if size > len(view) - 12:
            raise _Broken("its description is longer than the file")
        footer = _Reader(view[: len(view) - 8], len(view) - 8 - size).struct()
        _check_groups(view, footer, allowance)
    except (_Broken, struct.error) as error:
        raise BadData(
            f"{place(label)}: not a whole Parquet file ({error}); expected one from beginning to end. Fetch or "
            "export it again."
        ) from None


def _check_groups(view: memoryview, footer: Mapping[int, Any], allowance: Allowance) -> None:
    n_pages = 0
    total = 0
    for group in _structs(footer.get(4, [])):
        n_rows = _count(group.get(3, 0))
        total += n_rows
        for chunk in _structs(group.get(1, [])):
            meta: Any = chunk.get(3)
            if not isinstance(meta, dict):
                raise _Broken("a column has no description")
            column = cast("dict[int, Any]", meta)
            # by a rough rule, a value takes sixteen bytes in memory, however few it takes in the file
            allowance.take(max(_count(column.get(6, 0)), 16 * min(n_rows, _count(column.get(5, 0)))))
            n_pages += _check_pages(view, column, n_rows, allowance)
            if n_pages > _MAX_PAGES:
                raise _Broken("it has too many pages")
    if _count(footer.get(3, 0)) != total:
        raise _Broken("its number of rows is not that of its parts")


def _check_pages(view: memoryview, column: Mapping[int, Any], n_rows: int, allowance: Allowance) -> int:
    """Walk the pages of one column; returns how many there are."""
    starts = [_count(column[field]) for field in (9, 11) if field in column]
    start, packed = min((each for each in starts if each), default=0), _count(column.get(7, 0))
    if not start or start + packed > len(view) - 8:
        raise _Broken("a column lies outside of the file")
    n_values, seen, pages, unpacked = _count(column.get(5, 0)), 0, 0, 0
    reader = _Reader(view[: start + packed], start)
    while reader.at < start + packed and seen < n_values:
        page = reader.struct()
        after, before = _count(page.get(2, -1)), _count(page.get(3, -1))
        unpacked += after
        pages += 1
        if before > start + packed - reader.at:
            raise _Broken("a page is longer than its column")
        if unpacked > _count(column.get(6, 0)) + 64 * pages:
            raise _Broken("a page is larger than its column says")
        if column.get(4) == 0 and before != after:
            raise _Broken("a page that is not packed has two sizes")
        if column.get(4) == _SNAPPY and page.get(1) in (0, 2) and before:
            said = _Reader(view[: reader.at + before], reader.at).number()
            if said != after:
                raise _Broken("a page unpacks to another size than it says")
        for field, counts in ((5, True), (8, True), (7, False)):
            inner: Any = page.get(field)
            if isinstance(inner, dict):
                values = _count(cast("dict[int, Any]", inner).get(1, -1))
                seen += values if counts else 0
                if values > max(n_values, 8 * after + 8):
                    raise _Broken("a page has more values than its column")
        reader.at += before
        allowance.take(0)
    if seen != n_values:
        raise _Broken("a column has another number of values than it says")
    if "nested" not in column and n_values > 64 * (n_rows + 1) + 8 * packed:
        raise _Broken("a column has more values than rows")
    return pages


def _structs(values: Any) -> list[dict[int, Any]]:
    if not isinstance(values, list) or not all(isinstance(each, dict) for each in cast("list[Any]", values)):
        _broken()
    return cast("list[dict[int, Any]]", values)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        _broken()
    return value


def _broken() -> NoReturn:
    raise _Broken("its description makes no sense")
