"""A comparison as a picture: quality against what is shared, one panel for each data set, one line for each algorithm.

Means over the seeds; error bars are standard deviations. Where people who share and people who do not are apart, those
who share nothing are drawn dashed. Colours are those of Okabe and Ito, which the colour-blind can tell apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedshare.errors import BadOption
from fedshare.experiments.compare import Comparison, mean_and_deviation
from fedshare.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_comparison"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#4d4d4d")
_APART = "people who share nothing"
_MARKERS = "osD^vP*"
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e3e3e3",
    "axes.axisbelow": True,
    "svg.hashsalt": "fedshare",
    "svg.fonttype": "none",
}


def plot_comparison(comparison: Comparison, folder: Path) -> None:
    """Write ``comparison.svg`` and ``comparison.png``.

    Args:
        comparison: At least one row.
        folder: Where to.

    Raises:
        BadOption: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
    except ImportError:
        raise BadOption(
            "plot: matplotlib is not installed, expected it for pictures. Run: pip install 'fedshare[plots]'."
        ) from None
    names = list(dict.fromkeys(row["data"] for row in comparison.rows))
    k = max(int(name.rpartition("@")[2]) for name in comparison.metric_names())
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(max(5.0, 4.4 * len(names)), 3.9), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, len(names), squeeze=False)[0]
        for axis, name in zip(axes, names, strict=True):
            _panel(axis, comparison, name, f"ndcg@{k}")
        axes[0].set_ylabel(f"NDCG@{k}")
        handles = {
            label: handle
            for axis in axes
            for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
            if label != _APART
        }
        if any(_are_apart(rows) for rows in comparison.groups().values()):
            handles[_APART] = Line2D([], [], color="#4d4d4d", linestyle="--", marker="o", markerfacecolor="white")
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3 * len(names), frameon=False)
        with atomic_file(folder / "comparison.svg") as draft:
            figure.savefig(draft, format="svg", metadata={"Date": None})
        with atomic_file(folder / "comparison.png") as draft:
            figure.savefig(draft, format="png", dpi=160)


def _panel(axis: Axes, comparison: Comparison, data: str, metric: str) -> None:
    groups = comparison.groups()
    shares = list(dict.fromkeys(share for name, _, share in groups if name == data))
    algorithms = list(dict.fromkeys(algorithm for name, algorithm, _ in groups if name == data))
    for index, algorithm in enumerate(algorithms):
        rows = {share: groups[data, algorithm, share] for share in shares}
        look: dict[str, Any] = {"color": _COLOURS[index % len(_COLOURS)], "marker": _MARKERS[index % len(_MARKERS)]}
        shift = 0.06 * (index - (len(algorithms) - 1) / 2)  # error bars beside each other
        _line(axis, [mean_and_deviation(rows[share], "metrics", metric) for share in shares], shift, algorithm, look)
        apart = [
            mean_and_deviation(rows[share], "non_sharers", metric) if _are_apart(rows[share]) else None
            for share in shares
        ]
        look |= {"linestyle": "--", "alpha": 0.75, "markerfacecolor": "white"}
        _line(axis, apart, shift, _APART, look)
    axis.set_xticks(range(len(shares)), [_short(share) for share in shares])
    axis.set_xlabel("shared")
    axis.set_title(data)


def _line(
    axis: Axes, figures: list[tuple[float, float] | None], shift: float, label: str, look: dict[str, Any]
) -> None:
    there = [(place + shift, *figure) for place, figure in enumerate(figures) if figure is not None]
    if not there:
        return
    x, mean, deviation = zip(*there, strict=True)
    axis.errorbar(x, mean, yerr=deviation, label=label, capsize=3, markersize=5, linewidth=1.6, **look)


def _are_apart(rows: list[dict[str, Any]]) -> bool:
    """Whether some people share and some do not."""
    return any(row["sharers"] and row["non_sharers"] for row in rows)


def _short(share: str) -> str:
    return share if len(share) <= 14 else f"{share[:13]}\N{HORIZONTAL ELLIPSIS}"
