"""``fedshare refresh``: bring a run up to date."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from fedshare.cli.console import Json, Output, Quiet, Threads, count, seconds
from fedshare.cli.options import parse_options
from fedshare.cli.saved import Device, Force, RunPath, check_place, open_run, save_result, small_cohort
from fedshare.cli.withdraw import Method, MethodOptions, OutRun
from fedshare.unlearning.registry import METHODS

__all__ = ["refresh"]


def refresh(
    run: RunPath,
    out: OutRun,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", help="New purchases, a file like DATA of train. Can be repeated.", metavar="FILE"),
    ] = None,
    now: Annotated[
        str | None,
        typer.Option("--now", help="When rules are asked, such as 2011-12-01; the present without.", metavar="DATE"),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option("--rounds", help="Rounds; without, as many as is new, and 3 at least.", metavar="N")
    ] = None,
    method: Method = None,
    option: MethodOptions = None,
    force: Force = False,
    device: Device = "cpu",
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring a run up to date: what people chose since, what they bought, what their rules forbid by now.

    What is not shared any more is unlearned. New people, items and purchases are learned from where the model stands.
    """
    from fedshare.cli import source
    from fedshare.sharing.moments import seconds_of
    from fedshare.simulation.refresh import refresh as refreshed
    from fedshare.simulation.waiting import waiting
    from fedshare.unlearning.registry import method as unlearner

    output = Output(as_json, quiet, threads)
    check_place(out, force=force)
    moment = None if now is None else seconds_of(now, "--now")
    row = METHODS.get(method or "")
    how = None if method is None else unlearner(method, parse_options(row.cls, method, option or []) if row else {})
    with output.progress(f"Reading {run}"):
        before = open_run(run, device)
        ledger = waiting(run, before.ledger)
        for each in data or ():
            ledger = ledger.observe(source.read(each, source.Loading(), few=True), now=moment)
    with output.progress("Refreshing") as bar:
        after = refreshed(before, ledger, now=moment, rounds=rounds, method=how, progress=bar)
    save_result(after, out, force=force)
    gone = after.ledger.withdrawn_since(before.ledger)
    content = {
        "run": run,
        "out": out,
        "n_events": after.ledger.position - before.ledger.position,
        "n_new_users": len(after.ledger.ids[0]) - len(before.ledger.ids[0]),
        "n_new_items": len(after.ledger.ids[1]) - len(before.ledger.ids[1]),
        "n_new_pairs": after.known.n_pairs - before.known.n_pairs,
        "n_withdrawn": len(gone.user),
        "min_cohort": after.min_cohort,
        "cost": after.cost.to_dict(),
    }
    output.result(
        content,
        f"{count(content['n_new_pairs'], 'new pair')}, {count(content['n_new_users'], 'new user')}, "
        f"{count(content['n_new_items'], 'new item')}; {count(content['n_withdrawn'], 'pair')} withdrawn",
        f"{after.method}: {seconds(after.cost.wall_s)} ({seconds(after.cost.cpu_s)} of CPU time)",
        f"wrote {out}",
        f"Look at it: {shlex.join(['fedshare', 'shares', str(out)])}",
        *small_cohort(after),
    )
