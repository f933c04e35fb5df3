"""What a caller may say about a file: which column is what, and how the text is written. All of it can be left out."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, cast, get_args

from fedshare.data.readers.wording import shown
from fedshare.errors import BadOption
from fedshare.options import one_of, whole

__all__ = ["ROLES", "ColumnName", "Events", "Format", "Options", "Role"]

Format = Literal["folder", "csv", "tsv", "parquet", "jsonl", "json", "lists", "recbole", "movielens"]
Role = Literal["user", "item", "timestamp", "rating", "gift", "category", "title", "event"]
ROLES: tuple[Role, ...] = get_args(Role)

ColumnName = str | int | Literal[False] | None
"A column by name, or by position counted from 1; False: there is none; None: find it by its usual names."
Events = str | Sequence[str] | Mapping[str, float]
"The kinds of events to read, or a weight for each."

_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " ", "\\x01": "\x01"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The arguments of ``fedshare.load``, which explains them; checked here."""

    user: ColumnName = None
    item: ColumnName = None
    timestamp: ColumnName = None
    rating: ColumnName = None
    gift: ColumnName = None
    category: ColumnName = None
    title: ColumnName = None
    event: ColumnName = None
    events: Events | None = None
    format: Format | None = None
    separator: str | None = None
    encoding: str | None = None
    quote: str | Literal[False] | None = None
    header: bool | None = None
    columns: Sequence[str] | None = None
    comment: str | None = None
    time_format: str | None = None
    drop_missing: bool = False
    min_rating: float | None = None
    max_unpacked_mib: int | None = None

    def __post_init__(self) -> None:
        for role in ROLES:
            self._check_column(role)
        if self.format is not None:
            one_of("format", self.format, get_args(Format))
        if self.separator is not None:
            self._set("separator", self._text("separator", _SEPARATORS.get(self.separator, self.separator)))
        if self.quote is not None and self.quote is not False:
            quote = self._text("quote", self.quote)
            self._set("quote", False if quote == "none" else quote)
            if quote != "none" and (len(quote) != 1 or not quote.isascii()):
                raise BadOption(f"quote: got {shown(quote)}, expected one character, or none.")
        if self.comment is not None and len(self._text("comment", self.comment)) > 8:
            raise BadOption(f"comment: got {shown(self.comment)}, expected how a comment begins, such as '#'.")
        if self.encoding is not None:
            self._check_encoding(self._text("encoding", self.encoding))
        if self.header not in (None, True, False):
            raise BadOption(
                f"header: got {shown(self.header)}, expected True or False. Name columns with `columns=['user', "
                "'item']`."
            )
        if self.columns is not None:
            self._check_columns()
        if self.time_format is not None:
            self._text("time_format", self.time_format)
        if type(self.drop_missing) is not bool:
            raise BadOption(f"drop_missing: got {shown(self.drop_missing)}, expected True or False.")
        if self.max_unpacked_mib is not None:
            whole("max_unpacked_mib", self.max_unpacked_mib, 1)
        if self.min_rating is not None:
            self._check_min_rating()
        if self.events is not None:
            self._set("events", _events(self.events))

    def named(self, role: Role) -> ColumnName:
        """The column that was named for a role."""
        return getattr(self, role)

    def weights(self) -> dict[str, float] | None:
        """Each kind of event that is read, in lower case, with its weight; None where nothing was said."""
        return cast("dict[str, float] | None", self.events)

    def given(self) -> list[str]:
        """The names of the options that were given."""
        return [field.name for field in fields(self) if getattr(self, field.name) not in (field.default,)]

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _text(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise BadOption(f"{name}: got {shown(value)}, expected text of one character or more.")
        return value

    def _check_column(self, role: Role) -> None:
        value: Any = self.named(role)
        if value is None or (value is False and role not in ("user", "item")):
            return
        if isinstance(value, str) and value:
            return
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return
        also = "" if role in ("user", "item") else ", or False for none"
        raise BadOption(f"{role}: got {shown(value)}, expected the name of a column, or its position from 1{also}.")

    def _check_encoding(self, encoding: str) -> None:
        try:
            known = codecs.lookup(encoding)
            known.incrementaldecoder(errors="strict")  # some codecs have none
            "".encode(encoding)  # nor do those that turn bytes into bytes
        except (LookupError, TypeError, ValueError):
            raise BadOption(
                f"encoding: got {shown(encoding)}, expected a name such as utf-8, windows-1252, latin-1 or utf-16."
            ) from None

    def _check_columns(self) -> None:
        given: Any = self.columns
        names = given.split(",") if isinstance(given, str) else given
        if not isinstance(names, Iterable):
            raise BadOption(f"columns: got {shown(given)}, expected names such as ['user', 'item', 'timestamp'].")
        names = [name.strip() if isinstance(name, str) else name for name in cast("Iterable[Any]", names)]
        wrong = [name for name in names if not isinstance(name, str) or not name]
        if wrong or len(set(names)) < len(names) or not names:
            raise BadOption(f"columns: got {shown(names, 80)}, expected distinct names, one for each column in order.")
        self._set("columns", tuple(names))

    def _check_min_rating(self) -> None:
        value: Any = self.min_rating
        try:
            good = not isinstance(value, (bool, str)) and math.isfinite(value)
        except TypeError:
            good = False
        if not good:
            raise BadOption(f"min_rating: got {shown(value)}, expected a number.")


def _events(given: Any) -> dict[str, float]:
    """Each kind with its weight; kinds are compared without case."""
    written = repr(given)
    if isinstance(given, str):
        given = [part.strip() for part in given.split(",")]
    try:
        chosen = cast("Mapping[Any, Any]", given) if isinstance(given, Mapping) else dict.fromkeys(given, 1)
        pairs: list[tuple[Any, Any]] = list(chosen.items())
        weights = {str(kind).strip().casefold(): float(weight) for kind, weight in pairs}
    except (TypeError, ValueError):
        weights = {"": 0.0}
    if not weights or "" in weights or not all(math.isfinite(each) and each >= 0 for each in weights.values()):
        raise BadOption(
            f"events: got {shown(written, 80)}, expected kinds such as ['purchase', 'cart'], or weights of 0 or "
            "more such as {'purchase': 3, 'view': 1}."
        )
    return weights
