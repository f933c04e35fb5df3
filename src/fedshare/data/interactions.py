"""Who interacted with what, and when.

``Interactions`` is the one table every other part starts from. Pairs are unique and sorted by (user, item); all
arrays are read-only and as long as there are pairs:

    user, item    int32, indices into the vocabularies ``users`` and ``items``
    timestamp     int64, seconds since 1970-01-01 UTC, or None where the source has none
    rating        float32, or None
    split         int8, the split the source came with (0 train, 1 test), or None
    gift          bool, whether the purchase was marked as a gift, or None where the source has no such mark

Selecting pairs keeps the vocabularies, so that the parts of a split agree on every index; ``compact`` drops the users
and items that no pair is left of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Rational, Real
from typing import Any, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedshare.data.merging import merged
from fedshare.data.vocabulary import Kind, Vocabulary
from fedshare.errors import BadData, EmptyData

__all__ = ["PAIR_COLUMNS", "TEST", "TRAIN", "Interactions"]

PAIR_COLUMNS = ("timestamp", "rating", "split", "gift")
"What may be known of a pair beside who and what."
TRAIN, TEST = 0, 1
"The values of ``Interactions.split``."


@final
@dataclass(frozen=True, eq=False, repr=False)
class Interactions:
    """A set of (user, item) pairs with what is known about each. Build one with ``from_arrays`` or ``fedshare.load``.

    Example:
        >>> table = Interactions.from_arrays(["ann", "bob", "ann"], ["tea", "tea", "milk"], timestamp=[30, 20, 10])
        >>> table.n_users, table.n_items, len(table)
        (2, 2, 3)
        >>> [table.items.id(item) for item in table.items_of(table.users.index("ann"))]
        ['milk', 'tea']
    """

    users: Vocabulary
    items: Vocabulary
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    timestamp: NDArray[np.int64] | None = None
    rating: NDArray[np.float32] | None = None
    titles: Mapping[str, str] = field(default_factory=dict[str, str])
    "Item id to title; may be empty or have gaps."
    split: NDArray[np.int8] | None = None
    name: str = ""
    n_merged: int = 0
    "Rows of the source that repeated another row's pair and were merged into it."
    gift: NDArray[np.bool_] | None = None
    categories: Mapping[str, str] = field(default_factory=dict[str, str])
    "Item id to category; may be empty or have gaps."
    notes: tuple[str, ...] = ()
    "What the reader noticed and left out, one sentence each."
    reading: Mapping[str, str] = field(default_factory=dict[str, str])
    "How the source was understood: its form, encoding and separator, and the column that plays each role."

    def __post_init__(self) -> None:
        self._freeze("user", np.int32)
        self._freeze("item", np.int32)
        self._freeze("timestamp", np.int64)
        self._freeze("rating", np.float32)
        self._freeze("split", np.int8)
        self._freeze("gift", np.bool_)
        self._check()

    def _freeze(self, column: str, dtype: type[np.generic]) -> None:
        values = getattr(self, column)
        if values is not None:
            frozen = np.ascontiguousarray(values, dtype=dtype).view()  # a view: the caller's own array stays writeable
            frozen.flags.writeable = False
            object.__setattr__(self, column, frozen)

    def _check(self) -> None:
        n_pairs = len(self.user)
        for column in ("item", *PAIR_COLUMNS):
            values = getattr(self, column)
            if values is not None and values.shape != (n_pairs,):
                raise BadData(f"{column}: got shape {values.shape}, expected ({n_pairs},), one value a pair.")
        for index, vocabulary in ((self.user, self.users), (self.item, self.items)):
            if n_pairs and not (index.min() >= 0 and index.max() < len(vocabulary)):
                raise BadData(
                    f"{vocabulary.kind} indices: got {index.min()} to {index.max()}, expected 0 to "
                    f"{len(vocabulary) - 1}. Build the table with Interactions.from_arrays."
                )
        if n_pairs > 1 and not (np.diff(self.keys) > 0).all():
            raise BadData(
                "pairs: got unsorted or repeated pairs, expected unique pairs sorted by (user, item). "
                "Build the table with Interactions.from_arrays."
            )

    def __repr__(self) -> str:
        sizes = f"{self.n_users:,} users, {self.n_items:,} items, {self.n_pairs:,} pairs"
        return f"Interactions({self.name or 'unnamed'}: {sizes})"

    # -- sizes ------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_pairs(self) -> int:
        """How many pairs there are."""
        return len(self.user)

    @property
    def n_users(self) -> int:
        """How many users there are, those without a pair included."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """How many items there are, those without a pair included."""
        return len(self.items)

    @property
    def density(self) -> float:
        """Pairs over possible pairs, between 0 and 1."""
        return self.n_pairs / max(1, self.n_users * self.n_items)

    # -- reading ----------------------------------------------------------------------------------------------------

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Where each user's pairs begin, shape ``(n_users + 1,)``: those of ``u`` are ``offsets[u]:offsets[u + 1]``."""
        offsets = np.zeros(self.n_users + 1, dtype=np.int64)
        np.cumsum(self.user_degree(), out=offsets[1:])
        offsets.flags.writeable = False
        return offsets

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """One number per pair, ``user * n_items + item``, shape ``(n_pairs,)``, ascending."""
        keys = self.user.astype(np.int64) * self.n_items + self.item
        keys.flags.writeable = False
        return keys

    def items_of(self, user: int) -> NDArray[np.int32]:
        """The items of one user, ascending, shape ``(n_pairs_of_user,)``.

        Raises:
            UnknownUser: ``user`` is not an index of a user.
        """
        self.users.id(user)
        return self.item[self.offsets[user] : self.offsets[user + 1]]

    def user_degree(self) -> NDArray[np.int64]:
        """How many pairs each user has, shape ``(n_users,)``."""
        return np.bincount(self.user, minlength=self.n_users).astype(np.int64, copy=False)

    def item_degree(self) -> NDArray[np.int64]:
        """How many pairs each item has, shape ``(n_items,)``."""
        return np.bincount(self.item, minlength=self.n_items).astype(np.int64, copy=False)

    def positions(self, user: ArrayLike, item: ArrayLike) -> NDArray[np.int64]:
        """Where pairs stand in the arrays of this table, -1 where they do not.

        Args:
            user: User indices, shape ``(n,)`` or one number.
            item: Item indices, likewise.

        Returns:
            Positions, shape ``(n,)``.
        """
        user, item = np.atleast_1d(np.asarray(user, np.int64)), np.atleast_1d(np.asarray(item, np.int64))
        if not self.n_pairs:
            return np.full(np.broadcast(user, item).shape, -1, dtype=np.int64)
        wanted = np.where((item >= 0) & (item < self.n_items), user * self.n_items + item, -1)
        found = np.minimum(np.searchsorted(self.keys, wanted), self.n_pairs - 1)
        return np.where(self.keys[found] == wanted, found, -1)

    def title(self, item_id: str) -> str:
        """The title of an item, or its id where the source names none."""
        return self.titles.get(item_id) or item_id

    def fingerprint(self) -> str:
        """SHA-256 over ids and pairs, 64 hex digits; the same whatever the order of the source's rows.

        Times, ratings and titles are left out: tables with equal fingerprints hold the same pairs.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(b"fedshare interactions 1\n")
        for vocabulary in (self.users, self.items):
            digest.update(f"{vocabulary.kind} {len(vocabulary)}\n".encode())
            encoded = [id.encode("utf-8", "surrogatepass") for id in vocabulary.ids]
            digest.update(np.array([len(id) for id in encoded], dtype="<i8").tobytes())  # so that "ab","c" != "a","bc"
            digest.update(b"".join(encoded))
        digest.update(self.user.astype("<i4").tobytes())
        digest.update(self.item.astype("<i4").tobytes())
        return digest.hexdigest()

    # -- parts ------------------------------------------------------------------------------------------------------

    def select(self, mask: ArrayLike) -> Interactions:
        """The pairs where ``mask`` is true, with the same vocabularies.

        Args:
            mask: bool, shape ``(n_pairs,)``.

        Raises:
            BadData: ``mask`` is not one bool a pair.
        """
        chosen = np.asarray(mask)
        if chosen.dtype != np.bool_ or chosen.shape != (self.n_pairs,):
            raise BadData(
                f"mask: got {chosen.dtype} of shape {chosen.shape}, expected bool of shape ({self.n_pairs},), "
                f"one value a pair."
            )
        there = {name: getattr(self, name) for name in PAIR_COLUMNS if getattr(self, name) is not None}
        parts = {name: values[chosen] for name, values in there.items()}
        return replace(self, user=self.user[chosen], item=self.item[chosen], **parts)

    def compact(self) -> Interactions:
        """The same pairs without the users and items that have none; indices change, ids do not."""
        users, user = _used(self.users, self.user)
        items, item = _used(self.items, self.item)
        titles, categories = (_of_items(items, each) for each in (self.titles, self.categories))
        return replace(self, users=users, items=items, user=user, item=item, titles=titles, categories=categories)

    def without_split(self) -> Interactions:
        """The same pairs without the split that the source came with."""
        return self if self.split is None else replace(self, split=None)

    # -- building ---------------------------------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        user_ids: Iterable[Any],
        item_ids: Iterable[Any],
        timestamp: ArrayLike | None = None,
        rating: ArrayLike | None = None,
        split: ArrayLike | None = None,
        titles: Mapping[str, str] | None = None,
        name: str = "",
        gift: ArrayLike | None = None,
        categories: Mapping[str, str] | None = None,
    ) -> Self:
        """A table from one value a row, in any order.

        Rows of the same pair become one, and ``n_merged`` counts the others. Its time is the earliest of them, its
        rating the latest one (of several at one time, or without times, the highest). It is in train if its earliest
        row is, and a gift if any of its rows is.

        Args:
            user_ids: ``(n_rows,)`` strings or whole numbers.
            item_ids: ``(n_rows,)`` strings or whole numbers.
            timestamp: ``(n_rows,)`` seconds since 1970-01-01 UTC, 0 or above; fractions are cut off.
            rating: ``(n_rows,)`` numbers.
            split: ``(n_rows,)``, 0 for train and 1 for test.
            titles: Item id to title; those of other items are left out.
            name: What to call the data in reports and messages.
            gift: ``(n_rows,)`` whether the purchase was marked as a gift.
            categories: Item id to category; those of other items are left out.

        Raises:
            EmptyData: There is no row.
            BadData: An id is missing or empty, a rating is NaN, a time is negative, lengths differ.
        """
        users, user = _number("user", user_ids, name)
        items, item = _number("item", item_ids, name)
        n_rows = len(user)
        if not n_rows and not len(item):
            raise EmptyData(f"{_of(name)}no interaction, expected at least one row with a user and an item.")
        columns = {"item_ids": item, "timestamp": timestamp, "rating": rating, "split": split, "gift": gift}
        lengths = {column: np.shape(values) for column, values in columns.items() if values is not None}
        for column, shape in lengths.items():
            if shape != (n_rows,):
                raise BadData(f"{_of(name)}{column}: got shape {shape}, expected ({n_rows},), as user_ids has.")
        seconds = None if timestamp is None else _seconds(timestamp, name)
        stars = None if rating is None else _ratings(rating, name)
        part = None if split is None else _parts(split, name)
        marks = None if gift is None else _marks(gift, name)

        return cls.from_indices(
            users, items, user, item, timestamp=seconds, rating=stars, split=part, gift=marks,
            titles=titles or {}, categories=categories or {}, name=name,
        )  # fmt: skip

    @classmethod
    def from_indices(
        cls,
        users: Vocabulary,
        items: Vocabulary,
        user: NDArray[np.int32],
        item: NDArray[np.int32],
        *,
        timestamp: NDArray[np.int64] | None = None,
        rating: NDArray[np.float32] | None = None,
        split: NDArray[np.int8] | None = None,
        gift: NDArray[np.bool_] | None = None,
        titles: Mapping[str, str] | None = None,
        categories: Mapping[str, str] | None = None,
        name: str = "",
    ) -> Self:
        """A table from indices into two vocabularies, one a row, in any order; rows become pairs as in ``from_arrays``.

        Args:
            users: Ids of users, sorted.
            items: Ids of items, sorted.
            user: ``(n_rows,)`` indices of users.
            item: ``(n_rows,)`` indices of items.
            timestamp: ``(n_rows,)`` seconds since 1970-01-01 UTC, 0 or above.
            rating: ``(n_rows,)`` finite numbers.
            split: ``(n_rows,)``, 0 for train and 1 for test.
            gift: ``(n_rows,)`` whether the purchase was marked as a gift.
            titles: Item id to title; those of other items are left out.
            categories: Item id to category; those of other items are left out.
            name: What to call the data in reports and messages.
        """
        pairs = merged(user, item, timestamp, rating, split, gift)
        return cls(
            users=users,
            items=items,
            user=pairs.user,
            item=pairs.item,
            timestamp=pairs.timestamp,
            rating=pairs.rating,
            titles=_of_items(items, titles or {}),
            split=pairs.split,
            name=name,
            n_merged=len(user) - len(pairs.user),
            gift=pairs.gift,
            categories=_of_items(items, categories or {}),
        )


def _of_items(items: Vocabulary, texts: Mapping[str, str]) -> dict[str, str]:
    """What is said of these items, in their order."""
    return {id: texts[id] for id in items if id in texts} if texts else {}


def _used(vocabulary: Vocabulary, index: NDArray[np.int32]) -> tuple[Vocabulary, NDArray[np.int32]]:
    """The part of a vocabulary that occurs, and the indices into it."""
    occurs = np.zeros(len(vocabulary), dtype=np.bool_)
    occurs[index] = True
    renumber = np.cumsum(occurs, dtype=np.int32) - 1
    ids = vocabulary.ids
    return Vocabulary(vocabulary.kind, tuple(ids[i] for i in np.flatnonzero(occurs))), renumber[index]


def _number(kind: Kind, values: Iterable[Any], name: str) -> tuple[Vocabulary, NDArray[np.int32]]:
    """The sorted vocabulary of a column of ids, and each row's index."""
    ids = _texts(kind, values, name)
    vocabulary = Vocabulary(kind, tuple(sorted(set(ids))))
    for id in vocabulary:
        if not id.strip() or id in ("nan", "NaN"):  # files have more words for nothing; here text is meant
            raise _missing(kind, [number for number, other in enumerate(ids) if other == id], len(ids), name)
    index_of = {id: index for index, id in enumerate(vocabulary)}
    return vocabulary, np.fromiter(map(index_of.__getitem__, ids), dtype=np.int32, count=len(ids))


def _texts(kind: Kind, values: Iterable[Any], name: str) -> Sequence[str]:
    """Ids as strings: whole numbers lose a ``.0``, missing ones are an error."""
    plain = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if set(map(type, plain)) <= {str}:
        return plain
    missing = [row for row, value in enumerate(plain) if value is None or value != value]  # NaN differs from itself
    if missing:
        raise _missing(kind, missing, len(plain), name)
    return [_text(kind, value, name) for value in plain]


def _text(kind: Kind, value: object, name: str) -> str:
    if isinstance(value, Real) and not isinstance(value, Rational):  # a float, Python's or NumPy's
        number = float(value)
        if not number.is_integer():  # nor are infinity and NaN
            raise BadData(
                f"{_of(name)}{kind} ids: got the number {value}, expected strings or whole numbers. "
                f"Is this the right column?"
            )
        if abs(number) > 2**53:
            raise BadData(
                f"{_of(name)}{kind} ids: got a float above 2**53, expected ids that can be told apart, which such "
                "floats cannot. Give strings or whole numbers."
            )
        return str(int(number))
    return str(value)


def _seconds(timestamp: ArrayLike, name: str) -> NDArray[np.int64]:
    values = np.asarray(timestamp)
    if values.dtype.kind == "M":
        values = values.astype("datetime64[s]").astype(np.int64)
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise BadData(f"{_of(name)}timestamp: got {values.dtype} with gaps or text, expected seconds since 1970.")
    if (values < 0).any():
        raise BadData(
            f"{_of(name)}timestamp: got {values.min()} in {_rows(np.flatnonzero(values < 0), len(values))}, "
            f"expected seconds since 1970, 0 or above. Mend these rows or leave the column out."
        )
    return values.astype(np.int64)


def _ratings(rating: ArrayLike, name: str) -> NDArray[np.float32]:
    try:
        values = np.asarray(rating, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise BadData(f"{_of(name)}rating: got values that are no numbers ({error}), expected numbers.") from error
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise BadData(
            f"{_of(name)}rating: got {values[bad[0]]} in {_rows(bad, len(values))}, expected a number. "
            f"Drop these rows or leave the column out."
        )
    return values


def _parts(split: ArrayLike, name: str) -> NDArray[np.int8]:
    values = np.asarray(split)
    if not np.isin(values, (TRAIN, TEST)).all():
        raise BadData(f"{_of(name)}split: got {sorted(set(values.tolist()))}, expected 0 for train and 1 for test.")
    return values.astype(np.int8)


def _marks(gift: ArrayLike, name: str) -> NDArray[np.bool_]:
    values = np.asarray(gift)
    if values.dtype != np.bool_ and not np.isin(values, (0, 1)).all():
        raise BadData(f"{_of(name)}gift: got values that are neither true nor false, expected a mark in every row.")
    return values.astype(np.bool_)


def _missing(kind: Kind, rows: Sequence[int], n_rows: int, name: str) -> BadData:
    return BadData(
        f"{_of(name)}{kind} ids: got none (empty or NaN) in {_rows(rows, n_rows)}, expected an id in every row. "
        f"Drop these rows or fill them in."
    )


def _rows(rows: Sequence[int] | NDArray[np.intp], n_rows: int) -> str:
    """``3 of 100 rows (first: row 17)``, counting from 1 as people do."""
    return f"{len(rows):,} of {n_rows:,} rows (first: row {rows[0] + 1:,})"


def _of(name: str) -> str:
    return f"'{name}': " if name else ""
