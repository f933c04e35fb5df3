"""Rules that stand beside the slider: what a person never shares, whatever else they chose.

A rule only ever forbids. It binds the slider and choices by name alike: to share what a rule forbids, its owner lifts
the rule first. It says nothing of other people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fedshare.errors import BadOption, BadShare
from fedshare.sharing.moments import Moment, date_text, seconds_of

__all__ = [
    "NeverAfter",
    "NeverBefore",
    "NeverCategory",
    "NeverGifts",
    "Purchases",
    "Rule",
    "ShareUntil",
    "parse_rule",
    "rule_from",
    "rule_json",
]


class Purchases(NamedTuple):
    """What rules look at: some of one person's purchases, ``(n,)`` each."""

    items: tuple[str, ...]
    categories: Mapping[str, str]
    timestamp: NDArray[np.int64] | None
    gift: NDArray[np.bool_] | None

    def all(self, answer: bool) -> NDArray[np.bool_]:
        """One answer for each of them."""
        return np.full(len(self.items), answer)


@runtime_checkable
class Rule(Protocol):
    """What a person never shares."""

    kind: ClassVar[str]

    def forbids(self, purchases: Purchases, now: int) -> NDArray[np.bool_]:
        """``(n,)``, which purchases must not be shared at a moment."""
        ...

    def describe(self) -> str:
        """What :func:`parse_rule` reads."""
        ...


@final
@dataclass(frozen=True)
class NeverCategory:
    """Never share purchases of one category."""

    category: str
    kind: ClassVar[str] = "never-category"

    def __post_init__(self) -> None:
        if not isinstance(self.category, str) or not self.category:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadShare(f"NeverCategory: got {self.category!r}, expected the name of a category.")

    def forbids(self, purchases: Purchases, now: int) -> NDArray[np.bool_]:
        """See ``Rule``. An item of no known category is not of this one."""
        of = purchases.categories
        return np.fromiter((of.get(item) == self.category for item in purchases.items), bool, len(purchases.items))

    def describe(self) -> str:
        """See ``Rule``."""
        return f"{self.kind}:{self.category}"


@final
@dataclass(frozen=True)
class NeverGifts:
    """Never share what is marked as a gift."""

    kind: ClassVar[str] = "never-gifts"

    def forbids(self, purchases: Purchases, now: int) -> NDArray[np.bool_]:
        """See ``Rule``."""
        return purchases.all(False) if purchases.gift is None else purchases.gift

    def describe(self) -> str:
        """See ``Rule``."""
        return self.kind


@final
@dataclass(frozen=True)
class NeverBefore:
    """Never share what was bought before a moment; of what has no time nobody can say that it was not."""

    moment: Moment
    kind: ClassVar[str] = "never-before"

    def __post_init__(self) -> None:
        object.__setattr__(self, "moment", seconds_of(self.moment, "NeverBefore"))

    def forbids(self, purchases: Purchases, now: int) -> NDArray[np.bool_]:
        """See ``Rule``."""
        return purchases.all(True) if purchases.timestamp is None else purchases.timestamp < _seconds(self.moment)

    def describe(self) -> str:
        """See ``Rule``."""
        return f"{self.kind}:{date_text(_seconds(self.moment))}"


@final
@dataclass(frozen=True)
class NeverAfter:
    """Never share what was bought at a moment or later; of what has no time nobody can say that it was not."""

    moment: Moment
    kind: ClassVar[str] = "never-after"

    def __post_init__(self) -> None:
        object.__setattr__(self, "moment", seconds_of(self.moment, "NeverAfter"))

    def forbids(self, purchases: Purchases, now: int) -> NDArray[np.bool_]:
        """See ``Rule``."""
        return purchases.all(True) if purchases.timestamp is None else purchases.timestamp >= _seconds(self.moment)

    def describe(self) -> str:
        """See ``Rule``."""
        return f"{self.kind}:{date_text(_seconds(self.moment))}"


@final
@dataclass(frozen=True)
class ShareUntil:
    """Share until a moment; from then on, nothing, or nothing of some items.

    Args:
        moment: When sharing ends.
        items: Ids of the items for which it ends; without, it ends for all.
    """

    moment: Moment
    items: tuple[str, ...] = ()
    kind: ClassVar[str] = "until"

    def __post_init__(self) -> None:
        object.__setattr__(self, "moment", seconds_of(self.moment, "ShareUntil"))
        if isinstance(self.items, str):
            raise BadShare(f"ShareUntil: got the string '{self.items}', expected ids. Write ('{self.items}',).")
        object.__setattr__(self, "items", tuple(sorted(set(self.items))))

    def forbids(self, purchases: Purchases, now: int) -> NDArray[np.bool_]:
        """See ``Rule``."""
        if now < _seconds(self.moment):
            return purchases.all(False)
        if not self.items:
            return purchases.all(True)
        ended = set(self.items)
        return np.fromiter((item in ended for item in purchases.items), bool, len(purchases.items))

    def describe(self) -> str:
        """See ``Rule``."""
        items = f":{','.join(self.items)}" if self.items else ""
        return f"{self.kind}:{date_text(_seconds(self.moment))}{items}"


def parse_rule(text: str) -> Rule:
    """The rule that a text stands for.

    Args:
        text: ``never-category:NAME``, ``never-gifts``, ``never-before:DATE``, ``never-after:DATE``, ``until:DATE`` or
            ``until:DATE:ITEM,ITEM``.

    Raises:
        BadShare: It stands for none.
        BadOption: The date cannot be read.

    Example:
        >>> parse_rule("never-before:2011-12-01").describe()
        'never-before:2011-12-01'
    """
    kind, _, rest = text.partition(":")
    if kind == NeverGifts.kind and not rest:
        return NeverGifts()
    if kind == NeverCategory.kind and rest:
        return NeverCategory(rest)
    if kind in (NeverBefore.kind, NeverAfter.kind) and rest:
        return NeverBefore(rest) if kind == NeverBefore.kind else NeverAfter(rest)
    if kind == ShareUntil.kind and rest:
        try:
            return ShareUntil(rest)
        except BadOption:  # no moment as a whole: items follow
            moment, _, items = rest.rpartition(":")
            return ShareUntil(moment, tuple(each for each in items.split(",") if each))
    raise BadShare(
        f"rule: got {text[:60]!r}, expected never-category:NAME, never-gifts, never-before:DATE, never-after:DATE, "
        "until:DATE or until:DATE:ITEM,ITEM."
    )


def rule_json(rule: Rule) -> str:
    """A rule as text for files; :func:`rule_from` reads it. Ids may hold anything."""
    return json.dumps({"kind": rule.kind, **vars(rule)}, separators=(",", ":"))


def rule_from(text: str) -> Rule:
    """The rule that :func:`rule_json` wrote.

    Raises:
        BadShare: It is none.
    """
    try:
        values = json.loads(text)
        made = {each.kind: each for each in _RULES}[values.pop("kind")]
        if "items" in values:
            values["items"] = tuple(values["items"])
        return made(**values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadShare(f"rule: got {text[:60]!r}, expected one that was written here ({error}).") from error


_RULES: tuple[type[Any], ...] = (NeverCategory, NeverGifts, NeverBefore, NeverAfter, ShareUntil)


def _seconds(moment: Moment) -> int:
    assert isinstance(moment, int)  # __post_init__ has seen to it
    return moment
