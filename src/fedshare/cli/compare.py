"""``fedshare compare``: algorithms by how much is shared, on one or several data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedshare.cli import source
from fedshare.cli.console import Interrupted, Json, Output, Quiet, Threads
from fedshare.cli.metrics import Metrics, parse_metrics
from fedshare.cli.options import merged, parse_options
from fedshare.cli.saved import Device, check_device, check_folder
from fedshare.cohort import MIN_COHORT, small_cohort_note
from fedshare.errors import BadOption

if TYPE_CHECKING:
    from fedshare.data.splits import Split
    from fedshare.training.algorithm import Algorithm

__all__ = ["compare"]


@source.with_loading
def compare(
    data: Annotated[list[str], typer.Argument(metavar="DATA...", help=f"One or several: {source.DATA_HELP}")],
    out: Annotated[Path, typer.Option("--out", help="Folder for comparison.csv, .json, .svg and .png.", metavar="DIR")],
    algorithms: Annotated[
        str, typer.Option("--algorithms", help="As train takes them, with commas between.", metavar="A,B")
    ] = "fedshare",
    share: Annotated[
        str, typer.Option("--share", help="As train takes them, with commas between.", metavar="SPEC,SPEC")
    ] = "0,0.1,0.5,1",
    seeds: Annotated[int, typer.Option("--seeds", help="So many seeds: --seed and those after it.", metavar="N")] = 1,
    rounds: Annotated[int, typer.Option("--rounds", help="Rounds of each training.")] = 60,
    min_cohort: Annotated[
        int, typer.Option("--min-cohort", help="People who have to stand behind every sum that leaves devices.")
    ] = MIN_COHORT,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            help="A hyperparameter of all algorithms that have it, such as layers=3; may be repeated.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    metrics: Metrics = "recall@20,ndcg@20",
    split: source.SplitKind = None,
    test_fraction: source.TestFraction = None,
    loading: source.Loading = source.Loading(),  # noqa: B008 -- with_loading puts the flags there
    device: Device = "cpu",
    seed: Annotated[int, typer.Option("--seed", help="The first seed, and that of the split.")] = 0,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train every algorithm at every share with every seed; tabulate what people get, and what it costs.

    One row per combination: everybody's figures, those of who shares and of who does not, CPU and wall seconds, memory,
    bytes moved. Each finished row is kept in DIR/rows.jsonl, and the same command goes on behind the last one.
    """
    output = Output(as_json, quiet, threads)
    check_device(device)
    names = parse_metrics(metrics)
    check_folder(out)
    from fedshare.sharing.policy import parse_share

    made = _algorithms(_listed(algorithms), option or [])
    policies = [parse_share(spec) for spec in _listed(share)]
    splits: dict[str, Split] = {}
    notes: dict[str, list[str]] = {}
    with output.progress("Reading the data"):
        for each in data:
            interactions = source.read(each, loading)
            source.tell(interactions, as_json)
            notes[interactions.name] = source.notes_of(interactions)
            if interactions.name in splits:
                raise BadOption(f"data: got two called '{interactions.name}', expected different names. Rename one.")
            splits[interactions.name] = _with_test(source.split(interactions, split, seed, test_fraction))

    from fedshare.experiments import compare as library

    try:
        with output.progress("Comparing") as bar:
            comparison = library.compare(
                splits,
                made,
                policies,
                seeds=seeds,
                seed=seed,
                rounds=rounds,
                min_cohort=min_cohort,
                device=device,
                folder=out,
                progress=bar,
            )
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; '{out}' keeps the finished rows, and the same command goes on behind.") from None
    comparison.write(out)
    note = small_cohort_note(min_cohort)
    output.result(
        {"min_cohort": min_cohort, "notes": notes, **comparison.to_dict()},
        comparison.summary(names),
        *([note] if note else []),
        f"wrote {out}",
    )


def _algorithms(names: Sequence[str], options: Sequence[str]) -> list[Algorithm]:
    """The algorithms, each with those of the options that it has; an option that none has is an error."""
    from fedshare.algorithms.registry import ALGORITHMS, options_of
    from fedshare.algorithms.registry import algorithm as make

    has = {name: {field.name for field in fields(ALGORITHMS[name].cls)} for name in names if name in ALGORITHMS}
    for text in options:
        key = _key(text)
        if has and not any(key in known for known in has.values()):
            raise BadOption(f"option '{key}': none of {', '.join(names)} has it; expected an option of one of them.")
    made = []
    for name in names:
        mine = [text for text in options if _key(text) in has.get(name, ())]
        given = parse_options(ALGORITHMS[name].cls, name, mine) if mine else {}
        made.append(make(name, merged(options_of(make(name)), given)))
    return made


def _key(text: str) -> str:
    return text.partition("=")[0].partition(".")[0].strip().replace("-", "_")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _with_test(parts: source.Parts) -> Split:
    from fedshare.data.splits import Split

    if parts.test is None:
        raise BadOption("split: got none, expected a split with test pairs. Nothing can be compared without.")
    return Split(parts.known, parts.test)
