"""What ``unshare`` and ``erase`` have in common: a request, an unlearning method, a new run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fedshare.cli.console import Output, count, seconds, table
from fedshare.cli.options import parse_options
from fedshare.cli.saved import check_place, open_run, save_result, small_cohort
from fedshare.errors import BadRequest
from fedshare.unlearning.registry import METHODS, suited_to

if TYPE_CHECKING:
    from fedshare.sharing.ledger import Ledger
    from fedshare.sharing.request import Request
    from fedshare.simulation.run import Run
    from fedshare.unlearning.unlearner import Unlearner

__all__ = ["Everything", "Items", "Method", "MethodOptions", "MethodSeed", "OutRun", "Users", "withdraw"]

_LISTED = 20

Users = Annotated[
    list[str],
    typer.Option("--user", "-u", help="The person's id; may be repeated, unless items are named.", metavar="USER"),
]
Items = Annotated[
    list[str] | None,
    typer.Option("--items", help="Item ids, with commas between them; may be repeated.", metavar="A,B"),
]
Everything = Annotated[bool, typer.Option("--all", help="All of it.")]
OutRun = Annotated[Path, typer.Option("--out", help="Folder to write the new run to; RUN stays.", metavar="RUN2")]
Method = Annotated[
    str | None,
    typer.Option(
        "--method",
        help="How the model unlearns: " + "; ".join(f"{row.name} ({row.summary})" for row in METHODS.values()) + ".",
        show_default="what suits the run's algorithm",
    ),
]
MethodOptions = Annotated[
    list[str] | None,
    typer.Option("--option", help="An option of the method, such as steps=100; may be repeated.", metavar="KEY=VALUE"),
]
MethodSeed = Annotated[
    int | None,
    typer.Option(
        "--seed", help="Of --method retrain; no other draws anything new. Without: the seed of the run, as it must be."
    ),
]


def withdraw(
    kind: Literal["unshare", "erase"],
    run: Path,
    users: Sequence[str],
    choice: dict[str, Any],
    output: Output,
    *,
    out: Path,
    force: bool,
    method: str | None,
    options: Sequence[str],
    seed: int | None,
    device: str,
) -> None:
    """Carry out a request and write the run after it.

    Args:
        kind: What is done to the pairs.
        run: Where the run is.
        users: Whose pairs.
        choice: The one of ``items``, ``to`` and ``everything`` that the ledger is told; None and False are not given.
        output: Where to tell about it.
        out: Where the new run goes.
        force: Whether it replaces another.
        method: Name of the unlearning method; None for the one that suits the run's algorithm.
        options: Its options.
        seed: Of retraining.
        device: Torch device.
    """
    given = {name: value for name, value in choice.items() if value is not None and value is not False}
    flags = {"items": "--items", "to": "--to", "everything": "--all"}
    if len(given) != 1:
        got = " and ".join(flags[name] for name in given) or "none of them"
        raise BadRequest(f"{kind}: got {got}; expected exactly one of {', '.join(flags[name] for name in choice)}.")
    people = list(dict.fromkeys(users))
    if "items" in given and len(people) > 1:
        raise BadRequest(
            f"{kind}: got --items for {len(people)} users; expected one user. Withdraw one after the other."
        )
    check_place(out, force=force)
    if method is not None:
        _ = _unlearner(method, options, seed)  # a wrong name or option is told before the run is read

    with output.progress(f"Reading {run}"):
        before = open_run(run, device)
    unlearner = _unlearner(method or suited_to(before.algorithm), options, seed)
    if "items" in given:
        given["items"] = _item_ids(given["items"], before.ledger)
    request = _request(kind, before.ledger, people, given)

    from fedshare.simulation.unlearn import unlearn

    with output.progress("Unlearning") as bar:
        after = unlearn(before, request, method=unlearner, progress=bar)
    save_result(after, out, force=force)
    content = _content(run, out, after, request)
    output.result(content, *_text(content), *small_cohort(after))


def _request(kind: str, ledger: Ledger, people: Sequence[str], given: dict[str, Any]) -> Request:
    """One request of everybody."""
    from fedshare.sharing.request import Request

    after = ledger
    for user in people:
        after, _ = getattr(after, kind)(user, **given)
    return Request(ledger, after)


def _item_ids(texts: Sequence[str], ledger: Ledger) -> list[str]:
    """Ids between commas; a text that is an id as it stands, comma and all, is one."""
    items = ledger.known.items
    split = (([text] if text in items else [part.strip() for part in text.split(",")]) for text in texts)
    return [each for parts in split for each in parts if each]


def _unlearner(name: str, options: Sequence[str], seed: int | None) -> Unlearner:
    from fedshare.unlearning.registry import method

    row = METHODS.get(name)
    given = parse_options(row.cls, name, options) if row else {}
    if name == "retrain" and seed is not None:
        given["seed"] = seed
    return method(name, given)


def _content(run: Path, out: Path, after: Run, request: Request) -> dict[str, Any]:
    known = after.known
    pairs = [
        {"user": user, "item": item, "title": known.title(item), "now": "erased" if erased else "private"}
        for (user, item), erased in zip(request.pairs(), request.erased.tolist(), strict=True)
    ]
    n_erased = int(request.erased.sum())
    return {
        "run": run,
        "out": out,
        "method": after.method,
        "request": {
            "users": request.users(),
            "n_pairs": len(request),
            "n_unshared": len(request) - n_erased,
            "n_erased": n_erased,
            "n_withdrawn_from_server": request.n_withdrawn_from_server,
            "pairs": pairs,
        },
        "min_cohort": after.min_cohort,
        "cost": after.cost.to_dict(),
        "certificate": after.certificate.to_dict() if after.certificate else None,
    }


def _text(content: dict[str, Any]) -> list[Any]:
    request, cost = content["request"], content["cost"]
    pairs, people = request["pairs"], request["users"]
    what = " and ".join(f"{request[f'n_{kind}']:,} {kind}" for kind in ("unshared", "erased") if request[f"n_{kind}"])
    whose = f"user '{people[0]}'" if len(people) == 1 else count(len(people), "user")
    rows = [tuple(pair[name] for name in ("user", "item", "title", "now")) for pair in pairs[:_LISTED]]
    left = len(pairs) - len(rows)
    return [
        f"{count(len(pairs), 'pair')} of {whose}: {what or 'nothing withdrawn'}",
        table(("user", "item", "title", "now"), rows, left=4),
        *([f"and {left:,} more (--json lists them all)"] if left else []),
        f"{content['method']}: {seconds(cost['wall_s'])} ({seconds(cost['cpu_s'])} of CPU time)",
        f"wrote {content['out']}",
        *_how_sure(content),
        f"Hold it against retraining: {shlex.join(['fedshare', 'audit', str(content['run']), str(content['out'])])}",
    ]


def _how_sure(content: dict[str, Any]) -> list[str]:
    """What a certificate says, in a line."""
    certificate = content["certificate"]
    if certificate is None:
        return []
    how = (
        "every byte is that of training without the pairs"
        if certificate["how"] == "factorised"
        else f"counts in every byte, weights to {certificate['tolerance']:.0e} of training without the pairs"
    )
    return [f"{certificate['how']}: {how}. Check it: {shlex.join(['fedshare', 'verify', str(content['out'])])}"]
