"""``fedshare log``: what happened to a person's data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedshare.cli.console import Json, Output, Quiet, Threads, count, table
from fedshare.cli.saved import RunPath, open_device_ledger
from fedshare.cli.share import User

if TYPE_CHECKING:
    from fedshare.sharing.events import Event

__all__ = ["log"]

_SHOWN = 5


def log(
    run: RunPath,
    user: User,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show a person their history: what they shared and took back, bought, and chose, with when, who and why."""
    from fedshare.simulation.waiting import waiting

    out = Output(as_json, quiet, threads)
    with out.progress(f"Reading {run}"):
        ledger = open_device_ledger(run)
        later = waiting(run, ledger)
    events = later.events_of(user)
    listed = [_content(event, event.position >= ledger.position) for event in events]
    rows = [
        (each["time"], each["kind"] + (", waits" if each["waits"] else ""), _what(event), each["actor"], each["reason"])
        for each, event in zip(listed, events, strict=True)
    ]
    title = f"{count(len(events), 'event')} of user '{user}'"
    out.result(
        {"run": run, "user": user, "events": listed},
        title,
        table(("time", "event", "what", "who", "why"), rows, left=5),
    )


def _content(event: Event, waits: bool) -> dict[str, Any]:
    from datetime import UTC, datetime

    return {
        "id": event.id,
        "time": datetime.fromtimestamp(event.time, UTC).isoformat(timespec="seconds") if event.time else "",
        "kind": event.kind,
        "by": event.by,
        "items": list(event.items),
        "slider": event.fraction,
        "rule": None if event.rule is None else event.rule.describe(),
        "actor": event.actor or event.user,
        "reason": event.reason,
        "waits": waits,
    }


def _what(event: Event) -> str:
    """Few words for a table."""
    parts = [] if event.fraction is None else [f"slider to {event.fraction:g}"]
    if event.rule is not None:
        parts.append(event.rule.describe())
    if event.items:
        left = len(event.items) - _SHOWN
        parts.append(", ".join(event.items[:_SHOWN]) + (f" and {left} more" if left > 0 else ""))
    return "; ".join(parts)
