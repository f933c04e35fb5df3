"""How delimited text is written: separator, quotes, comments, and whether its first line names the columns.

All of it is found on the first lines, except for quotes, which are checked in the whole text: a stray quote in the
middle makes a parser swallow half of a file.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fedshare.data.readers.content import Text
from fedshare.data.readers.names import finds_both, plain
from fedshare.data.readers.notes import Notes
from fedshare.data.readers.options import ROLES, Options
from fedshare.data.readers.quotes import pair_up
from fedshare.data.readers.table import MAX_COLUMNS, distinct
from fedshare.data.readers.wording import count, listed, place, shown
from fedshare.errors import BadData, BadOption, EmptyData, MissingColumn

__all__ = ["Dialect", "find_dialect", "split_line"]

_SEPARATORS = ("\t", ";", ",", "|", "::", "\x01", " ")
_COMMENTS = ("#", "%", "//")
_SAMPLE_LINES = 200
_NUMBER = re.compile(r"[-+]?[\d.,]*\d[\d.,]*(e[-+]?\d+)?%?", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?")


@dataclass(frozen=True)
class Dialect:
    """What has to be known to parse the text."""

    separator: str
    quote: str | None
    names: tuple[str, ...]
    "Of the columns, distinct; their positions where there is no header."
    header: tuple[str, ...] | None
    "The fields of the header as they are written; None where there is none."
    skip_lines: int
    "Lines before the first row of data."
    comment: str | None
    loose: bool = False
    "Quotes do not pair up, but a tolerant parser makes rows of equal length of it."
    trailing: bool = False
    "Every row ends with one separator too many."


def find_dialect(text: Text, options: Options, notes: Notes, *, separator: str | None = None) -> Dialect:
    """The dialect of a text.

    Raises:
        EmptyData: There is no line.
        MissingColumn: There is no header, and nobody said what the columns are.
        BadData: The text has too many columns.
    """
    lines = [line.rstrip("\r") for line in text.head().split("\n")]
    at, said = 0, None
    while at < len(lines) and not lines[at].strip():
        at += 1
    if at < len(lines) and (declared := re.fullmatch(r'"?sep=(.|\\t)"?', lines[at].strip(" "), re.IGNORECASE)):
        said, at = declared[1].replace("\\t", "\t"), at + 1
    while at < len(lines) and not lines[at].strip():
        at += 1
    start = at
    prefix = options.comment or next((mark for mark in _COMMENTS if lines[at:] and lines[at].startswith(mark)), None)
    while prefix and at < len(lines) and (lines[at].startswith(prefix) or not lines[at].strip()):
        at += 1
    rest = [line for line in lines[at:] if line.strip() and not (options.comment and line.startswith(options.comment))]
    if not rest:
        raise EmptyData(f"{place(text.label)}: the file is empty; expected a table of interactions.")
    rest = rest[:_SAMPLE_LINES]
    sep = options.separator or separator or said or _separator(rest)
    if prefix and at > start:
        last = lines[at - 1].removeprefix(prefix).strip()
        if finds_both(split_line(last, sep)) and not finds_both(split_line(rest[0], sep)):
            at, rest = at - 1, [last, *rest]  # "#user_id,item_id" names the columns
        if at > start:
            notes.say(f"{count(at - start, 'line')} before the table left out as {prefix!r} comments")
    if (title := _title_lines(rest, sep, options)) is not None:
        n_before, sep = title
        notes.say(f"{count(n_before, 'line')} before the header left out")
        at = next(n for n in range(at, len(lines)) if lines[n] == rest[n_before])
        rest = rest[n_before:]
    quote, loose = _quoting(text, options, sep, rest[0])
    first, n_lines = _record(rest, sep, quote)
    if len(first) > MAX_COLUMNS:
        raise BadData(
            f"{place(text.label)}: got {len(first):,} columns, expected {MAX_COLUMNS:,} at most. Is it a table?"
        )
    others = [split_line(line, sep, quote) for line in rest[n_lines:]]
    header, names, trailing = _named(first, others, options, text.label, notes)
    return Dialect(
        separator=sep,
        quote=quote,
        names=names,
        header=None if header is None else tuple(header),
        skip_lines=at + (0 if header is None else n_lines),
        comment=options.comment,
        loose=loose,
        trailing=trailing,
    )


def split_line(line: str, separator: str, quote: str | None = '"') -> list[str]:
    """The fields of one line."""
    if separator == " ":
        return line.split()
    if len(separator) == 1 and quote and quote in line:
        return next(csv.reader([line], delimiter=separator, quotechar=quote, skipinitialspace=True), list[str]())
    return line.split(separator)


def _separator(lines: Sequence[str]) -> str:
    """The separator that splits most lines into as many fields as the first one."""
    bare = [re.sub(r'"(?:[^"]|"")*"', "", line) for line in lines]
    best, best_score = ",", (0.0, 0)
    for separator in _SEPARATORS:
        counts = [len(split_line(line, separator, None)) for line in bare]
        width = counts[0]
        usual = Counter(counts[1:]).most_common(1)[0][0] if len(counts) > 1 else width
        if width < 2 or not (usual - 1 <= width <= usual):
            continue
        agreeing = sum(count in (width, usual) for count in counts) / len(counts)
        score = (round(agreeing * (0.5 if separator == " " else 1.0), 1), width)
        if score > best_score:
            best, best_score = separator, score
    if best_score[0] == 0 and any(separator in bare[0] for separator in _SEPARATORS[:-1]):
        return max(_SEPARATORS[:-1], key=lambda separator: bare[0].count(separator))
    return best


def _title_lines(lines: Sequence[str], separator: str, options: Options) -> tuple[int, str] | None:
    """How many lines of a title stand before a header with the usual names, and the separator from there on."""
    if options.header is not None or options.columns is not None or finds_both(split_line(lines[0], separator)):
        return None
    for number in range(1, min(20, len(lines))):
        own = options.separator or _separator(lines[number:])
        width = len(split_line(lines[number], own))
        if finds_both(split_line(lines[number], own)):
            before = [len(split_line(line, own)) for line in lines[:number]]
            return (number, own) if all(fields < width for fields in before) else None
    return None


def _quoting(text: Text, options: Options, separator: str, first: str) -> tuple[str | None, bool]:
    """The quote, and whether a tolerant parser is needed."""
    if options.quote is not None:
        return options.quote or None, False
    fields = [field.strip() for field in first.split(separator)]
    if all(len(field) > 1 and field[0] == field[-1] == "'" for field in fields):
        return "'", False
    verdict = pair_up(text, separator)
    return ('"' if verdict != "literal" else None), verdict == "loose"


def _record(lines: Sequence[str], separator: str, quote: str | None) -> tuple[list[str], int]:
    """The first row, and how many lines it takes."""
    if quote is None or len(separator) > 1 or separator == " " or quote not in lines[0]:
        return split_line(lines[0], separator, quote), 1
    reader = csv.reader((line + "\n" for line in lines), delimiter=separator, quotechar=quote, skipinitialspace=True)
    try:
        return next(reader), reader.line_num
    except csv.Error:
        return lines[0].split(separator), 1


def _named(
    first: list[str], others: list[list[str]], options: Options, label: str, notes: Notes
) -> tuple[list[str] | None, tuple[str, ...], bool]:
    """The header if there is one, the names of the columns, and whether rows end with a separator too many."""
    width = Counter(map(len, others)).most_common(1)[0][0] if others else len(first)
    header = options.header
    if header is None:
        header = not _is_data(first, others, options)
    if not header:
        names = options.columns or tuple(str(position) for position in range(1, len(first) + 1))
        trailing = len(names) == len(first) - 1 and not any(row[-1].strip() for row in [first, *others] if row)
        if len(names) != len(first) and not trailing:
            raise BadOption(
                f"{place(label)}: got {len(names)} names of columns, expected {len(first)}, as many as it has."
            )
        if options.columns is None and options.header is None and not _positions(options):
            raise _headerless(first, label)
        return None, (*names, "") if trailing else tuple(names), trailing
    found, trailing = list(first), False
    if width == len(first) + 1 and all(not row[-1].strip() for row in others if len(row) == width):
        found, trailing = [*first, ""], True
    elif width == len(first) + 1:
        found = ["row name", *first]
        notes.say(
            "the header has one name less than rows have fields, so the first field is taken as the name of the row"
        )
    if options.columns is not None:
        if len(options.columns) != len(first):
            raise BadOption(
                f"{place(label)}: got {len(options.columns)} names of columns, expected {len(first)}, as many as it "
                "has."
            )
        notes.say("the first line names the columns too; the names that were given count")
        found[-len(first) - trailing : len(found) - trailing] = options.columns
    return first, distinct(found), trailing


def _is_data(first: list[str], others: list[list[str]], options: Options) -> bool:
    """Whether the first line is a row like the others."""
    written = {plain(name) for name in first}
    given = [options.named(role) for role in ROLES]
    if finds_both(first) or any(isinstance(name, str) and plain(name) in written for name in given):
        return False
    if options.columns is not None and {plain(name) for name in options.columns} == written:
        return False
    filled = [field.strip() for field in first if field.strip()]
    if any(_NUMBER.fullmatch(field) or _DATE.fullmatch(field) for field in filled):
        return True
    return any(
        field.strip() and any(len(row) > position and row[position] == field for row in others)
        for position, field in enumerate(first)
    )


def _positions(options: Options) -> bool:
    """Whether users and items were named by position, which needs no header."""
    return all(
        isinstance(name, int) or (isinstance(name, str) and name.isdigit()) for name in (options.user, options.item)
    )


def _headerless(first: list[str], label: str) -> MissingColumn:
    kinds = [
        "a number" if _NUMBER.fullmatch(field.strip()) else "a date" if _DATE.fullmatch(field.strip()) else "text"
        for field in first
    ]
    example = repr(_guessed(kinds)) if len(kinds) <= 8 else "['user', 'item', ...]"
    return MissingColumn(
        f"{place(label)}: found no column of users, since the first line is data ({', '.join(kinds[:8])}): is the "
        f"header missing? Say what the {len(first)} columns are, in their order, such as `columns={example}`."
    )


def _guessed(kinds: Sequence[str]) -> list[str]:
    """Names as an example: a date is a time, and of the others the first is a user and the second an item."""
    usual = iter(["user", "item", "rating"] if "a date" in kinds else ["user", "item", "rating", "timestamp"])
    names = ["timestamp" if kind == "a date" else next(usual, "other") for kind in kinds]
    return [name if name not in names[:n] else f"{name}{n}" for n, name in enumerate(names)]


def no_columns(first: Sequence[str], label: str, separator: str) -> MissingColumn:
    """The whole line came out as one column."""
    return MissingColumn(
        f"{place(label)}: found one column only ({listed(first, 1)}) with the separator {shown(separator)}; "
        "expected two or more. Name another: `separator=';'`."
    )
