"""Runs on the command line: reading them, and places to write them to."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedshare.cohort import small_cohort_note
from fedshare.errors import BadOption, OutputExists, RunError

if TYPE_CHECKING:
    from fedshare.sharing.ledger import Ledger
    from fedshare.simulation.device_run import DeviceRun
    from fedshare.simulation.run import Run

__all__ = [
    "Device",
    "Force",
    "RunPath",
    "check_device",
    "check_folder",
    "check_place",
    "open_device_ledger",
    "open_devices",
    "open_run",
    "refresh_hint",
    "save_result",
    "small_cohort",
]

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A folder that train, unshare or erase wrote.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is at --out, if it is a run.")]
Device = Annotated[str, typer.Option("--device", help="Torch device: cpu, cuda or cuda:1.")]


def open_run(path: Path, device: str = "cpu") -> Run:
    """A finished run.

    Raises:
        MissingFile: There is none.
        DamagedRun: It was changed.
        NewerRun: A later version wrote it.
        RunError: It is a checkpoint of training that did not end.
    """
    from fedshare.simulation.run import Run
    from fedshare.simulation.run_folder import clear_away

    check_device(device)
    clear_away(path)
    run = Run.load(path, device=device)
    if not run.finished:
        raise RunError(
            f"run '{path}': is a checkpoint after round {run.server.state.round} of {run.rounds}; expected a finished "
            f"run. Finish it: fedshare train --resume --out {str(path).removesuffix('.checkpoint')}"
        )
    return run


def open_devices(path: Path, device: str = "cpu") -> DeviceRun:
    """The devices' side of a finished run; no file of the server's folder is read.

    Raises:
        MissingFile: There is none.
        DamagedRun: It was changed.
        RunError: Nothing has been published yet: it is a checkpoint of training that did not end.
    """
    from fedshare.simulation.run_folder import clear_away, load_device_run

    check_device(device)
    clear_away(path)
    devices = load_device_run(path, device=device)
    if not (devices.released.tables or devices.released.arrays or devices.released.numbers):
        raise RunError(
            f"run '{path}': nothing is published yet, as it is a checkpoint; expected a finished run. Finish it: "
            f"fedshare train --resume --out {str(path).removesuffix('.checkpoint')}"
        )
    return devices


def save_result(run: Run, out: Path, *, force: bool, afterwards: Callable[[], None] | None = None) -> None:
    """Write a run that took work to make: if its name was taken in the meantime, under a free one beside it.

    Args:
        run: What to write.
        out: Where.
        force: Whether it replaces another run.
        afterwards: Called once it is written, under whatever name.

    Raises:
        OutputExists: The name was taken; the message says where the run is.
        CannotWrite: The disk is full, or nobody may write there.
    """
    from fedshare.files import free_name

    done = afterwards or (lambda: None)
    try:
        run.save(out, replace=force)
    except OutputExists as taken:
        for _ in range(100):  # others may be looking for a free name too
            kept = free_name(out)
            try:
                run.save(kept)
            except OutputExists:
                continue
            done()
            raise OutputExists(
                f"--out '{out}': something else took that name while this was being made; expected a free one. "
                f"Nothing is lost: the result is '{kept}'."
            ) from taken
        raise
    done()


def open_device_ledger(path: Path) -> Ledger:
    """What people know and share, as a run has it; what waits for a refresh comes on top (``simulation/waiting``).

    Raises:
        MissingFile: There is no run.
        DamagedRun: It was changed.
    """
    return open_devices(path).ledger


def refresh_hint(run: Path) -> str:
    """How what waits reaches the model."""
    return f"The model learns it with the next refresh: {shlex.join(['fedshare', 'refresh', str(run), '--out', 'NEW'])}"


def check_place(out: Path, *, force: bool = False, option: str = "--out") -> None:
    """Raise, before the work is done, unless a run can be written to ``out``.

    Raises:
        OutputExists: Something is there and ``force`` is off, or it is no run, which ``force`` leaves alone.
        BadOption: Nobody can write there.
    """
    from fedshare.simulation.run_folder import clear_away

    clear_away(out)
    if out.exists():
        if not force:
            raise OutputExists(
                f"{option} '{out}': is there already; expected a free name. Choose another, or replace it with --force."
            )
        from fedshare.simulation.run_folder import looks_like_a_run

        if not looks_like_a_run(out) and not (out.is_dir() and not any(out.iterdir())):
            raise OutputExists(
                f"{option} '{out}': is there and is no run; --force replaces runs only. Choose another name."
            )
    _check_above(out, option)


def check_folder(out: Path) -> None:
    """Raise, before the work is done, unless files can be written into a folder ``out``, there or not yet there.

    Raises:
        OutputExists: It is a file.
        BadOption: Nobody can write there.
    """
    if out.exists() and not out.is_dir():
        raise OutputExists(f"--out '{out}': is a file; expected a folder, or a free name. Choose another.")
    _check_above(out / "file", "--out")


def _check_above(out: Path, option: str) -> None:
    above = next(parent for parent in out.absolute().parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise BadOption(f"{option} '{out}': '{above}' cannot be written to; expected a folder that can.")


def check_device(device: str) -> None:
    """Raise unless torch has such a device.

    Raises:
        BadOption: It has not.
    """
    import torch

    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise BadOption(f"device: got '{device}', expected cpu, cuda or cuda:1.") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise BadOption(f"device: got '{device}', but there is no CUDA device here. Use cpu.")


def small_cohort(run: Run) -> list[str]:
    """A line that names a cohort below the default, if the run's is."""
    note = small_cohort_note(run.min_cohort)
    return [] if note is None else [note]
