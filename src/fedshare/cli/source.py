"""DATA on the command line: where it is, which columns it has, what is left out, how it is split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from fedshare.errors import BadOption, EmptyData, MissingColumn
from fedshare.options import shown

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions

__all__ = [
    "DATA_HELP",
    "ItemColumn",
    "KCore",
    "MinRating",
    "Parts",
    "RatingColumn",
    "SplitKind",
    "TestFraction",
    "TimestampColumn",
    "UserColumn",
    "read",
    "split",
]

_PANEL = "Data"
DATA_HELP = "'online-retail', which is embedded, or the path of a file or folder."

UserColumn = Annotated[str | None, typer.Option("--user", help="Column of user ids.", rich_help_panel=_PANEL)]
ItemColumn = Annotated[str | None, typer.Option("--item", help="Column of item ids.", rich_help_panel=_PANEL)]
TimestampColumn = Annotated[str | None, typer.Option("--timestamp", help="Column of times.", rich_help_panel=_PANEL)]
RatingColumn = Annotated[str | None, typer.Option("--rating", help="Column of ratings.", rich_help_panel=_PANEL)]
MinRating = Annotated[
    float | None, typer.Option("--min-rating", help="Keep pairs rated so or higher.", rich_help_panel=_PANEL)
]
KCore = Annotated[
    int | None,
    typer.Option(
        "--k-core", help="Keep users and items with so many pairs at least.", rich_help_panel=_PANEL, metavar="N"
    ),
]
SplitKind = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="What is held out for testing: time (each person's latest fifth), at (the latest fifth of all pairs, one "
        "cut for everybody), at:TIME (all from that time on, such as at:2011-11-01), last (each person's latest pair), "
        "random (a tenth of all pairs), canonical (the data's own split) or none. Without: canonical if the data has "
        "one, else time if it has times, else random.",
        rich_help_panel=_PANEL,
        metavar="time|at[:TIME]|last|random|canonical|none",
    ),
]
TestFraction = Annotated[
    float | None,
    typer.Option(
        "--test-fraction",
        help="How much the splits time, at and random hold out, above 0 and below 1.",
        show_default="0.2, random 0.1",
        rich_help_panel=_PANEL,
        metavar="FRACTION",
    ),
]


class Parts(NamedTuple):
    """What is there to train on, and what is held out."""

    known: Interactions
    test: Interactions | None
    "None with ``--split none``."
    kind: str


def read(
    data: str,
    *,
    user: str | None = None,
    item: str | None = None,
    timestamp: str | None = None,
    rating: str | None = None,
    min_rating: float | None = None,
    k_core: int | None = None,
) -> Interactions:
    """The interactions that DATA and its options name."""
    from fedshare.data import filters
    from fedshare.data.load import load

    interactions = load(data, user=user, item=item, timestamp=timestamp, rating=rating, min_rating=min_rating)
    return interactions if k_core is None else filters.k_core(interactions, k_core)


def split(interactions: Interactions, kind: str | None, seed: int, test_fraction: float | None = None) -> Parts:
    """Known and test pairs; a function of the pairs, the kind, the seed and the fraction.

    Raises:
        BadOption: No such kind, or a fraction with a kind that has none.
        MissingColumn: The data has no times, or no split of its own.
        EmptyData: Nothing is held out.
    """
    from fedshare.data import splits

    name, _, time = (kind or _default_kind(interactions)).partition(":")
    fraction = {} if test_fraction is None else {"test_fraction": test_fraction}
    made = {
        "time": lambda: splits.split_by_time(interactions, seed=seed, **fraction),
        "at": lambda: splits.split_at_time(interactions, time or None, **fraction),
        "last": lambda: splits.leave_last_out(interactions, seed=seed),
        "random": lambda: splits.random_split(interactions, seed=seed, **fraction),
        "canonical": lambda: splits.canonical_split(interactions),
    }
    if name not in (*made, "none") or (time and name != "at"):
        raise BadOption(f"split: got {shown(kind)}, expected one of {', '.join(made)} or none, or at:TIME.")
    if fraction and (time or name not in ("time", "at", "random")):
        raise BadOption(
            f"test_fraction: got {test_fraction} with the split '{kind or name}', which has no fraction; expected it "
            "with --split time, at or random. Leave --test-fraction out, or choose one of these."
        )
    if name == "none":
        return Parts(interactions.without_split(), None, name)
    try:
        known, test = made[name]()
    except MissingColumn:
        if name == "canonical":
            raise MissingColumn(
                f"split: got canonical, but '{interactions.name}' comes without a split of its own; expected a column "
                "'split' with 'train' and 'test'. Use --split time, last or random."
            ) from None
        raise MissingColumn(
            f"split: '{interactions.name}' has no times (or not for every pair), which --split {name} needs. Name "
            "their column with --timestamp, or use --split random."
        ) from None
    if not len(test):
        raise EmptyData(
            f"'{interactions.name}': split '{name}' holds nothing out, since no user has pairs enough; expected at "
            "least one test pair. Choose another --split, or --split none to train without a test."
        )
    return Parts(known, test, kind or name)


def _default_kind(interactions: Interactions) -> str:
    """The kind of ``fedshare.default_split``."""
    if interactions.split is not None:
        return "canonical"
    return "random" if interactions.timestamp is None else "time"
