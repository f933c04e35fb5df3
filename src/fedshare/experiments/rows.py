"""Rows of a comparison: what each training gave and cost, and how rows of several seeds are put together."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Literal, NamedTuple, TypedDict

__all__ = ["Group", "Row", "RowGroup", "Spread", "grouped", "longest_list", "metric_names", "spread"]

Group = Literal["metrics", "sharers", "non_sharers"]
"Whose means: everybody's, those of the users who share something, those of the users who share nothing."


class Row(TypedDict):
    """One training and its evaluation."""

    data: str
    algorithm: str
    share: str
    "The share policy as the command line writes it."
    seed: int
    min_cohort: int
    "People who stood behind every sum that left devices."
    metrics: dict[str, float]
    'Means over all users under names such as "ndcg@20".'
    sharers: dict[str, float]
    "Likewise over the users who share something; empty where there is none."
    non_sharers: dict[str, float]
    cpu_s: float
    "Of training."
    wall_s: float
    peak_mib: float | None
    "Highest memory of the process so far; None where the system does not tell."
    bytes_up_per_client: float
    bytes_down_per_client: float


class RowGroup(NamedTuple):
    """What rows that differ in nothing but the seed have in common."""

    data: str
    algorithm: str
    share: str


class Spread(NamedTuple):
    """A metric over several seeds."""

    mean: float
    deviation: float | None
    "The sample's standard deviation; None of one seed, which has none."


def grouped(rows: Sequence[Row]) -> dict[RowGroup, list[Row]]:
    """The rows by data, algorithm and share, in the order of each group's first row."""
    found: dict[RowGroup, list[Row]] = {}
    for row in rows:
        found.setdefault(RowGroup(row["data"], row["algorithm"], row["share"]), []).append(row)
    return found


def metric_names(rows: Sequence[Row]) -> list[str]:
    """The metrics that at least one row has, such as ``ndcg@20``."""
    return list(dict.fromkeys(name for row in rows for name in row["metrics"]))


def longest_list(rows: Sequence[Row], default: int = 20) -> int:
    """The largest ``k`` of the metrics' names; ``default`` where there is no row."""
    return max((int(name.rpartition("@")[2]) for name in metric_names(rows)), default=default)


def spread(rows: Sequence[Row], group: Group, name: str) -> Spread | None:
    """Mean and standard deviation of one metric over the rows; None where no row has it."""
    values = [row[group][name] for row in rows if name in row[group]]
    if not values:
        return None
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None)
