"""How messages about data are worded: short whatever the data holds, and with advice that both doors understand.

An option stands in messages as Python writes it, in backquotes: ```separator=';'```. The command line turns that into
its own flag, so one sentence serves both (``fedshare.cli.source``). Values from the data are cut, lists of names too.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["MAX_MESSAGE", "bounded", "count", "listed", "place", "rows", "shown"]

MAX_MESSAGE = 700
"No message about data is longer than so many characters."


def shown(value: object, most: int = 40) -> str:
    """A value in quotes, on one line, cut to ``most`` characters."""
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= most else text[: most - 3] + "...")


def listed(names: Iterable[object], most: int = 8) -> str:
    """The first names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(shown(name, 30) for name in every[:most]) + more


def place(path: object) -> str:
    """A file in messages: the end of a long path says more than its beginning."""
    text = str(path)
    return repr(text if len(text) <= 120 else "..." + text[-117:])


def count(number: int, what: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def rows(number: int, total: int, first: int) -> str:
    """``3 of 100 rows (first: row 17)``, counting from 1 as people do."""
    return f"{number:,} of {total:,} rows (first: row {first + 1:,})"


def bounded(message: str) -> str:
    """A message from elsewhere, such as a parser's, cut to what a person reads."""
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 3] + "..."
