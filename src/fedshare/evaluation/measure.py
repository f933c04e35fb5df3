"""What an audit measures of several models, each known by its scorer alone.

Utility figures, means over users:

- ndcg@20 and recall@20 on test pairs, where there are any. All models rank the same items: those outside the pairs that
  the user has after the request. So an erased item can be recommended again, and will be where it was not forgotten.
- fit_ndcg@20: each user's own remaining pairs among all items. It needs no test pairs and shows what too much
  forgetting breaks. Where there are test pairs they are left out of this list: finding them is no loss of fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedshare.evaluation.aligned import Relevant
from fedshare.evaluation.distances import Distances, list_overlap, mean_distances
from fedshare.evaluation.evaluate import list_metrics, means
from fedshare.evaluation.forgetting import Compared, Forgetting, measure_forgetting
from fedshare.evaluation.membership import AttackPairs, AttackScores
from fedshare.evaluation.pairs import Pairs, ranking_batches
from fedshare.evaluation.ranking import top_k
from fedshare.models.scorer import Scorer, tie_order

__all__ = ["Survey", "compare_utility", "distances_to_reference", "measure_side", "survey"]

_K = 20
_UTILITY = (f"ndcg@{_K}", f"recall@{_K}", f"fit_ndcg@{_K}")


class UserValues(NamedTuple):
    """One figure of some users; both arrays are ``(n_users_with_it,)``."""

    users: NDArray[np.int32]
    values: NDArray[np.float64]


_NOBODY = UserValues(np.empty(0, dtype=np.int32), np.empty(0))


class Survey(NamedTuple):
    """One model's recommendations and each user's utility."""

    lists: NDArray[np.int32]
    "Of every user, ``(n_users, 20)``."
    utility: Mapping[str, UserValues]
    "By the name of the figure."


def survey(scorer: Scorer, retained: Pairs, relevant: Relevant | None) -> Survey:
    """Rank the catalogue for everybody.

    Args:
        scorer: The model.
        retained: What people have after the request; it is left out of the recommendations.
        relevant: The test pairs, if there are any.
    """
    lists, fit_lists = _ranked(scorer, retained, relevant)
    utility: dict[str, UserValues] = {}
    if relevant is not None:
        table = _utility(lists, relevant.pairs, relevant.n_numbers)
        utility = {name: table[name] for name in (f"ndcg@{_K}", f"recall@{_K}")}
    utility[f"fit_ndcg@{_K}"] = _utility(fit_lists, retained, scorer.n_items)[f"ndcg@{_K}"]
    return Survey(lists, utility)


def _ranked(scorer: Scorer, retained: Pairs, relevant: Relevant | None) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Everybody's first 20 items outside the retained pairs, and outside the test pairs; ``(n_users, 20)`` each."""
    free: list[NDArray[np.int32]] = []
    fit: list[NDArray[np.int32]] = []
    order = tie_order(scorer)
    for batch, scores in ranking_batches(scorer, np.arange(scorer.n_users)):
        own = retained.within(batch)
        own_scores = scores[own]
        scores[own] = -np.inf
        free.append(top_k(scores, _K, order))
        scores[own] = own_scores
        if relevant is not None:
            scores[relevant.in_catalogue.within(batch)] = -np.inf
        fit.append(top_k(scores, _K, order))
    return np.concatenate(free), np.concatenate(fit)


def _utility(lists: NDArray[np.int32], relevant: Pairs, n_numbers: int) -> dict[str, UserValues]:
    """The ranking metrics of everybody who has a relevant pair."""
    users = relevant.users()
    table = list_metrics(lists[users], users, relevant, n_numbers, (_K,))
    return {name: UserValues(users, values) for name, values in table.items()}


def compare_utility(surveys: Sequence[Survey], mask: NDArray[np.bool_]) -> dict[str, Compared]:
    """Means over the users where the mask is true; the surveys are those of before, after and, if any, reference."""

    def mean(survey: Survey, name: str) -> float | None:
        users, values = survey.utility.get(name, _NOBODY)
        return means({name: values}, mask[users]).get(name)

    figures = {name: [mean(survey, name) for survey in surveys] for name in _UTILITY}
    return {name: Compared(*[*values, None][:3]) for name, values in figures.items()}


def measure_side(pairs: AttackPairs, scorers: Sequence[Scorer]) -> Forgetting | None:
    """Forgetting on one side; None where it had none of the pairs.

    Args:
        pairs: Which pairs against which.
        scorers: Of before, after, reference and noise runs, in this order; the reference and the rest may be missing.
    """
    if not pairs.withdrawn.n_pairs:
        return None
    before, after, *references = (AttackScores.of(scorer, pairs) for scorer in scorers)
    return measure_forgetting(pairs, before, after, references[0] if references else None, references[1:])


def distances_to_reference(
    side: Forgetting | None, surveys: Sequence[Survey], affected: NDArray[np.bool_]
) -> dict[str, Distances | None]:
    """The side's distances, with the overlap of recommendations added, under "before", "after" and "noise".

    Args:
        side: The side whose distances are taken.
        surveys: Of before, after, reference and noise runs, in this order.
        affected: Who is in the request, ``(n_users,)``.
    """
    if side is None or len(surveys) < 3:
        return {"before": None, "after": None, "noise": None}
    reference = surveys[2]

    def joined(distances: Distances | None, several: Sequence[Survey]) -> Distances | None:
        overlap = mean_distances([_overlaps(survey, reference, affected) for survey in several])
        if distances is None or overlap is None:
            return None
        return replace(
            distances,
            top20_overlap_affected=overlap.top20_overlap_affected,
            top20_overlap_bystanders=overlap.top20_overlap_bystanders,
        )

    return {
        "before": joined(side.before, surveys[:1]),
        "after": joined(side.after, surveys[1:2]),
        "noise": joined(side.noise, surveys[3:]),
    }


def _overlaps(survey: Survey, reference: Survey, affected: NDArray[np.bool_]) -> Distances:
    agreement = {"overlap": list_overlap(survey.lists, reference.lists)}
    return Distances(
        top20_overlap_affected=means(agreement, affected).get("overlap"),
        top20_overlap_bystanders=means(agreement, ~affected).get("overlap"),
    )
