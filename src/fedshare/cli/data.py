"""``fedshare data``: what is in a data set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedshare.cli import source
from fedshare.cli.console import Json, Output, Quiet, Threads, table
from fedshare.data.readers.options import ROLES
from fedshare.errors import EmptyData

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions

__all__ = ["data"]

_LICENCES = {
    "online-retail": "Online Retail, Daqing Chen (2015), UCI Machine Learning Repository, "
    "https://doi.org/10.24432/C5BW33, CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/). Changed: filtered to "
    "positive purchases of catalogue items and aggregated per customer and item."
}


@source.with_loading
def data(
    data: Annotated[str, typer.Argument(metavar="DATA", help=source.DATA_HELP)],
    loading: source.Loading = source.Loading(),  # noqa: B008 -- with_loading puts the flags there
    split: source.SplitKind = None,
    test_fraction: source.TestFraction = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the split.")] = 0,
    threads: Threads = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show how a data set was read, and its users, items, pairs, times and split.

    What was understood comes first: form, encoding, separator, and which column plays which role. Notes say what was
    left out and what may be otherwise than it looks.
    """
    out = Output(as_json, quiet, threads)
    with out.progress(f"Reading {data}"):
        interactions = source.read(data, loading)
        parts = _split(interactions, split, seed, test_fraction)
    content = _content(interactions, parts)
    licence = _LICENCES.get(data)
    out.result(content | {"licence": licence}, *_text(content), *([f"licence: {licence}"] if licence else []))


def _split(interactions: Interactions, kind: str | None, seed: int, test_fraction: float | None) -> source.Parts:
    """The split that was asked for; where none was, data too thin for one is shown nevertheless."""
    try:
        return source.split(interactions, kind, seed, test_fraction)
    except EmptyData:
        if kind is not None:
            raise
        return source.split(interactions, "none", seed)


def _content(interactions: Interactions, parts: source.Parts) -> dict[str, Any]:
    per_user, per_item = interactions.user_degree(), interactions.item_degree()
    times = interactions.timestamp
    return {
        "data": interactions.name,
        "n_users": interactions.n_users,
        "n_items": interactions.n_items,
        "n_pairs": interactions.n_pairs,
        "n_merged": interactions.n_merged,
        "n_titles": len(interactions.titles),
        "n_categories": len(set(interactions.categories.values())),
        "n_gifts": None if interactions.gift is None else int(interactions.gift.sum()),
        "density": interactions.density,
        "pairs_per_user": {"min": per_user.min(), "mean": float(per_user.mean()), "max": per_user.max()},
        "pairs_per_item": {"min": per_item.min(), "mean": float(per_item.mean()), "max": per_item.max()},
        "time_range": None if times is None else {"first": _moment(times.min()), "last": _moment(times.max())},
        "has_ratings": interactions.rating is not None,
        "split": {
            "kind": parts.kind,
            "n_known": parts.known.n_pairs,
            "n_test": 0 if parts.test is None else parts.test.n_pairs,
            "n_test_users": 0 if parts.test is None else int((parts.test.user_degree() > 0).sum()),
        },
        "reading": dict(interactions.reading),
        "notes": source.notes_of(interactions),
    }


def _text(content: dict[str, Any]) -> list[Any]:
    split, times = content["split"], content["time_range"]
    rows = [
        ("users", content["n_users"]),
        ("items", content["n_items"]),
        ("items with a title", content["n_titles"]),
        *([("categories", content["n_categories"])] if content["n_categories"] else []),
        ("pairs", content["n_pairs"]),
        *([("gifts", content["n_gifts"])] if content["n_gifts"] is not None else []),
        ("repeated rows merged", content["n_merged"]),
        ("density", f"{content['density']:.4%}"),
        *((f"pairs per {kind}", _spread(content[f"pairs_per_{kind}"])) for kind in ("user", "item")),
        ("time", "no times" if times is None else f"{times['first']} to {times['last']}"),
        ("ratings", "yes" if content["has_ratings"] else "no"),
        ("split", f"{split['kind']}: {split['n_known']:,} known, {split['n_test']:,} test"),
        ("users with test pairs", split["n_test_users"]),
    ]
    read = [(f"column of {each}s" if each in ROLES else each, how) for each, how in content["reading"].items()]
    name = content["data"] or "data"
    return [
        table((f"{name}, as read", ""), read),
        table((name, ""), rows),
        *(f"note: {note}" for note in content["notes"]),
    ]


def _spread(numbers: dict[str, Any]) -> str:
    return f"{numbers['min']:,} to {numbers['max']:,}, mean {numbers['mean']:.1f}"


def _moment(timestamp: Any) -> str:
    return datetime.fromtimestamp(int(timestamp), UTC).isoformat().replace("+00:00", "Z")
