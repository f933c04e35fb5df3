"""Charts keep their marks inside, their ticks round, and their markup escaped."""

from __future__ import annotations

import re

import pytest

from fedshare.demo.page.charts import (
    Bar,
    Dot,
    Level,
    Series,
    bar_chart,
    density_chart,
    dot_chart,
    line_chart,
    log_chart,
)
from fedshare.demo.page.charts.axis import ticks
from fedshare.demo.page.markup import Html, join, tag


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.19, 0.24, [0.19, 0.2, 0.21, 0.22, 0.23, 0.24]),
        (0, 7, [0, 2, 4, 6, 8]),
        (-3, 3, [-4, -2, 0, 2, 4]),
        (5, 5, [5]),
        (float("nan"), 1, [float("nan")]),
    ],
)
def test_ticks_are_round_and_cover_the_range(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("width", [330, 890])
def test_marks_stay_inside(width):
    lines = [Series("a <b>", "ink-1", [(0.0, 0.19), (1.0, 0.24)]), Series("b", "ink-2", [(0.0, 0.2)], dashed=True)]
    dots = [Dot("one", 0.75, "0.750", "ink-1"), Dot("two", 0.5, "0.500", "ink-2")]
    bars = [Bar("long", 20.0, "20.0 s", "ink-1"), Bar("none", 0.0, "0.00 s", "ink-2")]
    sizes = [Dot("small", 4e6, "4 MB", "ink-1"), Dot("large", 7e10, "70 GB", "ink-2")]
    charts = [
        line_chart(
            lines,
            [Level("same", 0.2), Level("as", 0.2005)],
            width=width,
            label="lines",
            x_label="x",
            y_label="y",
            x_text="{:.0%}".format,
        ),
        dot_chart(dots, width=width, label="dots", x_label="x", band=(0.45, 0.55), band_label="here", origin=0.5),
        bar_chart(bars, width=width, label="bars"),
        log_chart(sizes, width=width, label="sizes", x_text="{:g}".format),
        density_chart([0, 1, 2], [0.1, 0.9, 0.1], [0, 0, 0], width=width, top=1.0, label="density", ink="ink-1"),
    ]
    for chart in charts:
        assert "<b>" not in chart
        (box,) = re.findall(r'viewBox="([^"]+)"', chart)
        _, _, right, bottom = map(float, box.split())
        for x in re.findall(r' (?:x|cx|x1|x2)="([^"]+)"', chart):
            assert 0 <= float(x) <= right
        for y in re.findall(r' (?:y|cy|y1|y2)="([^"]+)"', chart):
            assert 0 <= float(y) <= bottom


def test_a_chart_of_one_point_is_a_chart():
    line = [Series("a", "ink-1", [(0.5, 0.2)])]
    assert "circle" in line_chart(line, [], width=300, label="one", x_label="x", y_label="y", x_text=str)
    dot = [Dot("a", 0.5, "0.5", "ink-1")]
    assert "circle" in dot_chart(dot, width=300, label="one", x_label="x", band=(0.5, 0.5), band_label="", origin=0.5)
    assert "circle" in log_chart([Dot("a", 10, "10", "ink-1")], width=300, label="one", x_text=str)
    assert "rect" in bar_chart([Bar("a", 0.0, "0", "ink-1")], width=300, label="nothing")


def test_markup_escapes_text_and_attributes():
    assert tag("p", "<i>", Html("<b>x</b>"), 1, None, ["&"], title='"') == (
        '<p title="&quot;">&lt;i&gt;<b>x</b>1&amp;</p>'
    )
    assert tag("meta", charset="utf-8", hidden=True, id=None) == '<meta charset="utf-8" hidden>'
    assert tag("rect", x=1.0, y=0.123) == '<rect x="1" y="0.12"/>'
    assert join("a<", tag("br")) == "a&lt;<br>"
