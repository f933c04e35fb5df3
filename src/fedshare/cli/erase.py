"""``fedshare erase``: have pairs gone everywhere, the person's own device included."""

from __future__ import annotations

from fedshare.cli.console import Json, Output, Quiet, Threads
from fedshare.cli.saved import Device, Force, RunPath
from fedshare.cli.withdraw import Everything, Items, Method, MethodOptions, MethodSeed, OutRun, Users, withdraw

__all__ = ["erase"]


def erase(
    run: RunPath,
    user: Users,
    out: OutRun,
    items: Items = None,
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
    """Erase items for good, shared or private: from the server, from the device and from the model.

    Exactly one of --items and --all says which.
    """
    withdraw(
        "erase",
        run,
        user,
        {"items": items, "everything": everything},
        Output(as_json, quiet, threads),
        out=out,
        force=force,
        method=method,
        options=option or [],
        seed=seed,
        device=device,
    )
