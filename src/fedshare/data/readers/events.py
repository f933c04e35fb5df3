"""Kinds of events: views, carts and purchases are not the same, and taking something out of a cart is no interest.

``events`` chooses kinds, or gives each a weight, which becomes the rating of the pair: that of its strongest event.
Where nothing was chosen, all kinds count alike except those that take something back, and that is warned of.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from fedshare.data.readers.names import NEGATIVE_EVENTS
from fedshare.data.readers.notes import Notes
from fedshare.data.readers.values import texts
from fedshare.data.readers.wording import listed, place, shown
from fedshare.errors import BadOption

__all__ = ["EventRows", "event_rows"]

_MOST_KINDS = 100
EventRows = tuple[pl.Series, pl.Series | None]
"Which rows are read, and their weights, if weights were given."


def event_rows(
    column: pl.Series, chosen: Mapping[str, float] | None, named: bool, label: str, notes: Notes
) -> EventRows | None:
    """Which rows to read; None where the column has no kinds of events after all.

    Args:
        column: The kind of each row.
        chosen: Each kind that is wanted, in lower case, with its weight; None where nobody said.
        named: Whether the caller named the column.
        label: The source, for messages.
        notes: Where to put what was noticed.

    Raises:
        BadOption: A kind was chosen that does not occur.
    """
    kinds = texts(column).str.to_lowercase()
    counts = kinds.drop_nulls().value_counts(sort=True)
    present: dict[str, int] = dict(zip(counts[column.name].to_list(), counts["count"].to_list(), strict=True))
    if len(present) > _MOST_KINDS or (not named and chosen is None and not kinds.str.contains(r"\p{L}").any()):
        if named or chosen is not None:
            raise BadOption(
                f"{place(label)}: column {shown(column.name)} holds {len(present):,} different values, expected at "
                f"most {_MOST_KINDS} kinds of events. Name another column: `event='NAME'`."
            )
        return None
    if chosen is None:
        return _unchosen(kinds, present, column.name, notes)
    unknown = [kind for kind in chosen if kind not in present]
    if unknown:
        raise BadOption(
            f"{place(label)}: events: got {listed(unknown, 4)}, expected kinds of column {shown(column.name)}: "
            f"{listed(present, 8)}."
        )
    wanted = {kind: weight for kind, weight in chosen.items() if weight > 0}
    rows = kinds.is_in(list(wanted)).fill_null(False)
    left = len(rows) - int(rows.sum())
    rest = f"; {left:,} rows of others left out" if left else ""
    notes.say(f"read the events {', '.join(f'{kind} ({present[kind]:,})' for kind in wanted)}{rest}")
    if len(set(wanted.values())) <= 1:
        return rows, None
    return rows, kinds.replace_strict(list(wanted), list(wanted.values()), default=0.0, return_dtype=pl.Float64)


def _unchosen(kinds: pl.Series, present: Mapping[str, int], name: str, notes: Notes) -> EventRows:
    back = [kind for kind in present if kind.replace("-", "_").replace(" ", "_").split("_")[0] in NEGATIVE_EVENTS]
    if len(back) == len(present):
        back = []
    rows = ~kinds.is_in(back).fill_null(False)
    counted = ", ".join(
        f"{shown(kind, 30)[1:-1]} ({count:,})" for kind, count in list(present.items())[:8] if kind not in back
    )
    if len(present) > 1:
        left = f", and {listed(back, 4)} ({int((~rows).sum()):,}) are left out" if back else ""
        choice = repr([max(present, key=lambda kind: (_wish(kind), present[kind]))])
        notes.warn(
            f"column {shown(name)} has events of several kinds; they count alike: {counted}{left}. Choose kinds, "
            f"`events={choice}`, or weigh them."
        )
    return rows, None


def _wish(kind: str) -> bool:
    """Whether people mostly want to recommend by this kind."""
    return any(word in kind for word in ("purchase", "buy", "transaction", "order"))
