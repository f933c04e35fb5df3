"""A case study: one person's recommendations before they share, while they share, and after they took it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fedshare.demo.context import DemoContext
from fedshare.simulation.run import Run
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.retrain import Retrain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.cost import Cost
    from fedshare.demo.figures import CaseStudyFigures, RecommendationLists, RecommendedItem, TitledItem
    from fedshare.sharing.ledger import Ledger
    from fedshare.sharing.request import Request

__all__ = ["Choice", "choose_person", "study_case"]

_READABLE = (20, 60)
"Interactions of a person whose history can be read on a page."
_LENGTH = 10
_SHOWN = 8


class Choice(NamedTuple):
    """Who the case study is about, and how they were found."""

    user: str
    n_eligible: int
    rule: str


def choose_person(context: DemoContext, ledger: Ledger) -> Choice:
    """Choose a person by what they share, not by how the case study ends.

    Eligible is who shares everything, has 20 to 60 interactions, all of them titled, and has test pairs. Of these, the
    person is chosen whose items the fewest others share. There a single person's sharing can change most, and so can
    taking it back. Where nobody is eligible, it is whoever shares the most.

    Args:
        context: Data, seed and rounds.
        ledger: Who shares what.
    """
    known, sharers = context.known, ledger.sharers()
    readable = _readable(context)
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


def _readable(context: DemoContext) -> NDArray[np.bool_]:
    """``(n_users,)``: who has a history of readable length, a title for each item of it, and test pairs."""
    known, degree = context.known, context.known.user_degree()
    titled = np.array([id in known.titles for id in known.items], dtype=bool)
    n_titled = np.bincount(known.user[titled[known.item]], minlength=known.n_users)
    fits = (degree >= _READABLE[0]) & (degree <= _READABLE[1])
    return fits & (n_titled == degree) & (context.test.user_degree() > 0)


def study_case(context: DemoContext, run: Run) -> CaseStudyFigures:
    """Three lists of one person.

    Args:
        context: Data, seed and rounds.
        run: Trained with what the person shares.

    Returns:
        The person, their newest interactions and three lists of recommendations: ``before`` from a model that was
        trained with everything of theirs private and all else as it is, ``sharing`` from ``run``, and ``after`` from
        the model that unlearned them.
    """
    choice = choose_person(context, run.ledger)
    _, request = run.ledger.unshare(choice.user, everything=True)
    index = context.known.users.index(choice.user)
    later = {context.test.items.id(int(item)) for item in context.test.items_of(index)}
    lists, unlearning, retraining = _lists(context, run, request, choice.user, later)
    before, sharing, after = ({each["item"] for each in lists[name]} for name in ("before", "sharing", "after"))
    return {
        "user": choice.user,
        "n_eligible": choice.n_eligible,
        "rule": choice.rule,
        "n_known": int(context.known.user_degree()[index]),
        "n_withdrawn": len(request),
        "n_chosen_later": len(later),
        "history": _newest(context, index),
        "lists": lists,
        "changed_by_sharing": len(sharing - before),
        "changed_by_unsharing": len(after - sharing),
        "apart_in_the_end": len(after - before),
        "unlearn_cpu_s": unlearning.cpu_s,
        "retrain_cpu_s": retraining.cpu_s,
    }


def _lists(
    context: DemoContext, run: Run, request: Request, user: str, later: set[str]
) -> tuple[RecommendationLists, Cost, Cost]:
    """The three lists, and what unlearning and training without the person cost."""

    def listed(one: Run) -> list[RecommendedItem]:
        ranked = one.recommend(user, k=_LENGTH)
        return [{"item": each.item, "title": each.title, "chosen_later": each.item in later} for each in ranked]

    sharing = listed(run)
    after = context.unlearn("case study: unlearning", run, request, ContrastiveUnlearning())
    before = context.retrain("case study: training without them", run, request, Retrain())
    return {"before": listed(before), "sharing": sharing, "after": listed(after)}, after.cost, before.cost


def _newest(context: DemoContext, user: int) -> list[TitledItem]:
    """A person's newest interactions; the first of them where the data has no times."""
    known = context.known
    mine = slice(int(known.offsets[user]), int(known.offsets[user + 1]))
    items = known.item[mine]
    if known.timestamp is not None:
        items = items[np.argsort(-known.timestamp[mine], kind="stable")]
    ids = [known.items.id(int(item)) for item in items[:_SHOWN]]
    return [{"item": id, "title": known.title(id)} for id in ids]
