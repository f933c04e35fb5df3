"""Ids: strings outside, contiguous integers inside.

A ``Vocabulary`` holds the ids of one kind, users or items. The position of an id is its index, from 0 to
``len(vocabulary) - 1``, and every array inside the library holds such indices. The readers sort the ids, so an index
depends on which ids there are and not on the order in which a file names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from fedshare.errors import BadData, NotFound, UnknownItem, UnknownUser

__all__ = ["MISSING", "Kind", "Vocabulary"]

Kind = Literal["user", "item"]

MISSING = ("", "null", "none", "nan", "na", "n/a", "<na>", "nil", "nat", "\\n", "#n/a", "(null)", "undefined")
"In files and rows an id is missing if it is one of these, whatever its case: databases write nothing so."

_UNKNOWN: dict[Kind, type[NotFound]] = {"user": UnknownUser, "item": UnknownItem}


@final
@dataclass(frozen=True, repr=False)
class Vocabulary:
    """The ids of one kind, in the order of their indices.

    Example:
        >>> users = Vocabulary("user", ("ann", "bob"))
        >>> users.index("bob"), users.id(0), "eve" in users
        (1, 'ann', False)
    """

    kind: Kind
    ids: tuple[str, ...]
    "Distinct; position is index."

    _index_of: dict[str, int] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(self.ids))
        object.__setattr__(self, "_index_of", {id: index for index, id in enumerate(self.ids)})
        if len(self._index_of) != len(self.ids):
            seen: set[str] = set()
            twice = next(id for id in self.ids if id in seen or seen.add(id))
            raise BadData(f"{self.kind} ids: got {_cut(twice)} twice, expected distinct ids. Merge the two.")

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self.ids):,} {self.kind}s)"

    def __contains__(self, id: object) -> bool:
        return id in self._index_of

    def index(self, id: str) -> int:
        """The index of one id.

        Raises:
            UnknownUser: No such user (where ``kind`` is "user").
            UnknownItem: No such item (where ``kind`` is "item").
        """
        try:
            return self._index_of[id]
        except (KeyError, TypeError):
            raise self._unknown(id) from None

    def indices(self, ids: Iterable[str]) -> NDArray[np.intp]:
        """The indices of several ids, in the order given, shape ``(n_ids,)``.

        Raises:
            UnknownUser: One of them is no user here (where ``kind`` is "user").
            UnknownItem: One of them is no item here (where ``kind`` is "item").
        """
        if isinstance(ids, str):  # a string is an iterable of strings: each letter would be looked up
            raise TypeError(f"{self.kind} ids: got the string {_cut(ids)}, expected several ids. Write [{_cut(ids)}].")
        return np.fromiter((self.index(id) for id in ids), dtype=np.intp)

    def id(self, index: int) -> str:
        """The id at one index.

        Raises:
            UnknownUser: The index is outside ``0 .. len - 1`` (where ``kind`` is "user").
            UnknownItem: The index is outside ``0 .. len - 1`` (where ``kind`` is "item").
        """
        if not 0 <= index < len(self.ids):
            raise _UNKNOWN[self.kind](f"{self.kind} index {index} does not exist; expected 0 to {len(self.ids) - 1}.")
        return self.ids[index]

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
        return [self.ids[index] for index in wanted]

    def _unknown(self, id: object) -> NotFound:
        hint = " Ids are strings." if not isinstance(id, str) else ""
        # of items some are named, of people none: whoever mistypes an id need not read others'
        such = (
            f", such as {', '.join(_cut(known) for known in self.ids[:3])}" if self.ids and self.kind == "item" else ""
        )
        return _UNKNOWN[self.kind](
            f"{self.kind} {_cut(id)} is not in the data; expected one of {len(self.ids):,} {self.kind}s{such}.{hint} "
            f"Check the spelling."
        )


def _cut(id: object) -> str:
    """An id in a message: long ones are cut."""
    text = repr(id)
    return text if len(text) <= 60 else f"{text[:57]}..."
