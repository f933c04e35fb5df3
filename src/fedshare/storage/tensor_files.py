"""Tensors on disk, as safetensors, read against what is expected: names, kinds, shapes, finite numbers.

The header is compared before anything is allocated. ``Sparse`` arrays, three tensors each, have to make up a matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from fedshare.errors import DamagedRun

__all__ = [
    "ANY",
    "FLOAT",
    "Array",
    "Layout",
    "Sparse",
    "load_tensors",
    "save_tensors",
    "tensor_shapes",
]

_KINDS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "I64": torch.int64,
    "I32": torch.int32,
    "BOOL": torch.bool,
}
_LONGEST_HEADER = 2**20

ANY = tuple(_KINDS.values())
"Every kind that there is."

FLOAT = (torch.float32,)
"What a tensor of vectors is made of."
WHOLE = (torch.int32, torch.int64)
"Places and counts."


class Array(NamedTuple):
    """What one tensor has to be."""

    shape: tuple[int | None, ...]
    "None where any size will do."
    kinds: tuple[torch.dtype, ...] = FLOAT
    least: float | None = None
    "The smallest number that may be in it."


class Sparse(NamedTuple):
    """A ``(n, n)`` matrix in three tensors: where rows begin, or how long they are; columns; numbers."""

    n: int
    rows: str = "offsets"
    "``offsets``, ``(n + 1,)``, or ``counts``, ``(n,)``."
    kinds: tuple[torch.dtype, ...] = FLOAT
    least: float | None = None


@dataclass(frozen=True)
class Layout:
    """All that a file has to hold."""

    arrays: Mapping[str, Array] = field(default_factory=dict)
    sparse: Mapping[str, Sparse] = field(default_factory=dict)

    def under(self, prefix: str) -> Layout:
        """The same with longer names."""
        return Layout(
            {f"{prefix}{name}": each for name, each in self.arrays.items()},
            {f"{prefix}{name}": each for name, each in self.sparse.items()},
        )

    def __or__(self, other: Layout) -> Layout:
        return Layout({**self.arrays, **other.arrays}, {**self.sparse, **other.sparse})

    def expected(self) -> dict[str, Array]:
        """Every tensor by name."""
        found = dict(self.arrays)
        for name, each in self.sparse.items():
            found[f"{name}.{each.rows}"] = Array((each.n + (each.rows == "offsets"),), WHOLE, 0)
            found[f"{name}.items"] = Array((None,), WHOLE, 0)
            found[f"{name}.values"] = Array((None,), each.kinds, each.least)
        return found


def save_tensors(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Write tensors as safetensors."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, file)
    file.chmod(file.parent.stat().st_mode & 0o666)  # safetensors leaves 0600; who may read the folder may read it


def tensor_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """What the header of a file names."""
    with _opened(file, "cpu") as opened:
        return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118


def load_tensors(file: Path, layout: Layout, device: str) -> dict[str, Tensor]:
    """Read what :func:`save_tensors` wrote, into memory of its own.

    In the file arrays stand where the one before ends, and a product over memory that is not aligned may differ in its
    last bit.

    Raises:
        DamagedRun: It holds something else than it should.
    """
    expected = layout.expected()
    with _opened(file, device) as opened:
        names = set(opened.keys())
        if names != set(expected):
            wrong = sorted(names ^ set(expected))[0]
            raise DamagedRun(f"{file.name}: '{wrong[:60]}' {'is missing' if wrong in expected else 'is not expected'}.")
        for name, each in expected.items():
            header = opened.get_slice(name)
            _check_shape(f"{file.name}: '{name}'", each, _KINDS.get(header.get_dtype()), tuple(header.get_shape()))
        found = {name: opened.get_tensor(name).clone() for name in expected}
    _check_numbers(found, layout, file.name)
    return found


def _check_numbers(tensors: Mapping[str, Tensor], layout: Layout, where: str) -> None:
    """Raise unless all numbers are finite, none is too small, and sparse arrays are matrices.

    Raises:
        DamagedRun: They are not.
    """
    for name, each in layout.expected().items():
        tensor = tensors[name]
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise DamagedRun(f"{where}: '{name}' has numbers that are not finite.")
        if each.least is not None and tensor.numel() and not bool(tensor.min() >= each.least):
            raise DamagedRun(f"{where}: '{name}' has {float(tensor.min()):g}, expected {each.least:g} or more.")
    for name, matrix in layout.sparse.items():
        _check_matrix(tensors, name, matrix, where)


def _opened(file: Path, device: str) -> safe_open:
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
    if length > _LONGEST_HEADER:
        raise ValueError(f"{file.name} has a header of {length} bytes, at most {_LONGEST_HEADER} were expected")
    return safe_open(file, framework="pt", device=device)


def _check_shape(what: str, each: Array, kind: torch.dtype | None, shape: tuple[int, ...]) -> None:
    fits = len(shape) == len(each.shape) and all(
        want in (None, got) for want, got in zip(each.shape, shape, strict=False)
    )
    if kind not in each.kinds or not fits:
        expected = ", ".join("any" if size is None else str(size) for size in each.shape)
        kinds = " or ".join(str(one).removeprefix("torch.") for one in each.kinds)
        got = str(kind).removeprefix("torch.")
        raise DamagedRun(f"{what} has {got} of shape {str(shape)[:60]}, expected {kinds} of shape ({expected}).")


def _check_matrix(tensors: Mapping[str, Tensor], name: str, matrix: Sparse, where: str) -> None:
    columns, values = tensors[f"{name}.items"].long(), tensors[f"{name}.values"]
    rows = tensors[f"{name}.{matrix.rows}"].long()
    counts = rows.diff() if matrix.rows == "offsets" else rows
    begins_at_0 = matrix.rows == "counts" or int(rows[0]) == 0
    possible = bool(((counts >= 0) & (counts <= len(columns))).all())  # and so their sum is no other by overflow
    if not begins_at_0 or not possible or not int(counts.sum()) == len(columns) == len(values):
        raise DamagedRun(f"{where}: '{name}' is no matrix, its rows, columns and values do not agree.")
    if len(columns) and int(columns.max()) >= matrix.n:
        raise DamagedRun(f"{where}: '{name}' names column {int(columns.max())}, expected 0 to {matrix.n - 1}.")
    places = torch.repeat_interleave(torch.arange(matrix.n), counts.cpu()) * matrix.n + columns.cpu()
    if bool((places.diff() <= 0).any()):
        raise DamagedRun(f"{where}: '{name}' names a place twice or out of order.")
