"""Runs on disk: tensors as safetensors, everything else as JSON and Parquet, no pickles.

    RUN/
      manifest.json                 versions, options, data fingerprint, ledger position, certificate, checksums of all
                                files below
      server/state.safetensors      tables, arrays, numbers, and arrays kept for unlearning
      server/snapshots.safetensors  what is kept for unlearning
      catalogue.parquet             items and titles
      devices/vectors.safetensors   private vectors and their moments
      devices/people.parquet        ids
      devices/interactions.parquet  what devices know, private pairs included
      devices/events.parquet        the ledger's events
      devices/test.parquet          pairs held out for testing, if the run keeps any

In a deployment the folder ``devices`` is spread over everybody's phones; here it stands apart, and nothing under
``server`` can be turned into a private pair. These are all the files that hold data derived from people: deleting the
folder deletes all of it.
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.errors import DamagedRun, FedShareError, MissingFile, NewerRun, OutputExists
from fedshare.evaluation.cost import Cost
from fedshare.federation.clients import ClientStore
from fedshare.federation.engines import Batched, Engine
from fedshare.files import atomic_directory
from fedshare.learning.algorithm import ServerState, State, World
from fedshare.learning.certificate import Certificate
from fedshare.learning.registry import algorithm, options_of
from fedshare.learning.run import Run
from fedshare.learning.snapshots import Snapshot, Snapshots
from fedshare.models.table import Table
from fedshare.sharing.ledger import Ledger

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FORMAT", "load_run", "save_run"]

FORMAT = 1
"Version of the layout above; a reader refuses later ones."


def save_run(run: Run, path: Path, *, replace: bool = False) -> None:
    """Write a run; see the module's layout. All of it or nothing.

    Raises:
        OutputExists: ``path`` is there, and ``replace`` is off or it holds something else than a run.
    """
    if path.exists() and not (path / "manifest.json").is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise OutputExists(f"output '{path}' is there and is no run; expected a free name or a run. Choose another.")
    with atomic_directory(path, replace=replace) as draft:
        (draft / "server").mkdir()
        (draft / "devices").mkdir()
        _save_tensors(_server_tensors(run.state.server), draft / "server/state.safetensors")
        _save_tensors(_snapshot_tensors(run.snapshots), draft / "server/snapshots.safetensors")
        _save_tensors(
            run.state.clients.table.tensors("private") if run.state.clients else {},
            draft / "devices/vectors.safetensors",
        )
        _write_known(run.known, draft)
        pl.DataFrame(run.ledger.event_columns()).write_parquet(draft / "devices/events.parquet")
        files = _FILES
        if run.test is not None:
            _write_pairs(run.test, draft / _TEST)
            files = (*_FILES, _TEST)
        manifest = _manifest(run) | {"files": {name: _digest(draft / name) for name in files}}
        (draft / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def load_run(path: Path, *, engine: Engine | None = None, device: str = "cpu") -> Run:
    """Read a run, checking every file against the manifest.

    Raises:
        MissingFile: No such folder, or no manifest in it.
        NewerRun: Written by a later version of the format.
        DamagedRun: A file is missing, changed or unreadable.
    """
    manifest = _read_manifest(path)
    for name, digest in manifest["files"].items():
        if not (path / name).is_file():
            raise DamagedRun(f"run '{path}': {name} is missing. Restore it from a copy, or train again.")
        if _digest(path / name) != digest:
            raise DamagedRun(f"run '{path}': {name} is not what was written. Restore it from a copy, or train again.")
    try:
        known = _read_known(path, manifest["data"]["name"])
        events = pl.read_parquet(path / "devices/events.parquet").to_dict(as_series=False)
        ledger = Ledger.restore(known, events, manifest["ledger"]["seed"])
        if known.fingerprint() != manifest["data"]["fingerprint"] or ledger.version != manifest["ledger"]["version"]:
            raise DamagedRun(f"run '{path}': data and manifest disagree. Restore it from a copy, or train again.")
        vectors = _load_tensors(path / "devices/vectors.safetensors", device)
        return Run(
            algorithm=algorithm(manifest["algorithm"]["name"], manifest["algorithm"]["options"]),
            world=World(ledger, manifest["seed"], engine or Batched(), device, manifest["rounds"]),
            rounds=manifest["rounds"],
            state=State(
                _server_state(_load_tensors(path / "server/state.safetensors", device), manifest["numbers"]),
                ClientStore(Table.from_tensors(vectors, "private")) if vectors else None,
                manifest["round"],
            ),
            snapshots=_snapshots(_load_tensors(path / "server/snapshots.safetensors", device), manifest["snapshots"]),
            cost=Cost(**manifest["cost"]),
            snapshots_wanted=manifest["snapshots_wanted"],
            finished=manifest["finished"],
            method=manifest["method"],
            certificate=Certificate.from_dict(manifest["certificate"]) if manifest.get("certificate") else None,
            test=_read_pairs(path / _TEST, known) if _TEST in manifest["files"] else None,
        )
    except FedShareError:
        raise
    except (KeyError, TypeError, ValueError, OSError, SafetensorError, pl.exceptions.PolarsError) as error:
        raise DamagedRun(f"run '{path}': cannot be read ({error}). Restore it from a copy, or train again.") from error


_FILES = (
    "server/state.safetensors",
    "server/snapshots.safetensors",
    "catalogue.parquet",
    "devices/vectors.safetensors",
    "devices/people.parquet",
    "devices/interactions.parquet",
    "devices/events.parquet",
)
_TEST = "devices/test.parquet"


def _manifest(run: Run) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "fedshare": version("fedshare"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "algorithm": {"name": run.algorithm.name, "options": options_of(run.algorithm)},
        "rounds": run.rounds,
        "round": run.state.round,
        "seed": run.seed,
        "finished": run.finished,
        "method": run.method,
        "data": {
            "name": run.known.name,
            "fingerprint": run.known.fingerprint(),
            "n_users": run.known.n_users,
            "n_items": run.known.n_items,
            "n_pairs": run.known.n_pairs,
        },
        "ledger": {"position": run.ledger.position, "version": run.ledger.version, "seed": run.ledger.seed},
        "numbers": dict(run.state.server.numbers),
        "snapshots": [{"round": each.round, "version": each.version} for each in run.snapshots.kept],
        "snapshots_wanted": run.snapshots_wanted,
        "certificate": run.certificate.to_dict() if run.certificate else None,
        "cost": asdict(run.cost),
    }


def _read_manifest(path: Path) -> dict[str, Any]:
    file = path / "manifest.json"
    if not file.is_file():
        raise MissingFile(f"run '{path}': no manifest.json there. Expected a folder that `fedshare train --out` wrote.")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        written = int(manifest["format"])
        _ = written > FORMAT or manifest["files"].items()  # a later format may keep its files otherwise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedRun(f"run '{path}': manifest.json cannot be read ({error}). Restore it from a copy.") from error
    if written > FORMAT:
        raise NewerRun(
            f"run '{path}': written in format {written} by fedshare {manifest.get('fedshare', '?')}, this version "
            f"reads up to {FORMAT}. Upgrade fedshare."
        )
    return manifest


def _write_known(known: Interactions, draft: Path) -> None:
    titles = [known.titles.get(item) for item in known.items.ids]
    pl.DataFrame(
        {"item_id": list(known.items.ids), "title": titles}, schema={"item_id": pl.String, "title": pl.String}
    ).write_parquet(draft / "catalogue.parquet")
    pl.DataFrame({"user_id": list(known.users.ids)}).write_parquet(draft / "devices/people.parquet")
    _write_pairs(known, draft / "devices/interactions.parquet")


def _write_pairs(pairs: Interactions, file: Path) -> None:
    columns: dict[str, Any] = {"user": pairs.user, "item": pairs.item}
    for name in ("timestamp", "rating"):
        if getattr(pairs, name) is not None:
            columns[name] = getattr(pairs, name)
    pl.DataFrame(columns).write_parquet(file)


def _read_known(path: Path, name: str) -> Interactions:
    catalogue = pl.read_parquet(path / "catalogue.parquet")
    people = pl.read_parquet(path / "devices/people.parquet")
    titles = {item: title for item, title in catalogue.iter_rows() if title is not None}
    return Interactions(
        users=Vocabulary("user", tuple(people["user_id"].to_list())),
        items=Vocabulary("item", tuple(catalogue["item_id"].to_list())),
        titles=titles,
        name=name,
        **_pair_columns(path / "devices/interactions.parquet"),
    )


def _read_pairs(file: Path, like: Interactions) -> Interactions:
    """Pairs of the people and items of ``like``."""
    return Interactions(like.users, like.items, titles=like.titles, name=like.name, **_pair_columns(file))


def _pair_columns(file: Path) -> dict[str, Any]:
    pairs = pl.read_parquet(file)
    return {name: pairs[name].to_numpy() for name in ("user", "item", "timestamp", "rating") if name in pairs.columns}


def _server_tensors(server: ServerState) -> dict[str, Tensor]:
    tensors = {f"array.{name}": array for name, array in server.arrays.items()}
    tensors |= {f"kept.{name}": array for name, array in server.kept.items()}
    for name, table in server.tables.items():
        tensors |= table.tensors(f"table.{name}")
    return tensors


def _server_state(tensors: dict[str, Tensor], numbers: dict[str, float]) -> ServerState:
    names = sorted({key.split(".")[1] for key in tensors if key.startswith("table.")})
    return ServerState(
        tables={name: Table.from_tensors(tensors, f"table.{name}") for name in names},
        arrays=_under("array.", tensors),
        numbers=numbers,
        kept=_under("kept.", tensors),
    )


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _snapshot_tensors(snapshots: Snapshots) -> dict[str, Tensor]:
    return {
        f"{index}.{part}": getattr(each, part)
        for index, each in enumerate(snapshots.kept)
        for part in ("items", "users")
    }


def _snapshots(tensors: dict[str, Tensor], kept: list[dict[str, Any]]) -> Snapshots:
    return Snapshots(
        tuple(
            Snapshot(each["round"], each["version"], tensors[f"{index}.items"], tensors[f"{index}.users"])
            for index, each in enumerate(kept)
        )
    )


def _save_tensors(tensors: dict[str, Tensor], file: Path) -> None:
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, file)


def _load_tensors(file: Path, device: str) -> dict[str, Tensor]:
    return load_file(file, device=device)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
