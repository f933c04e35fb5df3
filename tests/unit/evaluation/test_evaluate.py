import json
import math

import numpy as np
import pytest

from fedshare.data.interactions import Interactions
from fedshare.data.synthetic import random_world, two_taste_world
from fedshare.errors import BadData, BadOption, EmptyData, InputError, UnknownUser
from fedshare.evaluation import evaluate
from fedshare.evaluation import pairs as pairs_module
from fedshare.models.scorer import MatrixScorer, Scorer

CATALOGUE = "abcdef"
FALLING = np.array([6.0, 5, 4, 3, 2, 1])  # a is best


def naive_metrics(matrix, known, test, k):
    """Full ranking with sorted() and math, user by user."""
    recalls, ndcgs, hits, ranks, precisions, averages, novelties = [], [], [], [], [], [], []
    covered = set()
    for user in range(known.n_users):
        relevant = {int(i) for u, i in zip(test.user, test.item, strict=True) if u == user}
        hidden = {int(i) for u, i in zip(known.user, known.item, strict=True) if u == user}
        if not relevant:
            continue
        free = [item for item in range(known.n_items) if item not in hidden]
        ranked = sorted(free, key=lambda item: (-matrix[user][item], item))[:k]
        places = [place for place, item in enumerate(ranked) if item in relevant]
        recalls.append(len(places) / len(relevant))
        best = sum(1 / math.log2(place + 2) for place in range(min(k, len(relevant))))
        ndcgs.append(sum(1 / math.log2(place + 2) for place in places) / best)
        hits.append(1 if places else 0)
        ranks.append(1 / (places[0] + 1) if places else 0)
        precisions.append(len(places) / k)
        averages.append(
            sum(sum(item in relevant for item in ranked[: p + 1]) / (p + 1) for p in places) / min(k, len(relevant))
        )
        owners = [sum(1 for i in known.item if i == item) for item in ranked]
        bits = [math.log2(known.n_users / max(1, n)) for n in owners]
        novelties.append(sum(bits) / len(bits))
        covered |= set(ranked)
    several = {"recall": recalls, "ndcg": ndcgs, "hr": hits, "mrr": ranks, "precision": precisions, "map": averages}
    figures = {f"{name}@{k}": sum(values) / len(values) for name, values in several.items()}
    figures[f"novelty@{k}"] = sum(novelties) / len(novelties)
    return figures | {f"coverage@{k}": len(covered) / known.n_items}


def halves(world, seed=0):
    mask = np.random.default_rng(seed).random(len(world)) < 0.7
    return world.select(mask), world.select(~mask)


def test_worked_by_hand(make):
    known = make.table(CATALOGUE, {"ann": "a", "bob": "c", "eve": "f"})
    test = make.table(CATALOGUE, {"ann": "bd", "bob": "f", "eve": ""})
    result = evaluate(MatrixScorer(np.tile(FALLING, (3, 1))), test, known=known, ks=[2, 5])
    # ann is offered b c d e f and wanted b and d; bob is offered a b d e f and wanted f
    assert result.metrics["recall@2"] == (1 / 2 + 0 / 1) / 2
    assert result.metrics["recall@5"] == 1.0
    assert result.metrics["hr@2"] == 1 / 2
    assert result.metrics["mrr@5"] == (1 / 1 + 1 / 5) / 2
    ann = (1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    bob = 1 / math.log2(6)
    assert result.metrics["ndcg@5"] == pytest.approx((ann + bob) / 2)
    assert (result.n_users, result.n_left_out, result.users) == (2, 1, ("ann", "bob"))
    assert result.per_user["recall@2"].tolist() == [1 / 2, 0.0]


@pytest.mark.parametrize("levels", [3, 10_000])
def test_agrees_with_the_slow_twin(levels, monkeypatch):
    monkeypatch.setattr(pairs_module, "_SCORES_AT_ONCE", 300)  # several batches
    known, test = halves(random_world(1, 40, 50, 600))
    matrix = np.random.default_rng(2).integers(levels, size=(40, 50)).astype(np.float32)
    result = evaluate(MatrixScorer(matrix), test, known=known, ks=[1, 7, 20])
    for k in (1, 7, 20):
        for name, value in naive_metrics(matrix, known, test, k).items():
            assert result.metrics[name] == pytest.approx(value), name
    assert (result.n_test_pairs, result.n_unknown_users) == (len(test), 0)


def test_even_users_find_their_withheld_even_items():
    known, test = halves(two_taste_world(20, 20, liked_share=1.0))
    parity = np.arange(20)[:, None] % 2 == np.arange(20)[None, :] % 2
    result = evaluate(MatrixScorer(parity.astype(np.float32)), test, known=known, ks=[10])
    assert result.metrics["recall@10"] == 1.0
    assert result.metrics["ndcg@10"] == 1.0


def test_sharers_apart_and_erased_pairs_are_not_offered_again(make):
    known = make.table(CATALOGUE, {"ann": "ab", "bob": "ab"})
    test = make.table(CATALOGUE, {"ann": "c", "bob": "c"})
    ledger = make.ledger(known, {"ann": "a"})
    scores = np.tile(FALLING, (2, 1))
    result = evaluate(make.run(ledger, scores, scores), test, ks=[1])
    assert (result.sharers, result.non_sharers) == (result.metrics, result.metrics)
    assert result.n_sharers == 1
    ledger, _ = ledger.erase("bob", items=["b"])
    result = evaluate(make.run(ledger, scores, scores), test, ks=[1])
    assert result.sharers is not None
    assert result.sharers["recall@1"] == 1.0
    assert result.non_sharers is not None
    assert result.non_sharers["recall@1"] == 1.0  # b, which is better than c, is not offered again


def test_groups_without_anybody_are_empty_not_zero(make):
    known = make.table(CATALOGUE, {"ann": "a", "bob": "a"})
    test = make.table(CATALOGUE, {"ann": "b", "bob": ""})
    scorer = MatrixScorer(np.tile(FALLING, (2, 1)))
    result = evaluate(scorer, test, known=known, ks=[1], groups={"regulars": ["ann"], "quiet": ["bob"]})
    assert result.groups["regulars"]["recall@1"] == 1.0
    assert result.groups["quiet"] == {}
    assert result.sharers is None
    assert result.n_sharers is None
    run = make.run(make.ledger(known), scorer.matrix, scorer.matrix)
    assert evaluate(run, test, ks=[1]).sharers == {}
    assert json.loads(json.dumps(result.to_dict()))["n_left_out"] == 1
    with pytest.raises(UnknownUser):
        evaluate(scorer, test, known=known, groups={"who": ["zoe"]})


def test_another_numbering_of_the_same_people_and_items_changes_nothing():
    known, test = halves(random_world(1, 40, 50, 600))
    test = test.select((test.user % 3 != 0) & (test.item % 7 != 0))
    scorer = MatrixScorer(np.random.default_rng(2).random((40, 50)))
    users, items = [np.array(v.ids) for v in (test.users, test.items)]
    other = Interactions.from_arrays(users[test.user], items[test.item])  # its own, smaller vocabularies
    assert (other.n_users, other.n_items) != (test.n_users, test.n_items)
    groups = {"some": list(users[:9])}
    same, renumbered = (
        evaluate(scorer, each, known=known, groups=groups, sampled=20, ks=[5]) for each in (test, other)
    )
    assert same.to_dict() == renumbered.to_dict()
    assert same.users == renumbered.users


def test_strangers_are_left_out_and_unknown_items_are_misses(make):
    known = make.table(CATALOGUE, {"ann": "a", "bob": "c"})
    scorer = MatrixScorer(np.tile(FALLING, (2, 1)))
    test = Interactions.from_arrays(["zoe", "ann", "ann", "ann", "bob"], ["b", "b", "tea", "milk", "tea"])
    result = evaluate(scorer, test, known=known, ks=[2], sampled=9)
    # ann is offered b c and wanted b, tea and milk; bob is offered a b and wanted tea
    assert result.per_user["recall@2"].tolist() == [1 / 3, 0.0]
    assert result.metrics["ndcg@2"] == pytest.approx(1 / (1 + 1 / math.log2(3)) / 2)
    assert result.metrics["sampled_hr@2"] == (1 / 3 + 0) / 2
    assert (result.users, result.n_users, result.n_unknown_users) == (("ann", "bob"), 2, 1)
    assert (result.n_test_pairs, result.n_cold_items, result.n_cold_pairs) == (4, 3, 4)
    assert result.notes == (
        "1 test user not known to the run left out, with 1 pair.",
        "3 cold test items, which nobody has in training, 2 of them not even in the catalogue: 4 of 4 test pairs, "
        "hardly to be found.",
    )
    assert result.summary().splitlines() == [
        f"NDCG@2 {result.metrics['ndcg@2']:.4f}, RECALL@2 0.1667, HR@2 0.5000 over 2 users with 4 test pairs",
        *(f"note: {note}" for note in result.notes),
    ]


def test_nothing_in_common_is_refused_without_naming_anybody(make):
    known = make.table(CATALOGUE, {"ann": "a"})
    scorer = MatrixScorer(FALLING[None])
    for test, what in ((["zoe"], ["b"]), "people"), ((["ann"], ["tea"]), "items"):
        with pytest.raises(BadData, match=rf"none of their 1 {what} is among the run's .*expected the same") as error:
            evaluate(scorer, Interactions.from_arrays(*test), known=known)
        assert not {"zoe", "ann", "tea"} & set(str(error.value).split())


def test_a_group_may_name_who_is_in_the_test_pairs_alone(make):
    known = make.table(CATALOGUE, {"ann": "a", "bob": "c"})
    scorer = MatrixScorer(np.tile(FALLING, (2, 1)))
    test = Interactions.from_arrays(["zoe", "bob"], ["b", "b"])
    result = evaluate(scorer, test, known=known, ks=[1], groups={"both": ["zoe", "bob"], "she": ["zoe"]})
    assert result.groups["both"]["recall@1"] == 0.0
    assert result.groups["she"] == {}
    for wrong in ("bob", [7], 3):
        with pytest.raises(BadOption, match="groups, 'all'"):
            evaluate(scorer, test, known=known, groups={"all": wrong})  # pyright: ignore[reportArgumentType] on purpose


def test_an_order_of_ties_is_followed(make):
    class Tied:
        n_users, n_items = 1, 6
        tie_order = np.array([5, 4, 3, 2, 1, 0])

        def scores(self, users):
            return np.zeros((len(users), 6), dtype=np.float32)

        def rank_by(self, users, scores):
            return scores

    known, test = make.table(CATALOGUE, {"ann": "a"}), make.table(CATALOGUE, {"ann": "f"})
    for scorer, place in ((Tied(), 1), (MatrixScorer(np.zeros((1, 6))), 5)):
        metrics = evaluate(scorer, test, known=known, ks=[9], sampled=9).metrics
        assert metrics["mrr@9"] == metrics["sampled_mrr@9"] == 1 / place


def test_sampled_negatives_leak_nothing(make):
    # every item outside known and test scores above the test item: a leak-free draw never gives a hit at 1; a draw
    # that could take the other test item, which scores below, or known ones would
    known = make.table(CATALOGUE, {"ann": "ab"})
    test = make.table(CATALOGUE, {"ann": "cd"})
    scorer = MatrixScorer(np.array([[-9.0, -9, 0, -9, 5, 5]]))
    result = evaluate(scorer, test, known=known, ks=[1, 3], sampled=1)
    assert result.metrics["sampled_hr@1"] == 0.0
    assert result.metrics["sampled_hr@3"] == 1.0
    assert result.metrics["sampled_mrr@3"] == 1 / 2


def test_sampled_takes_what_there_is_and_is_named(make):
    known = make.table(CATALOGUE, {"ann": "a"})
    test = make.table(CATALOGUE, {"ann": "c"})
    scorer = MatrixScorer(FALLING[None])
    metrics = evaluate(scorer, test, known=known, ks=[2], sampled=99).metrics
    assert metrics["sampled_mrr@2"] == 1 / 2  # b d e f: only b is better
    assert "sampled_recall@2" not in metrics
    known, test = halves(random_world(0, 30, 60, 500))
    scorer = MatrixScorer(np.random.default_rng(0).random((30, 60)))
    once, again = (evaluate(scorer, test, known=known, sampled=9, seed=3).metrics for _ in range(2))
    assert once == again
    assert once != evaluate(scorer, test, known=known, sampled=9, seed=4).metrics
    assert once["sampled_hr@10"] == 1.0


def test_scores_of_the_scorer_are_not_changed(make):
    class Direct:
        n_users, n_items = 1, 6
        matrix = FALLING[None].astype(np.float32)

        def scores(self, users):
            return self.matrix

    direct = Direct()
    assert isinstance(direct, Scorer)
    evaluate(direct, make.table(CATALOGUE, {"ann": "c"}), known=make.table(CATALOGUE, {"ann": "a"}))
    assert direct.matrix.tolist() == [FALLING.tolist()]


def test_what_cannot_be_ranked_is_an_error(make):
    known = make.table(CATALOGUE, {"ann": "a"})
    test = make.table(CATALOGUE, {"ann": "c"})
    scorer = MatrixScorer(FALLING[None])
    with pytest.raises(BadOption, match="known"):
        evaluate(scorer, test)
    with pytest.raises(BadOption, match="ks"):
        evaluate(scorer, test, known=known, ks=[])
    for k in (0, 2.0, True):
        with pytest.raises(BadOption, match=rf"ks: got {k}, expected a whole number of 1 or more"):
            evaluate(scorer, test, known=known, ks=[10, k])  # pyright: ignore[reportArgumentType] on purpose
    with pytest.raises(BadOption, match="sampled"):
        evaluate(scorer, test, known=known, sampled=0)
    with pytest.raises(EmptyData, match="test pairs"):
        evaluate(scorer, make.table(CATALOGUE, {"ann": ""}), known=known)
    with pytest.raises(BadData, match="known pairs too"):
        evaluate(scorer, known, known=known)
    with pytest.raises(BadData, match="scorer has"):
        evaluate(MatrixScorer(np.zeros((2, 6))), test, known=known)
    with pytest.raises(BadOption, match=r"test: got None, expected interactions"):
        evaluate(scorer, None, known=known)  # pyright: ignore[reportArgumentType] on purpose
    with pytest.raises(BadOption, match=r"run_or_scorer: got a list, expected a run, or a scorer"):
        evaluate([], test)  # pyright: ignore[reportArgumentType] on purpose


def test_scores_that_are_no_numbers_are_an_error(make):
    class Diverged:
        n_users, n_items = 1, 6

        def scores(self, users):
            return np.full((len(users), 6), np.nan, dtype=np.float32)

    class Narrow(Diverged):
        def scores(self, users):
            return np.zeros((len(users), 5), dtype=np.float32)

    known, test = make.table(CATALOGUE, {"ann": "a"}), make.table(CATALOGUE, {"ann": "c"})
    with pytest.raises(InputError, match="not finite for user index 0"):
        evaluate(Diverged(), test, known=known)
    with pytest.raises(BadOption, match="shape"):
        evaluate(Narrow(), test, known=known)
    with pytest.raises(BadOption, match="finite"):
        MatrixScorer(np.array([[np.inf]]))
    with pytest.raises(BadOption, match="dimensions"):
        MatrixScorer(np.zeros(3))
