"""``fedshare unshare``: take back what was shared, and have the server unlearn it."""

from __future__ import annotations

from typing import Annotated

import typer

from fedshare.cli.console import Json, Output, Quiet, Threads
from fedshare.cli.saved import Device, Force, RunPath
from fedshare.cli.withdraw import Everything, Items, Method, MethodOptions, MethodSeed, OutRun, Users, withdraw

__all__ = ["unshare"]


def unshare(
    run: RunPath,
    user: Users,
    out: OutRun,
    items: Items = None,
    to: Annotated[
        float | None, typer.Option("--to", help="Where the person's slider goes, 0 to 1.", metavar="SHARE")
    ] = None,
    everything: Everything = False,
    method: Method = None,
    option: MethodOptions = None,
    force: Force = False,
    device: Device = "cpu",
    seed: MethodSeed = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Take back items that people shared: the server stops seeing them, and its part of the model unlearns them.

    Exactly one of --items, --to and --all says which. The items become private, and stay on the person's device, which
    goes on training on them like on all that is private: its uploads are summed with those of others, so the federated
    part of the model is left as if the items had never been shared, not as if they had never been there. Only `erase`
    ends that. RUN still knows them until it is deleted.
    """
    withdraw(
        "unshare",
        run,
        user,
        {"items": items, "to": to, "everything": everything},
        Output(as_json, quiet, threads),
        out=out,
        force=force,
        method=method,
        options=option or [],
        seed=seed,
        device=device,
    )
