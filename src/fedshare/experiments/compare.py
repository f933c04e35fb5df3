"""Comparisons: every algorithm with every share policy on every data set, several seeds each; one row for each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedshare.algorithms.registry import options_of
from fedshare.cohort import MIN_COHORT
from fedshare.cost import peak_mib
from fedshare.errors import BadOption
from fedshare.evaluation.evaluate import evaluate
from fedshare.evaluation.ranking import METRICS
from fedshare.experiments.comparison import Comparison
from fedshare.experiments.rows import Row
from fedshare.experiments.stored_rows import StoredRows
from fedshare.progress import Meter, Progress
from fedshare.sharing.ledger import share as share_with
from fedshare.simulation.train import train

if TYPE_CHECKING:
    from fedshare.data.splits import Split
    from fedshare.sharing.policy import SharePolicy
    from fedshare.training.algorithm import Algorithm

__all__ = ["compare"]

_ROWS = "rows.jsonl"


def compare(
    data: Mapping[str, Split],
    algorithms: Sequence[Algorithm],
    shares: Sequence[SharePolicy],
    *,
    seeds: int = 1,
    seed: int = 0,
    rounds: int = 60,
    min_cohort: int = MIN_COHORT,
    ks: Sequence[int] = (10, 20),
    device: str = "cpu",
    folder: Path | str | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train and evaluate every combination.

    Algorithms that do not depend on what is shared are run for every share policy all the same: each row is measured.

    Args:
        data: Known and test pairs by name.
        algorithms: Of different names.
        shares: Who shares what; of different descriptions.
        seeds: How many.
        seed: The first; the others follow. A seed names what is shared as well as every number of the training.
        rounds: Of each training; closed forms need one.
        min_cohort: People who stand behind every sum that leaves devices.
        ks: List lengths.
        device: Torch device.
        folder: Where finished rows are kept. The same call goes on behind the last of them. None for nowhere.
        progress: Called with the units done, the units in all, and what is being done.

    Returns:
        A row for each combination. Its ``cpu_s``, ``wall_s`` and bytes are those of training. ``peak_mib`` is the
        highest memory of the process so far, so it never falls from one row to the next.

    Raises:
        BadOption: Nothing to compare, a name that stands for two things, or ``seeds`` below 1.
    """
    _check(data, algorithms, shares, seeds)
    stored = StoredRows(None if folder is None else Path(folder) / _ROWS)
    cases = [
        _Case(name, split, algorithm, share, number, rounds, tuple(ks), min_cohort)
        for name, split in data.items()
        for algorithm in algorithms
        for share in shares
        for number in range(seed, seed + seeds)
    ]
    meter = Meter(len(cases) * rounds, progress)
    rows = tuple(_finished(case, stored, device, meter) for case in cases)
    meter.end()
    return Comparison(rows)


@dataclass(frozen=True, eq=False)
class _Case:
    """One combination: everything that decides a row."""

    data: str
    split: Split
    algorithm: Algorithm
    share: SharePolicy
    seed: int
    rounds: int
    ks: tuple[int, ...]
    min_cohort: int

    @property
    def title(self) -> str:
        """What a progress bar calls it."""
        return f"{self.data}: {self.algorithm.name}, share {self.share.describe()}, seed {self.seed}"

    def key(self) -> str:
        """A digest of all settings."""
        settings = (
            self.data,
            self.split.known.fingerprint(),
            self.split.test.fingerprint(),
            self.algorithm.name,
            sorted(options_of(self.algorithm).items()),
            repr(self.share),
            self.seed,
            self.rounds,
            ("min_cohort", self.min_cohort),
            self.ks,
            METRICS,
        )
        return hashlib.sha256(repr(settings).encode()).hexdigest()


def _finished(case: _Case, stored: StoredRows, device: str, meter: Meter) -> Row:
    """The row of a case: the stored one, or a new one, which is stored."""
    meter.begin(case.title, case.rounds)
    key = case.key()
    row = stored.get(key)
    if row is None:
        row = _measure(case, device, meter)
        stored.add(key, row)
    return row


def _measure(case: _Case, device: str, meter: Meter) -> Row:
    ledger = share_with(case.split.known, case.share, seed=case.seed)
    run = train(
        case.algorithm,
        ledger,
        rounds=case.rounds,
        seed=case.seed,
        min_cohort=case.min_cohort,
        device=device,
        progress=meter.on_round,
    )
    found = evaluate(run, case.split.test, ks=case.ks)
    return {
        "data": case.data,
        "algorithm": case.algorithm.name,
        "share": case.share.describe(),
        "seed": case.seed,
        "min_cohort": case.min_cohort,
        "metrics": found.metrics,
        "sharers": found.sharers or {},
        "non_sharers": found.non_sharers or {},
        "cpu_s": run.cost.cpu_s,
        "wall_s": run.cost.wall_s,
        "peak_mib": peak_mib(),
        "bytes_up_per_client": run.cost.bytes_up_per_client,
        "bytes_down_per_client": run.cost.bytes_down_per_client,
    }


def _check(
    data: Mapping[str, Split], algorithms: Sequence[Algorithm], shares: Sequence[SharePolicy], seeds: int
) -> None:
    for what, several in (("data", data), ("algorithms", algorithms), ("shares", shares)):
        if not several:
            raise BadOption(f"{what}: got none, expected at least one to compare.")
    if seeds < 1:
        raise BadOption(f"seeds: got {seeds}, expected 1 or more.")
    _check_different("algorithms", [algorithm.name for algorithm in algorithms])
    _check_different("shares", [share.describe() for share in shares])


def _check_different(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadOption(f"{what}: got '{twice[0]}' twice, expected different ones, since rows go by that name.")
