import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedshare.errors import BadOption
from fedshare.evaluation.ranking import NOTHING, hit_rate, metric_table, ndcg, recall, reciprocal_rank, top_k

RANKED = [7, 2, 9, 4]


@pytest.mark.parametrize(
    ("relevant", "k", "expected"),
    [
        ({7}, 1, 1 / 1),
        ({2}, 1, 0 / 1),
        ({7, 9}, 2, 1 / 2),
        ({7, 9}, 3, 2 / 2),
        ({7, 9, 100}, 4, 2 / 3),
        ({100, 101}, 4, 0 / 2),
    ],
)
def test_recall_counts_hits_over_relevant_items(relevant, k, expected):
    assert recall(RANKED, relevant, k) == expected


@pytest.mark.parametrize(
    ("relevant", "k", "gain", "ideal"),
    [
        ({7}, 4, 1, 1),
        ({2}, 4, 1 / math.log2(3), 1),
        ({7, 9}, 4, 1 + 1 / 2, 1 + 1 / math.log2(3)),
        ({7, 9, 100}, 2, 1, 1 + 1 / math.log2(3)),  # the ideal list is cut at k = 2, not at three relevant items
        ({9, 4, 100}, 3, 1 / 2, 1 + 1 / math.log2(3) + 1 / 2),
        ({100}, 4, 0, 1),
    ],
)
def test_ndcg_divides_by_the_best_list_of_that_length(relevant, k, gain, ideal):
    assert ndcg(RANKED, relevant, k) == pytest.approx(gain / ideal)


@pytest.mark.parametrize(("relevant", "k", "expected"), [({9}, 3, 1.0), ({9}, 2, 0.0), ({7, 2}, 1, 1.0)])
def test_hit_rate_is_one_or_nothing(relevant, k, expected):
    assert hit_rate(RANKED, relevant, k) == expected


@pytest.mark.parametrize(("relevant", "k", "expected"), [({9, 4}, 4, 1 / 3), ({4}, 3, 0.0), ({7, 4}, 4, 1 / 1)])
def test_reciprocal_rank_looks_at_the_first_hit(relevant, k, expected):
    assert reciprocal_rank(RANKED, relevant, k) == expected


def test_a_list_may_be_shorter_than_k():
    assert recall([7], {7, 9}, 20) == 1 / 2
    assert ndcg([7], {7}, 20) == 1.0


@pytest.mark.parametrize("metric", [recall, ndcg, hit_rate, reciprocal_rank])
def test_nothing_relevant_and_no_length_are_errors(metric):
    with pytest.raises(BadOption, match="got none"):
        metric(RANKED, set(), 3)
    with pytest.raises(BadOption, match="got 0"):
        metric(RANKED, {7}, 0)


def test_equal_scores_go_by_item_index():
    scores = np.array([[1, 3, 3, 2, 3], [5, 5, 5, 5, 5], [1, 2, 2, 2, 9]], dtype=np.float32)
    assert top_k(scores, 2).tolist() == [[1, 2], [0, 1], [4, 1]]


def test_hidden_items_leave_places_empty():
    scores = np.array([[1.0, -np.inf, 2.0], [-np.inf, -np.inf, -np.inf]], dtype=np.float32)
    assert top_k(scores, 2).tolist() == [[2, 0], [NOTHING, NOTHING]]
    assert top_k(scores, 5).tolist() == [[2, 0, NOTHING, NOTHING, NOTHING], [NOTHING] * 5]


@given(st.data())
def test_top_k_is_a_stable_sort_cut_at_k(data):
    n_items = data.draw(st.integers(1, 12))
    row = st.lists(st.sampled_from([0.0, 1.0, 2.0, -1.0]), min_size=n_items, max_size=n_items)
    scores = data.draw(st.lists(row, min_size=1, max_size=4))
    k = data.draw(st.integers(1, 14))
    expected = [sorted(range(n_items), key=lambda i, r=r: (-r[i], i))[:k] for r in scores]
    assert top_k(np.array(scores, np.float32), k).tolist() == [e + [NOTHING] * (k - len(e)) for e in expected]


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 12))
def test_metric_table_agrees_with_the_single_lists(seed, k, n_relevant):
    rng = np.random.default_rng(seed)
    ranked = rng.permutation(12)
    relevant = set(rng.choice(12, n_relevant, replace=False).tolist())
    hits = np.array([[item in relevant for item in ranked[:8]]])
    table = metric_table(hits, np.array([n_relevant]), [k, 8])
    for name, metric in (("recall", recall), ("ndcg", ndcg), ("hr", hit_rate), ("mrr", reciprocal_rank)):
        value = table[f"{name}@{k}"][0]
        assert value == pytest.approx(metric(ranked.tolist(), relevant, k))
        assert 0 <= value <= 1
