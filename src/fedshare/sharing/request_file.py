"""A file of withdrawal requests: many people at once, all of them or none.

CSV with a header (separated by commas, semicolons or tabs), or JSON Lines with one object on each line:

    user     who withdraws
    item     one item; empty, or ``everything``, for all of it
    action   ``unshare`` or ``erase``
    to       for ``unshare`` without an item: where the person's slider goes, 0 to 1; may be left out

Lines are carried out in their order, those of one person that name items for one action as one event.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from fedshare.errors import BadRequest, EmptyRequest, FedShareError, MissingFile
from fedshare.options import as_path, instance, shortened, shown
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.request import Request

__all__ = ["read_requests"]

_ACTIONS = ("unshare", "erase")
_COLUMNS = ("user", "item", "action", "to")
_ALL = "everything"
_LONGEST_LINE = 1 << 16
_LONGEST_CAUSE = 300


@dataclass(frozen=True)
class _Wish:
    """One line."""

    line: int
    user: str
    item: str | None
    "None for everything, or for the slider."
    action: str
    to: float | None

    def group(self) -> tuple[str, str, bool]:
        """Lines in a row that agree in this are one event, if they name items."""
        return self.user, self.action, self.item is not None


def read_requests(ledger: Ledger, path: Path | str) -> tuple[Ledger, Request]:
    """Carry out a file of withdrawals on a ledger: all of it or nothing.

    Args:
        ledger: Where the requests start from, such as ``run.ledger``.
        path: The file, ``.jsonl``, ``.ndjson`` or ``.json`` for JSON Lines, anything else for CSV; see the module.

    Returns:
        The ledger after it, and one request of everybody, for ``fedshare.unlearn``.

    Raises:
        MissingFile: There is no such file.
        EmptyRequest: It has no line.
        BadRequest: A line cannot be read or carried out; the message names the line and the cause.
        BadOption: ``ledger`` is no ledger.
    """
    instance("ledger", ledger, Ledger, "a ledger", hint="Write fs.read_requests(run.ledger, path).")
    path = as_path(path)
    wishes = list(_parsed(path, ledger))
    if not wishes:
        raise EmptyRequest(f"requests '{path}': got no line, expected at least one. Nothing is withdrawn.")
    order = {user: place for place, user in enumerate(dict.fromkeys(wish.user for wish in wishes))}
    wishes.sort(key=lambda wish: order[wish.user])  # stable: what one person asks for stays in its order
    after = ledger
    for (user, action, by_name), several in groupby(wishes, key=_Wish.group):
        for part in [list(several)] if by_name else [[each] for each in several]:
            after = _carried_out(path, after, user, action, part)
    return after, Request(ledger, after)


def _carried_out(path: Path, ledger: Ledger, user: str, action: str, wishes: list[_Wish]) -> Ledger:
    """The ledger after one event."""
    try:
        return _moved(ledger, user, action, wishes)
    except FedShareError as error:
        for wish in wishes:  # which of them it was
            try:
                ledger = _moved(ledger, user, action, [wish])
            except FedShareError as cause:
                raise _bad(path, wish.line, f"{type(cause).__name__}, {cause}") from None
        raise _bad(path, wishes[0].line, f"{type(error).__name__}, {error}") from None


def _moved(ledger: Ledger, user: str, action: str, wishes: list[_Wish]) -> Ledger:
    items = [wish.item for wish in wishes if wish.item is not None]
    if action == "erase":
        return ledger.erase(user, items)[0] if items else ledger.erase(user, everything=True)[0]
    if items:
        return ledger.unshare(user, items)[0]
    to = wishes[0].to
    return (ledger.unshare(user, everything=True) if to is None else ledger.unshare(user, to=to))[0]


# -- reading ----------------------------------------------------------------------------------------------------------


def _parsed(path: Path, ledger: Ledger) -> Iterator[_Wish]:
    reader = _json_lines if path.suffix.lower() in (".jsonl", ".ndjson", ".json") else _table
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, row in reader(path, file):
                yield _wish(path, line, row, ledger)
    except (FileNotFoundError, IsADirectoryError):
        raise MissingFile(f"requests '{path}': there is no such file; expected a CSV or JSON Lines file.") from None
    except UnicodeDecodeError:
        raise BadRequest(f"requests '{path}': is no text in UTF-8; expected CSV or JSON Lines. Save it so.") from None


def _table(path: Path, file: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    lines = _bounded(path, file)
    head = next(lines, "")
    separator = max(",;\t", key=head.count)
    names = [name.strip().lower() for row in csv.reader([head], delimiter=separator) for name in row]
    _check_names(path, names)
    rows = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise _bad(path, rows.line_num + 1, f"not CSV ({error})") from None
        if row is None:
            return
        if not any(cell.strip() for cell in row):
            continue
        if len(row) > len(names) and any(cell.strip() for cell in row[len(names) :]):
            raise _bad(path, rows.line_num + 1, f"got {len(row)} values for {len(names)} columns")
        yield rows.line_num + 1, dict(zip(names, row, strict=False))


def _json_lines(path: Path, file: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(_bounded(path, file), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise _bad(path, number, "not a JSON object; JSON Lines has one on each line") from None
        if not isinstance(value, dict):
            raise _bad(path, number, "not a JSON object; JSON Lines has one on each line")
        row = cast("dict[str, Any]", value)
        _check_names(path, list(row), number)
        yield number, row


def _check_names(path: Path, names: list[str], line: int = 1) -> None:
    missing = [name for name in ("user", "action") if name not in names]
    unknown = [name for name in names if name not in _COLUMNS]
    if missing or unknown or len(set(names)) < len(names):
        wrong = f"no {missing[0]}" if missing else shown(unknown[0]) if unknown else "a name twice"
        raise _bad(path, line, f"got {wrong} among the columns, expected user, item, action and maybe to")


def _bounded(path: Path, file: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        if len(line) > _LONGEST_LINE or "\0" in line:
            raise _bad(path, number, f"longer than {_LONGEST_LINE:,} characters, or not text")
        yield line


def _wish(path: Path, line: int, row: Mapping[str, Any], ledger: Ledger) -> _Wish:
    user, item, to = (_value(path, line, row, name) for name in ("user", "item", "to"))
    action = (_value(path, line, row, "action") or "").strip().lower()
    if not user:
        raise _bad(path, line, "got no user")
    if action not in _ACTIONS:
        raise _bad(path, line, f"got action {shown(action)}, expected unshare or erase")
    if item is not None and item.strip().lower() == _ALL and item not in ledger.known.items:
        item = None
    fraction = None
    if to is not None:
        if action != "unshare" or item is not None:
            raise _bad(path, line, "got 'to' beside an item or beside erase, expected it with unshare alone")
        try:
            fraction = float(to)
        except ValueError:
            raise _bad(path, line, f"got to {shown(to)}, expected a number from 0 to 1") from None
    return _Wish(line, user, item, action, fraction)


def _value(path: Path, line: int, row: Mapping[str, Any], name: str) -> str | None:
    """A value as text; None where it is empty."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise _bad(path, line, f"got {name} {shown(value)}, expected text or a number")
    if isinstance(value, float) and name != "to":
        raise _bad(path, line, f"got {name} {shown(value)}, expected text or a whole number")
    text = "" if value is None else shortened(str(value), _LONGEST_LINE)
    return text if text.strip() else None


def _bad(path: Path, line: int, cause: str) -> BadRequest:
    return BadRequest(
        f"requests '{path}', line {line:,}: {shortened(cause, _LONGEST_CAUSE)}. Nothing of the file was carried out: "
        "mend the line, or take it out."
    )
