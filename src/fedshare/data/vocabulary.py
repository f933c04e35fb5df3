"""Ids: strings outside, contiguous integers inside.

A ``Vocabulary`` holds the ids of one kind, users or items. The position of an id is its index, from 0 to
``len(vocabulary) - 1``, and every array inside the library holds such indices. The readers sort the ids, so an index
depends on which ids there are and not on the order in which a file names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from fedshare.errors import BadData, NotFound, UnknownItem, UnknownUser
from fedshare.options import shown

__all__ = ["MISSING", "Kind", "Vocabulary"]

Kind = Literal["user", "item"]

MISSING = ("", "null", "none", "nan", "na", "n/a", "<na>", "nil", "nat", "\\n", "#n/a", "(null)", "undefined")
"In files and rows an id is missing if it is one of these, whatever its case: databases write nothing so."

_UNKNOWN: dict[Kind, type[NotFound]] = {"user": UnknownUser, "item": UnknownItem}


@final
class Vocabulary:
    """The ids of one kind, in the order of their indices; a value.

    Vocabularies that grew out of one another share what they have in common, so that one more id costs no copy.

    Args:
        kind: "user" or "item".
        ids: Distinct; position is index.

    Raises:
        BadData: An id is there twice.

    Example:
        >>> users = Vocabulary("user", ("ann", "bob"))
        >>> users.index("bob"), users.id(0), "eve" in users
        (1, 'ann', False)
        >>> users.extended(["eve"]).index("eve"), "eve" in users
        (2, False)
    """

    __slots__ = ("_all", "_index_of", "_n", "_tuple", "kind")

    def __init__(self, kind: Kind, ids: Iterable[str]) -> None:
        self.kind: Kind = kind
        self._all = list(ids)  # may be longer than this vocabulary: see extended
        self._index_of = {id: index for index, id in enumerate(self._all)}
        self._n = len(self._all)
        self._tuple: tuple[str, ...] | None = None
        if len(self._index_of) != self._n:
            seen: set[str] = set()
            twice = next(id for id in self._all if id in seen or seen.add(id))
            raise BadData(f"{self.kind} ids: got {shown(twice)} twice, expected distinct ids. Merge the two.")

    @property
    def ids(self) -> tuple[str, ...]:
        """All of them; position is index."""
        if self._tuple is None:
            self._tuple = tuple(self._all[: self._n])
        return self._tuple

    def extended(self, ids: Iterable[str]) -> Vocabulary:
        """With more ids at the end, where they are new; itself where none is."""
        fresh = dict.fromkeys(id for id in ids if id not in self)
        if not fresh:
            return self
        grown = self if len(self._all) == self._n else Vocabulary(self.kind, self.ids)
        for id in fresh:
            grown._index_of[id] = len(grown._all)
            grown._all.append(id)
        return grown.first(len(grown._all))

    def first(self, n: int) -> Vocabulary:
        """The first ``n`` ids; ids that came later may be among them, if this one grew."""
        part = Vocabulary.__new__(Vocabulary)
        part.kind, part._all, part._index_of, part._n, part._tuple = self.kind, self._all, self._index_of, n, None
        return part

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        same = self._all is other._all and self._n == other._n
        return self.kind == other.kind and (same or self.ids == other.ids)

    def __hash__(self) -> int:
        return hash((self.kind, self._n))

    def __reduce__(self) -> tuple[type[Vocabulary], tuple[Kind, tuple[str, ...]]]:
        return Vocabulary, (self.kind, self.ids)

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __repr__(self) -> str:
        return f"Vocabulary({self._n:,} {self.kind}s)"

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self._index_of.get(id, self._n) < self._n

    def index(self, id: str) -> int:
        """The index of one id.

        Raises:
            UnknownUser: No such user (where ``kind`` is "user").
            UnknownItem: No such item (where ``kind`` is "item").
        """
        try:
            index = self._index_of[id]
        except (KeyError, TypeError):
            raise self._unknown(id) from None
        if index >= self._n:
            raise self._unknown(id)
        return index

    def indices(self, ids: Iterable[str]) -> NDArray[np.intp]:
        """The indices of several ids, in the order given, shape ``(n_ids,)``.

        Raises:
            UnknownUser: One of them is no user here (where ``kind`` is "user").
            UnknownItem: One of them is no item here (where ``kind`` is "item").
        """
        if isinstance(ids, str):  # a string is an iterable of strings: each letter would be looked up
            one = shown(ids)
            raise TypeError(f"{self.kind} ids: got the string {one}, expected several ids. Write [{one}].")
        return np.fromiter((self.index(id) for id in ids), dtype=np.intp)

    def id(self, index: int) -> str:
        """The id at one index.

        Raises:
            UnknownUser: The index is outside ``0 .. len - 1`` (where ``kind`` is "user").
            UnknownItem: The index is outside ``0 .. len - 1`` (where ``kind`` is "item").
        """
        if not 0 <= index < self._n:
            raise _UNKNOWN[self.kind](f"{self.kind} index {index} does not exist; expected 0 to {self._n - 1}.")
        return self._all[index]

    def ids_at(self, indices: NDArray[np.integer]) -> list[str]:
        """The ids at several indices, in the order given.

        Raises:
            UnknownUser: An index is outside ``0 .. len - 1`` (where ``kind`` is "user").
            UnknownItem: An index is outside ``0 .. len - 1`` (where ``kind`` is "item").

        Example:
            >>> Vocabulary("item", ("milk", "tea")).ids_at(np.array([1, 0, 1]))
            ['tea', 'milk', 'tea']
        """
        wanted: list[int] = indices.tolist()
        if wanted:  # of the ends alone it has to be known whether they are there
            self.id(min(wanted))
            self.id(max(wanted))
        return [self._all[index] for index in wanted]

    def _unknown(self, id: object) -> NotFound:
        hint = " Ids are strings." if not isinstance(id, str) else ""
        # of items, which everybody may know, some are shown; of people nobody is named to whoever asks for another
        some = ", ".join(map(shown, self._all[: min(3, self._n)])) if self.kind == "item" else ""
        return _UNKNOWN[self.kind](
            f"{self.kind} {shown(id)} is not in the data; expected one of {self._n:,} {self.kind}s"
            f"{f', such as {some}' if some else ''}.{hint} Check the spelling."
        )
