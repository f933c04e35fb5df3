"""``--option key=value``: fields of an options class, written as text."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from fedshare.errors import BadOption

__all__ = ["Options", "merged", "parse_options"]

Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        help="A hyperparameter, such as layers=3, clip_norm=none or item_item.k=10; may be repeated.",
        metavar="KEY=VALUE",
    ),
]


def parse_options(cls: type, name: str, given: Sequence[str]) -> dict[str, Any]:
    """Values for fields of a dataclass, of the types that it declares.

    Args:
        cls: The dataclass.
        name: What the command line calls it.
        given: Texts such as ``layers=3``; ``part.key=value`` reaches into a field that is a dataclass itself.

    Raises:
        BadOption: There is no such field, the value is not of its type, or a field is given twice.
    """
    types_of = get_type_hints(cls)
    known = [field.name for field in fields(cls)]
    parsed: dict[str, Any] = {}
    inner: dict[str, list[str]] = {}
    for text in given:
        key, equals, value = text.partition("=")
        key, value = key.strip().replace("-", "_"), value.strip()
        head, dot, rest = key.partition(".")
        if not equals or not key:
            raise BadOption(f"option '{text}': expected KEY=VALUE, such as layers=3.")
        if head not in known:
            raise BadOption(
                f"option '{head}': {name} has no such option, expected one of {', '.join(known) or 'none at all'}."
            )
        if dot:
            inner.setdefault(head, []).append(f"{rest}={value}")
        elif key in parsed:
            raise BadOption(f"option '{key}': got it twice, expected it once.")
        else:
            parsed[key] = _value(value, types_of[key], f"option '{key}'")
    for head, texts in inner.items():
        part = next((each for each in _alternatives(types_of[head]) if is_dataclass(each)), None)
        if part is None or head in parsed:
            raise BadOption(f"option '{head}': got {texts[0]!r} of it, expected '{head}=VALUE', once.")
        parsed[head] = parse_options(part, head, texts)  # type: ignore[arg-type]
    return parsed


def merged(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with what is given; options inside of options are merged likewise."""
    both = dict(base)
    for key, value in given.items():
        inside = both.get(key)
        both[key] = merged(inside, value) if isinstance(value, Mapping) and isinstance(inside, Mapping) else value
    return both


def _value(text: str, wanted: Any, where: str) -> Any:
    for kind in _alternatives(wanted):
        try:
            return _as(text, kind)
        except ValueError:
            continue
    raise BadOption(f"{where}: got '{text}', expected {' or '.join(_named(kind) for kind in _alternatives(wanted))}.")


def _as(text: str, kind: Any) -> Any:
    """``text`` as one type; ValueError where it is none of it."""
    if kind is type(None) and text.lower() == "none":
        return None
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind in (int, float, str):
        return kind(text)
    if get_origin(kind) is Literal and text in get_args(kind):
        return text
    if get_origin(kind) is tuple:
        return tuple(_as(part.strip(), get_args(kind)[0]) for part in text.split(","))
    raise ValueError(text)


def _alternatives(wanted: Any) -> tuple[Any, ...]:
    return get_args(wanted) if get_origin(wanted) in (Union, types.UnionType) else (wanted,)


def _named(kind: Any) -> str:
    if kind is type(None):
        return "none"
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return "numbers with commas between them"
    if is_dataclass(kind):
        return "its own options, KEY.OPTION=VALUE"
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "text")
