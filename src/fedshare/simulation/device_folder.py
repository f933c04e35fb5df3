"""Everybody's devices, on disk. In a deployment this is spread over people's phones; here it is one folder.

devices/
  manifest.json           the task that devices run, the ledger's seed, min_cohort, digests of all files below
  private.safetensors     private state
  personal.safetensors    what the server sent to each person alone, if it sent anything
  people.parquet          ids
  interactions.parquet    what devices know, private pairs included
  events.parquet          the ledger's events
  test.parquet            pairs held out for testing, if the run keeps any
  successors.parquet      what later runs were made from this one for, if any; see ``successors.py``
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from fedshare.algorithms.registry import task, task_values
from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.errors import DamagedRun
from fedshare.federation.payload import Payload
from fedshare.sharing.ledger import Ledger
from fedshare.simulation.device_run import DeviceRun
from fedshare.simulation.engines import Batched, Engine
from fedshare.simulation.successors import SUCCESSORS
from fedshare.storage.folder import load_tensors, read_manifest, reading, save_tensors, write_manifest
from fedshare.storage.published_folder import load_published
from fedshare.training.server_side import Catalogue

__all__ = ["load_devices", "write_devices"]

_WHAT = "devices' folder"


def write_devices(devices: DeviceRun, folder: Path) -> None:
    """Write the files into a new folder."""
    folder.mkdir()
    known, ledger = devices.ledger.known, devices.ledger
    save_tensors(devices.private, folder / "private.safetensors")
    recipients = devices.released.recipients
    personal = dict(devices.released.personal)
    if recipients is not None:
        personal["recipients"] = recipients
    save_tensors(personal, folder / "personal.safetensors")
    pl.DataFrame({"user_id": list(known.users.ids)}).write_parquet(folder / "people.parquet")
    _write_pairs(known, folder / "interactions.parquet")
    pl.DataFrame(ledger.event_columns()).write_parquet(folder / "events.parquet")
    if devices.test is not None:
        _write_pairs(devices.test, folder / "test.parquet")
    write_manifest(
        folder,
        {
            "task": {"name": devices.task.name, "values": task_values(devices.task)},
            "min_cohort": devices.min_cohort,
            "data": {"name": known.name, "fingerprint": known.fingerprint()},
            "ledger": {"position": ledger.position, "version": ledger.version, "seed": ledger.seed},
        },
    )


def load_devices(folder: Path, published: Path, *, engine: Engine | None = None, device: str = "cpu") -> DeviceRun:
    """Everybody's devices, from their own folder and what is published. No file of the server is read.

    Args:
        folder: As :func:`write_devices` wrote it.
        published: As :func:`fedshare.storage.published_folder.save_published` wrote it.
        engine: How devices are simulated.
        device: Torch device.

    Raises:
        MissingFile: No such folder.
        DamagedRun: A file is missing, changed or unreadable.
    """
    manifest = read_manifest(folder, _WHAT, beside=(SUCCESSORS,))
    released, catalogue = load_published(published, device=device)
    with reading(folder, _WHAT):
        known = _read_known(folder, manifest["data"]["name"], catalogue)
        events = pl.read_parquet(folder / "events.parquet").to_dict(as_series=False)
        ledger = Ledger.restore(known, events, manifest["ledger"]["seed"])
        if known.fingerprint() != manifest["data"]["fingerprint"] or ledger.version != manifest["ledger"]["version"]:
            raise DamagedRun(f"{_WHAT} '{folder}': data and manifest disagree. Restore it, or train again.")
        test = folder / "test.parquet"
        return DeviceRun(
            ledger=ledger,
            task=task(manifest["task"]["name"], manifest["task"]["values"]),
            private=load_tensors(folder / "private.safetensors", device),
            released=_with_personal(released, folder, device),
            test=_read_pairs(test, known) if "test.parquet" in manifest["files"] else None,
            engine=engine or Batched(),
            device=device,
            min_cohort=manifest["min_cohort"],
        )


def _with_personal(released: Payload, folder: Path, device: str) -> Payload:
    personal = load_tensors(folder / "personal.safetensors", device)
    recipients = personal.pop("recipients", None)
    return replace(released, personal=personal, recipients=recipients)


def _write_pairs(pairs: Interactions, file: Path) -> None:
    columns: dict[str, Any] = {"user": pairs.user, "item": pairs.item}
    for name in ("timestamp", "rating"):
        if getattr(pairs, name) is not None:
            columns[name] = getattr(pairs, name)
    pl.DataFrame(columns).write_parquet(file)


def _read_known(folder: Path, name: str, catalogue: Catalogue) -> Interactions:
    people = pl.read_parquet(folder / "people.parquet")
    named = zip(catalogue.ids, catalogue.titles, strict=True)
    return Interactions(
        users=Vocabulary("user", tuple(people["user_id"].to_list())),
        items=Vocabulary("item", catalogue.ids),
        titles={item: title for item, title in named if title is not None},
        name=name,
        **_pair_columns(folder / "interactions.parquet"),
    )


def _read_pairs(file: Path, like: Interactions) -> Interactions:
    """Pairs of the people and items of ``like``."""
    return Interactions(like.users, like.items, titles=like.titles, name=like.name, **_pair_columns(file))


def _pair_columns(file: Path) -> dict[str, Any]:
    pairs = pl.read_parquet(file)
    return {name: pairs[name].to_numpy() for name in ("user", "item", "timestamp", "rating") if name in pairs.columns}
