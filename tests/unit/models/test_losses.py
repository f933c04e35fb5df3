"""Losses against loops with ``math``, and their derivatives against autograd of the same loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fedshare.models.losses import Negatives, bpr, info_nce, sampled_softmax, user_contrast
from fedshare.models.ragged import Ragged

KNOWN = [[0, 3], [1], [], [2, 0, 1]]
PSEUDO = [[1, 2, 4], [], [0], [4, 3]]
WEIGHT = [0.5, 2.0, 1.0, 0.25]
T = 0.3


def pattern(rows: list[list[int]]) -> Ragged:
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Ragged.from_numpy(offsets, np.array([c for row in rows for c in row], dtype=np.int32), 5)


def cosines(n: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, n).astype(np.float32))


def split(values: torch.Tensor, rows: list[list[int]]) -> list[torch.Tensor]:
    return list(values.split([len(row) for row in rows]))


def naive_softmax(good: list[float], bad: list[float], weight: float) -> float:
    bottom = sum(math.exp(b / T) for b in bad)
    return sum(-weight * math.log(math.exp(g / T) / (math.exp(g / T) + bottom)) for g in good)


def naive_bpr(good: list[float], bad: list[float], weight: float) -> float:
    if not bad:
        return 0.0
    terms = [-math.log(1 / (1 + math.exp((bad[t % len(bad)] - g) / T))) for t, g in enumerate(good)]
    return weight * sum(terms)


def of_owners(values: torch.Tensor, rows: list[list[int]]) -> list[list[float]]:
    return [part.tolist() for part in split(values, rows)]


def test_sampled_softmax_is_the_loop():
    good, bad = cosines(6, 0), cosines(6, 1)
    ranking = sampled_softmax(pattern(KNOWN), Negatives.of(pattern(PSEUDO), bad, T), good, torch.tensor(WEIGHT), T)
    expected = [
        naive_softmax(*each) for each in zip(of_owners(good, KNOWN), of_owners(bad, PSEUDO), WEIGHT, strict=True)
    ]
    assert ranking.loss.tolist() == pytest.approx(expected, abs=1e-5)


def test_sampled_softmax_has_the_derivative_of_autograd():
    good, bad = cosines(6, 0).double().requires_grad_(), cosines(6, 1).double().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for g, b, w in zip(split(good, KNOWN), split(bad, PSEUDO), WEIGHT, strict=True):
        for one in g:
            total = total - w * torch.log_softmax(torch.cat([one[None], b]) / T, 0)[0]
    by_good, by_bad = torch.autograd.grad(total, (good, bad))
    negatives = Negatives.of(pattern(PSEUDO), bad.detach().float(), T)
    ranking = sampled_softmax(pattern(KNOWN), negatives, good.detach().float(), torch.tensor(WEIGHT), T)
    torch.testing.assert_close(ranking.known.double(), by_good, atol=1e-5, rtol=1e-5)
    on_pseudo = negatives.exponentials * pattern(PSEUDO).spread(ranking.factor)
    torch.testing.assert_close(on_pseudo.double(), by_bad, atol=1e-5, rtol=1e-5)


def test_user_contrast_is_the_loop_and_its_derivative():
    own, bad = cosines(4, 2).double().requires_grad_(), cosines(6, 1).double().requires_grad_()
    weight = [0.5, 0.0, 1.5, 1.0]
    total = torch.zeros((), dtype=torch.float64)
    for o, b, w in zip(own, split(bad, PSEUDO), weight, strict=True):
        total = total - w * torch.log_softmax(torch.cat([o[None], b]) / T, 0)[0]
    by_own, by_bad = torch.autograd.grad(total, (own, bad))
    negatives = Negatives.of(pattern(PSEUDO), bad.detach().float(), T)
    contrast = user_contrast(negatives, own.detach().float(), torch.tensor(weight), T)
    naive = [
        naive_softmax([o], b, w) for o, b, w in zip(own.tolist(), of_owners(bad.detach(), PSEUDO), weight, strict=True)
    ]
    assert contrast.loss.tolist() == pytest.approx(naive, abs=1e-5)
    torch.testing.assert_close(contrast.own.double(), by_own, atol=1e-5, rtol=1e-5)
    on_pseudo = negatives.exponentials * pattern(PSEUDO).spread(contrast.factor)
    torch.testing.assert_close(on_pseudo.double(), by_bad, atol=1e-5, rtol=1e-5)


def test_bpr_is_the_loop_and_its_derivative():
    good, bad = cosines(6, 0), cosines(6, 1)
    loss, by_good, by_bad = bpr(pattern(KNOWN), pattern(PSEUDO), good, bad, torch.tensor(WEIGHT), T)
    naive = [naive_bpr(*each) for each in zip(of_owners(good, KNOWN), of_owners(bad, PSEUDO), WEIGHT, strict=True)]
    assert loss.tolist() == pytest.approx(naive, abs=1e-5)

    twin_good, twin_bad = good.double().requires_grad_(), bad.double().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for g, b, w in zip(split(twin_good, KNOWN), split(twin_bad, PSEUDO), WEIGHT, strict=True):
        for t, one in enumerate(g):
            if len(b):
                total = total - w * torch.nn.functional.logsigmoid((one - b[t % len(b)]) / T)
    expected = torch.autograd.grad(total, (twin_good, twin_bad))
    torch.testing.assert_close(by_good.double(), expected[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(by_bad.double(), expected[1], atol=1e-5, rtol=1e-5)


def test_bpr_without_any_pseudo_item_is_nothing():
    nobody = pattern([[], [], [], []])
    loss, by_good, by_bad = bpr(pattern(KNOWN), nobody, cosines(6, 0), torch.empty(0), torch.tensor(WEIGHT), T)
    assert loss.tolist() == [0.0] * 4
    assert by_good.tolist() == [0.0] * 6
    assert len(by_bad) == 0


def test_bpr_does_not_overflow():
    known, pseudo = pattern([[0]]), pattern([[1]])
    args = known, pseudo, torch.tensor([-1.0]), torch.tensor([1.0]), torch.tensor([1.0])
    loss, slope, _ = bpr(*args, 0.001)
    assert float(loss[0]) == pytest.approx(2000)
    assert float(slope[0]) == pytest.approx(-1000)


def test_info_nce_is_the_loop():
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(5, 3)) for _ in range(2))
    a, b = a / np.linalg.norm(a, axis=1, keepdims=True), b / np.linalg.norm(b, axis=1, keepdims=True)
    naive = []
    for n in range(5):
        scores = [math.exp(sum(a[n, k] * b[m, k] for k in range(3)) / T) for m in range(5)]
        naive.append(-math.log(scores[n] / sum(scores)))
    mine = info_nce(torch.from_numpy(a.astype(np.float32)), torch.from_numpy(b.astype(np.float32)), T)
    assert mine.tolist() == pytest.approx(naive, abs=1e-5)


def test_a_perfect_ranking_costs_next_to_nothing_and_a_bad_one_much():
    known, pseudo = pattern([[0]]), pattern([[1]])

    def loss(good: float, bad: float) -> float:
        negatives = Negatives.of(pseudo, torch.tensor([bad]), 0.1)
        return float(sampled_softmax(known, negatives, torch.tensor([good]), torch.ones(1), 0.1).loss[0])

    assert loss(1.0, -1.0) == pytest.approx(math.log(1 + math.exp(-20)), abs=1e-6)
    assert loss(0.3, 0.3) == pytest.approx(math.log(2), abs=1e-5)
    assert loss(-1.0, 1.0) == pytest.approx(20, abs=1e-3)


def test_with_nothing_to_rank_above_the_derivative_is_nothing_and_not_rounding():
    """Adam would scale the smallest noise up to a whole step."""
    nobody, good = pattern([[], [], [], []]), cosines(6, 0)
    negatives = Negatives.of(nobody, torch.empty(0), T)
    ranking = sampled_softmax(pattern(KNOWN), negatives, good, torch.tensor(WEIGHT), T)
    assert not ranking.known.any()
    assert not user_contrast(negatives, cosines(4, 2), torch.tensor(WEIGHT), T).own.any()
