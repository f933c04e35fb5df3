"""Share policies: what people share to begin with.

A policy looks at the known pairs and a seed, and says for each pair whether it is shared. Fractions are stable and
nested: they take the first ``round(fraction * n)`` pairs of a person's own order (see ``order.py``), or of the users,
so what a smaller fraction shares a larger one shares too, with the same seed.

``round`` is Python's: halves go to the even number.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol, final, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.errors import BadShare, MissingColumn, MissingFile
from fedshare.sharing.events import locate
from fedshare.sharing.order import pair_numbers, rank_within_users, user_numbers

__all__ = [
    "Group",
    "ShareEverything",
    "ShareFraction",
    "ShareItems",
    "ShareMixture",
    "ShareNewest",
    "ShareNothing",
    "ShareOldest",
    "SharePolicy",
    "ShareUsers",
    "Who",
    "check_share",
    "parse_share",
]

Who = Literal["random", "most_active", "least_active"]
"How a group of a mixture is picked: by the seed, or by the number of known pairs."

_SPECS = (
    "'none', 'all', a fraction such as '0.4', 'users:0.3', 'newest:0.3', 'oldest:0.3' or a mixture file (.json, .toml)"
)


@runtime_checkable
class SharePolicy(Protocol):
    """The role of a policy; implementations are frozen dataclasses of their options."""

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """Which pairs are shared, shape ``(n_pairs,)``, in the order of ``known``."""
        ...

    def describe(self) -> str:
        """One line for manifests and reports; what ``parse_share`` reads, where the policy can be written so."""
        ...


@final
@dataclass(frozen=True)
class ShareNothing:
    """Everything stays private."""

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``."""
        return np.zeros(known.n_pairs, dtype=np.bool_)

    def describe(self) -> str:
        """See ``SharePolicy``."""
        return "none"


@final
@dataclass(frozen=True)
class ShareEverything:
    """Everybody shares everything."""

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``."""
        return np.ones(known.n_pairs, dtype=np.bool_)

    def describe(self) -> str:
        """See ``SharePolicy``."""
        return "all"


@final
@dataclass(frozen=True)
class ShareFraction:
    """Everybody shares the same fraction of their pairs, as if they had moved their sliders there.

    Raises:
        BadShare: ``fraction`` is not in 0..1.
    """

    fraction: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", check_share(self.fraction, "ShareFraction"))

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``."""
        return _slid(known, seed, np.full(known.n_users, self.fraction))

    def describe(self) -> str:
        """See ``SharePolicy``."""
        return _number(self.fraction)


@final
@dataclass(frozen=True)
class ShareNewest:
    """Everybody shares their newest pairs: a fraction of them, or a number.

    Pairs of one time (a basket) come in the slider's order.

    Args:
        fraction: In 0..1; ``ShareNewest(0.3)``.
        count: 0 or above, for everybody alike, instead of a fraction; ``ShareNewest(count=20)``.

    Raises:
        BadShare: ``fraction`` is not in 0..1, ``count`` is below 0, or there is not exactly one of them.
    """

    fraction: float | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", _check_amount("ShareNewest", self.fraction, self.count))

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``.

        Raises:
            MissingColumn: The pairs have no times.
        """
        return _by_time(known, seed, -_times(known, "ShareNewest"), self.fraction, self.count)

    def describe(self) -> str:
        """See ``SharePolicy``."""
        return f"newest:{_amount(self.fraction, self.count)}"


@final
@dataclass(frozen=True)
class ShareOldest:
    """Everybody shares their oldest pairs: a fraction of them, or a number; see ``ShareNewest``.

    Raises:
        BadShare: ``fraction`` is not in 0..1, ``count`` is below 0, or there is not exactly one of them.
    """

    fraction: float | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", _check_amount("ShareOldest", self.fraction, self.count))

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``.

        Raises:
            MissingColumn: The pairs have no times.
        """
        return _by_time(known, seed, _times(known, "ShareOldest"), self.fraction, self.count)

    def describe(self) -> str:
        """See ``SharePolicy``."""
        return f"oldest:{_amount(self.fraction, self.count)}"


@final
@dataclass(frozen=True)
class ShareItems:
    """Some people share some items, by name; everything else stays private.

    Args:
        items: User id to the ids of the items that this user shares.

    Example:
        >>> ShareItems({"ann": ["tea", "milk"]}).describe()
        '2 items of 1 user, by name'
    """

    items: Mapping[str, Iterable[str]]

    def __post_init__(self) -> None:
        for user, items in self.items.items():
            if isinstance(items, str):
                raise BadShare(
                    f"ShareItems: got the string '{items}' for user '{user}', expected ids. Write ['{items}']."
                )
        frozen = {user: tuple(dict.fromkeys(items)) for user, items in self.items.items()}
        object.__setattr__(self, "items", MappingProxyType(frozen))

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``.

        Raises:
            UnknownUser: No such user.
            UnknownItem: No such item.
            NotKnown: A user has no interaction with an item.
        """
        chosen = np.zeros(known.n_pairs, dtype=np.bool_)
        for user, items in self.items.items():
            chosen[locate(known, user, items)] = True
        return chosen

    def describe(self) -> str:
        """See ``SharePolicy``."""
        n_items = sum(len(tuple(items)) for items in self.items.values())
        users = f"{len(self.items)} user{'' if len(self.items) == 1 else 's'}"
        return f"{n_items} item{'' if n_items == 1 else 's'} of {users}, by name"


@final
@dataclass(frozen=True)
class ShareUsers:
    """A fraction of the users, drawn by the seed, shares everything; the others share nothing.

    Users without a pair are not counted.

    Raises:
        BadShare: ``fraction`` is not in 0..1.
    """

    fraction: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", check_share(self.fraction, "ShareUsers"))

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``."""
        drawn = _active_users(known, seed)
        shares = np.zeros(known.n_users, dtype=np.bool_)
        shares[drawn[: round(self.fraction * len(drawn))]] = True
        return shares[known.user]

    def describe(self) -> str:
        """See ``SharePolicy``."""
        return f"users:{_number(self.fraction)}"


@final
@dataclass(frozen=True)
class Group:
    """A part of the users who all share the same fraction of their pairs.

    Args:
        fraction: Which part of all users, in 0..1.
        share: Which fraction of their pairs each of them shares, in 0..1.
        who: How they are picked among those that no earlier group has.

    Raises:
        BadShare: A number is not in 0..1, or ``who`` is none of the ways.
    """

    fraction: float
    share: float
    who: Who = "random"

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", check_share(self.fraction, "Group: fraction"))
        object.__setattr__(self, "share", check_share(self.share, "Group: share"))
        if self.who not in get_args(Who):
            raise BadShare(f"Group: who: got {self.who!r}, expected one of {', '.join(get_args(Who))}.")


@final
@dataclass(frozen=True)
class ShareMixture:
    """Groups of users who share different fractions; whoever is in no group shares nothing.

    Groups are filled in the order given, each with users that no earlier one has, so a person is in one group at most.
    Users without a pair are not counted.

    Raises:
        BadShare: There is no group, or the groups' fractions add up to more than 1.

    Example:
        10 % of the most active share everything, 40 % share half, the rest nothing:

        >>> mixture = ShareMixture((Group(0.1, share=1.0, who="most_active"), Group(0.4, share=0.5)))
        >>> mixture.describe()
        'mixture of 0.1 most_active sharing 1, 0.4 random sharing 0.5'
    """

    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple(self.groups))
        for group in self.groups:
            if not isinstance(group, Group):
                raise BadShare(f"ShareMixture: got {group!r}, expected groups such as Group(0.1, share=1.0).")
        if not self.groups:
            raise BadShare("ShareMixture: got no group, expected at least one. To share nothing, use ShareNothing().")
        total = math.fsum(group.fraction for group in self.groups)
        if total > 1 + 1e-9:
            raise BadShare(f"ShareMixture: the groups add up to {total:g} of the users, expected 1 at most.")

    def choose(self, known: Interactions, seed: int) -> NDArray[np.bool_]:
        """See ``SharePolicy``."""
        left = _active_users(known, seed)
        n_users, degree = len(left), known.user_degree()
        share_of_user = np.zeros(known.n_users)
        before = 0.0
        for group in self.groups:
            # from running totals: groups that add up to 1 leave nobody over, whatever the rounding
            size = round(min(1.0, before + group.fraction) * n_users) - round(min(1.0, before) * n_users)
            before += group.fraction
            candidates = left
            if group.who != "random":
                sign = -1 if group.who == "most_active" else 1
                candidates = left[np.argsort(sign * degree[left], kind="stable")]
            share_of_user[candidates[:size]] = group.share
            left = left[~np.isin(left, candidates[:size])]  # still in the seed's order, for random groups to come
        return _slid(known, seed, share_of_user)

    def describe(self) -> str:
        """See ``SharePolicy``; a mixture is written as a file, so this is for reading only."""
        parts = [f"{_number(g.fraction)} {g.who} sharing {_number(g.share)}" for g in self.groups]
        return f"mixture of {', '.join(parts)}"


def parse_share(spec: str) -> SharePolicy:
    """The policy that a text stands for.

    Args:
        spec: ``"none"``, ``"all"``, ``"0.4"`` (a fraction of everybody's pairs), ``"users:0.3"`` (a fraction of the
            users shares everything), ``"newest:0.3"`` or ``"newest:count=20"``, ``"oldest:..."`` likewise, or the path
            of a mixture file, TOML or JSON.

    Raises:
        BadShare: It stands for none, a share is not in 0..1, or the file is not a mixture.
        MissingFile: The mixture file is not there.

    Example:
        >>> parse_share("users:0.3")
        ShareUsers(fraction=0.3)

        A mixture file, where 10 % of the most active share everything, 40 % half, and the rest nothing::

            [[groups]]
            fraction = 0.1
            share = 1.0
            who = "most_active"

            [[groups]]
            fraction = 0.4
            share = 0.5
    """
    text = str(spec).strip()
    if text == "none":
        return ShareNothing()
    if text == "all":
        return ShareEverything()
    if (number := _float(text)) is not None:
        return ShareFraction(check_share(number, f"share '{text}'"))
    head, colon, tail = text.partition(":")
    if colon and head in _PREFIXES:
        return _PREFIXES[head](tail.strip(), text)
    path = Path(text)
    if path.suffix.lower() in (".json", ".toml"):
        return _read_mixture(path)
    raise BadShare(f"share '{text}': cannot be read; expected {_SPECS}.")


def check_share(value: Any, where: str) -> float:
    """``value`` as a float in 0..1.

    Raises:
        BadShare: It is no number, or not in 0..1; NaN is not.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    share = float(value) if is_number else math.nan
    if not 0 <= share <= 1:  # false for NaN too
        hint = f" For {share:g} percent write {share / 100:g}." if 1 < share <= 100 else ""
        raise BadShare(f"{where}: got {share if is_number else repr(value)}, expected a number from 0 to 1.{hint}")
    return share


def _slid(known: Interactions, seed: int, share_of_user: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Each user's slider at a place of its own, ``(n_users,)``."""
    rank = rank_within_users(known, pair_numbers(known, seed))
    return rank < np.rint(share_of_user * known.user_degree())[known.user]


def _by_time(
    known: Interactions, seed: int, age: NDArray[np.int64], fraction: float | None, count: int | None
) -> NDArray[np.bool_]:
    """Each user's pairs of smallest ``age``."""
    rank = rank_within_users(known, age, pair_numbers(known, seed))
    degree = known.user_degree()
    taken = np.rint(fraction * degree) if fraction is not None else np.full(known.n_users, count)
    return rank < taken[known.user]


def _times(known: Interactions, where: str) -> NDArray[np.int64]:
    if known.timestamp is None:
        raise MissingColumn(
            f"{where}: '{known.name}' has no times (or not for every pair); expected a timestamp per pair. "
            f"Name the column with load(..., timestamp=...), or use ShareFraction."
        )
    return known.timestamp


def _active_users(known: Interactions, seed: int) -> NDArray[np.intp]:
    """The users who have a pair, in the seed's order."""
    order = np.argsort(user_numbers(known, seed), kind="stable")
    return order[known.user_degree()[order] > 0]


def _check_amount(where: str, fraction: Any, count: Any) -> float | None:
    if (fraction is None) == (count is None):
        raise BadShare(f"{where}: got fraction={fraction} and count={count}, expected exactly one of them.")
    if count is None:
        return check_share(fraction, where)
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise BadShare(f"{where}: got count={count!r}, expected a whole number, 0 or above.")
    return None


def _amount(fraction: float | None, count: int | None) -> str:
    return f"count={count}" if fraction is None else _number(fraction)


def _number(value: float) -> str:
    """The shortest text that reads back as the same float."""
    return repr(value).removesuffix(".0")


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _parse_fraction(text: str, spec: str) -> float:
    number = _float(text)
    return check_share(text if number is None else number, f"share '{spec}'")


def _parse_amount(text: str, spec: str) -> dict[str, Any]:
    name, equals, digits = text.partition("=")
    if not equals:
        return {"fraction": _parse_fraction(text, spec)}
    if name != "count" or not (digits.isascii() and digits.isdigit()):
        raise BadShare(f"share '{spec}': got '{text}', expected a fraction such as 0.3, or a number such as count=20.")
    return {"count": int(digits)}


_PREFIXES = {
    "users": lambda text, spec: ShareUsers(_parse_fraction(text, spec)),
    "newest": lambda text, spec: ShareNewest(**_parse_amount(text, spec)),
    "oldest": lambda text, spec: ShareOldest(**_parse_amount(text, spec)),
}


def _read_mixture(path: Path) -> ShareMixture:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise MissingFile(f"share '{path}': no such file; expected a mixture file. Check the path.") from None
    except OSError as error:
        raise BadShare(f"share '{path}': cannot be read ({error.strerror}); expected a mixture file.") from error
    try:
        text = raw.decode()
        content = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except ValueError as error:  # the parsers' own errors and UnicodeDecodeError are ValueErrors
        kind = path.suffix.lower().removeprefix(".").upper()
        raise BadShare(f"share '{path}': is not {kind} ({error}); expected a mixture. Mend the file.") from error
    where = f"share '{path}'"
    groups = _fields(content, where, required=("groups",))["groups"]
    if not isinstance(groups, list) or not groups:
        raise BadShare(f"{where}: groups: got {groups!r}, expected a list of at least one group.")
    try:
        return ShareMixture(tuple(_read_group(group, f"{where}: group {n}") for n, group in enumerate(groups, 1)))
    except BadShare as error:
        raise error if str(error).startswith(where) else BadShare(f"{where}: {error}") from error


def _read_group(content: Any, where: str) -> Group:
    fields = _fields(content, where, required=("fraction", "share"), optional=("who",))
    try:
        return Group(**fields)
    except BadShare as error:
        raise BadShare(f"{where}: {str(error).removeprefix('Group: ')}") from error


def _fields(content: Any, where: str, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """``content`` if it is a table of just these keys."""
    if not isinstance(content, dict):
        raise BadShare(f"{where}: got {content!r}, expected a table with {', '.join(required)}.")
    for key in content:
        if key not in (*required, *optional):
            raise BadShare(f"{where}: unknown key '{key}'; expected {', '.join((*required, *optional))}.")
    for key in required:
        if key not in content:
            raise BadShare(f"{where}: no key '{key}'; expected {', '.join((*required, *optional))}.")
    return content
