"""Everybody's devices, on disk. In a deployment this is spread over people's phones; here it is one folder.

devices/                  for the account that wrote it alone: 0700, files 0600
  manifest.json           the task that devices run, the ledger's seed, min_cohort, a salt, digests of all files below
  private.safetensors     private state
  personal.safetensors    what the server sent to each person alone, if it sent anything
  people.parquet          ids
  interactions.parquet    what devices know, private pairs included, and the state of each pair
  events.parquet          the ledger's events, of which that state is the fold
  test.parquet            pairs held out for testing, if the run keeps any
  forgotten.parquet       what was erased and purged, if anything: each person's secret and an HMAC of each item's id
  journal.jsonl           what people chose since, if anything; see ``waiting.py``
  successors.parquet      what later runs were made from this one for, if any; see ``successors.py``

The salt is drawn anew each time the folder is written. So the digest of this manifest, which stands outside, in
``run.json``, is of something that nobody can guess, and no guess of a private pair can be tested with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedshare.algorithms.registry import ALGORITHMS, task, task_values
from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.drafts import living_drafts, sweep
from fedshare.errors import DamagedRun
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import ClientTask
from fedshare.files import sweep_beside
from fedshare.sharing.forgotten import MARK_BYTES, SECRET_BYTES, Forgotten
from fedshare.sharing.ledger import Ledger
from fedshare.simulation.device_layouts import personal_layout, private_layout
from fedshare.simulation.device_run import DeviceRun
from fedshare.simulation.engines import Batched, Engine
from fedshare.simulation.successors import SUCCESSORS
from fedshare.simulation.waiting import JOURNAL
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
_FORGOTTEN = "forgotten.parquet"
_FORGOTTEN_COLUMNS: dict[str, Any] = {"user": pl.Int32, "secret": pl.Binary, "mark": pl.Binary}
_STATE_COLUMNS: dict[str, Any] = {"state": pl.Int8, "held_back": pl.Boolean}
_EVENT_COLUMNS: dict[str, Any] = {
    "id": pl.String,
    "time": pl.Int64,
    "actor": pl.String,
    "reason": pl.String,
    "kind": pl.String,
    "by": pl.String,
    "user": pl.Int32,
    "items": pl.List(pl.Int32),
    "fraction": pl.Float64,
    "rule": pl.String,
}
_FILES = frozenset({_PRIVATE, _PERSONAL, _PEOPLE, _PAIRS, _EVENTS})
_FIELDS = {
    "task": dict[str, Any],
    "min_cohort": int,
    "data": dict[str, Any],
    "ledger": dict[str, Any],
    "has_times": bool,
    "has_ratings": bool,
    "has_gifts": bool,
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
    _write_pairs(known, folder / _PAIRS, state=ledger.state, held_back=ledger.held_back)
    pl.DataFrame(ledger.event_columns(), schema=_EVENT_COLUMNS).write_parquet(folder / _EVENTS)
    if devices.test is not None:
        _write_pairs(devices.test, folder / _TEST)
    if ledger.forgotten:
        _write_forgotten(ledger.forgotten, folder / _FORGOTTEN)
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
    sweep(folder)  # a kill may have come while something was written beside what was saved
    manifest = read_manifest(
        folder,
        _WHAT,
        _FIELDS,
        _FILES,
        frozenset({_TEST, _FORGOTTEN}),
        beside=frozenset({SUCCESSORS, JOURNAL}),
        drafts=living_drafts(folder),
    )
    with reading(folder, _WHAT):
        made, values = _task(manifest["task"])
    released, catalogue = load_published(published, device=device, task=(made.name, values))
    with reading(folder, _WHAT):
        known, state, held_back = _read_known(folder, manifest, catalogue)
        ledger = _read_ledger(folder, known, state, held_back, manifest)
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


def _pair_columns(has_times: bool, has_ratings: bool, has_gifts: bool) -> dict[str, Any]:
    columns: dict[str, Any] = {"user": pl.Int32, "item": pl.Int32}
    known = {"timestamp": (pl.Int64, has_times), "rating": (pl.Float32, has_ratings), "gift": (pl.Boolean, has_gifts)}
    return columns | {name: kind for name, (kind, there) in known.items() if there}


def _columns_of(pairs: Interactions) -> dict[str, bool]:
    return {
        "has_times": pairs.timestamp is not None,
        "has_ratings": pairs.rating is not None,
        "has_gifts": pairs.gift is not None,
    }


def _write_pairs(pairs: Interactions, file: Path, **state: NDArray[Any]) -> None:
    schema = _pair_columns(**_columns_of(pairs))
    columns = {name: getattr(pairs, name) for name in schema} | state
    pl.DataFrame(columns, schema=schema | (_STATE_COLUMNS if state else {})).write_parquet(file)


def _read_pairs(file: Path, n_possible: int, schema: dict[str, Any]) -> dict[str, Any]:
    table = read_table(file, schema, most=n_possible)
    columns = {name: table[name].to_numpy() for name in table.columns}
    if "timestamp" in columns and (columns["timestamp"] < 0).any():
        raise DamagedRun(f"{file.name}: a time is negative, expected seconds since 1970.")
    if "rating" in columns and np.isinf(columns["rating"]).any():  # NaN: bought later, without a rating
        raise DamagedRun(f"{file.name}: a rating is not finite.")
    return columns


def _read_known(
    folder: Path, manifest: dict[str, Any], catalogue: Catalogue
) -> tuple[Interactions, NDArray[np.int8], NDArray[np.bool_]]:
    """What devices know, the state of each pair, and whether it is held back."""
    data = check_fields(manifest["data"], {"name": str, "fingerprint": Hex, "n_users": int}, "data")
    people = read_table(folder / _PEOPLE, {"user_id": pl.String}, rows=data["n_users"])
    schema = _pair_columns(**{name: manifest[name] for name in ("has_times", "has_ratings", "has_gifts")})
    columns = _read_pairs(folder / _PAIRS, len(people) * len(catalogue), schema | _STATE_COLUMNS)
    state, held_back = columns.pop("state"), columns.pop("held_back")
    known = Interactions(
        users=Vocabulary("user", texts(people, "user_id", _PEOPLE)),
        items=Vocabulary("item", catalogue.ids),
        titles=_said(catalogue, catalogue.titles),
        categories=_said(catalogue, catalogue.categories),
        name=data["name"],
        **columns,
    )
    if known.fingerprint() != data["fingerprint"]:
        raise DamagedRun("data and manifest disagree.")
    return known, state, held_back


def _said(catalogue: Catalogue, texts: tuple[str | None, ...]) -> dict[str, str]:
    """Item id to what is said of it."""
    return {item: text for item, text in zip(catalogue.ids, texts, strict=False) if text is not None}


def _read_ledger(
    folder: Path, known: Interactions, state: NDArray[np.int8], held_back: NDArray[np.bool_], manifest: dict[str, Any]
) -> Ledger:
    written = check_fields(manifest["ledger"], {"position": int, "version": Hex, "seed": Seed}, "ledger")
    # few bytes can stand for many rows: more than either of these bears out nobody has ever written
    most = 100_000 + 20 * max(known.n_pairs, (folder / _EVENTS).stat().st_size)
    table = read_table(folder / _EVENTS, _EVENT_COLUMNS, most=most, gaps=frozenset({"fraction", "rule", "items"}))
    ledger = Ledger.restore(
        known,
        _event_arrays(table, most),
        written["seed"],
        state=state,
        held_back=held_back,
        forgotten=_read_forgotten(folder, known) if _FORGOTTEN in manifest["files"] else None,
    )
    if (ledger.position, ledger.version) != (written["position"], written["version"]):
        raise DamagedRun("events and manifest disagree.")
    return ledger


def _event_arrays(table: pl.DataFrame, most: int) -> dict[str, Any]:
    """The columns of events; their items as offsets and one array."""
    counts = table["items"].list.len().fill_null(0).to_numpy().astype(np.int64)
    offsets = np.concatenate([[0], counts.cumsum()])
    if offsets[-1] > most:
        raise DamagedRun(f"{_EVENTS}: it names {offsets[-1]:,} items, expected at most {most:,}.")
    items = table["items"].explode().drop_nulls()
    numbers = {name: table[name].to_numpy() for name in ("time", "user")}
    texts_of = {name: table[name].to_list() for name in ("id", "actor", "reason", "kind", "by", "rule")}
    fraction = table["fraction"].to_numpy()
    return {**numbers, **texts_of, "fraction": fraction, "items": (offsets, items.to_numpy())}


def _write_forgotten(forgotten: Mapping[int, Forgotten], file: Path) -> None:
    rows = [(user, each.secret, mark) for user, each in sorted(forgotten.items()) for mark in sorted(each.marks)]
    pl.DataFrame(rows, schema=_FORGOTTEN_COLUMNS, orient="row").write_parquet(file)


def _read_forgotten(folder: Path, known: Interactions) -> dict[int, Forgotten]:
    table = read_table(folder / _FORGOTTEN, _FORGOTTEN_COLUMNS, most=known.n_users * known.n_items)
    lengths = {"secret": SECRET_BYTES, "mark": MARK_BYTES}
    if not table["user"].is_between(0, known.n_users - 1).all():
        raise DamagedRun(f"{_FORGOTTEN}: a person is not there.")
    if not all((table[name].bin.size() == length).all() for name, length in lengths.items()):
        raise DamagedRun(f"{_FORGOTTEN}: a secret or a mark has another length than written.")
    found = {
        user: Forgotten(secret, frozenset(marks))
        for user, secret, marks in table.group_by("user", "secret").all().rows()
    }
    if len(found) < len(table.select("user", "secret").unique()) or table.is_duplicated().any():
        raise DamagedRun(f"{_FORGOTTEN}: a device has two secrets, or a mark stands there twice.")
    return found


def _read_test(folder: Path, manifest: dict[str, Any], known: Interactions) -> Interactions | None:
    """Pairs of the people and items of ``known``."""
    if (manifest["test"] is None) != (_TEST not in manifest["files"]):
        raise DamagedRun(f"manifest and {_TEST} disagree on whether there are pairs to test with.")
    if manifest["test"] is None:
        return None
    has = check_fields(manifest["test"], {"has_times": bool, "has_ratings": bool, "has_gifts": bool}, "test")
    columns = _read_pairs(folder / _TEST, known.n_users * known.n_items, _pair_columns(**has))
    return Interactions(known.users, known.items, titles=known.titles, name=known.name, **columns)
