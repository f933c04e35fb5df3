"""The demo's page: one file, made from the figures alone, that loads nothing.

A reader without any knowledge of recommenders finds what was done, whether it worked and what it cost at the top; the
figures behind it follow. Sentences are put together from the figures, so they say what was found, not what was hoped.
Each part of the page is a function of the figures to markup, one file each.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from fedshare.demo.page.audit import audit_part
from fedshare.demo.page.case_study import case_study_part
from fedshare.demo.page.costs import costs_part
from fedshare.demo.page.exact import exact_part
from fedshare.demo.page.forgetting import forgetting_part
from fedshare.demo.page.formatting import source
from fedshare.demo.page.layout import done_part, footer, header, limits_part
from fedshare.demo.page.markup import Html, tag
from fedshare.demo.page.sharing import sharing_part

if TYPE_CHECKING:
    from fedshare.demo.figures import DemoFigures

__all__ = ["page"]

_PARTS = (done_part, sharing_part, forgetting_part, costs_part, exact_part, case_study_part, audit_part, limits_part)


def page(figures: DemoFigures) -> str:
    """The page as text.

    Args:
        figures: What :meth:`fedshare.demo.run.DemoResult.to_dict` gives.
    """
    style = (files(__name__) / "page.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"FedShare on {source(figures['data'])}: sharing, taking it back, and the audit"),
        tag("style", Html(style)),
    )
    body = tag("body", header(figures), tag("main", *(part(figures) for part in _PARTS)), footer(figures))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"
