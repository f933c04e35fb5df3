"""A server's run in a world that has grown: more people, more items, the same model.

Indices never move, so a table keeps its rows, with their moments, and gets new ones at the end: those with which
training anew would begin.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from fedshare.errors import BadOption
from fedshare.federation.orders import Program
from fedshare.models.table import Table
from fedshare.progress import Progress
from fedshare.sharing.views import ServerView
from fedshare.training.history import History
from fedshare.training.loop import round_of
from fedshare.training.server_run import ServerRun
from fedshare.training.server_side import Catalogue

__all__ = ["grown", "rounds_from_here"]


def grown(run: ServerRun, view: ServerView, catalogue: Catalogue) -> ServerRun:
    """The same model among more people and items. Nothing is learned yet of what is new.

    Snapshots are dropped: they are of tables that were smaller, and of another share set.

    Args:
        run: A finished run.
        view: The share set as it is by now.
        catalogue: The items as they are by now; those of before come first.

    Raises:
        BadOption: People or items are missing.
    """
    before = len(run.catalogue)
    if view.n_users < run.view.n_users or catalogue.ids[:before] != run.catalogue.ids:
        raise BadOption(
            f"grown: got {view.n_users} people and {len(catalogue)} items, expected those of the run "
            f"({run.view.n_users} and {before}) and perhaps more after them."
        )
    after = replace(run, view=view, catalogue=catalogue, history=History())
    if view.n_users == run.view.n_users and len(catalogue) == before:
        return after
    with torch.no_grad():
        fresh = run.algorithm.start(after.side())
    tables = {name: _longer(table, fresh.tables[name]) for name, table in run.state.tables.items()}
    return replace(after, state=replace(run.state, tables=tables))


def rounds_from_here(run: ServerRun, rounds: int, told: Progress | None = None) -> Program[ServerRun]:
    """Go on training where a run stands, on its present share set. ``run.rounds`` stays what training anew takes.

    What is kept for unlearning is recorded anew on the way, equally spaced over these rounds.

    Args:
        run: A finished run.
        rounds: How many, 1 or more.
        told: Called after each.
    """
    begun = run.state.round
    run = replace(run, history=History())
    server, version = run.side(), run.share_set
    sharers = run.sharers.to(server.device)
    for number in range(1, rounds + 1):
        state, info = yield from round_of(run.algorithm, run.state, server, begun + number)
        history = run.keep.record(run.history, replace(state, round=number), sharers, version, rounds)
        run = replace(run, state=state, history=history)
        if told is not None:
            told(number, rounds, str(info))
    return run


def _longer(table: Table, fresh: Table) -> Table:
    rows = torch.arange(len(table), device=table.values.device)
    return fresh.replace_rows(rows, table)
