"""DATA on the command line: where it is, how it is written, what is left out, how it is split.

Commands that read DATA take one parameter ``loading`` and are decorated with ``with_loading``, which gives them all
flags of this file. Messages of the readers name options as Python writes them; ``in_flags`` turns these into flags, so
that advice is something that one can type.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import shlex
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints

import typer

from fedshare.errors import BadOption, DataWarning, EmptyData, FedShareError, MissingColumn
from fedshare.options import shown

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions

__all__ = [
    "DATA_HELP",
    "Loading",
    "Parts",
    "SplitKind",
    "TestFraction",
    "in_flags",
    "notes_of",
    "read",
    "split",
    "tell",
    "with_loading",
]

_PANEL = "Data"
DATA_HELP = "'online-retail', which is embedded, or the path of a file or folder."

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


_FORMATS = "csv|tsv|parquet|jsonl|json|lists|recbole|movielens|folder"


def _flag(*names: str, help: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=_PANEL, show_default=False)


@dataclass(frozen=True, kw_only=True)
class Loading:
    """The flags about DATA."""

    user: Annotated[str | None, _flag("--user", help="Column of user ids, by name or position.", metavar="NAME")] = None
    item: Annotated[str | None, _flag("--item", help="Column of item ids.", metavar="NAME")] = None
    timestamp: Annotated[str | None, _flag("--timestamp", help="Column of times.", metavar="NAME")] = None
    rating: Annotated[str | None, _flag("--rating", help="Column of ratings.", metavar="NAME")] = None
    no_timestamp: Annotated[bool, _flag("--no-timestamp", help="Leave times out.")] = False
    no_rating: Annotated[bool, _flag("--no-rating", help="Leave ratings out.")] = False
    gift: Annotated[str | None, _flag("--gift", help="Column that marks gifts.", metavar="NAME")] = None
    category: Annotated[str | None, _flag("--category", help="Column of items' categories.", metavar="NAME")] = None
    title: Annotated[str | None, _flag("--title", help="Column of items' titles.", metavar="NAME")] = None
    event: Annotated[str | None, _flag("--event", help="Column of kinds of events.", metavar="NAME")] = None
    events: Annotated[
        str | None,
        _flag("--events", help="Events to read, or their weights: purchase,cart or purchase=3,cart=1.", metavar="A,B"),
    ] = None
    min_rating: Annotated[float | None, _flag("--min-rating", help="Keep pairs rated so or higher.", metavar="X")] = (
        None
    )
    drop_missing: Annotated[
        bool, _flag("--drop-missing", help="Leave out rows without an id, time or rating, instead of refusing them.")
    ] = False
    k_core: Annotated[
        int | None, _flag("--k-core", help="Keep users and items with so many pairs at least.", metavar="N")
    ] = None
    format: Annotated[
        str | None,
        _flag("--format", help="What DATA is; told by its content without.", metavar=_FORMATS),
    ] = None  # fmt: skip
    sep: Annotated[str | None, _flag("--sep", help="Between two fields, such as ';' or tab.", metavar="TEXT")] = None
    encoding: Annotated[str | None, _flag("--encoding", help="Of text, such as windows-1252.", metavar="NAME")] = None
    quote: Annotated[str | None, _flag("--quote", help="What encloses fields; none for nothing.", metavar="CHAR")] = (
        None
    )
    no_header: Annotated[bool, _flag("--no-header", help="The first line is data.")] = False
    columns: Annotated[str | None, _flag("--columns", help="Names of all columns in their order.", metavar="A,B,C")] = (
        None
    )
    comment: Annotated[str | None, _flag("--comment", help="How lines begin that are left out.", metavar="TEXT")] = None
    time_format: Annotated[
        str | None,
        _flag(
            "--time-format", help="How times are written: such as %d/%m/%Y, or s, ms, us, ns, excel.", metavar="TEXT"
        ),
    ] = None
    max_unpacked_mib: Annotated[
        int | None, _flag("--max-unpacked-mib", help="How much a packed file may unpack to.", metavar="N")
    ] = None

    def arguments(self) -> dict[str, Any]:
        """The arguments of ``fedshare.load``."""
        for column in ("timestamp", "rating"):
            if getattr(self, f"no_{column}") and getattr(self, column) is not None:
                raise BadOption(f"{column}: got --{column} and --no-{column}, expected one of the two.")
        alike = {field.name for field in fields(self)} - {
            "no_timestamp",
            "no_rating",
            "k_core",
            "sep",
            "no_header",
            "events",
        }
        given: dict[str, Any] = {name: getattr(self, name) for name in alike}
        return given | {
            "timestamp": False if self.no_timestamp else self.timestamp,
            "rating": False if self.no_rating else self.rating,
            "separator": self.sep,
            "header": False if self.no_header else None,
            "events": None if self.events is None else _events(self.events),
        }


def with_loading(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter ``loading`` is all flags of ``Loading``."""
    hints = get_type_hints(Loading, include_extras=True)
    flags = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(Loading)
    ]

    @functools.wraps(command)
    def made(*args: Any, **kwargs: Any) -> None:
        loading = Loading(**{flag.name: kwargs.pop(flag.name) for flag in flags})
        command(*args, loading=loading, **kwargs)

    signature = inspect.signature(command, eval_str=True)
    own = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in signature.parameters.values()]
    at = next(n for n, each in enumerate(own) if each.name == "loading")
    every = [*own[:at], *flags, *own[at + 1 :]]
    made.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]
    made.__annotations__ = {each.name: each.annotation for each in every}
    return made


class Parts(NamedTuple):
    """What is there to train on, and what is held out."""

    known: Interactions
    test: Interactions | None
    "None with ``--split none``."
    kind: str


def read(data: str, loading: Loading, *, few: bool = False) -> Interactions:
    """The interactions that DATA and its flags name; what they were warned of stands in their notes."""
    from fedshare.data import filters
    from fedshare.data.load import load

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            interactions = load(data, few=few, **loading.arguments())
        except FedShareError as error:
            raise type(error)(in_flags(str(error))) from error
    return interactions if loading.k_core is None else filters.k_core(interactions, loading.k_core)


def notes_of(interactions: Interactions) -> list[str]:
    """What the reader has to say, in the words of the command line."""
    return [in_flags(note) for note in interactions.notes]


def tell(interactions: Interactions, as_json: bool) -> None:
    """Say on stderr what the reader has to say, before something long begins; with --json it is in the result."""
    if not as_json:
        for note in notes_of(interactions):
            print(f"note: {note}", file=sys.stderr)


def in_flags(message: str) -> str:
    """A message whose options, such as ```separator=';'```, are written as flags.

    Example:
        >>> in_flags("Say what they are: `columns=['user', 'item']`, or leave times out: `timestamp=False`.")
        'Say what they are: --columns user,item, or leave times out: --no-timestamp.'
    """
    return re.sub(r"`(\w+)=([^`]*)`", lambda found: _as_flag(found[1], found[2]), message)


def _as_flag(name: str, written: str) -> str:
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        value = written.strip("[]").replace("'", "")
    known = {field.name for field in fields(Loading)}
    flag = {"separator": "--sep"}.get(name, f"--{name.replace('_', '-')}")
    if value is False and f"no_{name}" in known:
        return f"--no-{name}"
    if value is False:
        return f"{flag} none"
    if value is True:
        return flag
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    if isinstance(value, dict):
        value = ",".join(f"{key}={weight}" for key, weight in value.items())
    return f"{flag} {value if value == 'NAME' else shlex.quote(str(value))}"


def _events(text: str) -> list[str] | dict[str, Any]:
    parts = [part.strip() for part in text.split(",")]
    if not any("=" in part for part in parts):
        return parts
    return {kind.strip(): weight.strip() for kind, _, weight in (part.rpartition("=") for part in parts)}


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
