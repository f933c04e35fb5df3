"""The server's folder. It is complete: with a copy of it alone a server can publish, unlearn, save and verify.

    server/
      manifest.json           versions, options, what was chosen and kept, certificate, digests of all files below
      state.safetensors       tables, arrays, and arrays kept for unlearning
      snapshots.safetensors   what is kept for unlearning
      catalogue.parquet       items and titles
      shared.parquet          the share set as it stands: user, item and, where there is one, time
      sharers.parquet         pseudonyms of who shares something

There are no events about single items here, and nothing of what is private. (The server of a central reference, such as
LightGCN, was given everything, and its share set says so.)
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from fedshare.algorithms.registry import algorithm, choice_from, options_of
from fedshare.errors import DamagedRun
from fedshare.files import atomic_directory
from fedshare.models.table import Table
from fedshare.options import whole
from fedshare.sharing.views import ServerView
from fedshare.storage.folder import load_tensors, read_manifest, reading, save_tensors, write_manifest
from fedshare.storage.published_folder import read_catalogue, under, write_catalogue
from fedshare.training.algorithm import ServerState
from fedshare.training.certificate import Certificate
from fedshare.training.history import History, Keeping, Nothing, Snapshot, Snapshots
from fedshare.training.server_run import ServerRun

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["load_server", "save_server", "write_server"]

_WHAT = "server's folder"


def save_server(run: ServerRun, folder: Path, *, replace: bool = False) -> None:
    """Write a server's folder: all of it or nothing.

    Raises:
        OutputExists: ``folder`` is there, and ``replace`` is off.
    """
    with atomic_directory(folder, replace=replace) as draft:
        write_server(run, draft)


def write_server(run: ServerRun, folder: Path) -> None:
    """Write the files into an empty folder."""
    save_tensors(_state_tensors(run.state), folder / "state.safetensors")
    save_tensors(_snapshot_tensors(run.history), folder / "snapshots.safetensors")
    write_catalogue(run.catalogue, folder / "catalogue.parquet")
    _write_view(run.view, folder)
    write_manifest(folder, _manifest(run))


def load_server(folder: Path, *, device: str = "cpu") -> ServerRun:
    """Read a server's folder, every file checked against the manifest.

    Args:
        folder: The folder.
        device: Torch device.

    Raises:
        MissingFile: No such folder, or no manifest in it.
        OldRun: Written in an earlier format.
        NewerRun: Written in a later one.
        DamagedRun: A file is missing, changed or unreadable.
    """
    manifest = read_manifest(folder, _WHAT)
    with reading(folder, _WHAT):
        made = algorithm(manifest["algorithm"]["name"], manifest["algorithm"]["options"])
        catalogue = read_catalogue(folder / "catalogue.parquet")
        tensors = load_tensors(folder / "state.safetensors", device)
        run = ServerRun(
            algorithm=made,
            view=_read_view(folder, manifest["n_users"], len(catalogue), has_times=manifest["has_times"]),
            catalogue=catalogue,
            seed=manifest["seed"],
            rounds=manifest["rounds"],
            state=ServerState(
                tables=_tables(tensors),
                arrays=under("array.", tensors),
                chosen=choice_from(made, manifest["chosen"]),
                kept=under("kept.", tensors),
                round=manifest["round"],
            ),
            history=_history(load_tensors(folder / "snapshots.safetensors", device), manifest["snapshots"]),
            keep=_keeping(manifest["keep"]),
            min_cohort=manifest["min_cohort"],
            finished=manifest["finished"],
            certificate=Certificate.from_dict(manifest["certificate"]) if manifest["certificate"] else None,
        )
        for name, value, least in (("min_cohort", run.min_cohort, 1), ("seed", run.seed, 0), ("rounds", run.rounds, 1)):
            whole(name, value, least)
        if run.share_set != manifest["share_set"]:
            raise DamagedRun(f"{_WHAT} '{folder}': share set and manifest disagree. Restore it, or train again.")
        return run


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
        "has_times": run.view.timestamp is not None,
        "share_set": run.share_set,
        "chosen": run.state.chosen.to_dict() if run.state.chosen else None,
        "keep": _keep_dict(run.keep),
        "snapshots": [{"round": each.round, "version": each.version} for each in run.history.snapshots],
        "certificate": run.certificate.to_dict() if run.certificate else None,
    }


def _write_view(view: ServerView, folder: Path) -> None:
    columns: dict[str, Any] = {"user": view.user, "item": view.item}
    if view.timestamp is not None:
        columns["timestamp"] = view.timestamp
    pl.DataFrame(columns).write_parquet(folder / "shared.parquet")
    pl.DataFrame({"user": view.sharers, "user_id": list(view.user_ids)}, schema=_SHARERS).write_parquet(
        folder / "sharers.parquet"
    )


_SHARERS = {"user": pl.Int32, "user_id": pl.String}


def _read_view(folder: Path, n_users: int, n_items: int, *, has_times: bool) -> ServerView:
    pairs, sharers = pl.read_parquet(folder / "shared.parquet"), pl.read_parquet(folder / "sharers.parquet")
    view = ServerView(
        n_users=n_users,
        n_items=n_items,
        user=pairs["user"].to_numpy(),
        item=pairs["item"].to_numpy(),
        timestamp=pairs["timestamp"].to_numpy() if has_times else None,
        user_ids=tuple(sharers["user_id"].to_list()),
    )
    if not np.array_equal(view.sharers, sharers["user"].to_numpy()):
        raise DamagedRun(f"{_WHAT} '{folder}': shared.parquet and sharers.parquet disagree. Restore it.")
    return view


def _keep_dict(keep: Keeping) -> dict[str, Any]:
    return {"name": keep.name, "count": keep.count} if isinstance(keep, Snapshots) else {"name": keep.name}


def _keeping(values: dict[str, Any]) -> Keeping:
    return Snapshots(values["count"]) if values["name"] == Snapshots.name else Nothing()


def _state_tensors(state: ServerState) -> dict[str, Tensor]:
    tensors = {f"array.{name}": array for name, array in state.arrays.items()}
    tensors |= {f"kept.{name}": array for name, array in state.kept.items()}
    for name, table in state.tables.items():
        tensors |= table.tensors(f"table.{name}")
    return tensors


def _tables(tensors: dict[str, Tensor]) -> dict[str, Table]:
    names = sorted({key.split(".")[1] for key in tensors if key.startswith("table.")})
    return {name: Table.from_tensors(tensors, f"table.{name}") for name in names}


def _snapshot_tensors(history: History) -> dict[str, Tensor]:
    return {
        f"{index}.{part}": rows
        for index, each in enumerate(history.snapshots)
        for part, rows in (("items", each.items), ("users", each.users))
    }


def _history(tensors: dict[str, Tensor], kept: list[dict[str, Any]]) -> History:
    return History(
        tuple(
            Snapshot(each["round"], each["version"], tensors[f"{index}.items"], tensors[f"{index}.users"])
            for index, each in enumerate(kept)
        )
    )
