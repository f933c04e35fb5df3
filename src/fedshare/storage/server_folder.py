"""The server's folder. It is complete: with a copy of it alone a server can publish, unlearn, save and verify.

    server/
      manifest.json           versions, options, what was chosen and kept, certificate, digests of all files below
      state.safetensors       tables, arrays, and arrays kept for unlearning
      snapshots.safetensors   what is kept for unlearning
      catalogue.parquet       items and titles
      shared.parquet          the share set as it stands: user, item and, where there is one, time
      sharers.parquet         pseudonyms of who shares something

There are no events about single items here, and nothing of what is private. The server of a central reference, such as
LightGCN, was given everything, and its folder is for the account that wrote it alone.
"""

from __future__ import annotations

import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from fedshare.algorithms.registry import options_of
from fedshare.errors import DamagedRun, RunError
from fedshare.files import atomic_directory, sweep_beside
from fedshare.models.table import Table
from fedshare.sharing.views import ServerView
from fedshare.storage.folder import protect, read_manifest, reading, write_manifest
from fedshare.storage.layouts import KEEPS_SNAPSHOTS, snapshot_layout, state_layout
from fedshare.storage.published_folder import read_catalogue, under, write_catalogue
from fedshare.storage.schema import Hex, check_fields
from fedshare.storage.server_manifest import (
    FIELDS,
    algorithm_of,
    certificate_of,
    check_counts,
    choice_of,
    keep_values,
    keeping_of,
)
from fedshare.storage.table_files import read_table, texts
from fedshare.storage.tensor_files import Layout, load_tensors, save_tensors
from fedshare.training.algorithm import ServerState
from fedshare.training.history import History, Snapshot
from fedshare.training.server_run import ServerRun

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["load_server", "save_server", "write_server"]

_WHAT = "server's folder"
_STATE, _SNAPSHOTS, _ITEMS = "state.safetensors", "snapshots.safetensors", "catalogue.parquet"
_SHARED, _SHARERS = "shared.parquet", "sharers.parquet"


def save_server(run: ServerRun, folder: Path, *, replace: bool = False) -> None:
    """Write a server's folder: all of it or nothing.

    Raises:
        OutputExists: ``folder`` is there, and ``replace`` is off.
        CannotWrite: The disk is full, or nobody may write there.
    """
    with atomic_directory(folder, replace=replace) as draft:
        write_server(run, draft)


def write_server(run: ServerRun, folder: Path) -> None:
    """Write the files into an empty folder."""
    state, snapshots = _state_tensors(run.state), _snapshot_tensors(run.history)
    _refuse_diverged({**state, **snapshots})
    save_tensors(state, folder / _STATE)
    save_tensors(snapshots, folder / _SNAPSHOTS)
    write_catalogue(run.catalogue, folder / _ITEMS)
    _write_view(run.view, folder)
    write_manifest(folder, _manifest(run))
    if run.algorithm.central:  # it was given what is private
        protect(folder)


def load_server(folder: Path, *, device: str = "cpu") -> ServerRun:
    """Read a server's folder, every file checked against the manifest, and all of it against what it has to be.

    Args:
        folder: The folder.
        device: Torch device.

    Raises:
        MissingFile: No such folder, or no manifest in it.
        OldRun: Written in an earlier format.
        NewerRun: Written in a later one.
        DamagedRun: A file is missing, changed or unreadable, or they do not agree with each other.
    """
    sweep_beside(folder)
    files = frozenset({_STATE, _SNAPSHOTS, _ITEMS, _SHARED, _SHARERS})
    manifest = read_manifest(folder, _WHAT, FIELDS, files)
    with reading(folder, _WHAT):
        check_counts(manifest)
        made, n_users, n_items = algorithm_of(manifest["algorithm"]), manifest["n_users"], manifest["n_items"]
        options, chosen = options_of(made), choice_of(made, manifest["chosen"])
        catalogue = read_catalogue(folder / _ITEMS, n_items)
        layout = state_layout(made.name, options, n_users, n_items)
        tensors = load_tensors(folder / _STATE, layout, device)
        _check_inverse(tensors)
        run = ServerRun(
            algorithm=made,
            view=_read_view(folder, n_users, n_items, has_times=manifest["has_times"]),
            catalogue=catalogue,
            seed=manifest["seed"],
            rounds=manifest["rounds"],
            state=ServerState(
                tables=_tables(tensors),
                arrays=under("array.", tensors),
                chosen=chosen,
                kept=under("kept.", tensors),
                round=manifest["round"],
            ),
            keep=keeping_of(manifest["keep"]),
            min_cohort=manifest["min_cohort"],
            finished=manifest["finished"],
            certificate=certificate_of(made, manifest["certificate"]),
        )
        _check_share_set(run, manifest["share_set"])
        return _with_history(run, folder / _SNAPSHOTS, manifest["snapshots"], device)


# -- what is written ---------------------------------------------------------------------------------------------------


def _manifest(run: ServerRun) -> dict[str, Any]:
    return {
        "fedshare": version("fedshare"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "algorithm": {"name": run.algorithm.name, "options": options_of(run.algorithm)},
        "rounds": run.rounds,
        "round": run.state.round,
        "seed": run.seed,
        "finished": run.finished,
        "min_cohort": run.min_cohort,
        "n_users": run.view.n_users,
        "n_items": run.view.n_items,
        "has_times": run.view.timestamp is not None,
        "share_set": _public_version(run, run.share_set),
        "chosen": run.state.chosen.to_dict() if run.state.chosen else None,
        "keep": keep_values(run.keep),
        "snapshots": [
            {"round": each.round, "version": _public_version(run, each.version)} for each in run.history.snapshots
        ],
        "certificate": run.certificate.to_dict() if run.certificate else None,
    }


def _public_version(run: ServerRun, share_set: str) -> str | None:
    """The version of a share set; of what a central reference was given it would be one of private pairs."""
    return None if run.algorithm.central else share_set


def _refuse_diverged(tensors: dict[str, Tensor]) -> None:
    for name, each in tensors.items():
        if each.is_floating_point() and not bool(torch.isfinite(each).all()):
            raise RunError(
                f"run: '{name}' has numbers that are not finite, so training has diverged; expected finite ones. Train "
                "again with smaller steps, such as a smaller learning_rate."
            )


def _write_view(view: ServerView, folder: Path) -> None:
    columns: dict[str, Any] = {"user": view.user, "item": view.item}
    if view.timestamp is not None:
        columns["timestamp"] = view.timestamp
    pl.DataFrame(columns, schema=_view_columns(view.timestamp is not None)).write_parquet(folder / _SHARED)
    people = {"user": view.sharers, "user_id": list(view.user_ids)}
    pl.DataFrame(people, schema=_PEOPLE).write_parquet(folder / _SHARERS)


def _view_columns(has_times: bool) -> dict[str, Any]:
    return {"user": pl.Int32, "item": pl.Int32} | ({"timestamp": pl.Int64} if has_times else {})


_PEOPLE = {"user": pl.Int32, "user_id": pl.String}


def _state_tensors(state: ServerState) -> dict[str, Tensor]:
    tensors = {f"array.{name}": array for name, array in state.arrays.items()}
    tensors |= {f"kept.{name}": array for name, array in state.kept.items()}
    for name, table in state.tables.items():
        tensors |= table.tensors(f"table.{name}")
    return tensors


def _snapshot_tensors(history: History) -> dict[str, Tensor]:
    return {
        f"{index}.{part}": rows
        for index, each in enumerate(history.snapshots)
        for part, rows in (("items", each.items), ("users", each.users))
    }


# -- what is read ------------------------------------------------------------------------------------------------------


def _read_view(folder: Path, n_users: int, n_items: int, *, has_times: bool) -> ServerView:
    pairs = read_table(folder / _SHARED, _view_columns(has_times), most=n_users * n_items)
    people = read_table(folder / _SHARERS, _PEOPLE, most=n_users)
    view = ServerView(
        n_users=n_users,
        n_items=n_items,
        user=pairs["user"].to_numpy(),
        item=pairs["item"].to_numpy(),
        timestamp=pairs["timestamp"].to_numpy() if has_times else None,
        user_ids=texts(people, "user_id", _SHARERS),
    )
    if not np.array_equal(view.sharers, people["user"].to_numpy()):
        raise DamagedRun(f"{_SHARED} and {_SHARERS} disagree.")
    return view


def _check_share_set(run: ServerRun, written: str | None) -> None:
    if written != _public_version(run, run.share_set):
        raise DamagedRun("share set and manifest disagree.")


def _check_inverse(tensors: dict[str, Tensor]) -> None:
    inverse = tensors.get("kept.inverse")
    if inverse is not None and not bool((inverse.diagonal() > 0).all()):
        raise DamagedRun(f"{_STATE}: 'kept.inverse' is no inverse of counts, expected its diagonal above 0.")


def _tables(tensors: dict[str, Tensor]) -> dict[str, Table]:
    names = sorted({key.split(".")[1] for key in tensors if key.startswith("table.")})
    return {name: Table.from_tensors(tensors, f"table.{name}") for name in names}


def _with_history(run: ServerRun, file: Path, kept: list[dict[str, Any]], device: str) -> ServerRun:
    if kept and run.algorithm.name not in KEEPS_SNAPSHOTS:
        raise DamagedRun(f"snapshots: there are {len(kept)}, but '{run.algorithm.name}' has nothing to keep.")
    numbers = [check_fields(each, {"round": int, "version": Hex | None}, "snapshots")["round"] for each in kept]
    if numbers != sorted(set(numbers)) or any(not 1 <= each <= run.state.round for each in numbers):
        raise DamagedRun(f"snapshots: they are of other rounds than 1 to {run.state.round}, or out of order.")
    if any((each["version"] is None) != run.algorithm.central for each in kept):
        raise DamagedRun("snapshots: they name no share set, or one that they must not name.")
    options = options_of(run.algorithm)
    layout = snapshot_layout(options, len(run.catalogue), len(run.sharers), len(kept)) if kept else Layout()
    tensors = load_tensors(file, layout, device)
    snapshots = (
        Snapshot(each["round"], each["version"] or run.share_set, tensors[f"{index}.items"], tensors[f"{index}.users"])
        for index, each in enumerate(kept)
    )
    return replace(run, history=History(tuple(snapshots)))
