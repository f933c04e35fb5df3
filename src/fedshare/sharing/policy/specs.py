"""Share policies as text: what the command line takes, and mixture files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from fedshare.errors import BadShare, MissingFile
from fedshare.sharing.policy.base import SharePolicy, check_share
from fedshare.sharing.policy.mixture import Group, ShareMixture
from fedshare.sharing.policy.simple import ShareEverything, ShareFraction, ShareNothing, ShareUsers
from fedshare.sharing.policy.timed import ShareNewest, ShareOldest

__all__ = ["parse_share"]

_SPECS = (
    "'none', 'all', a fraction such as '0.4', 'users:0.3', 'newest:0.3', 'oldest:0.3' or a mixture file (.json, .toml)"
)


def parse_share(spec: str) -> SharePolicy:
    """The policy that a text stands for.

    Args:
        spec: ``"none"``, ``"all"``, ``"0.4"`` (a fraction of everybody's pairs), ``"users:0.3"`` (a fraction of the
            users shares everything), ``"newest:0.3"`` or ``"newest:count=20"``, ``"oldest:..."`` likewise, or the path
            of a mixture file, TOML or JSON.

    Raises:
        BadShare: It stands for none, a share is not in 0..1, or the file is not a mixture.
        MissingFile: The mixture file is not there.

    Example:
        >>> parse_share("users:0.3")
        ShareUsers(fraction=0.3)

        A mixture file, where 10 % of the most active share everything, 40 % half, and the rest nothing::

            [[groups]]
            fraction = 0.1
            share = 1.0
            who = "most_active"

            [[groups]]
            fraction = 0.4
            share = 0.5
    """
    text = str(spec).strip()
    if text == "none":
        return ShareNothing()
    if text == "all":
        return ShareEverything()
    if (number := _float(text)) is not None:
        return ShareFraction(check_share(number, f"share '{text}'"))
    head, colon, tail = text.partition(":")
    if colon and head in _PREFIXES:
        return _PREFIXES[head](tail.strip(), text)
    path = Path(text)
    if path.suffix.lower() in (".json", ".toml"):
        return _read_mixture(path)
    raise BadShare(f"share '{text}': cannot be read; expected {_SPECS}.")


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _parse_fraction(text: str, spec: str) -> float:
    number = _float(text)
    return check_share(text if number is None else number, f"share '{spec}'")


def _parse_amount(text: str, spec: str) -> tuple[float | None, int | None]:
    """(fraction, count), one of them None."""
    name, equals, digits = text.partition("=")
    if not equals:
        return _parse_fraction(text, spec), None
    if name != "count" or not (digits.isascii() and digits.isdigit()):
        raise BadShare(f"share '{spec}': got '{text}', expected a fraction such as 0.3, or a number such as count=20.")
    return None, int(digits)


_PREFIXES: dict[str, Callable[[str, str], SharePolicy]] = {
    "users": lambda text, spec: ShareUsers(_parse_fraction(text, spec)),
    "newest": lambda text, spec: ShareNewest(*_parse_amount(text, spec)),
    "oldest": lambda text, spec: ShareOldest(*_parse_amount(text, spec)),
}


def _read_mixture(path: Path) -> ShareMixture:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise MissingFile(f"share '{path}': no such file; expected a mixture file. Check the path.") from None
    except OSError as error:
        raise BadShare(f"share '{path}': cannot be read ({error.strerror}); expected a mixture file.") from error
    try:
        text = raw.decode()
        content = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except ValueError as error:  # the parsers' own errors and UnicodeDecodeError are ValueErrors
        kind = path.suffix.lower().removeprefix(".").upper()
        raise BadShare(f"share '{path}': is not {kind} ({error}); expected a mixture. Mend the file.") from error
    where = f"share '{path}'"
    groups = _fields(content, where, required=("groups",))["groups"]
    if not isinstance(groups, list) or not groups:
        raise BadShare(f"{where}: groups: got {groups!r}, expected a list of at least one group.")
    tables = cast("list[object]", groups)  # of whatever the file has; each is checked when it is read
    try:
        return ShareMixture(tuple(_read_group(table, f"{where}: group {n}") for n, table in enumerate(tables, 1)))
    except BadShare as error:
        raise error if str(error).startswith(where) else BadShare(f"{where}: {error}") from error


def _read_group(content: object, where: str) -> Group:
    fields = _fields(content, where, required=("fraction", "share"), optional=("who",))
    try:
        return Group(**fields)
    except BadShare as error:
        raise BadShare(f"{where}: {str(error).removeprefix('Group: ')}") from error


def _fields(content: object, where: str, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """``content`` if it is a table of just these keys."""
    if not isinstance(content, dict):
        raise BadShare(f"{where}: got {content!r}, expected a table with {', '.join(required)}.")
    table = cast("dict[str, Any]", content)  # keys of JSON and TOML are strings
    for key in table:
        if key not in (*required, *optional):
            raise BadShare(f"{where}: unknown key '{key}'; expected {', '.join((*required, *optional))}.")
    for key in required:
        if key not in table:
            raise BadShare(f"{where}: no key '{key}'; expected {', '.join((*required, *optional))}.")
    return table
