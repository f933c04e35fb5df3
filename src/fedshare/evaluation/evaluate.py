"""How well a model recommends: full ranking of everything a person does not have yet.

For every user with test pairs, all items outside the user's known pairs, erased ones included, are ranked by the
device's scorer (equal scores in the scorer's own order, or by item index) and the list is held against the user's
test pairs: the list is what ``recommend`` gives. A metric is the mean over those users; users without test pairs are
left out and counted. Metric definitions: `fedshare.evaluation.ranking`. Test pairs are matched by id, see
`fedshare.evaluation.aligned`.

The extra ``sampled=99`` is the leave-one-out protocol of He et al., WWW 2017, drawn leak-free: every test pair is
ranked among 99 items that are neither known to the user nor in the user's test pairs. One draw per user, named by
seed and user, serves all the user's test pairs; their mean is the user's value. Where fewer items are outside, all
are taken. Krichene and Rendle, KDD 2020, show that sampled metrics may order models differently from exact ones:
compare by the full ranking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import Interactions
from fedshare.errors import BadData, BadOption, UnknownUser
from fedshare.evaluation.aligned import Relevant, aligned_pairs, count, withheld_pairs
from fedshare.evaluation.figures import EvaluationFigures
from fedshare.evaluation.pairs import Pairs, ranking_batches
from fedshare.evaluation.ranking import coverage, metric_table, novelty, self_information, top_k
from fedshare.models.scorer import Scorer, tie_order
from fedshare.options import instance, not_empty, shown, texts, whole
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
    """Under "recall@20", "ndcg@20", "hr@20", "mrr@20", "precision@20", "map@20" and "novelty@20", means over users;
    "coverage@20" of all their lists; "sampled_hr@20" and so on if asked for."""
    sharers: dict[str, float] | None
    "Means over the users who share at least one pair; {} if there is none, None for a bare scorer without a ledger."
    non_sharers: dict[str, float] | None
    groups: dict[str, dict[str, float]]
    "Means over the groups that were asked for; {} for a group without test pairs."
    n_users: int
    "Users with test pairs."
    n_left_out: int
    "Users of the run without."
    n_test_pairs: int
    "Test pairs of the users with test pairs."
    n_unknown_users: int
    "Users of the test pairs whom the run does not know; nothing is measured on them."
    n_cold_items: int
    "Items of the test pairs that nobody has in training, those outside the catalogue included."
    n_cold_pairs: int
    "Their test pairs."
    notes: tuple[str, ...]
    "What a reader of the figures should know, one sentence each."
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
            "n_test_pairs": self.n_test_pairs,
            "n_unknown_users": self.n_unknown_users,
            "n_cold_items": self.n_cold_items,
            "n_cold_pairs": self.n_cold_pairs,
            "n_sharers": self.n_sharers,
            "notes": list(self.notes),
        }

    def summary(self) -> str:
        """The figures as text: one line, and one for each note."""
        k = max(int(name.rpartition("@")[2]) for name in self.metrics)
        names = ", ".join(f"{name.upper()}@{k} {self.metrics[f'{name}@{k}']:.4f}" for name in ("ndcg", "recall", "hr"))
        head = f"{names} over {count(self.n_users, 'user')} with {count(self.n_test_pairs, 'test pair')}"
        return "\n".join([head, *(f"note: {note}" for note in self.notes)])


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
        test: The withheld pairs, matched by id: people whom the run does not know are left out and counted, items that
            are not in its catalogue count as misses.
        known: The pairs left out of the ranking, matched by id as well. A run brings its own: all that people have, and
            what they have erased.
        ks: List lengths, each at least 1.
        sampled: How many sampled negatives the extra figures rank each test pair among (99 is usual); None for none.
        seed: Of the sampled negatives; the full ranking has nothing random.
        groups: User ids by name of the group, to report apart.

    Raises:
        BadOption: ``ks`` or ``sampled`` is out of range, a bare scorer came without ``known``, or an argument is of
            another kind.
        BadData: Known pairs and scorer differ in size, no person or no item of the test pairs is known, or a test pair
            is a known one.
        EmptyData: There is no test pair.
        UnknownUser: A group names somebody who is neither in the run nor in the test pairs.

    Example:
        >>> from fedshare.data.interactions import Interactions
        >>> from fedshare.models.scorer import MatrixScorer
        >>> table = Interactions.from_arrays(["ann", "ann"], ["milk", "tea"], split=[0, 1])
        >>> known, test = table.select(table.split == 0), table.select(table.split == 1)
        >>> evaluate(MatrixScorer(np.zeros((1, 2))), test, known=known, ks=[1]).metrics["recall@1"]
        1.0
    """
    _check(run_or_scorer, known, ks, sampled, seed)
    wanted = _groups(groups)
    scorer, people, hidden, trained, ledger = _parts(run_or_scorer, known)
    relevant = withheld_pairs(test, people, hidden, trained)
    users = relevant.pairs.users()
    members = {name: _members(name, ids, people, test) for name, ids in wanted.items()}

    order = tie_order(scorer)
    lists = np.concatenate([top_k(scores, max(ks), order) for _, scores in _hiding(scorer, users, hidden)])
    per_user = list_metrics(lists, users, relevant.pairs, relevant.n_numbers, ks)
    information = self_information(np.bincount(trained.item, minlength=people.n_items), people.n_users)
    per_user |= {f"novelty@{k}": novelty(lists[:, :k], information) for k in ks}
    if sampled is not None:
        names = people.users.ids_at(users)
        per_user |= _sampled_metrics(scorer, users, names, hidden, relevant, sampled, ks, seed)

    def figures(mask: NDArray[np.bool_]) -> dict[str, float]:
        """Means over some of the users, and what their lists cover; {} where that is nobody."""
        if not mask.any():
            return {}
        return means(per_user, mask) | {f"coverage@{k}": coverage(lists[mask, :k], people.n_items) for k in ks}

    shares = None if ledger is None else _shares(ledger)[users]
    return Evaluation(
        metrics=figures(np.ones(len(users), dtype=bool)),
        sharers=None if shares is None else figures(shares),
        non_sharers=None if shares is None else figures(~shares),
        groups={name: figures(np.isin(users, those)) for name, those in members.items()},
        n_users=len(users),
        n_left_out=people.n_users - len(users),
        n_test_pairs=relevant.pairs.n_pairs,
        n_unknown_users=relevant.n_unknown_users,
        n_cold_items=relevant.n_cold_items,
        n_cold_pairs=relevant.n_cold_pairs,
        notes=(*relevant.notes(), *_newcomers(users, trained)),
        n_sharers=None if shares is None else int(shares.sum()),
        users=tuple(people.users.ids_at(users)),
        per_user=per_user,
    )


def _newcomers(users: NDArray[np.integer], trained: Pairs) -> Iterator[str]:
    n = len(users) - int(np.isin(users, trained.user).sum())
    if n:
        yield f"{count(n, 'test user')} without any pair in training."


def list_metrics(
    lists: NDArray[np.int32], users: NDArray[np.integer], relevant: Pairs, n_numbers: int, ks: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """The metrics of ranked lists, ``(n_users, max(ks))``, of users who have at least one relevant pair each.

    Args:
        lists: Item numbers.
        users: Whose lists.
        relevant: What they chose; items may be numbered behind the catalogue.
        n_numbers: Item numbers in use.
        ks: List lengths.
    """
    hits = relevant.contains(np.asarray(users)[:, None], lists, n_numbers)
    row, _ = relevant.within(users)
    return metric_table(hits, np.bincount(row, minlength=len(users)), ks)


def means(per_user: Mapping[str, NDArray[np.float64]], mask: NDArray[np.bool_]) -> dict[str, float]:
    """Mean of each metric over some of the users; {} where that is nobody."""
    return {name: float(values[mask].mean()) for name, values in per_user.items()} if mask.any() else {}


def _check(run_or_scorer: object, known: object, ks: Sequence[int], sampled: int | None, seed: int) -> None:
    instance(
        "run_or_scorer",
        run_or_scorer,
        Evaluable if isinstance(run_or_scorer, Evaluable) else Scorer,
        "a run, or a scorer",
        hint="Write fs.evaluate(run, test).",
    )
    if known is not None:
        instance("known", known, Interactions, "interactions, or None", hint="A run brings its own.")
    instance("ks", ks, Sequence, "several list lengths", hint="Usual list lengths are (10, 20).")
    not_empty("ks", ks, hint="Usual list lengths are (10, 20).")
    for k in ks:
        whole("ks", k, 1, hint="Usual list lengths are (10, 20).")
    if sampled is not None:
        whole("sampled", sampled, 1, hint="Usual is 99; None is no sampled figures.")
    whole("seed", seed)


def _groups(groups: object) -> Mapping[str, Iterable[str]]:
    if groups is None:
        return {}
    instance("groups", groups, Mapping, "user ids by name of the group", hint="Write {'regulars': ['17850']}.")
    return cast(Mapping[str, Iterable[str]], groups)


def _members(name: str, ids: Iterable[str], people: Interactions, test: Interactions) -> NDArray[np.int64]:
    """The numbers of a group's users whom the run knows."""
    members = texts(f"groups, {shown(name)}", ids)
    strangers = [id for id in members if id not in people.users and id not in test.users]
    if strangers:
        raise UnknownUser(
            f"groups, {shown(name)}: {count(len(strangers), 'user')} of {len(members):,} neither in the run nor in the "
            f"test pairs, the first is {shown(strangers[0])}; expected ids of users. Check the spelling."
        )
    return np.array([people.users.index(id) for id in members if id in people.users], dtype=np.int64)


def _parts(
    run_or_scorer: Evaluable | Scorer, known: Interactions | None
) -> tuple[Scorer, Interactions, Pairs, Pairs, Ledger | None]:
    """(scorer, people and items, pairs to leave out of the ranking, pairs of training, ledger if there is one)."""
    if isinstance(run_or_scorer, Evaluable):
        scorer, ledger = run_or_scorer.device_scorer(), run_or_scorer.ledger
        people = ledger.known
        everything = Pairs(people.user, people.item)
        trained = everything.take(ledger.state != State.ERASED)
        hidden = everything if known is None else aligned_pairs(known, people)
    elif known is None:
        raise BadOption("known: got a bare scorer without known pairs. Pass known=, the pairs to leave out.")
    else:
        scorer, ledger, people = run_or_scorer, None, known
        hidden = trained = Pairs(known.user, known.item)
    if (people.n_users, people.n_items) != (scorer.n_users, scorer.n_items):
        raise BadData(
            f"known pairs: got {people.n_users} users and {people.n_items} items, expected {scorer.n_users} and "
            f"{scorer.n_items} as the scorer has. Pass the pairs it was trained on."
        )
    return scorer, people, hidden, trained, ledger


def _hiding(
    scorer: Scorer, users: NDArray[np.integer], hidden: Pairs
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Score batches of the users with the hidden pairs at -inf."""
    for batch, scores in ranking_batches(scorer, users):
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
    relevant: Relevant,
    n_negatives: int,
    ks: Sequence[int],
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Each test pair among sampled negatives, as user means ``(n_users,)``; what is in no catalogue is a miss."""
    name_of = dict(zip(users.tolist(), names, strict=True))
    order = tie_order(scorer)
    listed = np.argsort(np.arange(scorer.n_items) if order is None else order)  # place of each item among equals
    tests, longest = relevant.in_catalogue, max(ks)
    places: list[NDArray[np.intp]] = []  # of each test pair in its list, from 0
    for batch, scores in ranking_batches(scorer, users):
        outside = np.ones(scores.shape, dtype=bool)
        outside[hidden.within(batch)] = False
        outside[tests.within(batch)] = False
        row, items = tests.within(batch)
        everything, _ = relevant.pairs.within(batch)
        first = np.searchsorted(row, np.arange(len(batch) + 1))
        n_tests = np.bincount(everything, minlength=len(batch))
        for index, user in enumerate(batch.tolist()):
            rng = stream(seed, "sampled negatives", name_of[user])
            pool = np.flatnonzero(outside[index])
            negatives = rng.choice(pool, size=min(n_negatives, len(pool)), replace=False)
            tested = items[first[index] : first[index + 1], None]  # (n_test, 1)
            rival, own = scores[index, negatives], scores[index, tested]
            ahead = (rival > own) | ((rival == own) & (listed[negatives] < listed[tested]))
            places.append(ahead.sum(axis=1))
            places.append(np.full(int(n_tests[index]) - len(tested), longest, dtype=np.intp))
    place, (row, _) = np.concatenate(places), relevant.pairs.within(users)
    hits = place[:, None] == np.arange(longest)  # (n_pairs, max(ks))
    table = metric_table(hits, np.ones(len(place), dtype=np.int64), ks)
    per_user = np.bincount(row)
    return {
        f"sampled_{name}": np.bincount(row, weights=values) / per_user
        for name, values in table.items()
        if not name.startswith(("recall", "precision", "map"))  # of one relevant item these are the others again
    }
