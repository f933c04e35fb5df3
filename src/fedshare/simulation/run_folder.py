"""A run of the simulation on disk.

    RUN/
      run.json      what made it, and what that cost; for people
      server/       complete for the server, see ``storage/server_folder.py``
      published/    what everybody may have, see ``storage/published_folder.py``
      devices/      complete for devices, beside what is published; see ``device_folder.py``

These are all the files that hold data derived from people: deleting the folder deletes all of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fedshare.cost import Cost
from fedshare.errors import BadOption, DamagedRun, MissingFile, OutputExists
from fedshare.files import atomic_directory
from fedshare.simulation.device_folder import load_devices, write_devices
from fedshare.simulation.device_run import DeviceRun
from fedshare.simulation.engines import Engine
from fedshare.simulation.run import Run
from fedshare.storage.folder import FORMAT, reading, refuse_other_formats
from fedshare.storage.published_folder import save_published
from fedshare.storage.server_folder import load_server, write_server

__all__ = ["load_device_run", "load_run", "looks_like_a_run", "save_run"]


def save_run(run: Run, path: Path, *, replace: bool = False) -> None:
    """Write a run; see the module's layout. All of it or nothing.

    Raises:
        OutputExists: ``path`` is there, and ``replace`` is off or it holds something else than a run.
        BadOption: The run holds single uploads.
    """
    if run.update_log is not None:
        raise BadOption(
            "run: it holds everybody's single uploads, which are never written to disk. Save run.without_update_log()."
        )
    if path.exists() and not looks_like_a_run(path) and not (path.is_dir() and not any(path.iterdir())):
        raise OutputExists(f"output '{path}' is there and is no run; expected a free name or a run. Choose another.")
    with atomic_directory(path, replace=replace) as draft:
        (draft / "server").mkdir()
        write_server(run.server, draft / "server")
        save_published(run.devices.released, run.server.catalogue, draft / "published")
        write_devices(run.devices, draft / "devices")
        about = {"format": FORMAT, "method": run.method, "cost": asdict(run.cost)}
        (draft / "run.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def load_run(path: Path, *, engine: Engine | None = None, device: str = "cpu") -> Run:
    """Read both sides of a run, every file checked against its manifest.

    Raises:
        MissingFile: No such folder, or no run in it.
        OldRun: Written in an earlier format.
        NewerRun: Written in a later one.
        DamagedRun: A file is missing, changed or unreadable, or the two sides disagree.
    """
    refuse_old_layout(path)
    about = _read_about(path)
    server = load_server(path / "server", device=device)
    devices = load_device_run(path, engine=engine, device=device)
    if not server.algorithm.central and server.share_set != devices.ledger.version:
        raise DamagedRun(f"run '{path}': server and devices disagree on what is shared. Restore it, or train again.")
    if server.min_cohort != devices.min_cohort or server.algorithm.task() != devices.task:
        raise DamagedRun(
            f"run '{path}': server and devices are not of one run: they disagree on min_cohort or on what devices run. "
            "Restore it, or train again."
        )
    with reading(path, "run"):
        return Run(server, devices, Cost(**about["cost"]), str(about["method"]))


def load_device_run(path: Path, *, engine: Engine | None = None, device: str = "cpu") -> DeviceRun:
    """The devices' side of a run, from ``devices/`` and ``published/`` alone.

    Raises:
        MissingFile: No such folder, or no run in it.
        OldRun: Written in an earlier format.
        DamagedRun: A file is missing, changed or unreadable.
    """
    refuse_old_layout(path)
    return load_devices(path / "devices", path / "published", engine=engine, device=device)


def looks_like_a_run(path: Path) -> bool:
    """Whether a folder is a run, of this format or of an earlier one."""
    return (path / "run.json").is_file() or (path / "manifest.json").is_file()


def refuse_old_layout(path: Path) -> None:
    """Raise if a folder was written by another version, or has the layout of before the two sides were apart.

    A folder with one side alone has no ``run.json``; that side's manifest names its format.

    Raises:
        OldRun: By an earlier one.
        NewerRun: By a later one.
        DamagedRun: ``run.json`` cannot be read.
    """
    if (path / "run.json").is_file():
        _read_about(path)
    elif (path / "manifest.json").is_file():
        refuse_other_formats(1, path, "?")


def _read_about(path: Path) -> dict[str, Any]:
    file = path / "run.json"
    if not file.is_file():
        raise MissingFile(f"run '{path}': no run.json there. Expected a folder that `fedshare train --out` wrote.")
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        written = int(about["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedRun(f"run '{path}': run.json cannot be read ({error}). Restore it from a copy.") from error
    refuse_other_formats(written, path, "?")
    return about
