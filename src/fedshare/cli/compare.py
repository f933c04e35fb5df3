"""``fedshare compare``: algorithms by how much is shared, on one or several data sets."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedshare.cli import source
from fedshare.cli.console import Interrupted, Json, Output, Quiet, Threads, table
from fedshare.cli.options import Options, parse_options
from fedshare.cli.saved import Device, check_device, check_folder
from fedshare.errors import BadOption

if TYPE_CHECKING:
    from fedshare.data.splits import Split
    from fedshare.learning.algorithm import Algorithm

__all__ = ["compare"]

_COLUMNS = ("recall@20", "ndcg@20")


def compare(
    data: Annotated[list[str], typer.Argument(metavar="DATA...", help=f"{source.DATA_HELP} One or several.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for rows.csv, rows.json and the plot.", metavar="DIR")],
    algorithms: Annotated[
        str,
        typer.Option("--algorithms", help="Names with commas between them; see train --algorithm.", metavar="A,B"),
    ] = "fedshare",
    share: Annotated[
        str, typer.Option("--share", help="Who shares what, with commas between; see train --share.", metavar="S,T")
    ] = "0,0.1,0.5,1",
    seeds: Annotated[int, typer.Option("--seeds", help="So many seeds: --seed and the next ones.", metavar="N")] = 1,
    rounds: Annotated[int, typer.Option("--rounds", help="Rounds of each training.")] = 60,
    option: Options = None,
    split: source.SplitKind = None,
    min_rating: source.MinRating = None,
    k_core: source.KCore = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier comparison at --out.")] = False,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option("--seed", help="The first seed; names every random number.")] = 0,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train every algorithm at every share with every seed, and tabulate what people get and what it costs.

    One row per combination, with figures for everybody, for those who share and for those who do not.
    """
