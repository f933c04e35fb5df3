"""Orders and answers as bytes: arrays as safetensors, everything else as JSON in the same header. No pickles.

Only the types listed here cross. Tasks and transforms cross by name and plain values, and are looked up on the other
side, so that a message carries no code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, Union, final, get_args, get_origin, get_type_hints

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from fedshare.algorithms.registry import task, task_values
from fedshare.errors import BadMessage, FedShareError
from fedshare.federation.orders import (
    Aggregate,
    Ballot,
    CountsCall,
    MaskedSum,
    Outscored,
    Probe,
    Refit,
    RoundOrder,
    Votes,
)
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import ClientTask
from fedshare.federation.transforms import TRANSFORMS, Transform
from fedshare.sharing.holdout import Holdout

__all__ = ["MESSAGES", "Done", "Notice", "Refused", "decode", "encode"]


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Notice:
    """Devices to server: pairs that people take back, and whether somebody erases something."""

    user: Tensor
    "``(n_withdrawn,)`` int64."
    item: Tensor
    erases: bool


@final
@dataclass(frozen=True)
class Refused:
    """Devices to server: an order is not carried out."""

    kind: str
    "Name of the error."
    reason: str


@final
@dataclass(frozen=True)
class Done:
    """Devices to server: carried out, and there is nothing to tell."""


MESSAGES: dict[str, type[Any]] = {
    each.__name__: each
    for each in (
        RoundOrder,
        Ballot,
        Probe,
        CountsCall,
        Refit,
        Aggregate,
        Votes,
        Outscored,
        MaskedSum,
        Notice,
        Refused,
        Done,
    )
}
"Everything that may cross, by name."

_UNREADABLE = (
    SafetensorError,
    AttributeError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
)
_LONGEST_HEADER = 2**20
"Bytes. The largest order that the library makes has a header of some kilobytes."

_PARTS: dict[str, type[Any]] = {each.__name__: each for each in (Payload, Holdout)}
_KIND = "$"


def encode(message: Any) -> bytes:
    """A message as bytes.

    Raises:
        BadMessage: It is none of :data:`MESSAGES`, or has a part that must not cross.
    """
    if type(message).__name__ not in MESSAGES:
        raise BadMessage(f"message: got a {type(message).__name__}, expected one of {', '.join(MESSAGES)}.")
    tensors: dict[str, Tensor] = {}
    header = _packed(message, "", tensors)
    return save(tensors, {"message": json.dumps(header, allow_nan=False, separators=(",", ":"))})


def decode(data: bytes) -> Any:
    """The message that :func:`encode` made bytes of.

    Raises:
        BadMessage: The bytes are no such message.
    """
    try:
        header = json.loads(_metadata(data)["message"])
        if not isinstance(header, dict) or header.get(_KIND) not in MESSAGES:
            raise BadMessage("message: the bytes are none of the messages that may cross. Drop them.")
        return _unpacked(header, load(data))
    except BadMessage:
        raise
    except (*_UNREADABLE, FedShareError) as error:
        raise BadMessage(f"message: the bytes cannot be read ({error}). Drop them.") from error


def _metadata(data: bytes) -> dict[str, str]:
    """The strings in the header of safetensors: eight bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    if length > _LONGEST_HEADER:
        raise BadMessage(f"message: a header of {length} bytes, expected {_LONGEST_HEADER} at most. Drop it.")
    if not 0 < length <= len(data) - 8:
        raise BadMessage(f"message: {len(data)} bytes are too few for the header they announce. Drop them.")
    return json.loads(data[8 : 8 + length]).get("__metadata__", {})


def _packed(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().contiguous().clone()  # clones share no memory, as the format wants it
        return {_KIND: "tensor", "at": path}
    if isinstance(value, ClientTask):
        return {_KIND: "task", "name": value.name, "values": task_values(value)}
    if isinstance(value, Transform):
        return {_KIND: "transform", "name": value.name, "values": asdict(value)}  # type: ignore[call-overload]
    if isinstance(value, Mapping):
        return {_KIND: "map", "of": {key: _packed(each, f"{path}/{key}", tensors) for key, each in value.items()}}
    if isinstance(value, list | tuple):
        return {_KIND: "list", "of": [_packed(each, f"{path}/{n}", tensors) for n, each in enumerate(value)]}
    name = type(value).__name__
    if not is_dataclass(value) or (name not in MESSAGES and name not in _PARTS):
        raise BadMessage(f"message: a {name} at '{path}' must not cross. Send what federation/orders.py defines.")
    parts = {each.name: _packed(getattr(value, each.name), f"{path}/{each.name}", tensors) for each in fields(value)}
    return {_KIND: name, "of": parts}


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    kind = value[_KIND]
    if kind == "tensor":
        return tensors[value["at"]]
    if kind == "task":
        return task(value["name"], value["values"])
    if kind == "transform":
        return TRANSFORMS[value["name"]](**value["values"])
    if kind == "map":
        return {key: _unpacked(each, tensors) for key, each in value["of"].items()}
    if kind == "list":
        return tuple(_unpacked(each, tensors) for each in value["of"])
    made = MESSAGES.get(kind) or _PARTS[kind]
    parts = {key: _unpacked(each, tensors) for key, each in value["of"].items()}
    hints = get_type_hints(made)
    for key, part in parts.items():
        if not _fits(part, hints[key]):
            raise BadMessage(
                f"message: '{key}' of a {kind} is a {type(part).__name__}, expected another type. Drop it."
            )
    return made(**parts)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type, as far as messages need it."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in inner)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(each, inner[0]) for each in value)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(_fits(each, inner[1]) for each in value.values())
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
