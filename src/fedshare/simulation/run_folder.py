"""A run of the simulation on disk.

    RUN/
      run.json      what made it, what that cost, and the digests of the three manifests below
      server/       complete for the server, see ``storage/server_folder.py``
      published/    what everybody may have, see ``storage/published_folder.py``
      devices/      complete for devices, beside what is published; see ``device_folder.py``

These are all the files that hold data derived from people: deleting the folder deletes all of it. While it is written,
or when a process died, there may be a draft beside it; see ``drafts.py``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fedshare.cost import Cost
from fedshare.errors import BadOption, DamagedRun, OutputExists
from fedshare.federation.payload import POPULARITY
from fedshare.files import atomic_directory, remove_directory, sweep_beside
from fedshare.simulation.device_folder import load_devices, write_devices
from fedshare.simulation.device_run import DeviceRun
from fedshare.simulation.engines import Engine
from fedshare.simulation.run import Run, server_view_of
from fedshare.simulation.waiting import replacing
from fedshare.storage.folder import FORMAT, MANIFEST, check_format, reading, refuse_other_formats
from fedshare.storage.json_files import read_sealed, sealed
from fedshare.storage.published_folder import save_published
from fedshare.storage.schema import Hex, check_fields, check_values
from fedshare.storage.server_folder import load_server, write_server
from fedshare.training.server_run import ServerRun

__all__ = ["clear_away", "is_only_a_run", "load_device_run", "load_run", "looks_like_a_run", "save_run"]

_SIDES = ("server", "published", "devices")


def save_run(run: Run, path: Path, *, replace: bool = False) -> None:
    """Write a run; see the module's layout. All of it or nothing.

    Raises:
        OutputExists: ``path`` is there, and ``replace`` is off or it holds something else than a run.
        BadOption: The run holds single uploads.
        CannotWrite: The disk is full or failing, or nobody may write there.
        RunError: Training has diverged: there are numbers that are not finite. Or choices wait in the run that is to be
            replaced, and this one is without them.
    """
    if run.update_log is not None:
        raise BadOption(
            "run: it holds everybody's single uploads, which are never written to disk. Save run.without_update_log()."
        )
    sweep_beside(path)
    if path.exists() and not looks_like_a_run(path) and not (path.is_dir() and not any(path.iterdir())):
        raise OutputExists(f"output '{path}' is there and is no run; expected a free name or a run. Choose another.")
    with replacing(path, run.ledger), atomic_directory(path, replace=replace) as draft:
        (draft / "server").mkdir()
        write_server(run.server, draft / "server")
        save_published(run.devices.released, run.server.catalogue, draft / "published")
        write_devices(run.devices, draft / "devices")
        about = {"format": FORMAT, "method": run.method, "cost": asdict(run.cost), "manifests": _digests(draft)}
        (draft / "run.json").write_text(sealed(about), encoding="utf-8")


def load_run(path: Path, *, engine: Engine | None = None, device: str = "cpu") -> Run:
    """Read both sides of a run, every file checked against its manifest, and the sides against each other.

    Raises:
        MissingFile: No such folder, or no run in it.
        OldRun: Written in an earlier format.
        NewerRun: Written in a later one.
        DamagedRun: A file is missing, changed or unreadable, or the two sides disagree.
    """
    sweep_beside(path)
    refuse_old_layout(path)
    about = read_sealed(path / "run.json", "run")
    with reading(path, "run"):
        check_format(about, path, "run.json")
        fields = {"format": int, "method": str, "cost": dict[str, Any], "manifests": dict[str, Hex], "digest": str}
        check_fields(about, fields, "run.json")
        cost = Cost(**check_values(Cost, about["cost"], "run.json, cost"))
        _refuse_strangers(path)
    server = load_server(path / "server", device=device)
    devices = load_device_run(path, engine=engine, device=device)
    with reading(path, "run"):
        _check_sides(server, devices)
        check_fields(about["manifests"], dict.fromkeys(_SIDES, Hex), "run.json, manifests")
        for side, digest in _digests(path).items():
            if digest != about["manifests"][side]:
                raise DamagedRun(f"{side}/ is of another run, or was changed.")
    return Run(server, devices, cost, about["method"])


def load_device_run(path: Path, *, engine: Engine | None = None, device: str = "cpu") -> DeviceRun:
    """The devices' side of a run, from ``devices/`` and ``published/`` alone.

    Raises:
        MissingFile: No such folder, or no run in it.
        OldRun: Written in an earlier format.
        DamagedRun: A file is missing, changed or unreadable.
    """
    sweep_beside(path)
    refuse_old_layout(path)
    return load_devices(path / "devices", path / "published", engine=engine, device=device)


def clear_away(path: Path) -> None:
    """Remove what dead processes left beside a run, and a checkpoint that says nothing which the run does not say.

    That is the last one of its own training, where a kill came between writing the run and removing the checkpoint.
    """
    sweep_beside(path)
    checkpoint = path.with_name(f"{path.name}.checkpoint")
    if not (path.is_dir() and checkpoint.is_dir()):
        return
    ends = [_end_of_training(folder) for folder in (path, checkpoint)]
    if ends[0] is not None and ends[0] == ends[1]:
        remove_directory(checkpoint)


def looks_like_a_run(path: Path) -> bool:
    """Whether a folder is a run, of this format or of an earlier one."""
    return (path / "run.json").is_file() or (path / MANIFEST).is_file()


def is_only_a_run(path: Path) -> bool:
    """Whether a folder is a run of the present layout, and holds nothing else: then it may be removed."""
    if not (path / "run.json").is_file():
        return False
    return {each.name for each in path.iterdir()} <= {"run.json", *_SIDES}


def refuse_old_layout(path: Path) -> None:
    """Raise if a folder was written by another version, or has the layout of before the two sides were apart.

    A folder with one side alone has no ``run.json``; that side's manifest names its format.

    Raises:
        OldRun: By an earlier one.
        NewerRun: By a later one.
        DamagedRun: ``run.json`` cannot be read.
    """
    with reading(path, "run"):
        if (path / "run.json").is_file():
            check_format(read_sealed(path / "run.json", "run"), path, "run.json")
        elif (path / MANIFEST).is_file():
            refuse_other_formats(1, path, "?")


def _digests(path: Path) -> dict[str, str]:
    return {side: str(read_sealed(path / side / MANIFEST, side)["digest"]) for side in _SIDES}


def _refuse_strangers(path: Path) -> None:
    strangers = sorted({each.name for each in path.iterdir()} - {"run.json", *_SIDES})
    if strangers:
        raise DamagedRun(f"{strangers[0][:60]} does not belong there, expected no other files.")


def _check_sides(server: ServerRun, devices: DeviceRun) -> None:
    expected, ledger = server_view_of(server.algorithm, devices.ledger), devices.ledger
    same = (
        expected.n_users == server.view.n_users
        and expected.user_ids == server.view.user_ids
        and np.array_equal(expected.keys, server.view.keys)
        and (expected.timestamp is None) == (server.view.timestamp is None)
        and (expected.timestamp is None or np.array_equal(expected.timestamp, server.view.timestamp))  # type: ignore[arg-type]
    )
    if not same:
        raise DamagedRun("server and devices disagree on what is shared.")
    titles = tuple(ledger.known.titles.get(item) for item in ledger.known.items.ids)
    if server.catalogue.ids != ledger.known.items.ids or server.catalogue.titles != titles:
        raise DamagedRun("server and devices disagree on the catalogue.")
    if server.min_cohort != devices.min_cohort or server.algorithm.task() != devices.task:
        raise DamagedRun("server and devices are not of one run: they disagree on min_cohort or on what devices run.")
    _check_published(server, devices)


def _check_published(server: ServerRun, devices: DeviceRun) -> None:
    released = devices.released
    if server.finished and not (released.tables or released.arrays or released.numbers):
        raise DamagedRun("it is finished, and nothing is published.")
    sizes = {name: each.shape for name, each in server.state.arrays.items()}
    published = {name: each.shape for name, each in released.arrays.items() if name != POPULARITY}
    if devices.task.name == "fedncf" and sizes != published:
        raise DamagedRun("what is published is another network than the server's.")
    if released.numbers.get("seed", server.seed) != server.seed:
        raise DamagedRun("what is published is of another seed.")
    chosen = server.state.chosen.to_dict().get("weight", 0.0) if server.state.chosen else 0.0
    weight = released.numbers.get("item_item_weight", 0.0)
    if server.finished and weight not in (0.0, chosen):
        raise DamagedRun(f"published is an item-item weight of {weight}, chosen was {chosen}.")


def _end_of_training(path: Path) -> dict[str, Any] | None:
    """What says which training a folder ends, whatever came of it; None where it does not end one."""
    with reading(path, "run"):
        server, devices = (read_sealed(path / side / MANIFEST, side) for side in ("server", "devices"))
    if server.get("round") != server.get("rounds"):
        return None
    of_server = ("format", "algorithm", "rounds", "seed", "min_cohort", "n_users", "n_items", "share_set", "chosen")
    of_devices = ("task", "data", "ledger", "test")
    return {name: server.get(name) for name in of_server} | {name: devices.get(name) for name in of_devices}
