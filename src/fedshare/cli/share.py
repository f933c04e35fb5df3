"""``fedshare share``: share more, by name or by slider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fedshare.cli.console import Json, Output, Quiet, Threads, count
from fedshare.cli.ids import listed_ids
from fedshare.cli.saved import RunPath, open_device_ledger, refresh_hint
from fedshare.cli.withdraw import Items
from fedshare.errors import BadRequest

if TYPE_CHECKING:
    from fedshare.sharing.ledger import Ledger

__all__ = ["share"]

User = Annotated[str, typer.Option("--user", "-u", help="The person's id.", metavar="USER")]
Reason = Annotated[str, typer.Option("--reason", help="What is noted beside it.", metavar="TEXT")]


def share(
    run: RunPath,
    user: User,
    items: Items = None,
    to: Annotated[
        float | None,
        typer.Option(
            "--to", help="Where the slider goes, 0 to 1; of later purchases it shares as much.", metavar="SHARE"
        ),
    ] = None,
    reason: Reason = "",
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Share private items of a person, by name, or by moving their slider up.

    Exactly one of --items and --to says which. It is noted with the run, on the person's side; the server sees it and
    the model learns it with the next refresh.
    """
    if (items is None) == (to is None):
        raise BadRequest("share: got both or none of --items and --to; expected exactly one of them.")
    from fedshare.simulation.waiting import note

    out = Output(as_json, quiet, threads)
    with out.progress(f"Reading {run}"):
        ledger = open_device_ledger(run)

    def change(before: Ledger) -> Ledger:
        if items is None:
            return before.share(user, fraction=to, reason=reason)
        return before.share(user, listed_ids(items, before.known.items), reason=reason)

    with out.progress("Writing"):
        after = note(run, ledger, change)
    now = after.shared_items(user)
    n_kept = len(now) + len(after.private_items(user))
    content = {
        "run": run,
        "user": user,
        "n_shared": len(now),
        "n_kept": n_kept,
        "slider": after.choices_of(user).slider,
        "n_waiting": after.position - ledger.position,
    }
    out.result(content, f"user '{user}' shares {len(now)} of {count(n_kept, 'item')}", refresh_hint(run))
