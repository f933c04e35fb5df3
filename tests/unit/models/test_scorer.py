from __future__ import annotations

import numpy as np
import pytest

from fedshare.errors import BadOption
from fedshare.models.scorer import MatrixScorer, Scorer


def test_a_matrix_scorer_answers_from_its_matrix():
    scorer = MatrixScorer([[1, 2, 3], [4, 5, 6]])
    assert isinstance(scorer, Scorer)
    assert (scorer.n_users, scorer.n_items) == (2, 3)
    assert scorer.scores(np.array([1, 0])).tolist() == [[4, 5, 6], [1, 2, 3]]


def test_the_matrix_is_a_copy():
    matrix = np.zeros((2, 2))
    scorer = MatrixScorer(matrix)
    matrix[0, 0] = 9
    assert scorer.scores(np.array([0])).tolist() == [[0, 0]]


@pytest.mark.parametrize(("matrix", "message"), [([1.0, 2.0], "got 1 dimensions"), ([[np.nan, 1]], "not finite")])
def test_what_is_no_table_of_scores(matrix: list, message: str):
    with pytest.raises(BadOption, match=message):
        MatrixScorer(matrix)
