"""``fedshare demo``: the main job on real purchases, written up as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedshare.cli.console import Interrupted, Json, Output, Quiet, Threads
from fedshare.cli.saved import check_folder

__all__ = ["demo"]


def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for report.html and report.json; earlier ones are replaced.")
    ] = Path("fedshare-demo"),
    rounds: Annotated[int, typer.Option("--rounds", help="Rounds of each training.")] = 60,
    seed: Annotated[int, typer.Option("--seed", help="Names every random number.")] = 0,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train on the embedded purchases, let people change their minds, unlearn, audit, and write a report.

    It trains several models on all purchases: a matter of minutes, how many depends on the machine and on --rounds.
    Exit status 1 if the audit fails.
    """
    output = Output(as_json, quiet, threads)
    check_folder(out)
    from fedshare.demo.run import run_demo

    try:
        with output.progress("Demo") as bar:
            result = run_demo(out, seed=seed, rounds=rounds, progress=bar)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; no report was written to '{out}'.") from None
    output.result({"report": result.report_path, **result.to_dict()}, result.summary())
    if not result.passed:
        raise typer.Exit(1)
