"""What sharing is worth: quality by how many people share, sharers and others apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from fedshare.demo.page.charts import Bar, Level, Series, bar_chart, line_chart
from fedshare.demo.page.components import box, details, keys, read_out, section, sized, table
from fedshare.demo.page.formatting import NOTHING, figure
from fedshare.demo.page.markup import Child, Html, tag

__all__ = ["sharing_part"]

_RECALL, _NDCG = "recall@20", "ndcg@20"


def sharing_part(figures: Mapping[str, Any]) -> Html:
    """A sentence, the curve, the models to compare with, and all of it as a table."""
    points, references = figures["curve"]["points"], figures["curve"]["references"]
    return section(
        "What sharing is worth",
        tag("p", _worth(points)),
        _curve(points, references),
        _bars(points, references),
    )


def _curve(points: Sequence[Mapping[str, Any]], references: Sequence[Mapping[str, Any]]) -> Html:
    groups = (
        ("sharers", "people who share all their purchases", "ink-1", False),
        ("non_sharers", "people who share nothing", "ink-2", True),
    )
    lines = [
        Series(label, ink, [(point["share"], point[group][_RECALL]) for point in points if point[group]], dashed)
        for group, label, ink, dashed in groups
    ]
    lines = [line for line in lines if line.points]
    values = [y for line in lines for _, y in line.points]
    low = min(values) - 0.5 * max(max(values) - min(values), 0.02)  # a level far below would flatten the curve
    levels = [
        Level(f"{each['label']}, sees everything: {each['metrics'][_RECALL]:.3f}", each["metrics"][_RECALL])
        for each in references
        if low <= each["metrics"][_RECALL] <= max(values) * 1.05
    ]
    read = ". ".join(
        f"{line.label}: " + ", ".join(f"{y:.3f} when {x:.0%} of the people share" for x, y in line.points)
        for line in lines
    )

    def draw(width: int) -> Html:
        return line_chart(
            lines,
            levels,
            width=width,
            label=f"Recall at 20 by the part of the people who share. {read}",
            x_label="part of the people who share",
            y_label="Recall@20",
            x_text=lambda x: f"{x:.0%}",
        )

    return box(
        "Quality of recommendations by how many people share",
        "Recall@20: of what people bought next, the part that stood among their first 20 recommendations. The axis "
        "does not begin at 0; that of the bars below does.",
        keys([(line.label, line.ink, line.dashed) for line in lines]),
        sized(draw),
        details("The figures", _figures(points, references)),
    )


def _bars(points: Sequence[Mapping[str, Any]], references: Sequence[Mapping[str, Any]]) -> Html:
    bars = [Bar(each["label"], *_length(each), "ink-grey") for each in references]
    bars += [Bar(_share_label(point["share"]), *_length(point), "ink-1") for point in points]
    return box(
        "The same on a scale from 0, with models to compare with",
        "Recall@20 over everybody. Grey: models that see everybody's purchases, whatever people chose. Nobody sharing "
        "is plain federated matrix factorisation (FedMF).",
        sized(lambda width: bar_chart(bars, width=width, label=read_out("Recall at 20", bars))),
    )


def _figures(points: Sequence[Mapping[str, Any]], references: Sequence[Mapping[str, Any]]) -> Html:
    head = ["people who share"]
    head += [f"{name}, {group}" for group in ("all", "sharers", "others") for name in ("Recall@20", "NDCG@20")]
    rows: list[Sequence[Child] | str] = [
        [
            f"{point['share']:.0%}",
            *(
                figure((point[group] or {}).get(name), 4)
                for group in ("metrics", "sharers", "non_sharers")
                for name in (_RECALL, _NDCG)
            ),
        ]
        for point in points
    ]
    rows += [
        [each["label"], *(figure(each["metrics"][name], 4) for name in (_RECALL, _NDCG)), *[NOTHING] * 4]
        for each in references
    ]
    return table(head, rows)


def _worth(points: Sequence[Mapping[str, Any]]) -> str:
    """What sharing gains, in a few sentences."""
    none, most = points[0]["metrics"][_RECALL], points[-1]["metrics"][_RECALL]
    said = [
        f"When nobody shares, {none:.1%} of what people buy next stands among their first 20 recommendations; when "
        f"everybody does, {most:.1%}" + (f" ({most / none - 1:+.0%})" if none else "")
    ]
    mixed = [point for point in points if point["sharers"] and point["non_sharers"]]
    if mixed:
        share, quiet = mixed[-1]["share"], mixed[-1]["non_sharers"][_RECALL]
        effect = "gain as well" if quiet > none * 1.01 else "lose nothing" if quiet >= none * 0.99 else "lose by it"
        said.append(
            f"People who share nothing {effect}: when {share:.0%} of the people share, the others find {quiet:.1%}"
        )
    falls = [b["share"] for a, b in pairwise(points) if b["metrics"][_RECALL] < a["metrics"][_RECALL] * 0.99]
    if falls:
        said.append(f"On the way, quality falls by more than 1% at {', '.join(f'{share:.0%}' for share in falls)}")
    return ". ".join(said) + "."


def _length(measured: Mapping[str, Any]) -> tuple[float, str]:
    return measured["metrics"][_RECALL], figure(measured["metrics"][_RECALL])


def _share_label(share: float) -> str:
    if share == 0:
        return "FedShare, nobody shares (FedMF)"
    return "FedShare, everybody shares" if share == 1 else f"FedShare, {share:.0%} of the people share"
