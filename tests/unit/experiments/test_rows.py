"""Rows put together over seeds, worked by hand."""

from __future__ import annotations

import math

from fedshare.experiments.plot import plot_rows
from fedshare.experiments.rows import Row, RowGroup, grouped, longest_list, metric_names, spread


def row(algorithm: str, share: str, ndcg: float, non_sharers: float | None = None) -> Row:
    return {
        "data": "d",
        "algorithm": algorithm,
        "share": share,
        "seed": 0,
        "min_cohort": 2,
        "metrics": {"ndcg@5": ndcg, "ndcg@20": ndcg},
        "sharers": {"ndcg@20": ndcg},
        "non_sharers": {} if non_sharers is None else {"ndcg@20": non_sharers},
        "cpu_s": 1.0,
        "wall_s": 1.0,
        "peak_mib": None,
        "bytes_up_per_client": 0.0,
        "bytes_down_per_client": 0.0,
    }


def test_rows_are_grouped_in_the_order_of_the_first():
    rows = [row("b", "0", 0.1), row("a", "0", 0.2), row("b", "0", 0.3)]
    assert grouped(rows) == {RowGroup("d", "b", "0"): [rows[0], rows[2]], RowGroup("d", "a", "0"): [rows[1]]}


def test_the_longest_list_is_the_largest_k():
    assert metric_names([row("a", "0", 0.1)]) == ["ndcg@5", "ndcg@20"]
    assert longest_list([row("a", "0", 0.1)]) == 20
    assert longest_list([], default=7) == 7


def test_the_spread_is_that_of_the_rows_that_have_the_figure():
    rows = [row("a", "0", 0.1, 0.5), row("a", "0", 0.3), row("a", "0", 0.5)]
    mean, deviation = spread(rows, "metrics", "ndcg@20") or (0, 0)
    assert math.isclose(mean, (0.1 + 0.3 + 0.5) / 3)
    assert deviation is not None
    assert math.isclose(deviation, math.sqrt((0.2**2 + 0 + 0.2**2) / 2))
    assert spread(rows, "non_sharers", "ndcg@20") == (0.5, None)  # one seed has no deviation
    assert spread(rows, "sharers", "mrr@20") is None


def test_a_combination_that_is_missing_leaves_a_gap(tmp_path):
    plot_rows([row("a", "0", 0.1), row("a", "1", 0.2), row("b", "1", 0.3, 0.2)], tmp_path)
    assert (tmp_path / "comparison.svg").exists()
