"""``fedshare train``: from DATA to RUN, with checkpoints on the way."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedshare.algorithms.registry import ALGORITHMS
from fedshare.cli import source
from fedshare.cli.console import Interrupted, Json, Output, Quiet, Threads, count, seconds, stop_between_rounds, table
from fedshare.cli.metrics import Metrics, parse_metrics
from fedshare.cli.options import Options, merged, parse_options
from fedshare.cli.saved import Device, Force, check_device, check_place, save_result, small_cohort
from fedshare.errors import BadOption, CannotWrite, MissingFile, OutputExists

if TYPE_CHECKING:
    from fedshare.evaluation.evaluate import Evaluation
    from fedshare.sharing.ledger import Ledger
    from fedshare.simulation.run import Run
    from fedshare.training.algorithm import Algorithm
    from fedshare.training.history import Keeping

__all__ = ["train"]

_COLUMNS = "recall@20,ndcg@20,hr@20,mrr@20"


@source.with_loading
def train(
    out: Annotated[Path, typer.Option("--out", help="Folder to write the run to.", metavar="RUN")],
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help=f"{source.DATA_HELP} Not needed with --resume.")
    ] = None,
    share: Annotated[
        str | None,
        typer.Option(
            "--share",
            help="Who shares what: none, all, 0.5 (half of everybody's pairs), users:0.3 (all of three in ten people), "
            "newest:0.3, oldest:count=20, or a mixture file (.toml, .json).",
            metavar="SPEC",
        ),
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option(
            "--algorithm",
            help="One of: " + "; ".join(f"{row.name} ({row.summary})" for row in ALGORITHMS.values()) + ".",
            show_default="fedshare",
        ),
    ] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", help="Rounds of training.", show_default="60")] = None,
    min_cohort: Annotated[
        int | None,
        typer.Option(
            "--min-cohort",
            help="People who have to stand behind every sum that leaves devices. Fewer than 100 say more of each of "
            "them, and are named in manifest, report and output.",
            show_default="100",
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep",
            help="What the server records for later unlearning: snapshots, snapshots:N or nothing.",
            show_default="what the algorithm's own method needs",
            metavar="nothing|snapshots[:N]",
        ),
    ] = None,
    embedding_size: Annotated[
        int | None, typer.Option("--embedding-size", help="Length of every vector; short for --option.")
    ] = None,
    option: Options = None,
    metrics: Metrics = _COLUMNS,
    split: source.SplitKind = None,
    test_fraction: source.TestFraction = None,
    loading: source.Loading = source.Loading(),  # noqa: B008 -- with_loading puts the flags there
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on from the last checkpoint of an interrupted training to the same --out. All that is needed is "
            "in the checkpoint; other options may be given again, and have to agree with it.",
        ),
    ] = False,
    checkpoint_every: Annotated[int, typer.Option("--checkpoint-every", help="Rounds between checkpoints.")] = 10,
    force: Force = False,
    device: Device = "cpu",
    seed: Annotated[int | None, typer.Option("--seed", help="Names every random number.", show_default="0")] = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train on what people share, and on what stays with them.

    Training sees the known part of the split; the figures at the end are about the held-out part, ranked among all
    items. RUN keeps the held-out pairs (devices/test.parquet), so that a later audit does not need DATA.

    While training, RUN.checkpoint beside RUN holds the last complete state: after Ctrl-C, --resume goes on from there
    and ends where uninterrupted training would have ended.
    """
    from fedshare.files import remove_directory

    output = Output(as_json, quiet, threads)
    columns_shown = parse_metrics(metrics)
    checkpoint = out.with_name(f"{out.name}.checkpoint") if out.name else out
    check_place(out, force=force)
    check_device(device)
    if checkpoint_every < 1:
        raise BadOption(f"checkpoint_every: got {checkpoint_every}, expected 1 or more.")
    wanted = _Wanted(algorithm, [*(option or []), *_as_option(embedding_size)], share, rounds, seed, min_cohort, keep)
    notes: list[str] = []
    if resume:
        kept = _open_checkpoint(checkpoint, device)
        wanted.agree(kept)
        if data is not None:
            interactions = source.read(data, loading)
            _same_data(kept, source.split(interactions, split, kept.seed, test_fraction))
        run = _carry_out(output, checkpoint, None, device, checkpoint_every)
    else:
        if data is None or share is None:
            missing = "argument DATA" if data is None else "option --share"
            raise BadOption(f"train: got no {missing}; expected it, or --resume to go on with an interrupted training.")
        if checkpoint.exists() and not force:
            raise OutputExists(
                f"'{checkpoint}': an interrupted training to the same place left it. Go on from it with --resume, or "
                "start afresh with --force."
            )
        made = wanted.make()
        with output.progress(f"Reading {data}"):
            interactions = source.read(data, loading)
            source.tell(interactions, as_json)
            notes = source.notes_of(interactions)
            parts = source.split(interactions, split, seed or 0, test_fraction)
            job = _Job(made, wanted.ledger(parts.known), rounds, seed or 0, parts, min_cohort, wanted.keeping())
        if checkpoint.exists():
            check_place(checkpoint, force=True)
            remove_directory(checkpoint)
        run = _carry_out(output, checkpoint, job, device, checkpoint_every)

    saved = False

    def clean() -> None:
        nonlocal saved
        saved = True
        remove_directory(checkpoint)

    try:
        save_result(run, out, force=force, afterwards=clean)
        evaluation = _evaluate(output, run)
    except KeyboardInterrupt as stop:
        left = f"stopped; the run '{out}' is written." if saved else f"stopped; {_what_is_left(checkpoint)}"
        raise Interrupted(left, stop) from None
    except CannotWrite as error:
        left = f"The run '{out}' is written." if saved else _sentence(_what_is_left(checkpoint))
        raise CannotWrite(f"{error} {left}") from error
    content = {**_content(run, out, share, evaluation), "notes": notes}
    output.result(content, *_text(run, out, evaluation, columns_shown))


@dataclass(frozen=True)
class _Wanted:
    """What the command line says about the training; None where it says nothing."""

    algorithm: str | None
    options: list[str]
    share: str | None
    rounds: int | None
    seed: int | None
    min_cohort: int | None
    keep: str | None

    def keeping(self) -> Keeping | None:
        """What is recorded; None for what suits the algorithm."""
        from fedshare.training.history import parse_keeping

        return None if self.keep is None else parse_keeping(self.keep)

    def make(self, like: Algorithm | None = None) -> Algorithm:
        """The algorithm; what is not said is as in ``like``, or the default."""
        from fedshare.algorithms.registry import algorithm as made
        from fedshare.algorithms.registry import options_of

        name = self.algorithm or (like.name if like else "fedshare")
        row = ALGORITHMS.get(name)
        given = parse_options(row.cls, name, self.options) if row else {}
        base = options_of(like if like and like.name == name else made(name))
        return made(name, merged(base, given))

    def ledger(self, known: Any, seed: int | None = None) -> Ledger:
        """Who shares what."""
        from fedshare.sharing.ledger import share
        from fedshare.sharing.policy import parse_share

        return share(known, parse_share(self.share or ""), seed=(self.seed or 0) if seed is None else seed)

    def agree(self, kept: Run) -> None:
        """Raise unless a checkpoint is what the command line says.

        Raises:
            BadOption: It is another training.
        """
        other = []
        if self.make(kept.algorithm) != kept.algorithm:
            other.append(f"--algorithm or its options (the checkpoint has {kept.algorithm})")
        if self.rounds not in (None, kept.rounds):
            other.append(f"--rounds (the checkpoint has {kept.rounds})")
        if self.min_cohort not in (None, kept.min_cohort):
            other.append(f"--min-cohort (the checkpoint has {kept.min_cohort})")
        if self.keep is not None and self.keeping() != kept.server.keep:
            other.append(f"--keep (the checkpoint has {kept.server.keep})")
        if self.seed not in (None, kept.seed):
            other.append(f"--seed (the checkpoint has {kept.seed})")
        elif self.share is not None and self.ledger(kept.known, kept.ledger.seed).version != kept.ledger.version:
            other.append(f"--share (the checkpoint has {kept.ledger})")
        if other:
            raise BadOption(
                f"resume: got another {' and '.join(other)}; expected the same training. Leave the options out: the "
                "checkpoint has them all. Or start afresh with --force instead of --resume."
            )


@dataclass(frozen=True, eq=False)
class _Job:
    """A training from the start."""

    algorithm: Algorithm
    ledger: Ledger
    rounds: int | None
    seed: int
    parts: source.Parts
    min_cohort: int | None
    keep: Keeping | None


def _carry_out(output: Output, checkpoint: Path, job: _Job | None, device: str, every: int) -> Run:
    """Train, or go on where there is no job; Ctrl-C, or a disk that is full, leaves a whole checkpoint."""
    from fedshare.simulation import train as library

    try:
        with output.progress("Training") as bar, stop_between_rounds() as check:

            def progress(number: int, total: int, info: Any) -> None:
                bar(number, total, info)
                check()

            if job is None:
                return library.resume(checkpoint, device=device, progress=progress, checkpoint_every=every)
            wanted = {"rounds": job.rounds, "min_cohort": job.min_cohort}
            given: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
            return library.train(
                job.algorithm,
                job.ledger,
                seed=job.seed,
                device=device,
                progress=progress,
                checkpoint=checkpoint,
                checkpoint_every=every,
                test=job.parts.test,
                keep=job.keep,
                **given,
            )
    except KeyboardInterrupt as stop:
        raise Interrupted(f"stopped; {_what_is_left(checkpoint)}", stop) from None
    except CannotWrite as error:
        raise CannotWrite(f"{error} {_sentence(_what_is_left(checkpoint))}") from error


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _what_is_left(checkpoint: Path) -> str:
    from fedshare.errors import FedShareError
    from fedshare.storage.json_files import read_sealed

    try:
        at = read_sealed(checkpoint / "server" / "manifest.json", "checkpoint")
    except FedShareError:
        return "there was no checkpoint yet, and nothing was written."
    out = shlex.quote(str(checkpoint).removesuffix(".checkpoint"))
    return (
        f"the last complete checkpoint is '{checkpoint}', after round {at['round']} of {at['rounds']}. "
        f"Go on: fedshare train --resume --out {out}"
    )


def _open_checkpoint(checkpoint: Path, device: str) -> Run:
    from fedshare.simulation.run import Run

    if not checkpoint.exists():
        raise MissingFile(
            f"resume: there is no checkpoint '{checkpoint}'; expected one of an interrupted training to the same "
            "--out. Check --out, or train from the start without --resume."
        )
    kept = Run.load(checkpoint, device=device)
    if kept.finished:
        raise BadOption(f"resume: '{checkpoint}' is a finished run; expected a checkpoint. Nothing is to be done.")
    return kept


def _same_data(kept: Run, parts: source.Parts) -> None:
    theirs, mine = (
        [None if each is None else each.fingerprint() for each in both]
        for both in ((kept.known, kept.test), (parts.known, parts.test))
    )
    if theirs != mine:
        raise BadOption(
            "resume: DATA with these options gives other pairs than the checkpoint has; expected the same. Leave DATA "
            "out: the checkpoint has all that is needed. Or start afresh with --force instead of --resume."
        )


def _as_option(embedding_size: int | None) -> list[str]:
    return [] if embedding_size is None else [f"embedding_size={embedding_size}"]


def _evaluate(output: Output, run: Run) -> Evaluation | None:
    from fedshare.evaluation.evaluate import evaluate

    if run.test is None:
        return None
    with output.progress("Evaluating"):
        return evaluate(run, run.test)


def _content(run: Run, out: Path, share: str | None, evaluation: Evaluation | None) -> dict[str, Any]:
    cost = run.cost.to_dict()
    figures = evaluation.to_dict() if evaluation else {"metrics": None, "sharers": None, "non_sharers": None}
    return {
        "run": out,
        "data": run.known.name,
        "algorithm": run.algorithm.name,
        "share": share,
        "n_shared": len(run.ledger.server_view()),
        "n_sharing_users": len(run.ledger.sharers()),
        "seed": run.seed,
        "rounds": run.rounds,
        "min_cohort": run.min_cohort,
        **{name: figures[name] for name in ("metrics", "sharers", "non_sharers")},
        "n_test_users": evaluation.n_users if evaluation else None,
        "n_cold_items": evaluation.n_cold_items if evaluation else None,
        "notes": list(evaluation.notes) if evaluation else [],
        **{
            name: cost[name] for name in ("cpu_s", "wall_s", "peak_mib", "bytes_up_per_client", "bytes_down_per_client")
        },
        "kept_bytes": {"server": cost["kept_bytes_server"], "per_device": cost["kept_bytes_per_device"]},
    }


def _text(run: Run, out: Path, evaluation: Evaluation | None, columns: Sequence[str]) -> list[Any]:
    cost = run.cost
    trained = (
        f"{run.algorithm.name}: {count(run.rounds, 'round')} in {seconds(cost.wall_s)} ({seconds(cost.cpu_s)} of CPU "
        f"time); {run.ledger}"
    )
    lines = [trained, *small_cohort(run)]
    if evaluation is None:
        return [*lines, "nothing was held out, so there are no figures", f"wrote {out}"]
    sharers = evaluation.n_sharers or 0
    groups = (
        ("everybody", evaluation.metrics, evaluation.n_users),
        ("sharers", evaluation.sharers, sharers),
        ("non-sharers", evaluation.non_sharers, evaluation.n_users - sharers),
    )
    rows = [(name, n, *(figures.get(column) for column in columns)) for name, figures, n in groups if figures]
    return [
        *lines,
        table(("", "people", *columns), rows),
        *(f"note: {note}" for note in evaluation.notes),
        f"wrote {out}",
    ]
