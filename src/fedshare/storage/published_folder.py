"""What a server publishes, on disk: everybody may have this folder.

published/
  manifest.json         numbers that go with the arrays, digests of the files below
  model.safetensors     tables and arrays
  catalogue.parquet     items and titles
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from torch import Tensor

from fedshare.errors import DamagedRun
from fedshare.federation.payload import Payload
from fedshare.storage.folder import read_manifest, reading, write_manifest
from fedshare.storage.layouts import network_layout, published_layout
from fedshare.storage.schema import Seed, check_fields
from fedshare.storage.table_files import read_table, texts
from fedshare.storage.tensor_files import ANY, Array, Layout, load_tensors, save_tensors, tensor_shapes
from fedshare.training.server_side import Catalogue

__all__ = ["load_published", "read_catalogue", "save_published", "write_catalogue"]

_WHAT = "published model"
_MODEL, _ITEMS = "model.safetensors", "catalogue.parquet"
_COLUMNS = {"item_id": pl.String, "title": pl.String, "category": pl.String, "retired": pl.Boolean}


def save_published(released: Payload, catalogue: Catalogue, folder: Path) -> None:
    """Write what everybody may see; personal rows are left out.

    Args:
        released: What devices recommend with.
        catalogue: The items.
        folder: A new folder.
    """
    folder.mkdir()
    save_tensors(_tensors_of(released), folder / _MODEL)
    write_catalogue(catalogue, folder / _ITEMS)
    write_manifest(folder, {"numbers": dict(released.numbers), "n_items": len(catalogue)})


def load_published(
    folder: Path, *, device: str = "cpu", task: tuple[str, Mapping[str, Any]] | None = None
) -> tuple[Payload, Catalogue]:
    """What :func:`save_published` wrote.

    Args:
        folder: The folder.
        device: Torch device.
        task: Name and values of what is run on it, to check that it fits; None for whatever it may be.

    Raises:
        MissingFile: No such folder.
        DamagedRun: A file is missing, changed or unreadable, or it is not for this task.
    """
    fields = {"numbers": dict[str, float | Seed], "n_items": int}
    manifest = read_manifest(folder, _WHAT, fields, frozenset({_MODEL, _ITEMS}))
    with reading(folder, _WHAT):
        catalogue = read_catalogue(folder / _ITEMS, manifest["n_items"])
        numbers, shapes = manifest["numbers"], tensor_shapes(folder / _MODEL)
        if not shapes and not numbers:  # a checkpoint: nothing is published yet
            return Payload(), catalogue
        layout = _any_layout(shapes, len(catalogue)) if task is None else _layout(*task, shapes, numbers, catalogue)
        tensors = load_tensors(folder / _MODEL, layout, device)
        tables, arrays = under("table.", tensors), under("array.", tensors)
        return Payload(tables=tables, arrays=arrays, numbers=numbers), catalogue


def write_catalogue(catalogue: Catalogue, file: Path) -> None:
    """Items and titles as a table."""
    n = len(catalogue)
    columns = {
        "item_id": list(catalogue.ids),
        "title": list(catalogue.titles),
        "category": list(catalogue.categories or [None] * n),
        "retired": [item in catalogue.retired for item in range(n)],
    }
    pl.DataFrame(columns, schema=_COLUMNS).write_parquet(file)


def read_catalogue(file: Path, n_items: int) -> Catalogue:
    """What :func:`write_catalogue` wrote.

    Raises:
        DamagedRun: It is something else.
    """
    table = read_table(file, _COLUMNS, rows=n_items, gaps=frozenset({"title", "category"}))
    categories = tuple(table["category"].to_list())
    return Catalogue(
        texts(table, "item_id", file.name),
        tuple(table["title"].to_list()),
        categories if any(each is not None for each in categories) else (),
        frozenset(np.flatnonzero(table["retired"].to_numpy()).tolist()),
    )


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _tensors_of(payload: Payload) -> dict[str, Tensor]:
    tables = {f"table.{name}": each for name, each in payload.tables.items()}
    return tables | {f"array.{name}": each for name, each in payload.arrays.items()}


def _layout(
    task: str,
    values: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    numbers: Mapping[str, Any],
    catalogue: Catalogue,
) -> Layout:
    n_items = len(catalogue)
    _check_numbers(task, numbers, n_items)
    found = published_layout(task, values, n_items, numbers)
    if task != "fedncf":
        return found
    biases = sorted((name for name in shapes if name.startswith("array.b")), key=lambda name: (len(name), name))
    sizes = (2 * values["embedding_size"], *(shapes[name][0] for name in biases[:-1]), 1)
    return found | network_layout(sizes).under("array.")


def _check_numbers(task: str, numbers: Mapping[str, Any], n_items: int) -> None:
    if task == "shuffle":
        check_fields(numbers, {"seed": Seed, "n_items": int}, "numbers")
        if numbers["n_items"] != n_items:
            raise DamagedRun(f"numbers: n_items is {numbers['n_items']}, expected {n_items}.")
    elif numbers:
        check_fields(numbers, {"item_item_weight": float} if task == "fedshare" else {}, "numbers")
        if numbers["item_item_weight"] <= 0:
            raise DamagedRun(f"numbers: item_item_weight is {numbers['item_item_weight']}, expected it above 0.")


def _any_layout(shapes: Mapping[str, tuple[int, ...]], n_items: int) -> Layout:
    """Whatever it is: tables have a row an item, and all numbers are finite."""
    tables = {name: Array((n_items, *shape[1:]), ANY) for name, shape in shapes.items() if name.startswith("table.")}
    return Layout(tables | {name: Array(shape, ANY) for name, shape in shapes.items() if name.startswith("array.")})
