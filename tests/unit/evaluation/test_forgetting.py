import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedshare.evaluation.distances import Distances, ks_distance, list_overlap, mean_distances, noise_floor_ratios
from fedshare.evaluation.forgetting import measure_forgetting
from fedshare.evaluation.gap import Gap, auc_gap, score_shift
from fedshare.evaluation.membership import AttackPairs, AttackScores, attack_auc
from fedshare.evaluation.pairs import pairs_of
from fedshare.evaluation.ranking import NOTHING
from fedshare.models.scorer import MatrixScorer


def one_user(n_withdrawn, n_others, user=0):
    """The first items are withdrawn, the next were never shared."""
    return AttackPairs(
        pairs_of([user] * n_withdrawn, range(n_withdrawn)),
        pairs_of([user] * n_others, range(n_withdrawn, n_withdrawn + n_others)),
    )


def view(pairs, *rows):
    return AttackScores.of(MatrixScorer(np.array(rows)), pairs)


def naive_ks(one, other):
    def below(values, point):
        return sum(value <= point for value in values) / len(values)

    return max(abs(below(one, point) - below(other, point)) for point in [*one, *other])


def naive_auc(withdrawn, others):
    wins = [(w > o) + (w == o) / 2 for w in withdrawn for o in others]
    return sum(wins) / len(wins)


def test_ks_by_hand():
    assert ks_distance(np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6])) == 2 / 4
    assert ks_distance(np.array([1.0, 1]), np.array([1.0, 1, 1])) == 0
    assert ks_distance(np.array([1.0]), np.array([2.0, 3])) == 1


@given(*[st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)] * 2)
def test_ks_agrees_with_the_slow_twin(one, other):
    assert ks_distance(np.array(one), np.array(other)) == pytest.approx(naive_ks(one, other))


def test_overlap_by_hand():
    one = np.array([[1, 2, 3], [1, 2, NOTHING], [NOTHING] * 3, [4, 5, 6]], dtype=np.int32)
    other = np.array([[3, 9, 1], [2, NOTHING, NOTHING], [NOTHING] * 3, [1, 2, 3]], dtype=np.int32)
    assert list_overlap(one, other).tolist() == [2 / 3, 1 / 2, 1, 0]


def test_the_gap_is_the_difference_of_the_aucs():
    pairs = AttackPairs(pairs_of([0, 0, 1, 2], [0, 1, 0, 5]), pairs_of([0, 0, 1, 1], [2, 3, 1, 2]))
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = (view(pairs, *rng.integers(4, size=(3, 6))) for _ in range(2))
        aucs = attack_auc(pairs, one), attack_auc(pairs, other)
        assert aucs[0] is not None
        assert aucs[1] is not None
        expected = aucs[0] - aucs[1]
        assert auc_gap(pairs, one, other).value == pytest.approx(expected)
        assert auc_gap(pairs, other, one).value == pytest.approx(-expected)


@pytest.mark.parametrize(("m", "n"), [(2, 5), (5, 2), (1, 6), (3, 3)])
def test_chance_is_every_other_choice_of_the_withdrawn_pairs(m, n):
    """The slow twin tries all choices; mean, spread and 95 % of them are what the closed form and the draws say."""
    pairs = one_user(m, n)
    rng = np.random.default_rng(m * 10 + n)
    rows = rng.normal(size=(2, m + n))
    gap = auc_gap(pairs, *(view(pairs, row) for row in rows))
    chance = []
    for chosen in itertools.combinations(range(m + n), m):
        rest = [item for item in range(m + n) if item not in chosen]
        one, other = (naive_auc(row[list(chosen)], row[rest]) for row in rows.astype(np.float32))
        chance.append(one - other)
    assert sum(chance) / len(chance) == pytest.approx(0)
    assert gap.standard_error == pytest.approx(math.sqrt(sum(c**2 for c in chance) / len(chance)))
    sizes = sorted(abs(c) for c in chance)
    # the draws know the 95 % quantile up to their own error
    low, high = (np.quantile(sizes, q, method="higher") for q in (0.93, 0.97))
    assert low - 1e-9 <= gap.resolution <= high + 1e-9


def test_many_pairs_take_the_closed_form_and_few_the_draws_and_both_agree():
    rng = np.random.default_rng(1)
    few = AttackPairs(
        pairs_of(np.repeat(range(29), 1), [0] * 29), pairs_of(np.repeat(range(29), 9), [*range(1, 10)] * 29)
    )
    many = AttackPairs(
        pairs_of(np.repeat(range(30), 1), [0] * 30), pairs_of(np.repeat(range(30), 9), [*range(1, 10)] * 30)
    )
    rows = [rng.normal(size=(30, 10)) for _ in range(2)]
    drawn, closed = (auc_gap(c, *(view(c, *row) for row in rows)) for c in (few, many))
    assert closed.resolution == pytest.approx(1.959964 * closed.standard_error)
    assert drawn.resolution == pytest.approx(1.96 * drawn.standard_error, rel=0.1)


def test_equal_models_have_no_gap_and_perfect_resolution():
    pairs = one_user(2, 4)
    scores = view(pairs, [3.0, 1, 2, 5, 4, 0])
    assert auc_gap(pairs, scores, scores) == Gap(0.0, 0.0, 0.0)


def test_two_pairs_that_stand_out_of_ten_are_evidence_and_of_three_are_not():
    """Nothing was unlearned: both withdrawn pairs are at the top, in the reference they are in the middle."""

    def gap(n_others):
        pairs = one_user(2, n_others)
        others = np.arange(n_others, dtype=float)
        top, middle = [90.0, 91.0], [n_others / 2 - 0.4, n_others / 2 - 0.6]
        return auc_gap(pairs, view(pairs, [*top, *others]), view(pairs, [*middle, *others]))

    clear, thin = gap(10), gap(3)
    assert clear.value == pytest.approx(1 / 2)
    assert clear.beyond(0.05)
    assert thin.value > 0.3
    assert not thin.beyond(0.05)
    assert thin.resolution >= thin.value  # so the report tells


def test_harmless_noise_seldom_fails_a_small_request():
    rng = np.random.default_rng(5)
    failed = 0
    for _ in range(200):
        pairs = one_user(2, 40)
        base = rng.normal(size=42)
        one, other = (view(pairs, base + rng.normal(size=42)) for _ in range(2))
        failed += auc_gap(pairs, one, other).beyond(0.05)
    assert failed <= 20  # 5 % of 200 are expected; 20 has p < 0.002


def test_score_shift_by_hand():
    pairs = pairs_of([0, 0], [0, 1])
    # of the four comparisons of {1, 3} with {0, 1}: 1 > 0, 1 = 1, 3 > 0, 3 > 1
    shift = score_shift(pairs, np.array([1.0, 3]), np.array([0.0, 1]))
    assert shift.value == pytest.approx((1 + 1 / 2 + 1 + 1) / 4 - 1 / 2)
    assert score_shift(pairs, np.array([0.0, 1]), np.array([1.0, 3])).value == pytest.approx(-shift.value)


@pytest.mark.parametrize("n_users", [1, 4, 6, 31])
def test_score_shift_is_the_slow_twin_and_its_spread_is_that_of_swaps(n_users):
    rng = np.random.default_rng(n_users)
    user = np.sort(np.append(np.arange(n_users), rng.integers(n_users, size=4)))
    pairs = pairs_of(user, np.arange(n_users + 4))
    one, other = rng.integers(6, size=(2, n_users + 4)).astype(float)
    shift = score_shift(pairs, one, other)
    assert shift.value == pytest.approx(naive_auc(one, other) - 1 / 2)
    groups = user if n_users >= 6 else np.arange(n_users + 4)
    sums = []
    for _ in range(400):
        swap = rng.random(n_users + 4)[groups] < 0.5
        sums.append(naive_auc(np.where(swap, other, one), np.where(swap, one, other)) - 1 / 2)
    assert shift.standard_error == pytest.approx(np.std(sums), rel=0.2)


def test_a_model_that_unlearned_nothing_shifts_clearly():
    user = np.repeat(np.arange(20), 3)
    pairs = pairs_of(user, np.tile(np.arange(3), 20))
    reference = np.random.default_rng(0).normal(size=60)
    assert score_shift(pairs, reference + 1.5, reference).beyond(0.05)
    assert score_shift(pairs, reference - 1.5, reference).beyond(0.05)
    assert not score_shift(pairs, reference, reference).beyond(0.05)


def test_a_bound_is_broken_only_beyond_chance_and_noise():
    gap = Gap(value=-0.2, standard_error=0.05, resolution=0.1)
    assert gap.beyond(0.05)
    assert gap.beyond(0.19)
    assert not gap.beyond(0.2)
    assert not gap.beyond(0.05, noise_floor=0.25)
    assert not Gap(value=0.2, standard_error=0.15, resolution=0.3).beyond(0.05)


def test_ratios_over_the_noise_floor():
    after = Distances(top20_overlap_affected=0.7, score_ks=0.2, score_difference=0.0, auc_gap=-0.1)
    noise = Distances(top20_overlap_affected=0.8, score_ks=0.0, score_difference=0.0, auc_gap=0.02)
    ratios = noise_floor_ratios(after, noise)
    assert ratios["top20_overlap_affected"] == pytest.approx(0.3 / 0.2)
    assert ratios["auc_gap"] == pytest.approx(0.1 / 0.02)
    assert ratios["score_ks"] == math.inf
    assert ratios["score_difference"] == 0.0
    assert ratios["top20_overlap_bystanders"] is None


def test_mean_of_distances_has_no_signs_and_no_gaps():
    both = mean_distances([Distances(score_ks=0.1, auc_gap=-0.2), Distances(score_ks=0.3, auc_gap=0.2)])
    assert both is not None
    assert both.score_ks == pytest.approx((0.1 + 0.3) / 2)
    assert both.auc_gap == pytest.approx(0.2)
    assert both.top20_overlap_affected is None
    assert mean_distances([]) is None


def test_without_a_reference_there_are_no_distances():
    pairs = one_user(2, 3)
    before, after = view(pairs, [5.0, 4, 3, 2, 1]), view(pairs, [1.0, 2, 3, 4, 5])
    found = measure_forgetting(pairs, before, after, None)
    assert (found.auc.before, found.auc.after, found.auc.reference) == (1.0, 0.0, None)
    assert found.gap is None
    assert found.after is None
    assert found.noise is None
    assert found.noise_floor is None
    assert list(found.withdrawn_scores) == ["before", "after"]
