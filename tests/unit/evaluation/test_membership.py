import math

import numpy as np
import pytest

from fedshare.evaluation.membership import (
    AttackPairs,
    AttackScores,
    attack_auc,
    attack_standard_error,
    attack_tpr,
    compare_on_device,
    compare_on_server,
    outscored,
)
from fedshare.evaluation.pairs import Pairs, PairScores, pairs_of, score_pairs
from fedshare.models.scorer import MatrixScorer


def names(known, pairs):
    return [f"{known.users.id(int(u))}:{known.items.id(int(i))}" for u, i in zip(pairs.user, pairs.item, strict=True)]


def naive_auc(pairs, matrix):
    fractions = []
    for user, item in zip(pairs.withdrawn.user, pairs.withdrawn.item, strict=True):
        rivals = [i for u, i in zip(pairs.others.user, pairs.others.item, strict=True) if u == user]
        wins = [
            1.0
            if matrix[user][item] > matrix[user][rival]
            else 0.5
            if matrix[user][item] == matrix[user][rival]
            else 0.0
            for rival in rivals
        ]
        if wins:
            fractions.append(sum(wins) / len(wins))
    return sum(fractions) / len(fractions)


def random_pairs(rng, n_users=6, n_items=30):
    """Disjoint withdrawn and other pairs; some users may have only one kind."""
    kind = rng.choice(3, size=(n_users, n_items), p=[0.6, 0.15, 0.25])
    kind[0][kind[0] == 2] = 0  # nothing to compare with
    return AttackPairs(pairs_of(*np.nonzero(kind == 1)), pairs_of(*np.nonzero(kind == 2)))


def test_outscored_counts_ties_half():
    assert outscored(np.array([5.0, 2.0, 0.0]), np.array([1.0, 2.0, 3.0, 4.0])).tolist() == [
        4 / 4,
        (1 + 1 / 2) / 4,
        0 / 4,
    ]


def test_auc_is_a_mean_over_withdrawn_pairs_within_users():
    # ann has withdrawn a, b and never shared c, d; bob has withdrawn a and never shared b; eve has nothing to compare
    pairs = AttackPairs(pairs_of([0, 0, 1, 2], [0, 1, 0, 0]), pairs_of([0, 0, 1], [2, 3, 1]))
    scorer = MatrixScorer(np.array([[3.0, 1, 2, 1], [0, 100, 0, 0], [9, 9, 9, 9]]))
    auc = attack_auc(pairs, AttackScores.of(scorer, pairs))
    assert auc == ((2 / 2) + (1 / 2 * 1 / 2) + (0 / 1)) / 3
    assert (pairs.n_users, pairs.n_users_left_out, pairs.n_pairs, pairs.n_others) == (2, 1, 3, 3)


@pytest.mark.parametrize("levels", [4, 10_000])
def test_auc_agrees_with_the_slow_twin(levels):
    rng = np.random.default_rng(levels)
    pairs = random_pairs(rng)
    matrix = rng.integers(levels, size=(6, 30))
    auc = attack_auc(pairs, AttackScores.of(MatrixScorer(matrix), pairs))
    assert auc == pytest.approx(naive_auc(pairs, matrix))
    assert pairs.n_users_left_out >= 1


def test_nobody_to_compare_with_is_none():
    pairs = AttackPairs(pairs_of([0, 0], [0, 1]), pairs_of([], []))
    scores = AttackScores.of(MatrixScorer(np.eye(3)), pairs)
    assert attack_auc(pairs, scores) is None
    assert attack_standard_error(pairs, scores) is None
    assert attack_tpr(pairs, scores) is None


def test_standard_error_of_one_pair_is_not_certainty():
    pairs = AttackPairs(pairs_of([0], [0]), pairs_of([0, 0], [1, 2]))
    scores = AttackScores.of(MatrixScorer(np.array([[9.0, 1, 2]])), pairs)
    assert attack_auc(pairs, scores) == 1.0
    # Hanley and McNeil with A = (1 + 1) / (1 + 2), one positive, two negatives
    auc, q2 = 2 / 3, 2 * (2 / 3) ** 2 / (1 + 2 / 3)
    expected = math.sqrt((auc * (1 - auc) + 0 + 1 * (q2 - auc**2)) / 2)
    assert attack_standard_error(pairs, scores) == pytest.approx(expected)


def test_standard_error_counts_how_users_differ():
    # within each user nothing varies (AUC 1 or 0), so that only users tell how uncertain the mean is
    user = np.repeat(np.arange(40), 30)
    item = np.tile(np.arange(30), 40)
    half = item < 15
    pairs = AttackPairs(pairs_of(user[half], item[half]), pairs_of(user[~half], item[~half]))
    matrix = np.where(np.arange(30) < 15, 1.0, 0.0) * np.where(np.arange(40) % 2, 1.0, -1.0)[:, None]
    scores = AttackScores.of(MatrixScorer(matrix), pairs)
    assert attack_auc(pairs, scores) == 1 / 2
    expected = math.sqrt(40 / 39 * sum((1 / 40) ** 2 * (a - 1 / 2) ** 2 for a in [0, 1] * 20))
    assert attack_standard_error(pairs, scores) == pytest.approx(expected)


def test_standard_error_is_about_what_other_draws_give():
    rng = np.random.default_rng(0)
    aucs, errors = [], []
    for _ in range(60):
        pairs = random_pairs(rng, n_users=30, n_items=40)
        scores = AttackScores.of(MatrixScorer(rng.normal(size=(30, 40))), pairs)
        aucs.append(attack_auc(pairs, scores))
        errors.append(attack_standard_error(pairs, scores))
    assert np.mean(errors) == pytest.approx(np.std(aucs), rel=0.4)


def test_tpr_at_one_percent():
    pairs = AttackPairs(pairs_of([0] * 4, range(4)), pairs_of([0] * 200, range(4, 204)))

    def tpr(withdrawn):
        others = np.arange(200.0)  # 1 % of 200 is two: 198 and 199 are above the threshold 197
        scores = AttackScores(PairScores(np.zeros(4), np.array(withdrawn)), PairScores(np.zeros(200), others))
        return attack_tpr(pairs, scores)

    assert tpr([197.0, 197.5, 198.0, 500.0]) == 3 / 4
    assert tpr([1.0, 2.0, 3.0, 4.0]) == 0 / 4


def test_tpr_needs_a_hundred_pairs():
    pairs = AttackPairs(pairs_of([0], [0]), pairs_of([0] * 99, range(1, 100)))
    assert attack_tpr(pairs, AttackScores.of(MatrixScorer(np.eye(1, 100)), pairs)) is None


def test_scores_are_standardised_over_the_catalogue():
    pairs = pairs_of([0, 0, 1], [0, 2, 1])
    scores = score_pairs(MatrixScorer(np.array([[1.0, 2, 3, 2], [7, 7, 7, 7]])), pairs)
    assert scores.raw.tolist() == [1, 3, 7]
    assert scores.standardised == pytest.approx([-1 / math.sqrt(1 / 2), 1 / math.sqrt(1 / 2), 0])


def test_who_is_compared_on_the_server(make):
    known = make.table("abcdefgh", {"ann": "abcdef", "bob": "abc", "eve": "abcd"})
    ledger = make.ledger(known, {"ann": "abc", "bob": "abc", "eve": "abcd"})
    ledger, _ = ledger.unshare("ann", items=["c"])  # private again, but the server has seen it once
    ledger, _ = ledger.erase("ann", items=["f"])
    ledger, first = ledger.unshare("ann", items=["a"])
    _, second = ledger.unshare("bob", items=["a", "b"])
    pairs = compare_on_server(first + second)
    assert names(known, pairs.withdrawn) == ["ann:a", "bob:a", "bob:b"]
    assert names(known, pairs.others) == ["ann:d", "ann:e"]  # not b (shared), c (seen once), f (erased)
    assert pairs.n_users_left_out == 1


def test_an_erased_private_pair_is_nothing_to_the_server(make):
    known = make.table("abcdef", {"ann": "abcd"})
    ledger = make.ledger(known, {"ann": "a"})
    _, request = ledger.erase("ann", items=["a", "b"])
    on_server, on_device = compare_on_server(request), compare_on_device(request)
    assert names(known, on_server.withdrawn) == ["ann:a"]
    assert names(known, on_server.others) == ["ann:c", "ann:d"]
    assert names(known, on_device.withdrawn) == ["ann:a", "ann:b"]
    assert names(known, on_device.others) == ["ann:c", "ann:d"]


def test_an_unshared_pair_stays_on_the_device(make):
    known = make.table("abcd", {"ann": "abc"})
    _, request = make.ledger(known, {"ann": "ab"}).unshare("ann", items=["a"])
    assert compare_on_device(request).withdrawn.n_pairs == 0


def test_pairs_know_what_they_contain():
    pairs = pairs_of([1, 0, 1, 1], [2, 3, 0, 2])
    assert (pairs.user.tolist(), pairs.item.tolist()) == ([0, 1, 1], [3, 0, 2])
    asked = pairs.contains(np.array([[0], [1]]), np.array([[3, 0], [2, -1]]), n_items=4)
    assert asked.tolist() == [[True, False], [True, False]]  # (1, -1) is no pair, though 1 * 4 - 1 is that of (0, 3)
    row, item = pairs.within(np.array([1, 5, 0]))
    assert (row.tolist(), item.tolist()) == ([0, 0, 2], [0, 2, 3])
    assert not Pairs(pairs.user[:0], pairs.item[:0]).contains(np.array([0]), np.array([0]), 4).any()
