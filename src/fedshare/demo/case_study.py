"""One person's story: what they are recommended before they share, while they share, and after they took it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fedshare.demo.context import DemoContext
from fedshare.learning.run import Run
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.retrain import Retrain

if TYPE_CHECKING:
    from fedshare.sharing.ledger import Ledger

__all__ = ["Choice", "choose_person", "study_case"]

_READABLE = (20, 60)
_LENGTH = 10
_SHOWN = 8


class Choice(NamedTuple):
    """Who the story is about, and how they were found."""

    user: str
    n_eligible: int
    rule: str


def choose_person(context: DemoContext, ledger: Ledger) -> Choice:
    """Choose one of the people whose story can be read, by what they share and not by how it ends.

    They share everything, have 20 to 60 interactions, all titled, and something to compare recommendations with. Of
    these, the one whose items the fewest others share: there a single person's sharing can change most, and so can
    taking it back. Where nobody is like that, whoever shares the most is taken.

    Args:
        context: Where the demo takes place.
        ledger: Who shares what.
    """
    known, test_degree = context.known, context.test.user_degree()
    degree = known.user_degree()
    titled = np.array([id in known.titles for id in known.items], dtype=bool)
    n_titled = np.bincount(known.user[titled[known.item]], minlength=known.n_users)
    readable = (degree >= _READABLE[0]) & (degree <= _READABLE[1]) & (n_titled == degree) & (test_degree > 0)
    sharers = ledger.sharers()
    eligible = [user for user in sharers if readable[known.users.index(user)] and ledger.share_of(user) == 1]
    if not eligible:
        most = max(sharers, key=lambda user: len(ledger.shared_items(user)))
        return Choice(most, 1, "whoever shares the most, since nobody has a history of 20 to 60 titled items")
    n_sharers = np.bincount(ledger.server_view().item, minlength=known.n_items)
    rarest = min(eligible, key=lambda user: float(n_sharers[known.items_of(known.users.index(user))].mean()))
    rule = (
        "of all who share everything and have 20 to 60 titled items, the one whose items the fewest others share, "
        "since there one person's sharing can change most"
    )
    return Choice(rarest, len(eligible), rule)


def study_case(context: DemoContext, run: Run) -> dict[str, Any]:
    """Three lists of one person.

    Args:
        context: Where the demo takes place.
        run: Trained with what the person shares.

    Returns:
        The person, their newest interactions, and under ``lists`` their recommendations ``before`` (trained with
        everything of theirs private, all else as it is), ``sharing`` (``run``) and ``after`` (unlearned from ``run``).
    """
    choice = choose_person(context, run.ledger)
    user = choice.user
    _, request = run.ledger.unshare(user, everything=True)
    index = context.known.users.index(user)
    later = {context.test.items.id(int(item)) for item in context.test.items_of(index)}

    def listed(one: Run) -> list[dict[str, Any]]:
        ranked = context.light(one).recommend(user, k=_LENGTH)
        return [{"item": each.item, "title": each.title, "chosen_later": each.item in later} for each in ranked]

    after = context.unlearn("one person's story: unlearning", run, request, ContrastiveUnlearning())
    lists = {"sharing": listed(run), "after": listed(after)}
    before = context.retrain("one person's story: training without them", run, request, Retrain())
    lists["before"] = listed(before)
    return {
        "user": user,
        "n_eligible": choice.n_eligible,
        "rule": choice.rule,
        "n_known": int(context.known.user_degree()[index]),
        "n_withdrawn": len(request),
        "n_chosen_later": len(later),
        "history": _newest(context, index),
        "lists": {name: lists[name] for name in ("before", "sharing", "after")},
        "changed_by_sharing": len(_items(lists["sharing"]) - _items(lists["before"])),
        "changed_by_unsharing": len(_items(lists["after"]) - _items(lists["sharing"])),
        "apart_in_the_end": len(_items(lists["after"]) - _items(lists["before"])),
        "unlearn_cpu_s": after.cost.cpu_s,
        "retrain_cpu_s": before.cost.cpu_s,
    }


def _newest(context: DemoContext, user: int) -> list[dict[str, str]]:
    known = context.known
    mine = slice(int(known.offsets[user]), int(known.offsets[user + 1]))
    items = known.item[mine]
    if known.timestamp is not None:
        items = items[np.argsort(-known.timestamp[mine], kind="stable")]
    ids = [known.items.id(int(item)) for item in items[:_SHOWN]]
    return [{"item": id, "title": known.title(id)} for id in ids]


def _items(listed: list[dict[str, Any]]) -> set[str]:
    return {each["item"] for each in listed}
