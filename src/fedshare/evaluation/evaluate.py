"""How well a model recommends: full ranking of everything a person does not have yet.

For every user with test pairs, all items outside the user's known pairs are ranked by the device's scorer (equal
scores by item index) and the list is held against the user's test pairs. A metric is the mean over those users; users
without test pairs are left out and counted. Metric definitions: `fedshare.evaluation.ranking`.

The extra ``sampled=99`` is the leave-one-out protocol of He et al., WWW 2017, drawn leak-free: every test pair is
ranked among 99 items that are neither known to the user nor in the user's test pairs. One draw per user, named by
seed and user, serves all the user's test pairs; their mean is the user's value. Where fewer items are outside, all
are taken. Krichene and Rendle, KDD 2020, show that sampled metrics may order models differently from exact ones:
compare by the full ranking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.errors import BadData, BadOption, EmptyData
from fedshare.evaluation.figures import EvaluationFigures
from fedshare.evaluation.pairs import Pairs, score_batches
from fedshare.evaluation.ranking import metric_table, top_k
from fedshare.models.scorer import Scorer
from fedshare.options import not_empty, whole
from fedshare.rng import stream
from fedshare.sharing.state import State

if TYPE_CHECKING:
    from fedshare.sharing.ledger import Ledger

__all__ = ["Evaluable", "Evaluation", "evaluate"]


@runtime_checkable
class Evaluable(Protocol):
    """What `evaluate` needs of a run."""

    @property
    def known(self) -> Interactions: ...

    @property
    def ledger(self) -> Ledger: ...

    def device_scorer(self) -> Scorer:
        """Scores as each person's own device computes them."""
        ...


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """How well a model recommends, over all users with test pairs and by group."""

    metrics: dict[str, float]
    'Means over users under "recall@20", "ndcg@20", "hr@20", "mrr@20"; "sampled_hr@20" and so on if asked for.'
    sharers: dict[str, float] | None
    "Means over the users who share at least one pair; {} if there is none, None for a bare scorer without a ledger."
    non_sharers: dict[str, float] | None
    groups: dict[str, dict[str, float]]
    "Means over the groups that were asked for; {} for a group without test pairs."
    n_users: int
    "Users with test pairs."
    n_left_out: int
    "Users without."
    n_sharers: int | None
    "Sharers among the users with test pairs."
    users: tuple[str, ...]
    "Ids of the users with test pairs, in the order of `per_user`."
    per_user: dict[str, NDArray[np.float64]]
    "Each metric user by user, ``(n_users,)``."

    def to_dict(self) -> EvaluationFigures:
        """Everything but the single users' values, as JSON takes it."""
        return {
            "metrics": self.metrics,
            "sharers": self.sharers,
            "non_sharers": self.non_sharers,
            "groups": self.groups,
            "n_users": self.n_users,
            "n_left_out": self.n_left_out,
            "n_sharers": self.n_sharers,
        }


def evaluate(
    run_or_scorer: Evaluable | Scorer,
    test: Interactions,
    *,
    known: Interactions | None = None,
    ks: Sequence[int] = (10, 20),
    sampled: int | None = None,
    seed: int = 0,
    groups: Mapping[str, Iterable[str]] | None = None,
) -> Evaluation:
    """Rank everything that people do not have yet and hold it against what they chose next.

    Args:
        run_or_scorer: A run, or a bare scorer with ``known`` beside it.
        test: The withheld pairs, on the same vocabularies as the known ones.
        known: The pairs left out of the ranking. A run brings its own: those that are not erased.
        ks: List lengths, each at least 1.
        sampled: How many sampled negatives the extra figures rank each test pair among (99 is usual); None for none.
        seed: Of the sampled negatives; the full ranking has nothing random.
        groups: User ids by name of the group, to report apart.

    Raises:
        BadOption: ``ks`` or ``sampled`` is out of range, or a bare scorer came without ``known``.
        BadData: Known pairs, test pairs and scorer differ in size, or a test pair is a known one.
        EmptyData: There is no test pair.
        UnknownUser: A group names a user who is not in the data.

    Example:
        >>> from fedshare.data.interactions import Interactions
        >>> from fedshare.models.scorer import MatrixScorer
        >>> table = Interactions.from_arrays(["ann", "ann"], ["milk", "tea"], split=[0, 1])
        >>> known, test = table.select(table.split == 0), table.select(table.split == 1)
        >>> evaluate(MatrixScorer(np.zeros((1, 2))), test, known=known, ks=[1]).metrics["recall@1"]
        1.0
    """
    not_empty("ks", ks, hint="Usual list lengths are (10, 20).")
    for k in ks:
        whole("ks", k, 1, hint="Usual list lengths are (10, 20).")
    if sampled is not None:
        whole("sampled", sampled, 1, hint="Usual is 99; None is no sampled figures.")
    scorer, hidden, ledger = _parts(run_or_scorer, known)
    relevant = withheld_pairs(test, hidden, (scorer.n_users, scorer.n_items))
    users = relevant.users()

    lists = np.concatenate([top_k(scores, max(ks)) for _, scores in _hiding(scorer, users, hidden)])
    per_user = list_metrics(lists, users, relevant, test.n_items, ks)
    if sampled is not None:
        names = [test.users.id(int(user)) for user in users]
        per_user |= _sampled_metrics(scorer, users, names, hidden, relevant, sampled, ks, seed)

    shares = None if ledger is None else _shares(ledger)[users]
    return Evaluation(
        metrics=means(per_user, np.ones(len(users), dtype=bool)),
        sharers=None if shares is None else means(per_user, shares),
        non_sharers=None if shares is None else means(per_user, ~shares),
        groups={
            name: means(per_user, np.isin(users, test.users.indices(members)))
            for name, members in (groups or {}).items()
        },
        n_users=len(users),
        n_left_out=test.n_users - len(users),
        n_sharers=None if shares is None else int(shares.sum()),
        users=tuple(test.users.id(int(user)) for user in users),
        per_user=per_user,
    )


def withheld_pairs(test: Interactions, hidden: Pairs, shape: tuple[int, int]) -> Pairs:
    """The test pairs, once it is clear that they can be ranked: same sizes, none of them hidden, at least one."""
    if (test.n_users, test.n_items) != shape:
        raise BadData(
            f"test pairs: got {test.n_users} users and {test.n_items} items, expected {shape[0]} and {shape[1]} as the "
            "scorer has. Take both from one split."
        )
    if not len(test):
        raise EmptyData("test pairs: got none, expected at least one. Split with a larger test_fraction.")
    both = hidden.contains(test.user, test.item, test.n_items)
    if both.any():
        raise BadData(f"test pairs: {int(both.sum())} of {len(test)} are known pairs too, expected none. Split again.")
    return Pairs(test.user, test.item)


def list_metrics(
    lists: NDArray[np.int32], users: NDArray[np.integer], relevant: Pairs, n_items: int, ks: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """The metrics of ranked lists, ``(n_users, max(ks))``, of users who have at least one relevant pair each."""
    hits = relevant.contains(np.asarray(users)[:, None], lists, n_items)
    row, _ = relevant.within(users)
    return metric_table(hits, np.bincount(row, minlength=len(users)), ks)


def means(per_user: Mapping[str, NDArray[np.float64]], mask: NDArray[np.bool_]) -> dict[str, float]:
    """Mean of each metric over some of the users; {} where that is nobody."""
    return {name: float(values[mask].mean()) for name, values in per_user.items()} if mask.any() else {}


def _parts(run_or_scorer: Evaluable | Scorer, known: Interactions | None) -> tuple[Scorer, Pairs, Ledger | None]:
    """(scorer, pairs to leave out of the ranking, ledger if there is one)."""
    if isinstance(run_or_scorer, Evaluable):
        scorer, ledger = run_or_scorer.device_scorer(), run_or_scorer.ledger
        own = Pairs(ledger.known.user, ledger.known.item).take(ledger.state != State.ERASED)
        hidden = own if known is None else Pairs(known.user, known.item)
        sizes = ledger.known if known is None else known
    elif known is None:
        raise BadOption("known: got a bare scorer without known pairs. Pass known=, the pairs to leave out.")
    else:
        scorer, ledger, hidden, sizes = run_or_scorer, None, Pairs(known.user, known.item), known
    if (sizes.n_users, sizes.n_items) != (scorer.n_users, scorer.n_items):
        raise BadData(
            f"known pairs: got {sizes.n_users} users and {sizes.n_items} items, expected {scorer.n_users} and "
            f"{scorer.n_items} as the scorer has. Pass the pairs it was trained on."
        )
    return scorer, hidden, ledger


def _hiding(
    scorer: Scorer, users: NDArray[np.integer], hidden: Pairs
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Score batches of the users with the hidden pairs at -inf."""
    for batch, scores in score_batches(scorer, users):
        scores[hidden.within(batch)] = -np.inf
        yield batch, scores


def _shares(ledger: Ledger) -> NDArray[np.bool_]:
    """Who shares at least one pair, ``(n_users,)``."""
    shared = np.zeros(ledger.known.n_users, dtype=bool)
    shared[ledger.known.user[ledger.state == State.SHARED]] = True
    return shared


def _sampled_metrics(
    scorer: Scorer,
    users: NDArray[np.integer],
    names: Sequence[str],
    hidden: Pairs,
    relevant: Pairs,
    n_negatives: int,
    ks: Sequence[int],
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Each test pair among sampled negatives, as user means ``(n_users,)``."""
    name_of = dict(zip(users.tolist(), names, strict=True))
    places: list[NDArray[np.intp]] = []  # of each test pair in its list, from 0
    for batch, scores in score_batches(scorer, users):
        outside = np.ones(scores.shape, dtype=bool)
        outside[hidden.within(batch)] = False
        outside[relevant.within(batch)] = False
        row, items = relevant.within(batch)
        first = np.searchsorted(row, np.arange(len(batch) + 1))
        for index, user in enumerate(batch.tolist()):
            rng = stream(seed, "sampled negatives", name_of[user])
            pool = np.flatnonzero(outside[index])
            negatives = rng.choice(pool, size=min(n_negatives, len(pool)), replace=False)
            tested = items[first[index] : first[index + 1], None]  # (n_test, 1)
            rival, own = scores[index, negatives], scores[index, tested]
            places.append(((rival > own) | ((rival == own) & (negatives < tested))).sum(axis=1))
    place, (row, _) = np.concatenate(places), relevant.within(users)
    hits = place[:, None] == np.arange(max(ks))  # (n_pairs, max(ks))
    table = metric_table(hits, np.ones(len(place), dtype=np.int64), ks)
    per_user = np.bincount(row)
    return {
        f"sampled_{name}": np.bincount(row, weights=values) / per_user
        for name, values in table.items()
        if not name.startswith("recall")  # with one relevant item, recall is the hit rate
    }
