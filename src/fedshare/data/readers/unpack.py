"""Compressed files: told by their first bytes and not by their name, and unpacked within a limit.

A few megabytes can unpack to terabytes. So what is unpacked is counted while it comes, and may be 16 MiB, or fifty
times the packed size if that is more, up to 4 GiB. ``max_unpacked_mib`` sets another limit.
"""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

from fedshare.data.readers.wording import place
from fedshare.errors import BadData

__all__ = ["Allowance", "Buffer", "members", "packed_as", "refuse_other", "unpacked"]

Buffer = Any
"bytes, or a memory map of a file."

_MIB = 1 << 20
_STEP = 1 << 20
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_BROKEN = (OSError, ValueError, NotImplementedError, struct.error, MemoryError, OverflowError)
_OTHER = {
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Save it as CSV"),
    b"SQLite format 3": ("an SQLite database", "Write its table to CSV"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "Unpack it"),
    b"Rar!": ("a RAR archive", "Unpack it"),
    b"ARROW1": ("an Arrow file", "Write it as Parquet"),
    b"FEA1": ("a Feather file", "Write it as Parquet"),
    b"\x89HDF": ("an HDF5 file", "Write its table to CSV or Parquet"),
    b"%PDF": ("a PDF", "Export CSV"),
    b"Obj\x01": ("an Avro file", "Write it as Parquet"),
    b"ORC": ("an ORC file", "Write it as Parquet"),
    b"\x93NUMPY": ("a NumPy array", "Write it as CSV"),
    b"\x80\x04\x95": ("a Python pickle, which nobody should open", "Write it as Parquet"),
    b"<!DOCTYPE": ("a web page", "Download the file itself"),
    b"<!doctype": ("a web page", "Download the file itself"),
    b"<html": ("a web page", "Download the file itself"),
    b"<?xml": ("XML", "Export CSV"),
}


@dataclass
class Allowance:
    """How much may still be unpacked from one source."""

    label: str
    packed: int
    max_mib: int | None = None
    used: int = 0

    @property
    def limit(self) -> int:
        """In bytes."""
        if self.max_mib is not None:
            return self.max_mib * _MIB
        return min(4096 * _MIB, max(16 * _MIB, 50 * self.packed))

    def take(self, n_bytes: int) -> None:
        """Count what was unpacked, or is said to be.

        Raises:
            BadData: It is too much.
        """
        self.used += n_bytes
        if self.used > self.limit:
            raise BadData(
                f"{place(self.label)}: unpacks to more than {self.limit // _MIB:,} MiB from {self.packed:,} bytes, "
                "which is "
                f"more than expected of a table. If it is right, allow it: `max_unpacked_mib={self._enough()}`."
            )

    def _enough(self) -> int:
        return max(self.limit // _MIB * 4, self.used // _MIB + 1)


def packed_as(head: bytes) -> str | None:
    """gzip, bzip2, xz, zstd or zip; None for what is not packed."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def refuse_other(head: bytes, label: str) -> None:
    """Raise ``BadData`` for well-known kinds of files that hold no table that can be read here."""
    plain = head.lstrip()
    for magic, (kind, advice) in _OTHER.items():
        if head.startswith(magic) or (magic.startswith(b"<") and plain.startswith(magic)):
            raise BadData(
                f"{place(label)}: this is {kind}; expected a table such as CSV, JSON Lines or Parquet. {advice}."
            )
    if head[257:262] == b"ustar":
        raise BadData(
            f"{place(label)}: this is a tar archive; expected a table. Unpack it, and give the path of a file in it."
        )


def unpacked(packed: Buffer, how: str, allowance: Allowance) -> bytes:
    """The content of a gzip, bzip2, xz or zstd file.

    Raises:
        BadData: It is damaged, cut short, or unpacks to too much.
    """
    if how == "zstd":
        return _zstd(packed, allowance)
    start: Callable[[], _Decompressor] = {
        "gzip": _Gzip,
        "bzip2": bz2.BZ2Decompressor,
        "xz": lambda: lzma.LZMADecompressor(memlimit=512 * _MIB),
    }[how]
    made, view, at = io.BytesIO(), memoryview(packed), 0
    stream, content = start(), b""
    try:
        while True:
            if stream.eof:
                at -= len(stream.unused_data)
                if not bytes(view[at : at + 512]).strip(b"\0"):  # the end, or padding behind the last member
                    return made.getvalue()
                stream = start()
            feed = bytes(view[at : at + _STEP]) if stream.needs_input else b""
            at += len(feed)
            content = stream.decompress(feed, _STEP)
            if not (feed or content or stream.eof):
                break
            allowance.take(len(content))
            made.write(content)
    except BadData:
        raise
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError) as error:
        raise _damaged(allowance.label, how, f"damaged near byte {at:,}") from error
    raise _damaged(allowance.label, how, f"it ends too early, after {len(view):,} bytes")


def members(packed: Buffer, label: str) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """A zip archive and the files in it, without what operating systems add.

    Raises:
        BadData: It is damaged, or protected by a password.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(packed))
        infos = [info for info in archive.infolist() if not info.is_dir()]
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        NotImplementedError,
        struct.error,
        EOFError,
        UnicodeError,
    ) as error:
        raise _damaged(label, "zip", "its table of contents cannot be read") from error
    parts = [(info, PurePosixPath(info.filename.replace("\\", "/"))) for info in infos]
    kept = [info for info, path in parts if "__MACOSX" not in path.parts and not path.name.startswith(".")]
    if any(info.filename == "[Content_Types].xml" for info in kept):
        raise BadData(f"{place(label)}: this is an Excel workbook; expected a table as text. Save it as CSV UTF-8.")
    return archive, kept


def member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, allowance: Allowance) -> bytes:
    """One file of a zip archive.

    Raises:
        BadData: It is damaged, protected by a password, or unpacks to too much.
    """
    if info.flag_bits & 1:
        raise BadData(f"{place(allowance.label)}: protected by a password; expected an open archive. Unpack it first.")
    said = Allowance(allowance.label, allowance.packed, allowance.max_mib, allowance.used)
    said.take(info.file_size)
    made = io.BytesIO()
    try:
        with archive.open(info) as stream:
            while content := stream.read(_STEP):
                allowance.take(len(content))
                made.write(content)
    except BadData:
        raise
    except (*_BROKEN, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
        raise _damaged(allowance.label, "zip", "a file in it is damaged or cut short") from error
    return made.getvalue()


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's stream with the manners of ``bz2`` and ``lzma``."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max_length)


def _zstd(packed: Buffer, allowance: Allowance) -> bytes:
    """polars unpacks zstd in one go, so the blocks say beforehand how much it can be at most."""
    import polars as pl

    from fedshare.data.readers.guard import reading

    allowance.take(_zstd_bound(packed, allowance.label))
    with reading(allowance.label, "a zstd file"):
        lines = pl.read_lines(bytes(packed))
    return "\n".join(lines.to_series().to_list()).encode() + b"\n"


def _zstd_bound(packed: Buffer, label: str) -> int:
    """At most so many bytes come out (RFC 8878): a block holds its size, or 128 KiB at most."""
    view, at, total = memoryview(packed), 0, 0
    try:
        while at < len(view):
            (magic,) = struct.unpack_from("<I", view, at)
            if magic & 0xFFFFFFF0 == 0x184D2A50:  # a frame to be skipped
                (size,) = struct.unpack_from("<I", view, at + 4)
                at += 8 + size
                continue
            if magic != 0xFD2FB528:
                raise ValueError(magic)
            described = view[at + 4]
            single = described >> 5 & 1
            at += 5 + (not single) + (0, 1, 2, 4)[described & 3] + (single, 2, 4, 8)[described >> 6]
            last = 0
            while not last:
                header = int.from_bytes(view[at : at + 3], "little")
                if at + 3 > len(view) or header >> 1 & 3 == 3:
                    raise ValueError(header)
                last, kind, size = header & 1, header >> 1 & 3, header >> 3
                total += 128 * 1024 if kind == 2 else size
                at += 3 + (1 if kind == 1 else size)
            at += 4 if described >> 2 & 1 else 0
    except (struct.error, ValueError, IndexError) as error:
        raise _damaged(label, "zstd", "damaged or cut short") from error
    if at > len(view):
        raise _damaged(label, "zstd", "it ends too early")
    return total


def _damaged(label: str, how: str, why: str) -> BadData:
    return BadData(
        f"{place(label)}: not a whole {how} file ({why}); expected one from beginning to end. Fetch it again."
    )
