"""A person's device in one file, encrypted with a passphrase: to move to another phone.

The file is sealed as ``sealed_file.py`` says. Inside:

    8 bytes   how long the next part is, little-endian
    JSON      {"version": 1, "user": id, "task": {"name", "values"}, "model": digest of what is published,
              "pairs": {"item": [ids], "state": [0 private, 1 shared, 2 erased], "held_back": [...], "timestamp": [...]
              and so on}, "events": [lines as in ``sharing/journal.py``],
              "forgotten": {"secret", "marks"} in hex, or null}
    rest      safetensors: the device's rows of the private state, ``private.NAME``, and of what was sent to it alone,
              ``personal.NAME``
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import safetensors.torch
import torch
from torch import Tensor

from fedshare.algorithms.registry import task_values
from fedshare.errors import BadData, RequestMismatch
from fedshare.federation.payload import Payload
from fedshare.sharing.device_copy import DeviceCopy, copy_of, with_copy
from fedshare.sharing.forgotten import MARK_BYTES, SECRET_BYTES, Forgotten
from fedshare.sharing.journal import entries, line_of
from fedshare.sharing.state import State
from fedshare.simulation.device_run import DeviceRun
from fedshare.simulation.newcomers import welcomed
from fedshare.simulation.sealed_file import opened, sealed

__all__ = ["export_device", "import_device"]

_VERSION = 1


def export_device(devices: DeviceRun, user: str, passphrase: str, *, work: int = 17) -> bytes:
    """A person's device: history, choices, private state, and what it knows again of what was purged.

    Args:
        devices: Everybody's devices.
        user: The person's id.
        passphrase: Opens it again; 8 characters or more. Nobody can help who has lost it.
        work: log2 of scrypt's n, 14 to 18: what each guess of a passphrase costs.

    Raises:
        UnknownUser: No such person.
        BadOption: The passphrase is short, or ``work`` outside its range.
    """
    copy = copy_of(devices.ledger, user)
    index = devices.ledger.known.users.index(user)
    about = {
        "version": _VERSION,
        "user": user,
        "task": {"name": devices.task.name, "values": task_values(devices.task)},
        "model": _model(devices.released),
        "pairs": copy.pairs,
        "events": [line_of(entry).decode() for entry in copy.entries],
        "forgotten": None
        if copy.forgotten is None
        else {"secret": copy.forgotten.secret.hex(), "marks": sorted(mark.hex() for mark in copy.forgotten.marks)},
    }
    text = json.dumps(about, separators=(",", ":")).encode()
    rows = {
        name: each[index].cpu().clone().contiguous() for name, each in _tables(devices).items() if index < len(each)
    }
    return sealed(len(text).to_bytes(8, "little") + text + safetensors.torch.save(rows), passphrase, work=work)


def import_device(devices: DeviceRun, content: bytes, passphrase: str) -> DeviceRun:
    """Devices with one that was exported, in the place of that person's or as a new one.

    Private state is taken over where the same model is published as then. Otherwise the device keeps what it has here,
    or, if it is new, fits its own on what is published. What has happened since the export's run was made is learned by
    the next refresh.

    Args:
        devices: Everybody's devices.
        content: As :func:`export_device` made it.
        passphrase: As then.

    Raises:
        BadData: The passphrase is wrong, or the file is another one or was changed.
        RequestMismatch: The person is there with another or a newer history, or devices run another task.
    """
    about, rows = _read(opened(content, passphrase))
    if about["task"] != json.loads(json.dumps({"name": devices.task.name, "values": task_values(devices.task)})):
        raise RequestMismatch(
            "device export: comes from a run of another algorithm, or of one with other options; expected this run's. "
            "Import it where it came from."
        )
    copy = _copy(about)
    ledger = with_copy(devices.ledger, copy)
    after = devices
    if ledger is not devices.ledger:
        seed = int(devices.released.numbers.get("seed", 0))
        after = welcomed(devices, ledger, devices.released, seed)
    if about["model"] != _model(devices.released):
        return after
    return _with_rows(after, ledger.known.users.index(copy.user), rows)


def _tables(devices: DeviceRun) -> dict[str, Tensor]:
    return {
        **{f"private.{name}": each for name, each in devices.private.items()},
        **{f"personal.{name}": each for name, each in devices.released.personal.items()},
    }


def _with_rows(devices: DeviceRun, index: int, rows: Mapping[str, Tensor]) -> DeviceRun:
    tables = _tables(devices)
    if not set(rows) <= set(tables):
        raise BadData("device export: has tables that this run has not; expected the run that it came from.")
    for name, row in rows.items():
        table = tables[name]
        if index >= len(table):
            continue
        if row.shape != table.shape[1:] or row.dtype != table.dtype or not bool(torch.isfinite(row).all()):
            raise BadData(f"device export: '{name[:60]}' has another shape or kind than this run's. It was changed.")
        tables[name] = table.clone()
        tables[name][index] = row.to(table.device)
    parts = {
        part: {name: tables[f"{part}.{name}"] for name in there}
        for part, there in (("private", devices.private), ("personal", devices.released.personal))
    }
    return replace(devices, private=parts["private"], released=replace(devices.released, personal=parts["personal"]))


def _model(released: Payload) -> str:
    """Digest of what is published for everybody."""
    digest = hashlib.sha256()
    for tables in (released.tables, released.arrays):
        for name, each in sorted(tables.items()):
            digest.update(name.encode() + str(tuple(each.shape)).encode())
            digest.update(each.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(plain: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    end = 8 + int.from_bytes(plain[:8], "little")
    try:
        about = cast("dict[str, Any]", json.loads(plain[8:end]))
        if about["version"] != _VERSION:
            raise BadData(
                f"device export: has version {str(about['version'])[:20]}, expected {_VERSION}. Upgrade fedshare."
            )
        return about, safetensors.torch.load(plain[end:])
    except BadData:
        raise
    except Exception as error:  # of libraries, too
        raise BadData(f"device export: cannot be read ({str(error)[:100]}). Export the device again.") from error


def _copy(about: dict[str, Any]) -> DeviceCopy:
    try:
        pairs = cast("dict[str, list[Any]]", about["pairs"])
        lengths = {len(each) for each in pairs.values()}
        states = set(pairs["state"]) <= {int(state) for state in State}
        if len(lengths) > 1 or not states or not all(isinstance(item, str) for item in pairs["item"]):
            raise ValueError("its pairs are none")
        forgotten = about["forgotten"]
        if forgotten is not None:
            marks = frozenset(bytes.fromhex(mark) for mark in forgotten["marks"])
            forgotten = Forgotten(bytes.fromhex(forgotten["secret"]), marks)
            if len(forgotten.secret) != SECRET_BYTES or any(len(mark) != MARK_BYTES for mark in marks):
                raise ValueError("a secret or a mark has another length")
        listed = list(entries("".join(about["events"]).encode()))
        user = about["user"]
        if not isinstance(user, str) or any(entry.event.user != user for entry in listed):
            raise ValueError("it holds events of several people")
        return DeviceCopy(user, pairs, listed, forgotten)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadData(f"device export: cannot be read ({str(error)[:100]}). Export the device again.") from error
