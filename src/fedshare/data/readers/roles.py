"""Which column plays which role: as the caller said, or by its usual name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedshare.data.readers.names import USUAL, find, plain
from fedshare.data.readers.options import ROLES, Options, Role
from fedshare.data.readers.table import Table
from fedshare.data.readers.values import texts
from fedshare.data.readers.wording import listed, place, shown
from fedshare.errors import BadOption, MissingColumn

__all__ = ["has_both", "pick", "title_table"]

_REVIEW = {"text", "reviewtext", "reviewbody", "summary", "helpfulvote", "verifiedpurchase", "review"}
"Beside one of these, a column called title is that of a review."


def pick(present: Sequence[str], options: Options, label: str) -> dict[Role, str]:
    """Which column plays which role; a role without a column is left out.

    Raises:
        MissingColumn: There is no column for users or items, or one that was named is not there.
        BadOption: One column was named for two roles.
    """
    picked: dict[Role, str] = {}
    for role in ROLES:
        given = options.named(role)
        if given is not None and given is not False:
            picked[role] = _named(role, given, present, label)
    if len(set(picked.values())) < len(picked):
        raise _twice(picked, present, label)
    reviews = not _REVIEW.isdisjoint(plain(name) for name in present)
    for role in ROLES:
        if role in picked or options.named(role) is False:
            continue
        free = [name for name in present if name not in picked.values()]
        if role == "title" and reviews:
            free = [name for name in free if plain(name) not in ("title", "name", "description")]
        found = find(role, free)
        if found is not None:
            picked[role] = found
        elif role in ("user", "item"):
            if (other := find(role, present)) is not None:
                raise _twice({**picked, role: other}, present, label)
            raise MissingColumn(
                f"{place(label)}: found no column of {role}s among {listed(present)}; expected a name such as "
                f"{', '.join(USUAL[role][:4])}. Say which it is: `{role}='NAME'`."
            )
    return {role: picked[role] for role in ROLES if role in picked}


def has_both(present: Sequence[str], options: Options) -> bool:
    """Whether a table has a column of users and one of items."""
    try:
        pick(present, options, "")
    except (MissingColumn, BadOption):
        return False
    return True


def title_table(table: Table) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Item id to title, and item id to category, from a table of items; empty where it has none."""
    item = find("item", table.names)
    made: list[dict[str, str]] = []
    for role in ("title", "category"):
        column = find(role, [name for name in table.names if name != item])
        if item is None or column is None:
            made.append({})
            continue
        frame = table.read([item, column])
        pairs = zip(texts(frame[item]).to_list(), texts(frame[column]).to_list(), strict=True)
        made.append({id: text for id, text in pairs if id and text})
    return made[0], made[1]


def _twice(picked: Mapping[Role, str], present: Sequence[str], label: str) -> BadOption:
    several = ", ".join(f"{role}={shown(column, 30)}" for role, column in picked.items())
    return BadOption(
        f"{place(label)}: one column was taken twice ({several}); expected different ones. The columns are "
        f"{listed(present)}."
    )


def _named(role: Role, given: str | int, present: Sequence[str], label: str) -> str:
    if given in present:
        return str(given)
    position = int(given) if isinstance(given, int) or given.isdecimal() else 0
    if 1 <= position <= len(present):
        return present[position - 1]
    alike = [name for name in present if plain(name) == plain(str(given))]
    if len(alike) == 1:
        return alike[0]
    raise MissingColumn(
        f"{place(label)}: {role}={shown(given)} is not a column; expected one of {listed(present)}, or a position "
        "from 1."
    )
