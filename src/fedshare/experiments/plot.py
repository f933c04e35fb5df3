"""A comparison as a picture: quality against what is shared, one panel for each data set, one line for each algorithm.

Points are means over the seeds, error bars standard deviations. Where some users share and some do not, those who share
nothing are drawn dashed. Colours are those of Okabe and Ito, which people with colour blindness can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from fedshare.errors import BadOption
from fedshare.experiments.rows import Row, RowGroup, Spread, grouped, longest_list, spread
from fedshare.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_rows"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#4d4d4d")
_APART = "people who share nothing"
_MARKERS = "osD^vP*"
_STYLE: dict[Any, Any] = {  # matplotlib wants a mapping of its own Literal of 300 names
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


class _Look(TypedDict, total=False):
    """How a line is drawn."""

    color: str
    marker: str
    linestyle: str
    alpha: float
    markerfacecolor: str


def plot_rows(rows: Sequence[Row], folder: Path) -> None:
    """Write ``comparison.svg`` and ``comparison.png``.

    Args:
        rows: At least one.
        folder: Where to.

    Raises:
        BadOption: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise BadOption(
            "plot: matplotlib is not installed, expected it for pictures. Run: pip install 'fedshare[plots]'."
        ) from None
    with matplotlib.rc_context(_STYLE):
        figure = _draw(rows)
        with atomic_file(folder / "comparison.svg") as draft:
            figure.savefig(draft, format="svg", metadata={"Date": None})
        with atomic_file(folder / "comparison.png") as draft:
            figure.savefig(draft, format="png", dpi=160)


def _draw(rows: Sequence[Row]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    k, groups = longest_list(rows), grouped(rows)
    names = list(dict.fromkeys(group.data for group in groups))
    figure = Figure(figsize=(max(5.0, 4.4 * len(names)), 3.9), layout="constrained")
    FigureCanvasAgg(figure)  # pictures are files: no window system is asked for
    axes: list[Axes] = list(figure.subplots(1, len(names), squeeze=False)[0])
    for axis, name in zip(axes, names, strict=True):
        _panel(axis, groups, name, f"ndcg@{k}")
    axes[0].set_ylabel(f"NDCG@{k}")
    _legend(figure, axes, any(_are_apart(each) for each in groups.values()))
    return figure


def _legend(figure: Figure, axes: Sequence[Axes], apart: bool) -> None:
    """One legend for all panels: each algorithm once, and the dashed line if some panel may have one."""
    from matplotlib.lines import Line2D

    handles = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
        if label != _APART
    }
    if apart:
        handles[_APART] = Line2D([], [], color="#4d4d4d", linestyle="--", marker="o", markerfacecolor="white")
    columns = 3 * len(axes)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns, frameon=False)


def _panel(axis: Axes, groups: Mapping[RowGroup, Sequence[Row]], data: str, metric: str) -> None:
    """One data set: for each algorithm a line over the shares, and a dashed one for users who share nothing."""
    shares = list(dict.fromkeys(group.share for group in groups if group.data == data))
    algorithms = list(dict.fromkeys(group.algorithm for group in groups if group.data == data))
    for index, algorithm in enumerate(algorithms):
        rows = [groups.get(RowGroup(data, algorithm, share), []) for share in shares]
        look: _Look = {"color": _COLOURS[index % len(_COLOURS)], "marker": _MARKERS[index % len(_MARKERS)]}
        shift = 0.06 * (index - (len(algorithms) - 1) / 2)  # error bars beside each other
        _line(axis, [spread(each, "metrics", metric) for each in rows], shift, algorithm, look)
        apart = [spread(each, "non_sharers", metric) if _are_apart(each) else None for each in rows]
        look |= {"linestyle": "--", "alpha": 0.75, "markerfacecolor": "white"}
        _line(axis, apart, shift, _APART, look)
    axis.set_xticks(range(len(shares)), [_short(share) for share in shares])
    axis.set_xlabel("shared")
    axis.set_title(data)


def _line(axis: Axes, figures: Sequence[Spread | None], shift: float, label: str, look: _Look) -> None:
    there = [(place + shift, *figure) for place, figure in enumerate(figures) if figure is not None]
    if there:
        x, mean, deviation = zip(*there, strict=True)
        error = None if None in deviation else deviation  # one seed has no deviation
        axis.errorbar(x, mean, yerr=error, label=label, capsize=3, markersize=5, linewidth=1.6, **look)


def _are_apart(rows: Sequence[Row]) -> bool:
    """Whether some users share and some do not."""
    return any(row["sharers"] and row["non_sharers"] for row in rows)


def _short(share: str) -> str:
    return share if len(share) <= 14 else f"{share[:13]}\N{HORIZONTAL ELLIPSIS}"
