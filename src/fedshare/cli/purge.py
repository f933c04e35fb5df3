"""``fedshare purge``: what was erased goes from the files for good."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedshare.cli.console import Json, Output, Quiet, Threads, count
from fedshare.cli.saved import RunPath

__all__ = ["purge"]


def purge(
    run: RunPath,
    old: Annotated[
        list[Path] | None,
        typer.Option("--old", help="An older run, which is removed as a whole. Can be repeated.", metavar="OLD"),
    ] = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Remove from a run, in place and for good, what people have erased: pairs, events, reasons, test pairs.

    An audit of the erasure is not possible afterwards. What stays on the person's device is a keyed digest of each
    item, so that it is not recommended and no later purchase of it is recorded. Copies and backups have to be found by
    whoever made them; older runs are removed with --old.
    """
    from fedshare.simulation.purge import purge as purged

    out = Output(as_json, quiet, threads)
    with out.progress(f"Purging {run}"):
        done = purged(run, old=old or ())
    checkpoint = run.with_name(f"{run.name}.checkpoint")
    left = [checkpoint] if checkpoint.exists() else []
    out.result(
        {"run": run, "n_pairs": done.n_pairs, "n_users": done.n_users, "old": list(done.old), "left": left},
        f"purged {count(done.n_pairs, 'pair')} of {count(done.n_users, 'user')} from {run}",
        *(f"removed {each}" for each in done.old),
        *(f"{each} may still hold them; remove it with --old" for each in left),
        "Copies and backups are as they were.",
    )
