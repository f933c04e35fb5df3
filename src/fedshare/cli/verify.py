"""``fedshare verify``: compute a certified run again from its share set, and compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedshare.cli.console import Json, Output, Quiet, Threads
from fedshare.cli.saved import open_run
from fedshare.errors import DamagedRun, VerificationFailed

if TYPE_CHECKING:
    from fedshare.simulation.verify import Verification

__all__ = ["verify"]


def verify(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A folder that train, unshare or erase wrote, of a shared-ease run.")
    ],
    seed: Annotated[int, typer.Option("--seed", help="Nothing is random here: accepted, and without effect.")] = 0,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Count RUN's share set again, compute the weights again, and hold both against RUN's certificate.

    Counts and factorised weights have to agree in every byte. Exit status 1 if anything does not, a file of RUN that
    was changed included.
    """
    output = Output(as_json, quiet, threads)
    from fedshare.simulation.verify import verify as library

    content: dict[str, Any]
    found: Verification | None = None
    try:
        with output.progress(f"Reading {run}"):
            opened = open_run(run)
        with output.progress("Computing the model again"):
            found = library(opened)
        content = {"run": run, "error": None, **found.to_dict()}
    except DamagedRun as error:
        content = {"run": run, "error": str(error), "certificate": None, "verified": False, "checks": []}
    if found is None:
        output.result(content, f"FAIL  files: {content['error']}", "NOT verified")
    else:
        word = "NOT verified" if found.failed else "verified"
        output.result(content, found.summary(), f"{word}: certificate {found.certificate}")
    if not content["verified"]:
        if not as_json:
            print(f"{VerificationFailed.__name__}: '{run}' is not what its certificate says.", file=sys.stderr)
        raise typer.Exit(1)
