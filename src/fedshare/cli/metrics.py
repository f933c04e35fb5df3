"""``--metrics``: which figures the tables show; JSON and files have all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from fedshare.errors import BadOption
from fedshare.options import shown

__all__ = ["Metrics", "parse_metrics"]

_NAMES = ("recall", "ndcg", "hr", "mrr", "precision", "map", "coverage", "novelty")

Metrics = Annotated[
    str,
    typer.Option(
        "--metrics",
        help=f"Figures that the table shows, with commas between them: one of {', '.join(_NAMES)}, then @10 or @20. "
        "JSON has all of them.",
        metavar="A,B",
    ),
]


def parse_metrics(text: str, ks: Sequence[int] = (10, 20)) -> list[str]:
    """Names of figures.

    Raises:
        BadOption: There is none, or one does not exist.
    """
    names = list(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    known = [f"{name}@{k}" for name in _NAMES for k in ks]
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        raise BadOption(
            f"metrics: got {shown(wrong[0]) if wrong else 'none'}, expected some of {', '.join(_NAMES)}, each with "
            f"{' or '.join(f'@{k}' for k in ks)} behind it, such as ndcg@20."
        )
    return names
