"""Holds values against the TypedDicts that describe them: pyright believes a cast, and this does not."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

__all__ = ["mismatches"]


def mismatches(value: Any, expected: Any, path: str = "figures") -> Iterator[str]:
    """Where a value differs from its type: keys that are missing or not foreseen, and values of another kind."""
    if is_typeddict(expected):
        yield from _of_typed_dict(value, expected, path)
    elif isinstance(expected, UnionType):
        if all(list(mismatches(value, each, path)) for each in get_args(expected)):
            yield from mismatches(value, next(each for each in get_args(expected) if each is not NoneType), path)
    elif get_origin(expected) is list:
        for index, each in enumerate(value):
            yield from mismatches(each, get_args(expected)[0], f"{path}[{index}]")
    elif get_origin(expected) is dict:
        for key, each in value.items():
            yield from mismatches(each, get_args(expected)[1], f"{path}[{key!r}]")
    elif not isinstance(value, int | float if expected is float else expected):
        yield f"{path}: got {value!r}, expected {expected}"


def _of_typed_dict(value: Any, expected: Any, path: str) -> Iterator[str]:
    hints = get_type_hints(expected)
    if not isinstance(value, dict) or value.keys() != hints.keys():
        found = sorted(value) if isinstance(value, dict) else value
        yield f"{path}: got {found!r}, expected the keys {sorted(hints)}"
        return
    for key, hint in hints.items():
        yield from mismatches(value[key], hint, f"{path}.{key}")
