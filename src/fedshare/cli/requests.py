"""``fedshare withdraw``: a file of withdrawals, carried out together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedshare.cli.console import Json, Output, Quiet, Threads
from fedshare.cli.saved import Device, Force, RunPath, check_place, open_run
from fedshare.cli.withdraw import How, Method, MethodOptions, MethodSeed, OutRun, carry_out

__all__ = ["withdraw"]


def withdraw(
    run: RunPath,
    requests: Annotated[
        Path,
        typer.Option(
            "--requests",
            help="CSV with a header, or JSON Lines (.jsonl): user, item (empty or 'everything' for all), action "
            "(unshare or erase) and, for unshare without an item, to (where the slider goes, 0 to 1).",
            metavar="FILE",
        ),
    ],
    out: OutRun,
    method: Method = None,
    option: MethodOptions = None,
    force: Force = False,
    device: Device = "cpu",
    seed: MethodSeed = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Carry out the withdrawals of many people together: all lines of a file, or none if one of them cannot be.

    Lines count in their order. What unsharing and erasing mean is said by their own commands.
    """
    output = Output(as_json, quiet, threads)
    check_place(out, force=force)
    from fedshare.simulation.waiting import nothing_waits

    with output.progress(f"Reading {run}"):
        before = open_run(run, device)
        nothing_waits(run, before.ledger)

    from fedshare.sharing.request_file import read_requests

    with output.progress(f"Reading {requests}"):
        _, request = read_requests(before.ledger, requests)
    carry_out(run, before, request, output, How(out, force, method, option or [], seed))
