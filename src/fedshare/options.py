"""Checks of options, in one wording: ``layers: got -1, expected a whole number of 0 or more.``

Every function returns nothing or raises ``BadOption``, so a class calls them in ``__post_init__``. A number is finite:
NaN and infinity are refused everywhere. ``True`` and ``False`` are no numbers, and a float is no whole number, not even
2.0. NumPy's numbers are taken like Python's.

``hint`` is the sentence after that one: what is usual, or what to do next. Messages stay short whatever is handed in:
values are cut, and control characters in them are escaped.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sized
from numbers import Integral, Real
from pathlib import Path
from typing import NoReturn, cast

from fedshare.errors import BadOption

__all__ = [
    "above",
    "as_path",
    "at_least",
    "between",
    "instance",
    "not_empty",
    "one_of",
    "shortened",
    "shown",
    "texts",
    "visible",
    "whole",
    "within",
]

_SHOWN = 80
"Characters of a value in a message."


def whole(name: str, value: object, least: int = 0, *, most: int | None = None, hint: str = "") -> None:
    """A whole number, ``least`` or more; at most ``most`` where that is given.

    Raises:
        BadOption: It is not.

    Example:
        >>> whole("rounds", 0, least=1)
        Traceback (most recent call last):
        fedshare.errors.BadOption: rounds: got 0, expected a whole number of 1 or more.
    """
    number = None if isinstance(value, bool) or not isinstance(value, Integral) else int(value)
    if number is None or number < least or (most is not None and number > most):
        expected = f"a whole number of {least} or more" if most is None else f"a whole number from {least} to {most}"
        _refuse(name, shown(value), expected, hint)


def at_least(name: str, value: object, least: float, *, hint: str = "") -> None:
    """A number, ``least`` or more.

    Raises:
        BadOption: It is not.

    Example:
        >>> at_least("reg", 0.0, 0)
    """
    if not _number(value) >= least:
        _refuse(name, shown(value), f"a number of {least} or more", hint)


def above(name: str, value: object, bound: float, *, at_most: float | None = None, hint: str = "") -> None:
    """A number larger than ``bound``; no larger than ``at_most`` where that is given.

    Raises:
        BadOption: It is not.

    Example:
        >>> above("learning_rate", 0, 0)
        Traceback (most recent call last):
        fedshare.errors.BadOption: learning_rate: got 0, expected a number above 0.
    """
    if not bound < _number(value) <= (math.inf if at_most is None else at_most):
        end = "" if at_most is None else f" and at most {at_most}"
        _refuse(name, shown(value), f"a number above {bound}{end}", hint)


def within(name: str, value: object, low: float, high: float, *, hint: str = "") -> None:
    """A number from ``low`` to ``high``, both included.

    Raises:
        BadOption: It is not.

    Example:
        >>> within("liked_share", 1.0, 0, 1)
    """
    if not low <= _number(value) <= high:
        _refuse(name, shown(value), f"a number from {low} to {high}", hint)


def between(name: str, value: object, low: float, high: float, *, hint: str = "") -> None:
    """A number from ``low`` to ``high``, neither included.

    Raises:
        BadOption: It is not.

    Example:
        >>> between("test_fraction", 0.2, 0, 1)
    """
    if not low < _number(value) < high:
        _refuse(name, shown(value), f"a number above {low} and below {high}", hint)


def one_of(name: str, value: object, choices: Iterable[str], *, hint: str = "") -> None:
    """One of the names.

    Raises:
        BadOption: It is not.

    Example:
        >>> one_of("ranking", "hinge", ("softmax", "bpr"))
        Traceback (most recent call last):
        fedshare.errors.BadOption: ranking: got 'hinge', expected one of softmax, bpr.
    """
    names = tuple(choices)
    if value not in names:
        _refuse(name, shown(value), f"one of {', '.join(names)}", hint)


def not_empty(name: str, values: Sized, *, hint: str = "") -> None:
    """At least one value. Check each of them with the other functions.

    Raises:
        BadOption: There is none.

    Example:
        >>> not_empty("ks", (10, 20))
    """
    if not len(values):
        _refuse(name, "none", "at least one", hint)


def instance(name: str, value: object, kind: type, expected: str, *, hint: str = "") -> None:
    """A value of a kind of the library's own, such as a ledger; ``kind`` may be a protocol that is checked at run time.

    The class itself is no value: ``method=Retrain`` is refused, ``method=Retrain()`` is meant.

    Raises:
        BadOption: It is something else.

    Example:
        >>> instance("rounds", "60", int, "a whole number", hint="Write 60.")
        Traceback (most recent call last):
        fedshare.errors.BadOption: rounds: got '60', expected a whole number. Write 60.
    """
    if isinstance(value, type) or not isinstance(value, kind):
        _refuse(name, _told(value), expected, hint)


def texts(name: str, values: object, *, hint: str = "Write them as a list: ['a', 'b'].") -> tuple[str, ...]:
    """Several ids, each once, in the order given. One string is refused: it would be read letter by letter.

    Raises:
        BadOption: It is no collection of strings.

    Example:
        >>> texts("among", ["tea", "milk", "tea"])
        ('tea', 'milk')
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        _refuse(name, _told(values), "several ids, which are strings", hint)
    return tuple(dict.fromkeys(_plain_texts(name, cast(Iterable[object], values), hint)))


def as_path(value: object, name: str = "path") -> Path:
    """A path of text or of a path.

    Raises:
        BadOption: It is neither.
    """
    if not isinstance(value, str | os.PathLike):
        _refuse(name, _told(value), "the name of a file", "Write it as text.")
    return Path(cast("str | os.PathLike[str]", value))


def shown(value: object) -> str:
    """A value for a message: one line, at most 80 characters, control characters and direction marks escaped.

    Example:
        >>> print(shown("tea" + chr(27) + "[31m"))
        'tea\\x1b[31m'
    """
    if isinstance(value, str):
        return repr(shortened(value))
    try:
        text = str(value) if isinstance(value, Real) else repr(value)  # repr of a NumPy number names its type too
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        text = "a number of thousands of digits"
    return visible(shortened(text))


def shortened(text: str, most: int = _SHOWN) -> str:
    """The text, or its beginning and three dots."""
    return text if len(text) <= most else text[: most - 3] + "..."


def visible(text: str) -> str:
    """The text with everything escaped that is no plain character: control characters, marks that turn text around.

    Ids and titles come from files of strangers; a terminal would obey what is in them. Spaces of other scripts stay.

    Example:
        >>> print(visible("tea" + chr(27) + "[2J" + chr(10)))
        tea\\x1b[2J\\n
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or unicodedata.category(each) == "Zs" else repr(each)[1:-1] for each in text
    )


def _plain_texts(name: str, values: Iterable[object], hint: str) -> Iterator[str]:
    for value in values:
        if not isinstance(value, str):
            _refuse(name, f"{_told(value)} among them", "ids, which are strings", hint)
        yield str(value)  # of NumPy's strings too


def _told(value: object) -> str:
    """What a value of a wrong kind is: small ones as they are, others by their type. Contents may be people's data."""
    if value is None or isinstance(value, str | bytes | Real):
        return shown(value)
    if isinstance(value, type):
        return f"the class {value.__name__}, which still has to be called"
    kind = type(value)
    home = kind.__module__.partition(".")[0]
    named = kind.__name__ if home in ("builtins", "fedshare") else f"{home}.{kind.__name__}"
    return f"{'an' if named[0] in 'AEIOUaeiou' else 'a'} {named}"


def _number(value: object) -> float:
    """The value as a float; NaN, which no comparison is true of, where it is no finite number."""
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:  # a whole number beyond all floats
        return math.nan
    return number if math.isfinite(number) else math.nan


def _refuse(name: str, got: str, expected: str, hint: str) -> NoReturn:
    raise BadOption(f"{name}: got {got}, expected {expected}.{' ' if hint else ''}{hint}")
