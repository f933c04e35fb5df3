"""``fedshare audit``: an unlearned run held against retraining."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedshare.cli.console import Json, Output, Quiet, Threads, write_json
from fedshare.cli.saved import Device, check_place, open_run
from fedshare.errors import AuditFailed, BadOption, OutputExists, RequestMismatch

if TYPE_CHECKING:
    from fedshare.evaluation.audit import AuditPolicy, AuditReport
    from fedshare.sharing.request import Request
    from fedshare.simulation.run import Run

__all__ = ["audit"]


def audit(
    before: Annotated[Path, typer.Argument(metavar="RUN", help="The run before the request.")],
    after: Annotated[Path, typer.Argument(metavar="RUN2", help="The run that unlearned it.")],
    reference: Annotated[
        str,
        typer.Option(
            "--reference",
            help="retrain (now, without the withdrawn pairs, same seed), the folder of a run made by --method retrain, "
            "or none: figures without a verdict, exit status 0.",
            metavar="retrain|RUN3|none",
        ),
    ] = "retrain",
    noise: Annotated[
        int,
        typer.Option("--noise", help="Further retrainings, with other seeds: how far apart two retrainings are."),
    ] = 0,
    max_forget_gap: Annotated[
        float | None,
        typer.Option("--max-forget-gap", help="Largest difference of membership AUC, either way.", show_default="0.05"),
    ] = None,
    max_utility_drop: Annotated[
        float | None,
        typer.Option("--max-utility-drop", help="Largest relative loss of any utility figure.", show_default="0.01"),
    ] = None,
    max_cost_ratio: Annotated[
        float | None,
        typer.Option("--max-cost-ratio", help="Largest CPU time over that of retraining.", show_default="no bound"),
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write the JSON there as well.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file at --report.")] = False,
    device: Device = "cpu",
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", help="Of the first noise run; the next ones count up.", show_default="the run's own + 1"
        ),
    ] = None,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure how well RUN2 forgot what was withdrawn since RUN, what it still recommends, and what that cost.

    The request is read from the ledgers of the two runs, and the test pairs from RUN. Exit status 1 if a bound of the
    policy is broken, in either direction: forgetting too much tells that something was there, too.
    """
    out = Output(as_json, quiet, threads)
    bounds = {
        "max_forget_gap": max_forget_gap,
        "max_utility_drop": max_utility_drop,
        "max_cost_ratio": max_cost_ratio,
    }
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    from fedshare.evaluation.audit import AuditPolicy

    policy = AuditPolicy(**given)
    if noise < 0:
        raise BadOption(f"noise: got {noise}, expected 0 or more.")
    if reference == "none" and (given or noise):
        asked = ", ".join([*(f"--{name.replace('_', '-')}" for name in given), *(["--noise"] if noise else [])])
        raise BadOption(
            f"reference: got none, with {asked}; expected retrain or a run, as nothing can be judged without."
        )
    if report is not None:
        _check_file(report, force)

    with out.progress("Reading the runs"):
        earlier, later = open_run(before, device), open_run(after, device)
        request = _request(earlier, later, before, after)
    if reference not in ("retrain", "none") and Path(reference).resolve() == after.resolve():
        raise RequestMismatch(
            f"reference '{reference}': is the audited run itself; expected another one. A model held against itself "
            "passes whatever it remembers. Let --reference retrain make one."
        )
    held_against = _reference(out, reference, earlier, request, device)
    noise_runs = _noise(out, noise, earlier, request, earlier.seed + 1 if seed is None else seed)

    from fedshare.evaluation.audit import audit as measure

    with out.progress("Auditing"):
        measured = measure(earlier, later, held_against, request, test=earlier.test, noise=noise_runs)
    verdict = _verdict(measured, policy, judged=held_against is not None)
    content = {
        "runs": {"before": before, "after": after, "reference": reference},
        "method": later.method,
        "min_cohort": later.min_cohort,
        **measured.to_dict(),
        "policy": {name: getattr(policy, name) for name in bounds},
        **verdict,
    }
    if report is not None:
        write_json(content, report)
    out.result(content, *_text(measured, later.method, verdict))
    if verdict["passed"] is False:
        if not as_json:
            print(f"{AuditFailed.__name__}: {len(verdict['breaches'])} of the policy's bounds broken.", file=sys.stderr)
        raise typer.Exit(1)


def _request(before: Run, after: Run, *paths: Path) -> Request:
    from fedshare.sharing.request import Request

    if after.ledger == before.ledger:
        raise RequestMismatch(
            f"audit: nothing was withdrawn between '{paths[0]}' and '{paths[1]}'; expected the run before a request "
            "and the one after it. Make the second with `fedshare unshare` or `fedshare erase`."
        )
    if before.ledger.extends(after.ledger):
        raise RequestMismatch(
            f"audit: '{paths[0]}' comes after '{paths[1]}'; expected the run before the request first. Swap them."
        )
    return Request(before.ledger, after.ledger)


def _reference(out: Output, reference: str, before: Run, request: Request, device: str) -> Run | None:
    if reference == "none":
        return None
    if reference == "retrain":
        return _retrained(out, "Retraining", before, request, None)
    run = open_run(Path(reference), device)
    other = [
        name
        for name, mine, theirs in (
            ("data", before.known.fingerprint(), run.known.fingerprint()),
            ("algorithm", before.algorithm, run.algorithm),
            ("rounds", before.rounds, run.rounds),
            ("seed", before.seed, run.seed),
        )
        if mine != theirs
    ]
    if other or run.method not in ("retrain", "train"):
        got = f"other {', '.join(other)}" if other else f"a run made by '{run.method}'"
        raise RequestMismatch(
            f"reference '{reference}': got {got}; expected a run trained from nothing, as the one before the request "
            "was. Make it with --method retrain, or let --reference retrain do it."
        )
    if (run.ledger.state != request.after.state).any():
        raise RequestMismatch(
            f"reference '{reference}': its pairs are not shared and erased as in the run after the request; expected "
            "the same. Make it with the same request and --method retrain."
        )
    return run


def _noise(out: Output, n: int, before: Run, request: Request, first: int) -> list[Run]:
    seeds = range(first, first + n)
    if before.seed in seeds:
        raise BadOption(
            f"seed: the noise runs would use {first} to {first + n - 1}, expected other seeds than the run's."
        )
    return [_retrained(out, f"Noise run {index} of {n}", before, request, each) for index, each in enumerate(seeds, 1)]


def _retrained(out: Output, what: str, before: Run, request: Request, seed: int | None) -> Run:
    from fedshare.simulation.unlearn import unlearn
    from fedshare.unlearning.retrain import Retrain

    with out.progress(what) as bar:
        return unlearn(before, request, method=Retrain(seed=seed), progress=bar)


def _verdict(measured: AuditReport, policy: AuditPolicy, *, judged: bool) -> dict[str, Any]:
    """Whether all bounds are kept, None without a reference, and those that are not."""
    if not judged:
        return {"passed": None, "breaches": []}
    breaches = [breach._asdict() for breach in measured.breaches(policy)]
    return {"passed": not breaches, "breaches": breaches}


def _text(measured: AuditReport, method: str, verdict: dict[str, Any]) -> list[Any]:
    word = {True: "passed", False: "FAILED", None: "not judged, as there is no reference"}[verdict["passed"]]
    return [
        f"method: {method}",
        measured.summary(),
        f"verdict: {word}",
        *(f"  - {breach['text']}" for breach in verdict["breaches"]),
    ]


def _check_file(report: Path, force: bool) -> None:
    if report.is_dir():
        raise OutputExists(f"--report '{report}': is a folder; expected the name of a file.")
    if report.exists() and force:
        return
    check_place(report, option="--report")
