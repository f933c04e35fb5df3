"""HTML and SVG as nested calls. Whatever is not markup already is escaped: a product title cannot become a tag.

>>> tag("p", "Tea & ", tag("b", "milk"), class_="note")
'<p class="note">Tea &amp; <b>milk</b></p>'
"""

from __future__ import annotations

import html
from collections.abc import Iterable

__all__ = ["Child", "Html", "join", "tag"]

_VOID = frozenset({"meta", "br", "hr", "link", "line", "rect", "circle", "path", "polyline", "polygon"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]
"What may stand inside a tag; text is escaped, None is nothing, numbers are written as Python does."


def tag(element: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Html:
    """One element.

    Args:
        element: Its name.
        children: Text, which is escaped, or markup, or several of both.
        attributes: ``class_`` is ``class``, ``stroke_width`` is ``stroke-width``, a ``view_box`` is a ``viewBox``;
            None and False leave the attribute out, True writes its name alone.
    """
    parts = [element]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = "viewBox" if key == "view_box" else key.rstrip("_").replace("_", "-")
        parts.append(label if value is True else f'{label}="{html.escape(_text(value))}"')
    opening = " ".join(parts)
    inside = join(*children)
    if element in _VOID and not inside:
        return Html(f"<{opening}>" if element in {"meta", "br", "hr", "link"} else f"<{opening}/>")
    return Html(f"<{opening}>{inside}</{element}>")


def join(*children: Child) -> Html:
    """Children one after the other, text escaped."""
    written: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            written.append(child)
        elif isinstance(child, str | int | float):
            written.append(html.escape(_text(child)))
        else:
            written.append(join(*child))
    return Html("".join(written))


def _text(value: str | int | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
