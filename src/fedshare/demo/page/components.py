"""What parts of the page are built of: sections, boxes around charts, legends, tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fedshare.demo.page.charts import Bar, Dot
from fedshare.demo.page.markup import Child, Html, join, tag

__all__ = ["box", "details", "keys", "read_out", "section", "sized", "table"]

_WIDE, _NARROW = 890, 330


def section(title: str, *children: Child) -> Html:
    """A part of the page."""
    return tag("section", tag("div", tag("h2", title), *children, class_="inside"))


def box(title: str, text: str, *children: Child) -> Html:
    """A figure with its caption above it."""
    return tag("figure", tag("figcaption", title, tag("span", text)), *children)


def sized(draw: Callable[[int], Html], wide: int = _WIDE) -> Html:
    """A chart for wide screens and one for narrow ones; the style shows one of them."""
    return join(tag("div", draw(wide), class_="wide"), tag("div", draw(_NARROW), class_="narrow"))


def keys(entries: Sequence[tuple[str, str, bool | None]]) -> Html:
    """A legend: (label, colour, dashed); None for an area instead of a line."""

    def sample(ink: str, dashed: bool | None) -> Html:
        if dashed is None:
            return tag("rect", x=0, y=0, width=28, height=12, rx=2, class_=f"area {ink}")
        return tag("line", x1=1, x2=27, y1=6, y2=6, class_=f"line {ink}", stroke_dasharray="6 5" if dashed else None)

    return tag(
        "ul",
        *(
            tag("li", tag("svg", sample(ink, dashed), view_box="0 0 28 12", aria_hidden="true"), label)
            for label, ink, dashed in entries
        ),
        class_="keys",
    )


def details(title: str, inside: Html) -> Html:
    """Something that opens when asked."""
    return tag("details", tag("summary", title), tag("div", inside, class_="scroll"))


def table(head: Sequence[str], rows: Sequence[Sequence[Child] | str]) -> Html:
    """A table whose first column names the row; a row that is a text is a heading over the rows below it."""
    written: list[Html] = []
    for row in rows:
        if isinstance(row, str):
            written.append(tag("tr", tag("th", row, colspan=len(head), scope="rowgroup"), class_="group"))
            continue
        cells = [tag("td", cell, class_="n") for cell in row[1:]]
        written.append(tag("tr", tag("th", row[0], scope="row"), *cells))
    titles = [tag("th", name, scope="col", class_="n") if index else tag("td", name) for index, name in enumerate(head)]
    return tag("table", tag("thead", tag("tr", *titles)), tag("tbody", *written))


def read_out(what: str, marks: Sequence[Bar] | Sequence[Dot]) -> str:
    """What a chart of single figures says, for readers who cannot see it."""
    return f"{what}: " + ", ".join(f"{mark.label} {mark.text}" for mark in marks)
