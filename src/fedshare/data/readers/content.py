"""What a file holds: its bytes, unpacked and, for text, in UTF-8.

The encoding is told by a byte order mark, or else by trying: UTF-8 if the whole file is UTF-8, UTF-16 if every second
byte is zero, or else Windows-1252, which nearly any bytes can be read as and which is therefore said.
"""

from __future__ import annotations

import codecs
import mmap
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from fedshare.data.readers.notes import Notes
from fedshare.data.readers.options import Options
from fedshare.data.readers.unpack import Allowance, Buffer, packed_as, refuse_other, unpacked
from fedshare.data.readers.wording import place
from fedshare.errors import BadData

__all__ = ["Text", "file_bytes", "text_of"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_STEP = 1 << 20


@dataclass(frozen=True)
class Text:
    """Text in UTF-8 without byte order marks, its lines ended by a line feed (maybe behind a carriage return)."""

    label: str
    data: Buffer
    encoding: str
    path: Path | None
    "A file with the same bytes as ``data``, which polars reads without a copy in memory."

    def head(self, most: int = 1 << 18) -> str:
        """The first whole lines."""
        start = bytes(self.data[:most])
        if len(self.data) > most and b"\n" in start:
            start = start[: start.rindex(b"\n") + 1]
        return start.decode("utf-8", "ignore")


def file_bytes(path: Path, label: str, options: Options) -> tuple[Buffer, str | None]:
    """The content of a file, unpacked if it is packed, and by what. A zip archive is left to its own reader.

    Raises:
        BadData: It cannot be opened, is damaged, or holds something else than a table.
    """
    raw = _raw(path, label, options)
    head = bytes(raw[:512])
    how = packed_as(head)
    if how in (None, "zip"):
        refuse_other(head, label)
        return raw, how
    content = unpacked(raw, how, Allowance(label, len(raw), options.max_unpacked_mib))
    refuse_other(content[:512], label)
    return content, how


def text_of(data: Buffer, label: str, options: Options, notes: Notes, path: Path | None = None) -> Text:
    """The text that some bytes are.

    Raises:
        BadData: They are no text, or not in the encoding that was named.
    """
    bom = next(((mark, name) for mark, name in _BOMS if bytes(data[:4]).startswith(mark)), None)
    if options.encoding is not None and (bom is None or not options.encoding.lower().startswith("utf")):
        encoding = codecs.lookup(options.encoding).name
    elif bom is not None:
        encoding, data, path = bom[1], bytes(data)[len(bom[0]) :], None
    else:
        encoding = _guess(data)
    if encoding in ("utf-8", "ascii"):
        bad = _not_utf8(data)
        if bad is not None and (options.encoding is not None or bom is not None or _nearly_utf8(data)):
            raise BadData(
                f"{place(label)}: not whole UTF-8 (byte {bad:,}, line {_line(data, bad):,}); expected UTF-8 as "
                f"{'its first bytes say' if bom else 'named' if options.encoding else 'in the rest'}. Mend that "
                "line, or say what it is: `encoding='windows-1252'`."
            )
        encoding = "utf-8" if bad is None else "windows-1252"
        if bad is not None:
            _check_text(bytes(data[:_STEP]), label)
            notes.warn(
                f"not UTF-8 (byte {bad:,}), so read as Windows-1252; names may look odd. If it is another encoding, "
                "give `encoding='latin-1'` or what it is."
            )
    if encoding != "utf-8":
        data, path = _decoded(data, encoding, label).encode("utf-8", "surrogatepass"), None
        if (bad := _not_utf8(data)) is not None:
            raise BadData(
                f"{place(label)}: cannot be read as {encoding}; expected whole text. Give another `encoding='...'`."
            )
    zero = data.find(b"\0")
    if zero >= 0:
        raise BadData(
            f"{place(label)}: holds a zero byte ({zero:,}), so it is no plain text; expected a table such as CSV, "
            "JSON Lines or Parquet. Export it again, or name its `encoding='utf-16'`."
        )
    if data.find(b"\xef\xbb\xbf") >= 0:  # files put one behind the other keep their marks
        data, path = re.sub(rb"(^|[\r\n])\xef\xbb\xbf", rb"\1", bytes(data)), None
    start = bytes(data[: 1 << 16])
    if b"\r" in start and b"\n" not in start:
        data, path = bytes(data).replace(b"\r\n", b"\n").replace(b"\r", b"\n"), None
    return Text(label, data, encoding, path)


def _raw(path: Path, label: str, options: Options) -> Buffer:
    try:
        mode = path.stat().st_mode
        if stat.S_ISFIFO(mode):
            return _piped(path, label, options)
        if not stat.S_ISREG(mode):
            raise BadData(f"{place(label)}: this is a device or the like; expected a file. Give the path of one.")
        with path.open("rb") as file:
            if not path.stat().st_size:
                return b""
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except BadData:
        raise
    except (OSError, ValueError) as error:
        raise BadData(
            f"{place(label)}: cannot be opened ({getattr(error, 'strerror', None) or 'a name that cannot be'}); "
            "expected a file that can be read. Check its path and rights."
        ) from error


def _piped(path: Path, label: str, options: Options) -> bytes:
    allowance, parts = Allowance(label, 1 << 26, options.max_unpacked_mib), list[bytes]()
    with path.open("rb") as file:
        while part := file.read(_STEP):
            allowance.take(len(part))
            parts.append(part)
    return b"".join(parts)


def _guess(data: Buffer) -> str:
    """UTF-16 without its mark has a zero in every second byte of Latin letters and digits."""
    start = bytes(data[:4096])
    even, odd = start[::2].count(0), start[1::2].count(0)
    if odd > len(start) // 5 and even < odd // 8:
        return "utf-16-le"
    if even > len(start) // 5 and odd < even // 8:
        return "utf-16-be"
    return "utf-8"


def _not_utf8(data: Buffer) -> int | None:
    """Where the first byte stands that is not UTF-8."""
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(data)
    for at in range(0, max(1, len(view)), _STEP):
        held = len(decoder.getstate()[0])
        try:
            decoder.decode(view[at : at + _STEP], final=at + _STEP >= len(view))
        except UnicodeDecodeError as error:
            return at - held + error.start
    return None


def _nearly_utf8(data: Buffer) -> bool:
    """Whether most of what is not ASCII is UTF-8: then it is UTF-8 with a fault, and no other encoding."""
    text = bytes(memoryview(data)[: 16 * _STEP]).decode("utf-8", "replace")
    strange = text.count("\ufffd")
    return sum(letter > "\x7f" for letter in text) - strange > strange


def _check_text(start: bytes, label: str) -> None:
    control = sum(byte < 32 and byte not in (9, 10, 13, 27, 1, 31) for byte in start)
    if control > len(start) // 50:
        raise BadData(
            f"{place(label)}: this is no text ({control:,} control characters near its beginning); expected a table "
            "such as CSV, JSON Lines or Parquet. Is it whole, and is it what its name says?"
        )


def _decoded(data: Buffer, encoding: str, label: str) -> str:
    try:
        return codecs.decode(bytes(data), encoding, "replace" if encoding == "windows-1252" else "strict")
    except (UnicodeError, ValueError, MemoryError) as error:
        where = getattr(error, "start", 0)
        raise BadData(
            f"{place(label)}: cannot be read as {encoding} (byte {where:,}); expected whole text in that encoding. "
            "Name another: `encoding='utf-8'`."
        ) from error


def _line(data: Buffer, at: int) -> int:
    return bytes(memoryview(data)[:at]).count(b"\n") + 1
