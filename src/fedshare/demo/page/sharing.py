"""What sharing is worth: quality by how many people share, sharers and others apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from fedshare.demo.page.charts import Bar, Level, Series, bar_chart, line_chart
from fedshare.demo.page.components import box, details, keys, read_out, section, sized, table
from fedshare.demo.page.formatting import NOTHING, figure
from fedshare.demo.page.markup import Child, Html, tag

if TYPE_CHECKING:
    from fedshare.demo.figures import CurvePoint, DemoFigures, MetricsAt20, ReferenceFigures

__all__ = ["sharing_part"]

_GROUPS: tuple[tuple[Literal["sharers", "non_sharers"], str, str, bool], ...] = (
    ("sharers", "people who share all their purchases", "ink-1", False),
    ("non_sharers", "people who share nothing", "ink-2", True),
)
_HEAD = (
    "people who share",
    *(f"{name}, {group}" for group in ("all", "sharers", "others") for name in ("Recall@20", "NDCG@20")),
)


def sharing_part(figures: DemoFigures) -> Html:
    """A sentence, the curve, the models to compare with, and all of it as a table."""
    points, references = figures["curve"]["points"], figures["curve"]["references"]
    return section(
        "What sharing is worth",
        tag("p", _worth(points)),
        _curve(points, references),
        _bars(points, references),
    )


def _curve(points: Sequence[CurvePoint], references: Sequence[ReferenceFigures]) -> Html:
    lines = _lines(points)
    levels = _levels(lines, references)

    def draw(width: int) -> Html:
        return line_chart(
            lines,
            levels,
            width=width,
            label=f"Recall at 20 by the fraction of people who share. {_read_lines(lines)}",
            x_label="fraction of people who share",
            y_label="Recall@20",
            x_text=lambda x: f"{x:.0%}",
        )

    return box(
        "Quality of recommendations by how many people share",
        "Recall@20: the fraction of the products people bought next that was among their first 20 recommendations. "
        "This axis does not begin at 0. The axis of the bars below does.",
        keys([(line.label, line.ink, line.dashed) for line in lines]),
        sized(draw),
        details("The figures", _table(points, references)),
    )


def _lines(points: Sequence[CurvePoint]) -> list[Series]:
    """Recall of who shares and of who does not, each where there is somebody like that."""
    lines = [
        Series(label, ink, [(point["share"], group["recall@20"]) for point in points if (group := point[name])], dashed)
        for name, label, ink, dashed in _GROUPS
    ]
    return [line for line in lines if line.points]


def _levels(lines: Sequence[Series], references: Sequence[ReferenceFigures]) -> list[Level]:
    """The references that lie near the lines; one far below would flatten the curve."""
    values = [y for line in lines for _, y in line.points]
    low = min(values) - 0.5 * max(max(values) - min(values), 0.02)
    recalls = [(each["label"], each["metrics"]["recall@20"]) for each in references]
    return [
        Level(f"{label}, sees everything: {recall:.3f}", recall)
        for label, recall in recalls
        if low <= recall <= max(values) * 1.05
    ]


def _read_lines(lines: Sequence[Series]) -> str:
    return ". ".join(
        f"{line.label}: " + ", ".join(f"{y:.3f} when {x:.0%} of the people share" for x, y in line.points)
        for line in lines
    )


def _bars(points: Sequence[CurvePoint], references: Sequence[ReferenceFigures]) -> Html:
    bars = [_bar(each["label"], each["metrics"], "ink-grey") for each in references]
    bars += [_bar(_share_label(point["share"]), point["metrics"], "ink-1") for point in points]
    return box(
        "The same on a scale from 0, beside other models",
        "Recall@20, mean over everybody. Grey: models that see everybody's purchases, whatever people chose. When "
        "nobody shares, FedShare is plain federated matrix factorisation (FedMF).",
        sized(lambda width: bar_chart(bars, width=width, label=read_out("Recall at 20", bars))),
    )


def _bar(label: str, metrics: MetricsAt20, ink: str) -> Bar:
    return Bar(label, metrics["recall@20"], figure(metrics["recall@20"]), ink)


def _share_label(share: float) -> str:
    if share == 0:
        return "FedShare, nobody shares (FedMF)"
    return "FedShare, everybody shares" if share == 1 else f"FedShare, {share:.0%} of the people share"


def _table(points: Sequence[CurvePoint], references: Sequence[ReferenceFigures]) -> Html:
    rows: list[Sequence[Child]] = []
    for point in points:
        groups = (point["metrics"], point["sharers"], point["non_sharers"])
        rows.append([f"{point['share']:.0%}", *(cell for group in groups for cell in _cells(group))])
    rows += [[each["label"], *_cells(each["metrics"]), *[NOTHING] * 4] for each in references]
    return table(_HEAD, rows)


def _cells(metrics: MetricsAt20 | None) -> tuple[str, str]:
    return (figure(metrics["recall@20"], 4), figure(metrics["ndcg@20"], 4)) if metrics else (NOTHING, NOTHING)


def _worth(points: Sequence[CurvePoint]) -> str:
    """What sharing gains, in a few sentences."""
    return ". ".join([_gain(points), *_gain_of_others(points), *_falls(points)]) + "."


def _gain(points: Sequence[CurvePoint]) -> str:
    none, most = points[0]["metrics"]["recall@20"], points[-1]["metrics"]["recall@20"]
    change = f" ({most / none - 1:+.0%})" if none else ""
    return (
        f"When nobody shares, {none:.1%} of the products people buy next are among their first 20 recommendations. "
        f"When everybody shares, it is {most:.1%}{change}"
    )


def _gain_of_others(points: Sequence[CurvePoint]) -> list[str]:
    """What those who share nothing have of it, where most of the others share."""
    none = points[0]["metrics"]["recall@20"]
    mixed = [(point["share"], point["non_sharers"]) for point in points if point["sharers"]]
    found = [(share, others["recall@20"]) for share, others in mixed if others]
    if not found:
        return []
    share, recall = found[-1]
    effect = "gain as well" if recall > none * 1.01 else "lose nothing" if recall >= none * 0.99 else "lose by it"
    return [f"People who share nothing {effect}: when {share:.0%} of the people share, the others reach {recall:.1%}"]


def _falls(points: Sequence[CurvePoint]) -> list[str]:
    """Where quality falls although more people share."""
    recalls = [(point["share"], point["metrics"]["recall@20"]) for point in points]
    falls = [f"{share:.0%}" for (_, before), (share, recall) in pairwise(recalls) if recall < before * 0.99]
    return [f"On the way, quality falls by more than 1% at {', '.join(falls)}"] if falls else []
