"""``fedshare recommend``: what one person's device recommends, or everybody's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedshare.cli.console import Json, Output, Quiet, Threads, count
from fedshare.cli.ids import ID_LIST, listed_ids, read_ids
from fedshare.cli.saved import Device, RunPath, check_place, open_devices
from fedshare.errors import BadOption, OutputExists

if TYPE_CHECKING:
    from fedshare.simulation.device_run import DeviceRun

__all__ = ["recommend"]


def recommend(
    run: RunPath,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="The person's id: prints the list.", metavar="USER")
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Everybody: writes to --out.")] = False,
    users_file: Annotated[
        Path | None,
        typer.Option("--users-file", help="A file with one id on each line: writes to --out.", metavar="FILE"),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", help="Length of each list.")] = 10,
    among: Annotated[
        list[str] | None,
        typer.Option(
            "--among",
            help=f"Recommend nothing else, such as what is in stock: items, or categories. {ID_LIST}",
            metavar="A,B",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", help=f"Recommend none of these items or categories. {ID_LIST}", metavar="A,B"),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Recommend what people have erased as well.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File for the lists of many, by its suffix: .parquet, .csv, .jsonl. Columns user, rank, item, title, "
            "score; ids stand there as they are.",
            metavar="FILE",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file at --out.")] = False,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option("--seed", help="Nothing is random here: accepted, and without effect.")] = 0,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print the items that a person does not have yet, best first, by title where there is one.

    Exactly one of --user, --all and --users-file says whose. Who has no interaction yet gets what most people share,
    and the output says so. What people erased is left out, unless --again is given: their devices remember what it was
    for that.
    """
    output = Output(as_json, quiet, threads)
    _check_whose(user, everybody, users_file)
    if user is None:
        _check_file(out, force)
    elif out is not None:
        raise BadOption("recommend: got --out together with --user; expected --out with --all or --users-file only.")
    with output.progress(f"Reading {run}"):
        devices = open_devices(run, device)
    rules = _rules(devices, among, exclude, again)
    if user is not None:
        with output.progress("Scoring"):
            best = devices.recommend(user=user, k=k, **rules)
        listed = [{"item": each.item, "title": each.title, "score": each.score} for each in best]
        content = {"run": run, "user": user, "k": k, "recommendations": listed, "note": best.note or None}
        output.result(content, str(best))
        return
    assert out is not None
    users = None if users_file is None else read_ids(users_file)
    with output.progress("Recommending") as bar:
        written = devices.recommend_to(out, users, k, replace=force, progress=bar, **rules)
    output.result(
        {"run": run, "out": out, "k": k, **written._asdict()},
        f"{count(written.n_rows, 'row')} for {count(written.n_users, 'user')}",
        *(
            [f"{count(written.n_popularity, 'list')} of what most people share: of these users nothing tells more"]
            if written.n_popularity
            else []
        ),
        *([f"{count(written.n_empty, 'user')} without any item left to recommend"] if written.n_empty else []),
        f"wrote {out}",
    )


def _rules(devices: DeviceRun, among: list[str] | None, exclude: list[str] | None, again: bool) -> dict[str, Any]:
    """What the lists leave out."""
    items = devices.ledger.known.items
    return {
        "among": None if among is None else listed_ids(among, items),
        "exclude": listed_ids(exclude or [], items),
        "again": again,
    }


def _check_whose(user: str | None, everybody: bool, users_file: Path | None) -> None:
    flags = {"--user": user is not None, "--all": everybody, "--users-file": users_file is not None}
    given = [flag for flag, there in flags.items() if there]
    if len(given) != 1:
        got = " and ".join(given) or "none of them"
        raise BadOption(f"recommend: got {got}; expected exactly one of {', '.join(flags)}.")


def _check_file(out: Path | None, force: bool) -> None:
    """Raise, before the work is done, unless the lists can be written there."""
    if out is None:
        raise BadOption("recommend: got no --out; expected the name of a file, such as lists.parquet, for many lists.")
    from fedshare.simulation.recommend_file import check_suffix

    check_suffix(out)
    if out.is_dir():
        raise OutputExists(f"--out '{out}': is a folder; expected the name of a file.")
    if not (out.exists() and force):
        check_place(out)
