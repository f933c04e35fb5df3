"""Plain values against the types that dataclasses declare: what a manifest holds is checked before it is used."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from fedshare.errors import DamagedRun

__all__ = ["Hex", "Seed", "check_fields", "check_values"]

_LONGEST = 10_000
"Characters of a text."
_LARGEST = 2**63


class Hex:
    """Stands for a text of 64 hex digits."""


class Seed:
    """Stands for a whole number of 0 or more, however large."""


_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    Hex: "64 hex digits",
    Seed: "a whole number of 0 or more",
}


def check_fields(values: object, expected: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Raise unless values have exactly these names, each with a value of its type.

    Args:
        values: As JSON gives them.
        expected: Type by name: ``int``, ``float``, ``str``, ``bool``, ``Hex``, unions, literals, tuples, mappings of
            texts, and dataclasses of those. Numbers are finite; an ``int`` is a ``float`` too, a ``bool`` is neither.
        where: How messages call the values.

    Raises:
        DamagedRun: They are something else.
    """
    if not isinstance(values, dict):
        raise DamagedRun(f"{where}: got {_shown(values)}, expected an object.")
    missing, unknown = sorted(set(expected) - set(values)), sorted(set(values) - set(expected))
    if missing or unknown:
        wrong = f"no {missing[0]!r}" if missing else f"{unknown[0]!r:.60}"
        raise DamagedRun(f"{where}: got {wrong}, expected exactly {', '.join(expected)}.")
    for name, kind in expected.items():
        if not _is(values[name], kind):
            raise DamagedRun(f"{where}: {name} is {_shown(values[name])}, expected {_named(kind)}.")
    return values


def check_values(cls: type, values: object, where: str) -> dict[str, Any]:
    """Raise unless values are those of a dataclass, all of them and no others, each of its type.

    Raises:
        DamagedRun: They are something else.
    """
    return check_fields(values, _types(cls), where)


@cache
def _types(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {each.name: hints[each.name] for each in fields(cls) if each.init}


def _is(value: object, kind: Any) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_is(value, part) for part in parts)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_is(each, parts[0]) for each in value)
    if origin is not None:  # a mapping of texts
        return isinstance(value, dict) and all(_is(each, parts[1]) for each in value.values())
    if is_dataclass(kind):
        types = _types(kind)
        return isinstance(value, dict) and set(value) == set(types) and all(_is(value[k], types[k]) for k in types)
    if kind is Hex:
        return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None
    if kind is Seed:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _bounded(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and _bounded(value)
    if kind is str:
        return isinstance(value, str) and len(value) <= _LONGEST
    return kind is Any or isinstance(value, kind)


def _bounded(value: float) -> bool:
    return abs(value) < _LARGEST if isinstance(value, int) else math.isfinite(value)


def _named(kind: Any) -> str:
    if kind in (NoneType, None):
        return "nothing"
    if kind in _WORDS:
        return _WORDS[kind]
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(_named(part) for part in parts)
    if origin is Literal:
        return f"one of {', '.join(parts)}"
    return "a list" if origin is tuple else "an object"


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
