"""Everybody's devices, on disk. In a deployment this is spread over people's phones; here it is one folder.

devices/                  for the account that wrote it alone: 0700, files 0600
  manifest.json           the task that devices run, the ledger's seed, min_cohort, a salt, digests of all files below
  private.safetensors     private state
  personal.safetensors    what the server sent to each person alone, if it sent anything
  people.parquet          ids
  interactions.parquet    what devices know, private pairs included
  events.parquet          the ledger's events
  test.parquet            pairs held out for testing, if the run keeps any

The salt is drawn anew each time the folder is written. So the digest of this manifest, which stands outside, in
``run.json``, is of something that nobody can guess, and no guess of a private pair can be tested with it.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fedshare.algorithms.registry import ALGORITHMS, task, task_values
from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.errors import DamagedRun
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import ClientTask
from fedshare.files import sweep_beside
from fedshare.sharing.ledger import Ledger
from fedshare.simulation.device_layouts import personal_layout, private_layout
from fedshare.simulation.device_run import DeviceRun
from fedshare.simulation.engines import Batched, Engine
from fedshare.storage.folder import protect, read_manifest, reading, write_manifest
from fedshare.storage.published_folder import load_published
from fedshare.storage.schema import Hex, Seed, check_fields, check_values
from fedshare.storage.table_files import read_table, texts
from fedshare.storage.tensor_files import load_tensors, save_tensors
from fedshare.training.server_side import Catalogue

__all__ = ["load_devices", "write_devices"]

_WHAT = "devices' folder"
_PRIVATE, _PERSONAL, _PEOPLE = "private.safetensors", "personal.safetensors", "people.parquet"
_PAIRS, _EVENTS, _TEST = "interactions.parquet", "events.parquet", "test.parquet"
_FILES = frozenset({_PRIVATE, _PERSONAL, _PEOPLE, _PAIRS, _EVENTS})
_FIELDS = {
    "task": dict[str, Any],
    "min_cohort": int,
    "data": dict[str, Any],
    "ledger": dict[str, Any],
    "has_times": bool,
    "has_ratings": bool,
    "test": dict[str, bool] | None,
    "salt": str,
}


def write_devices(devices: DeviceRun, folder: Path) -> None:
    """Write the files into a new folder, which is for this account alone from its first moment."""
    folder.mkdir(mode=0o700)
    known, ledger = devices.ledger.known, devices.ledger
    save_tensors(devices.private, folder / _PRIVATE)
    recipients = devices.released.recipients
    personal = dict(devices.released.personal)
    if recipients is not None:
        personal["recipients"] = recipients
    save_tensors(personal, folder / _PERSONAL)
    pl.DataFrame({"user_id": list(known.users.ids)}).write_parquet(folder / _PEOPLE)
    _write_pairs(known, folder / _PAIRS)
    pl.DataFrame(ledger.event_columns()).write_parquet(folder / _EVENTS)
    if devices.test is not None:
        _write_pairs(devices.test, folder / _TEST)
    write_manifest(
        folder,
        {
            "task": {"name": devices.task.name, "values": task_values(devices.task)},
            "min_cohort": devices.min_cohort,
            "data": {"name": known.name, "fingerprint": known.fingerprint(), "n_users": known.n_users},
            "ledger": {"position": ledger.position, "version": ledger.version, "seed": ledger.seed},
            **_columns_of(known),
            "test": None if devices.test is None else _columns_of(devices.test),
            "salt": secrets.token_hex(16),
        },
    )
    protect(folder)


def load_devices(folder: Path, published: Path, *, engine: Engine | None = None, device: str = "cpu") -> DeviceRun:
    """Everybody's devices, from their own folder and what is published. No file of the server is read.

    Args:
        folder: As :func:`write_devices` wrote it.
        published: As :func:`fedshare.storage.published_folder.save_published` wrote it.
        engine: How devices are simulated.
        device: Torch device.

    Raises:
        MissingFile: No such folder.
        DamagedRun: A file is missing, changed or unreadable, or they do not agree with each other.
    """
    sweep_beside(folder)
    manifest = read_manifest(folder, _WHAT, _FIELDS, _FILES, frozenset({_TEST}))
    with reading(folder, _WHAT):
        made, values = _task(manifest["task"])
    released, catalogue = load_published(published, device=device, task=(made.name, values))
    with reading(folder, _WHAT):
        known = _read_known(folder, manifest, catalogue)
        ledger = _read_ledger(folder, known, manifest)
        private = private_layout(made, values, known.n_users, known.n_items)
        if manifest["min_cohort"] < 1:
            raise DamagedRun(f"min_cohort is {manifest['min_cohort']}, expected 1 or more.")
        return DeviceRun(
            ledger=ledger,
            task=made,
            private=load_tensors(folder / _PRIVATE, private, device),
            released=_with_personal(made, released, known.n_users, folder, device),
            test=_read_test(folder, manifest, known),
            engine=engine or Batched(),
            device=device,
            min_cohort=manifest["min_cohort"],
        )


def _task(written: dict[str, Any]) -> tuple[ClientTask, dict[str, Any]]:
    check_fields(written, {"name": str, "values": dict[str, Any]}, "task")
    classes = {row.task.name: row.task for row in ALGORITHMS.values()}
    if written["name"] not in classes:
        raise DamagedRun(f"task: got '{written['name'][:60]}', expected one of {', '.join(classes)}.")
    values = check_values(classes[written["name"]], written["values"], "task, values")
    return task(written["name"], values), values


def _with_personal(made: ClientTask, released: Payload, n_users: int, folder: Path, device: str) -> Payload:
    items = released.tables.get("items")
    layout = personal_layout(
        made, n_users, None if items is None else items.shape[1], published=bool(released.tables or released.arrays)
    )
    personal = load_tensors(folder / _PERSONAL, layout, device)
    recipients = personal.pop("recipients", None)
    return replace(released, personal=personal, recipients=recipients)


# -- tables ------------------------------------------------------------------------------------------------------------


def _pair_columns(has_times: bool, has_ratings: bool) -> dict[str, Any]:
    columns = {"user": pl.Int32, "item": pl.Int32}
    return columns | ({"timestamp": pl.Int64} if has_times else {}) | ({"rating": pl.Float32} if has_ratings else {})


def _columns_of(pairs: Interactions) -> dict[str, bool]:
    return {"has_times": pairs.timestamp is not None, "has_ratings": pairs.rating is not None}


def _write_pairs(pairs: Interactions, file: Path) -> None:
    schema = _pair_columns(**_columns_of(pairs))
    pl.DataFrame({name: getattr(pairs, name) for name in schema}, schema=schema).write_parquet(file)


def _read_pairs(file: Path, n_possible: int, has_times: bool, has_ratings: bool) -> dict[str, Any]:
    table = read_table(file, _pair_columns(has_times, has_ratings), most=n_possible)
    columns = {name: table[name].to_numpy() for name in table.columns}
    if has_times and (columns["timestamp"] < 0).any():
        raise DamagedRun(f"{file.name}: a time is negative, expected seconds since 1970.")
    if has_ratings and not np.isfinite(columns["rating"]).all():
        raise DamagedRun(f"{file.name}: a rating is not finite.")
    return columns


def _read_known(folder: Path, manifest: dict[str, Any], catalogue: Catalogue) -> Interactions:
    data = check_fields(manifest["data"], {"name": str, "fingerprint": Hex, "n_users": int}, "data")
    people = read_table(folder / _PEOPLE, {"user_id": pl.String}, rows=data["n_users"])
    named = zip(catalogue.ids, catalogue.titles, strict=True)
    n_possible = len(people) * len(catalogue)
    known = Interactions(
        users=Vocabulary("user", texts(people, "user_id", _PEOPLE)),
        items=Vocabulary("item", catalogue.ids),
        titles={item: title for item, title in named if title is not None},
        name=data["name"],
        **_read_pairs(folder / _PAIRS, n_possible, manifest["has_times"], manifest["has_ratings"]),
    )
    if known.fingerprint() != data["fingerprint"]:
        raise DamagedRun("data and manifest disagree.")
    return known


def _read_ledger(folder: Path, known: Interactions, manifest: dict[str, Any]) -> Ledger:
    written = check_fields(manifest["ledger"], {"position": int, "version": Hex, "seed": Seed}, "ledger")
    # few bytes can stand for many rows: more than either of these bears out nobody has ever written
    most = 100_000 + 20 * max(known.n_pairs, (folder / _EVENTS).stat().st_size)
    events = read_table(folder / _EVENTS, None, most=most).to_dict(as_series=False)
    ledger = Ledger.restore(known, events, written["seed"])
    if (ledger.position, ledger.version) != (written["position"], written["version"]):
        raise DamagedRun("events and manifest disagree.")
    return ledger


def _read_test(folder: Path, manifest: dict[str, Any], known: Interactions) -> Interactions | None:
    """Pairs of the people and items of ``known``."""
    if (manifest["test"] is None) != (_TEST not in manifest["files"]):
        raise DamagedRun(f"manifest and {_TEST} disagree on whether there are pairs to test with.")
    if manifest["test"] is None:
        return None
    has = check_fields(manifest["test"], {"has_times": bool, "has_ratings": bool}, "test")
    columns = _read_pairs(folder / _TEST, known.n_users * known.n_items, **has)
    return Interactions(known.users, known.items, titles=known.titles, name=known.name, **columns)
