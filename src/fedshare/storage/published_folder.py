"""What a server publishes, on disk: everybody may have this folder.

published/
  manifest.json         numbers that go with the arrays, digests of the files below
  model.safetensors     tables and arrays
  catalogue.parquet     items and titles
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from torch import Tensor

from fedshare.federation.payload import Payload
from fedshare.storage.folder import load_tensors, read_manifest, reading, save_tensors, write_manifest
from fedshare.training.server_side import Catalogue

__all__ = ["load_published", "read_catalogue", "save_published", "write_catalogue"]


def save_published(released: Payload, catalogue: Catalogue, folder: Path) -> None:
    """Write what everybody may see; personal rows are left out.

    Args:
        released: What devices recommend with.
        catalogue: The items.
        folder: A new folder.
    """
    folder.mkdir()
    save_tensors(_named(released), folder / "model.safetensors")
    write_catalogue(catalogue, folder / "catalogue.parquet")
    write_manifest(folder, {"numbers": dict(released.numbers)})


def load_published(folder: Path, *, device: str = "cpu") -> tuple[Payload, Catalogue]:
    """What :func:`save_published` wrote.

    Raises:
        MissingFile: No such folder.
        DamagedRun: A file is missing, changed or unreadable.
    """
    manifest = read_manifest(folder, "published model")
    with reading(folder, "published model"):
        tensors = load_tensors(folder / "model.safetensors", device)
        payload = Payload(
            tables=under("table.", tensors), arrays=under("array.", tensors), numbers=dict(manifest["numbers"])
        )
        return payload, read_catalogue(folder / "catalogue.parquet")


def write_catalogue(catalogue: Catalogue, file: Path) -> None:
    """Items and titles as a table."""
    n = len(catalogue)
    columns = {
        "item_id": list(catalogue.ids),
        "title": list(catalogue.titles),
        "category": list(catalogue.categories or [None] * n),
        "retired": [item in catalogue.retired for item in range(n)],
    }
    pl.DataFrame(columns, schema=_CATALOGUE).write_parquet(file)


def read_catalogue(file: Path) -> Catalogue:
    """What :func:`write_catalogue` wrote."""
    table = pl.read_parquet(file)
    categories = tuple(table["category"].to_list())
    return Catalogue(
        tuple(table["item_id"].to_list()),
        tuple(table["title"].to_list()),
        categories if any(each is not None for each in categories) else (),
        frozenset(np.flatnonzero(table["retired"].to_numpy()).tolist()),
    )


_CATALOGUE = {"item_id": pl.String, "title": pl.String, "category": pl.String, "retired": pl.Boolean}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _named(payload: Payload) -> dict[str, Tensor]:
    tables = {f"table.{name}": each for name, each in payload.tables.items()}
    return tables | {f"array.{name}": each for name, each in payload.arrays.items()}
