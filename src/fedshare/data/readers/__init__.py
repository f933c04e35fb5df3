"""One module per form that interactions come in, each with ``read(path, columns) -> Interactions``.

A reader finds its columns, by the names given or by the common ones, and hands them to ``columns.to_interactions``,
where ids become strings and times become seconds. Readers are imported when a file of their form is opened, since they
need polars and most of the library does not.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Columns"]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The column names that the caller gave; None means: find it."""

    user: str | None = None
    item: str | None = None
    timestamp: str | None = None
    rating: str | None = None
