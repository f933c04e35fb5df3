"""``fedshare recommend``: what one person's device recommends."""

from __future__ import annotations

from typing import Annotated

import typer

from fedshare.cli.console import Json, Output, Quiet, Threads
from fedshare.cli.saved import Device, RunPath, open_devices

__all__ = ["recommend"]


def recommend(
    run: RunPath,
    user: Annotated[str, typer.Option("--user", "-u", help="The person's id.", metavar="USER")],
    k: Annotated[int, typer.Option("-k", "--k", help="Length of the list.")] = 10,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option("--seed", help="Nothing is random here: accepted, and without effect.")] = 0,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print the items that a person does not have yet, best first, by title where there is one.

    What they erased may come back: nothing remembers it.
    """
    out = Output(as_json, quiet, threads)
    with out.progress("Scoring"):
        best = open_devices(run, device).recommend(user=user, k=k)
    listed = [{"item": each.item, "title": each.title, "score": each.score} for each in best]
    out.result({"run": run, "user": user, "k": k, "recommendations": listed}, str(best))
