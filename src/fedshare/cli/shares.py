"""``fedshare shares``: who shares what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedshare.cli.console import Json, Output, Quiet, Threads, count, table
from fedshare.cli.saved import RunPath, open_run

if TYPE_CHECKING:
    from fedshare.sharing.ledger import Ledger

__all__ = ["shares"]

_STATES = ("shared", "private", "erased")
_SHOWN = 20


def shares(
    run: RunPath,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="The person's id; without, everybody in numbers.", metavar="USER")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Nothing is random here: accepted, and without effect.")] = 0,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List what a person shares, keeps private and has erased.

    Without --user: how many items everybody shares, the most active first; --json has all of them.
    """
    from fedshare.simulation.waiting import waiting

    out = Output(as_json, quiet, threads)
    with out.progress("Reading the ledger"):
        ledger = waiting(run, open_run(run).ledger)
    if user is None:
        everybody = _everybody(ledger)
        out.result({"run": run, **everybody}, *_everybody_text(everybody))
        return
    items = {state: getattr(ledger, f"{state}_items")(user) for state in _STATES}
    held_back = set(ledger.held_back_items(user))
    titled = {state: [{"item": each, "title": ledger.known.title(each)} for each in items[state]] for state in _STATES}
    content = {"run": run, "user": user, "share": ledger.share_of(user), **titled, "held_back": sorted(held_back)}
    rows = [
        (state + (", held back" if each["item"] in held_back else ""), each["item"], each["title"])
        for state in _STATES
        for each in titled[state]
    ]
    kept = len(items["shared"]) + len(items["private"])
    summary = f"user '{user}' shares {len(items['shared'])} of {count(kept, 'item')}, {len(items['erased'])} erased"
    out.result(content, summary, table(("state", "item", "title"), rows, left=3))


def _everybody(ledger: Ledger) -> dict[str, Any]:
    import numpy as np

    from fedshare.sharing.state import State

    known = ledger.known
    per_state = {
        state: np.bincount(known.user[ledger.state == State[state.upper()]], minlength=known.n_users).tolist()
        for state in _STATES
    }
    people = [
        {"user": id, **{state: per_state[state][index] for state in _STATES}}
        for index, id in enumerate(known.users.ids)
    ]
    people.sort(key=lambda each: (-each["shared"] - each["private"], each["user"]))
    totals = {f"n_{state}": sum(per_state[state]) for state in _STATES}
    return {"n_users": known.n_users, "n_sharers": len(ledger.sharers()), **totals, "users": people}


def _everybody_text(content: dict[str, Any]) -> list[Any]:
    people = content["users"]
    totals = ", ".join(f"{content[f'n_{state}']:,} {state}" for state in _STATES)
    rows = [(each["user"], *(each[state] for state in _STATES)) for each in people[:_SHOWN]]
    left = len(people) - len(rows)
    return [
        f"{content['n_sharers']:,} of {count(content['n_users'], 'person').replace('persons', 'people')} share; "
        f"pairs: {totals}",
        table(("user", *_STATES), rows),
        *([f"and {left:,} more (--json lists them all; --user shows one)"] if left else []),
    ]
