"""What ``unshare`` and ``erase`` have in common: a request, an unlearning method, a new run."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from fedshare.cli.console import Output, count, seconds, table, tell
from fedshare.cli.ids import ID_LIST, listed_ids
from fedshare.cli.options import parse_options
from fedshare.cli.saved import check_place, open_run, save_result, small_cohort
from fedshare.errors import BadRequest, LargeWithdrawal, SecondWithdrawal
from fedshare.unlearning.registry import METHODS, suited_to

if TYPE_CHECKING:
    from fedshare.sharing.ledger import Ledger
    from fedshare.sharing.request import Request
    from fedshare.simulation.run import Run
    from fedshare.unlearning.unlearner import Unlearner

__all__ = [
    "Everything",
    "How",
    "Items",
    "Method",
    "MethodOptions",
    "MethodSeed",
    "OutRun",
    "Users",
    "carry_out",
    "withdraw",
]

_LISTED = 20

Users = Annotated[
    list[str],
    typer.Option("--user", "-u", help="The person's id; may be repeated, unless items are named.", metavar="USER"),
]
Items = Annotated[
    list[str] | None,
    typer.Option("--items", help=f"Item ids. {ID_LIST}", metavar="A,B"),
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

    from fedshare.simulation.waiting import nothing_waits

    with output.progress(f"Reading {run}"):
        before = open_run(run, device)
        nothing_waits(run, before.ledger)
    if "items" in given:
        given["items"] = listed_ids(given["items"], before.known.items)
    how = How(out, force, method, options, seed)
    carry_out(run, before, _request(kind, before.ledger, people, given), output, how)


class How(NamedTuple):
    """How a request is carried out, and where the run after it goes."""

    out: Path
    force: bool
    method: str | None
    "None for the one that suits the run's algorithm."
    options: Sequence[str]
    seed: int | None


def carry_out(run: Path, before: Run, request: Request, output: Output, how: How) -> None:
    """Unlearn a request, write the run after it and tell about it.

    Args:
        run: Where the run before is.
        before: That run.
        request: Of one or several people.
        output: Where to tell.
        how: Method and place.
    """
    from fedshare.simulation.advice import advice_on
    from fedshare.simulation.successors import lost_by
    from fedshare.simulation.unlearn import unlearn

    unlearner = _unlearner(how.method or suited_to(before.algorithm), how.options, how.seed)
    advice = advice_on(before, request, unlearner)
    if advice is not None:
        tell(f"warning: {advice.replace('`method=Retrain()`', '--method retrain')}")
    lost = lost_by(before, request)
    told = [] if lost is None else [f"'{run}': {lost}"]
    with warnings.catch_warnings():
        for known in (SecondWithdrawal, LargeWithdrawal):  # they have been told, or will be
            warnings.simplefilter("ignore", known)
        with output.progress("Unlearning") as bar:
            after = unlearn(before, request, method=unlearner, progress=bar)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SecondWithdrawal)
        save_result(after, how.out, force=how.force)
    told += [str(each.message) for each in caught]
    content = {**_content(run, how.out, after, request), "warnings": told}
    output.result(content, *_text(content), *small_cohort(after))
    for sentence in [] if output.as_json else told:
        tell(f"warning: {sentence}")


def _request(kind: str, ledger: Ledger, people: Sequence[str], given: dict[str, Any]) -> Request:
    """One request of everybody."""
    from fedshare.sharing.request import Request

    after = ledger
    for user in people:
        after, _ = getattr(after, kind)(user, **given)
    return Request(ledger, after)


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
