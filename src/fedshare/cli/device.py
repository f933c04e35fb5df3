"""``fedshare device export`` and ``fedshare device import``: a person's device in one encrypted file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fedshare.cli.console import Json, Output, Quiet, Threads, count
from fedshare.cli.saved import Force, RunPath, check_place, open_devices, open_run, save_result
from fedshare.cli.share import User
from fedshare.errors import BadData, BadOption, MissingFile, OutputExists

__all__ = ["device"]

_VARIABLE = "FEDSHARE_PASSPHRASE"
_MOST_BYTES = 1 << 32

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help=f"Its first line is the passphrase; without, {_VARIABLE} of the environment, or a question.",
        metavar="FILE",
    ),
]

device = typer.Typer(
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Move a person's device: export it to an encrypted file, import it from one.",
)


@device.command("export")
def export_(
    run: RunPath,
    user: User,
    to: Annotated[Path, typer.Option("--to", help="The file to write; it must not be there.", metavar="FILE")],
    passphrase_file: PassphraseFile = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a person's device to one file, encrypted with a passphrase.

    It holds their history, choices and private state, and what waits for a refresh. Nobody can open it without the
    passphrase.
    """
    from dataclasses import replace

    from fedshare.files import atomic_file
    from fedshare.simulation.device_export import export_device
    from fedshare.simulation.waiting import waiting

    out = Output(as_json, quiet, threads)
    if os.path.lexists(to):
        raise OutputExists(f"--to '{to}': is there already; expected a free name. Choose another or remove it.")
    with out.progress(f"Reading {run}"):
        devices = open_devices(run)
        devices = replace(devices, ledger=waiting(run, devices.ledger))
    n_pairs = len(devices.ledger.device_ledger(user).items)  # who is not there is told before a passphrase is asked for
    content = export_device(devices, user, _passphrase(passphrase_file, twice=True))
    with atomic_file(to) as draft:
        draft.touch(0o600)
        draft.write_bytes(content)
    n_events = len(devices.ledger.events_of(user))
    out.result(
        {"run": run, "user": user, "to": to, "n_pairs": n_pairs, "n_events": n_events, "bytes": len(content)},
        f"device of user '{user}': {count(n_pairs, 'pair')}, {count(n_events, 'event')}",
        f"wrote {to}; only the passphrase opens it",
    )


@device.command("import")
def import_(
    run: RunPath,
    file: Annotated[Path, typer.Option("--file", help="What `fedshare device export` wrote.", metavar="FILE")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to write the run to; without, in place.", metavar="RUN2")
    ] = None,
    passphrase_file: PassphraseFile = None,
    force: Force = False,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put an exported device into a run: in the place of that person's, or as a new one.

    A person who is there already is replaced only if the export goes on from what is there. What the export has in
    addition is learned at once, as by `refresh`.
    """
    from dataclasses import replace

    from fedshare.simulation.device_export import import_device
    from fedshare.simulation.refresh import refresh
    from fedshare.simulation.waiting import nothing_waits

    output = Output(as_json, quiet, threads)
    if out is not None:
        check_place(out, force=force)
    content = _content(file)
    passphrase = _passphrase(passphrase_file)
    with output.progress(f"Reading {run}"):
        before = open_run(run)
        nothing_waits(run, before.ledger)
    with output.progress("Importing") as bar:
        devices = import_device(before.devices, content, passphrase)
        n_new = devices.ledger.position - before.ledger.position
        after = replace(before, devices=devices)
        if n_new:  # the server learns first, so that both sides know the same
            kept = {name: rows[: len(before.devices.private[name])] for name, rows in devices.private.items()}
            same_people = replace(before.devices, private=kept, released=devices.released)
            after = refresh(replace(before, devices=same_people), devices.ledger, progress=bar)
    target = out or run
    save_result(after, target, force=force or out is None)
    n_joined = len(after.ledger.ids[0]) - len(before.ledger.ids[0])
    output.result(
        {"run": run, "out": target, "n_new_events": n_new, "n_new_users": n_joined},
        f"imported {file}: {count(n_new, 'new event')}, {count(n_joined, 'new user')}",
        f"wrote {target}",
    )


def _content(file: Path) -> bytes:
    if not file.is_file():
        raise MissingFile(
            f"--file '{file}': is not there, expected a file of `fedshare device export`. Check the path."
        )
    if file.stat().st_size > _MOST_BYTES:
        raise BadData(f"--file '{file}': has {file.stat().st_size:,} bytes; no device export is as large.")
    return file.read_bytes()


def _passphrase(file: Path | None, *, twice: bool = False) -> str:
    """From a file, the environment or a person, in this order; never from the command line, which others can read."""
    if file is not None:
        if not file.is_file():
            raise MissingFile(f"--passphrase-file '{file}': is not there, expected a file with one line.")
        with file.open("rb") as stream:
            line = stream.readline(4096)
        try:
            return line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise BadOption(f"--passphrase-file '{file}': is no UTF-8 text, expected one line of it.") from None
    if os.environ.get(_VARIABLE):
        return os.environ[_VARIABLE]
    if not sys.stdin.isatty():
        raise BadOption(
            f"passphrase: got none, and there is nobody to ask; expected --passphrase-file or {_VARIABLE} in the "
            "environment."
        )
    return typer.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True)
