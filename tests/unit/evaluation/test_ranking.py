import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedshare.errors import BadOption
from fedshare.evaluation.ranking import (
    NOTHING,
    average_precision,
    coverage,
    hit_rate,
    metric_table,
    ndcg,
    novelty,
    precision,
    recall,
    reciprocal_rank,
    self_information,
    top_k,
)

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


@pytest.mark.parametrize(
    ("relevant", "k", "expected"),
    [({7}, 1, 1 / 1), ({7}, 4, 1 / 4), ({7, 9, 100}, 3, 2 / 3), ({100}, 4, 0 / 4), ({7, 4}, 8, 2 / 8)],
)
def test_precision_counts_hits_over_places(relevant, k, expected):
    assert precision(RANKED, relevant, k) == expected


@pytest.mark.parametrize(
    ("relevant", "k", "expected"),
    [
        ({7}, 4, 1 / 1),
        ({9}, 4, 1 / 3),
        ({7, 9}, 4, (1 / 1 + 2 / 3) / 2),
        ({7, 4, 100}, 4, (1 / 1 + 2 / 4) / 3),
        ({7, 2, 9, 4, 100}, 2, (1 / 1 + 2 / 2) / 2),  # two places, so no more than two hits
        ({100}, 4, 0.0),
    ],
)
def test_average_precision_takes_the_precision_at_every_hit(relevant, k, expected):
    assert average_precision(RANKED, relevant, k) == pytest.approx(expected)


def test_coverage_counts_items_that_somebody_is_offered():
    lists = np.array([[0, 3], [3, NOTHING]], dtype=np.int32)
    assert coverage(lists, n_items=5) == 2 / 5
    assert coverage(lists[:0], n_items=5) == 0.0


def test_novelty_is_the_mean_self_information_of_a_list():
    information = self_information(np.array([8, 4, 1, 0]), n_users=8)
    assert information.tolist() == [0.0, 1.0, 3.0, 3.0]  # log2 of 8/8, 8/4, 8/1, and 8/1 again for nobody
    lists = np.array([[0, 1], [2, NOTHING], [NOTHING, NOTHING], [3, 1]], dtype=np.int32)
    assert novelty(lists, information).tolist() == [(0 + 1) / 2, 3 / 1, 0.0, (3 + 1) / 2]


def test_an_order_says_how_ties_are_listed_and_what_is_listed_at_all():
    scores = np.array([[1, 3, 3, 2, 3]], dtype=np.float32)
    assert top_k(scores, 4, np.array([4, 2, 1, 3, 0])).tolist() == [[4, 2, 1, 3]]
    assert top_k(scores, 4, np.array([0, 2])).tolist() == [[2, 0, NOTHING, NOTHING]]
    assert top_k(scores, 2, np.array([], dtype=np.int64)).tolist() == [[NOTHING, NOTHING]]


@pytest.mark.parametrize("metric", [recall, ndcg, hit_rate, reciprocal_rank, precision, average_precision])
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
    metrics = {"recall": recall, "ndcg": ndcg, "hr": hit_rate, "mrr": reciprocal_rank}
    for name, metric in (metrics | {"precision": precision, "map": average_precision}).items():
        value = table[f"{name}@{k}"][0]
        assert value == pytest.approx(metric(ranked.tolist(), relevant, k))
        assert 0 <= value <= 1
