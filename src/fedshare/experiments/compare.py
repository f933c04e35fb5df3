"""Comparisons: every algorithm with every share on every data set, several seeds each.

One row for each combination. A folder makes a comparison last: each finished row is appended to ``rows.jsonl`` there,
and a comparison that is started again with the same settings goes on behind the last finished row. Rows of other
settings stay in the file and are left alone.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from fedshare.errors import BadOption
from fedshare.evaluation.cost import peak_mib
from fedshare.evaluation.evaluate import evaluate
from fedshare.files import atomic_file
from fedshare.learning.registry import options_of
from fedshare.learning.train import train
from fedshare.progress import Meter, Progress
from fedshare.sharing.ledger import share as share_with

if TYPE_CHECKING:
    from fedshare.data.splits import Split
    from fedshare.learning.algorithm import Algorithm
    from fedshare.sharing.policy import SharePolicy

__all__ = ["Comparison", "compare"]

_GROUPS = ("metrics", "sharers", "non_sharers")
_ROWS = "rows.jsonl"

Row = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """The rows of a comparison, in the order of data, algorithm, share and seed."""

    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, list[Row]]:
        """The rows as JSON takes them."""
        return {"rows": [dict(row) for row in self.rows]}

    def write(self, folder: Path | str) -> None:
        """Write ``comparison.csv``, ``.json``, ``.svg`` and ``.png``, each of them whole or not at all.

        Raises:
            BadOption: matplotlib is not installed; the table and the JSON are written by then.
        """
        folder = Path(folder)
        with atomic_file(folder / "comparison.json") as draft:
            draft.write_text(json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with atomic_file(folder / "comparison.csv") as draft, draft.open("w", encoding="utf-8", newline="") as file:
            flat = [_flat(row) for row in self.rows]
            columns = list(dict.fromkeys(key for row in flat for key in row))
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(flat)
        from fedshare.experiments.plot import plot_comparison  # which draws what this module defines

        plot_comparison(self, folder)

    def groups(self) -> dict[tuple[str, str, str], list[Row]]:
        """The rows that differ in nothing but the seed, by data, algorithm and share."""
        found: dict[tuple[str, str, str], list[Row]] = {}
        for row in self.rows:
            found.setdefault((row["data"], row["algorithm"], row["share"]), []).append(row)
        return found

    def metric_names(self) -> list[str]:
        """The metrics, such as ``ndcg@20``."""
        return list(dict.fromkeys(name for row in self.rows for name in row["metrics"]))

    def summary(self) -> str:
        """A table of means and standard deviations over the seeds, recall and NDCG at the longest list."""
        k = max((int(name.rpartition("@")[2]) for name in self.metric_names()), default=20)
        names = [name for name in (f"recall@{k}", f"ndcg@{k}") if name in self.metric_names()]
        table = [["data", "algorithm", "share", "seeds", *names, "sharers", "others", "CPU s"]]
        for (data, algorithm, share), rows in self.groups().items():
            cells = [mean_and_deviation(rows, "metrics", name) for name in names]
            cells += [mean_and_deviation(rows, group, f"ndcg@{k}") for group in ("sharers", "non_sharers")]
            cpu = f"{fmean(row['cpu_s'] for row in rows):.1f}"
            table.append([data, algorithm, share, str(len(rows)), *map(_spread, cells), cpu])
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in table]
        return "\n".join(line.rstrip() for line in lines)


def compare(
    data: Mapping[str, Split],
    algorithms: Sequence[Algorithm],
    shares: Sequence[SharePolicy],
    *,
    seeds: int = 1,
    seed: int = 0,
    rounds: int = 60,
    ks: Sequence[int] = (10, 20),
    device: str = "cpu",
    folder: Path | str | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train and evaluate every combination.

    Algorithms that do not depend on what is shared are run for every share all the same: each row is measured.

    Args:
        data: Known and test pairs by name.
        algorithms: Of different names.
        shares: Who shares what; of different descriptions.
        seeds: How many.
        seed: The first; the others follow. A seed names what is shared as well as every number of the training.
        rounds: Of each training; closed forms need one.
        ks: List lengths.
        device: Torch device.
        folder: Where finished rows are kept; None for nowhere.
        progress: Called with the units done, all units, and what is being done.

    Returns:
        A row for each combination. Its ``cpu_s``, ``wall_s`` and bytes are those of training; ``peak_mib`` is the
        highest memory of the process so far, so it never falls from one row to the next.

    Raises:
        BadOption: Nothing to compare, a name that stands for two things, or ``seeds`` below 1.
    """
    _check(data, algorithms, shares, seeds)
    kept = _Kept(None if folder is None else Path(folder) / _ROWS)
    plan = [
        (name, algorithm, share, number)
        for name in data
        for algorithm in algorithms
        for share in shares
        for number in range(seed, seed + seeds)
    ]
    meter = Meter(len(plan) * rounds, progress)
    rows: list[Row] = []
    for name, algorithm, share, number in plan:
        meter.begin(f"{name}: {algorithm.name}, share {share.describe()}, seed {number}", rounds)
        key = _key(name, data[name], algorithm, share, number, rounds, ks)
        row = kept.get(key)
        if row is None:
            row = _measure(name, data[name], algorithm, share, number, rounds, ks, device, meter)
            kept.add(key, row)
        rows.append(row)
    meter.end()
    return Comparison(tuple(rows))


def mean_and_deviation(rows: Sequence[Row], group: str, name: str) -> tuple[float, float] | None:
    """Mean and standard deviation over the seeds; None where no row has the figure, 0 deviation of one seed."""
    values = [row[group][name] for row in rows if name in (row[group] or {})]
    if not values:
        return None
    return fmean(values), stdev(values) if len(values) > 1 else 0.0


def _measure(
    name: str,
    split: Split,
    algorithm: Algorithm,
    share: SharePolicy,
    seed: int,
    rounds: int,
    ks: Sequence[int],
    device: str,
    meter: Meter,
) -> Row:
    ledger = share_with(split.known, share, seed=seed)
    run = train(algorithm, ledger, rounds=rounds, seed=seed, device=device, progress=meter.on_round)
    found = evaluate(run, split.test, ks=tuple(ks))
    return {
        "data": name,
        "algorithm": algorithm.name,
        "share": share.describe(),
        "seed": seed,
        "metrics": found.metrics,
        "sharers": found.sharers or {},
        "non_sharers": found.non_sharers or {},
        "cpu_s": run.cost.cpu_s,
        "wall_s": run.cost.wall_s,
        "peak_mib": peak_mib(),
        "bytes_up_per_client": run.cost.bytes_up_per_client,
        "bytes_down_per_client": run.cost.bytes_down_per_client,
    }


class _Kept:
    """Finished rows in a file, one line each with the key of its settings."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: dict[str, Row] = {}
        if path is None or not path.exists():
            return
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
                self._rows[entry["key"]] = entry["row"]
            except (ValueError, KeyError, TypeError):  # the line that was being written when the machine stopped
                continue

    def get(self, key: str) -> Row | None:
        """The row of these settings, if it is finished."""
        return self._rows.get(key)

    def add(self, key: str, row: Row) -> None:
        """Keep a finished row; it is on disk when this returns."""
        self._rows[key] = row
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"key": key, "row": row}, ensure_ascii=False)
        with self._path.open("a+b") as file:
            torn = file.seek(0, os.SEEK_END) > 0 and not _ends_line(file)
            file.write(("\n" * torn + line + "\n").encode())
            file.flush()
            os.fsync(file.fileno())


def _ends_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _key(
    name: str, split: Split, algorithm: Algorithm, share: SharePolicy, seed: int, rounds: int, ks: Sequence[int]
) -> str:
    """A digest of everything that decides a row."""
    settings = (
        name,
        split.known.fingerprint(),
        split.test.fingerprint(),
        algorithm.name,
        sorted(options_of(algorithm).items()),
        repr(share),
        seed,
        rounds,
        tuple(ks),
    )
    return hashlib.sha256(repr(settings).encode()).hexdigest()


def _check(
    data: Mapping[str, Split], algorithms: Sequence[Algorithm], shares: Sequence[SharePolicy], seeds: int
) -> None:
    for what, several in (("data", list(data)), ("algorithms", algorithms), ("shares", shares)):
        if not several:
            raise BadOption(f"{what}: got none, expected at least one to compare.")
    if seeds < 1:
        raise BadOption(f"seeds: got {seeds}, expected 1 or more.")
    for what, names in (
        ("algorithms", [algorithm.name for algorithm in algorithms]),
        ("shares", [share.describe() for share in shares]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadOption(f"{what}: got '{twice[0]}' twice, expected different ones, since rows go by that name.")


def _flat(row: Row) -> Row:
    """A row with one column for each figure: the metrics of the groups as ``sharers.ndcg@20``."""
    flat: Row = {}
    for key, value in row.items():
        if key == "metrics":
            flat |= value
        elif key in _GROUPS:
            flat |= {f"{key}.{name}": figure for name, figure in value.items()}
        else:
            flat[key] = value
    return flat


def _spread(figure: tuple[float, float] | None) -> str:
    return "-" if figure is None else f"{figure[0]:.4f} +- {figure[1]:.4f}"
