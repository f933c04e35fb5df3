"""The result of a comparison: its rows, as a table for people, as CSV and JSON, and as a picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from fedshare.experiments.plot import plot_rows
from fedshare.experiments.rows import Row, RowGroup, Spread, grouped, longest_list, metric_names, spread
from fedshare.files import atomic_file

__all__ = ["Comparison"]


@dataclass(frozen=True)
class Comparison:
    """The rows of a comparison, in the order of data, algorithm, share and seed."""

    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, list[Row]]:
        """The rows as JSON takes them."""
        return {"rows": [row.copy() for row in self.rows]}

    def write(self, folder: Path | str) -> None:
        """Write ``comparison.csv``, ``.json``, ``.svg`` and ``.png``, each of them whole or not at all.

        Raises:
            BadOption: matplotlib is not installed. The CSV and the JSON are written by then.
        """
        folder = Path(folder)
        with atomic_file(folder / "comparison.json") as draft:
            draft.write_text(json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with atomic_file(folder / "comparison.csv") as draft:
            _write_csv(self.rows, draft)
        plot_rows(self.rows, folder)

    def summary(self, metrics: Sequence[str] | None = None) -> str:
        """A table of means over the seeds; with standard deviations where there are several seeds.

        Args:
            metrics: Which figures; recall and NDCG at the longest list without.
        """
        k = longest_list(self.rows)
        wanted = metrics or (f"recall@{k}", f"ndcg@{k}")
        names = [name for name in wanted if name in metric_names(self.rows)]
        head = ["data", "algorithm", "share", "seeds", *names, "sharers", "others", "CPU s"]
        lines = [_summary_line(group, rows, names, f"ndcg@{k}") for group, rows in grouped(self.rows).items()]
        return _aligned([head, *lines])


def _summary_line(group: RowGroup, rows: Sequence[Row], names: Sequence[str], apart: str) -> list[str]:
    """One line of the summary; ``apart`` is the metric that is shown for sharers and for the others."""
    spreads = [spread(rows, "metrics", name) for name in names]
    spreads += [spread(rows, "sharers", apart), spread(rows, "non_sharers", apart)]
    cpu_s = fmean(row["cpu_s"] for row in rows)
    return [*group, str(len(rows)), *map(_plus_minus, spreads), f"{cpu_s:.1f}"]


def _plus_minus(figure: Spread | None) -> str:
    if figure is None:
        return "-"
    return f"{figure.mean:.4f}" if figure.deviation is None else f"{figure.mean:.4f} +- {figure.deviation:.4f}"


def _aligned(table: Sequence[Sequence[str]]) -> str:
    """Lines of text whose columns begin below each other."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in table]
    return "\n".join(line.rstrip() for line in lines)


def _write_csv(rows: Sequence[Row], path: Path) -> None:
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(column for each in flat for column in each))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(flat)


def _flat(row: Row) -> dict[str, object]:
    """A row with one column for each figure; the metrics of the groups are called ``sharers.ndcg@20`` and so on."""
    return {
        "data": row["data"],
        "algorithm": row["algorithm"],
        "share": row["share"],
        "seed": row["seed"],
        "min_cohort": row["min_cohort"],
        **row["metrics"],
        **{f"sharers.{name}": figure for name, figure in row["sharers"].items()},
        **{f"non_sharers.{name}": figure for name, figure in row["non_sharers"].items()},
        "cpu_s": row["cpu_s"],
        "wall_s": row["wall_s"],
        "peak_mib": row["peak_mib"],
        "bytes_up_per_client": row["bytes_up_per_client"],
        "bytes_down_per_client": row["bytes_down_per_client"],
    }
