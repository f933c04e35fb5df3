"""``fedshare rule``: what a person never shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fedshare.cli.console import Json, Output, Quiet, Threads
from fedshare.cli.saved import RunPath, open_device_ledger, refresh_hint
from fedshare.cli.share import Reason, User
from fedshare.errors import BadRequest

if TYPE_CHECKING:
    from fedshare.sharing.ledger import Ledger

__all__ = ["rule"]

_FORMS = "never-category:NAME, never-gifts, never-before:DATE, never-after:DATE, until:DATE, until:DATE:ITEM,ITEM"


def rule(
    run: RunPath,
    user: User,
    add: Annotated[
        list[str] | None, typer.Option("--add", help=f"A rule to set: {_FORMS}. Can be repeated.", metavar="RULE")
    ] = None,
    lift: Annotated[
        list[str] | None, typer.Option("--lift", help="A rule to lift. Can be repeated.", metavar="RULE")
    ] = None,
    reason: Reason = "",
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Set or lift a person's rules: what they never share, whatever their slider says.

    What is shared against a rule is withdrawn by the next refresh. Without --add and --lift: list the rules.
    """
    from fedshare.sharing.ledger import due
    from fedshare.sharing.rules import parse_rule
    from fedshare.simulation.waiting import note, waiting

    out = Output(as_json, quiet, threads)
    added, lifted = ([parse_rule(text) for text in texts or ()] for texts in (add, lift))
    if set(added) & set(lifted):
        raise BadRequest("rule: got one rule for --add and --lift; expected different ones.")
    with out.progress(f"Reading {run}"):
        ledger = open_device_ledger(run)

    def change(after: Ledger) -> Ledger:
        for each in added:
            after = after.set_rule(user, each, reason=reason)
        for each in lifted:
            after = after.lift_rule(user, each, reason=reason)
        return after

    after = note(run, ledger, change) if added or lifted else waiting(run, ledger)
    rules = [each.describe() for each in after.choices_of(user).rules]
    n_due = sum(owner == user for owner, _ in due(after).pairs())
    content = {"run": run, "user": user, "rules": rules, "n_due": n_due}
    said = [f"user '{user}' never shares: {each}" for each in rules] or [f"user '{user}' has set no rule"]
    hint = [f"{n_due} shared items are withdrawn by the next refresh", refresh_hint(run)] if n_due else []
    out.result(content, *said, *hint)
