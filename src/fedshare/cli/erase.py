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
    """Erase items for good, shared or private: the server and the device stop using them, and the model unlearns them.

    Exactly one of --items and --all says which. What stays: in RUN2/devices the person's own record that the items were
    there and were erased, so that an audit can look for them and `recommend` leaves them out (unless --again), until
    `fedshare purge RUN2`; what
    devices had uploaded before, in sums over many people, until the method has trained over it (`--method retrain` does
    so entirely); and all of it in RUN, until that is deleted.
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
