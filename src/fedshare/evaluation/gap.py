"""The gap between a model and the reference: one signed number, and how much of it chance explains.

**The gap** is AUC(after) - AUC(reference). Above 0 too little is forgotten. Below 0 too much is forgotten, which also
tells that something was removed. Where nobody has a pair to compare with (everything was shared), it is the score
shift instead: the probability that a withdrawn pair's standardised score is higher after than in the reference
(ties 1/2), less 1/2. Both are AUCs less what they should be, so one bound serves both.

**The resolution.** Two withdrawn pairs of one person make a coarse AUC: another seed alone moves it by 0.1. So each gap
comes with the smallest gap that this request can tell from chance. If the model forgot as the reference did, then
the withdrawn pairs are private pairs like any other: they moved from reference to after as their user's never-shared
pairs did, and it does not matter which of them are called withdrawn. Drawing the label anew among a user's pairs gives
the gaps that chance makes. The resolution is the size that 95 % of them stay within, about two paired standard errors.
The movements are those of these very two models, so the errors are paired, and one withdrawn pair among many private
ones is enough to say something. For the score shift the two models' labels are swapped instead: for all pairs of a user
together, or pair by pair below six users, where too few swaps exist.

**The verdict.** A gap breaks a bound if it is larger than the bound, *and* larger than the resolution, *and* larger
than the gap between the reference and the noise runs. With ample evidence the resolution is far below the bound, and
the bound is what counts. With thin evidence a gap is held against chance. A model that has unlearned nothing still
fails where its pairs stand out from the person's others. A request too small to show anything passes, with a
resolution that says so; ``AuditPolicy(max_resolution=...)`` refuses it. This has two prices. Perfectly unlearned small
requests can fail by chance, fewer than one in twenty. And a small request that passes is not shown to be forgotten.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from fedshare.evaluation.membership import AttackPairs, AttackScores
from fedshare.evaluation.pairs import Pairs
from fedshare.rng import stream

__all__ = ["Gap", "auc_gap", "score_shift"]

_CONFIDENCE = 0.95
_NORMAL_QUANTILE = 1.959964  # two-sided, of _CONFIDENCE
_DRAWS = 1_999
_ENOUGH_FOR_NORMAL = 30  # exchangeable pairs or users; above, the closed form and the draws agree
_ENOUGH_USERS_TO_SWAP = 6  # 2**6 swaps: the rarest has p = 1/32 on two sides


@final
@dataclass(frozen=True)
class Gap:
    """A signed distance to the reference, 0 for none, and what chance explains of it."""

    value: float
    standard_error: float
    "Of the paired difference, if the pairs had moved alike."
    resolution: float
    "The smallest gap that can be told from chance here (95 %)."

    def beyond(self, bound: float, noise_floor: float | None = None) -> bool:
        """Whether the gap is larger than the bound and larger than chance explains."""
        # equal gaps summed in another order differ in the last bits
        return abs(self.value) > max(bound, self.resolution, noise_floor or 0.0) + 1e-9


def auc_gap(pairs: AttackPairs, one: AttackScores, other: AttackScores) -> Gap:
    """Difference of two models' attack AUCs, with the differences that relabelling within users gives.

    Among a user's m withdrawn and n other pairs together, the difference of the AUCs is the summed change of rank
    of the withdrawn ones over ``m * n``. Drawing m of the m + n pairs without replacement, that sum has mean 0
    and variance ``m n / ((m + n) (m + n - 1))`` times the sum of squared changes; below 30 exchangeable pairs,
    draws take the place of the normal distribution.

    Args:
        pairs: Which pairs; at least one user with both kinds.
        one: The unlearned model.
        other: The one it is held against.
    """
    changes: list[NDArray[np.float64]] = []  # of rank, per user, withdrawn pairs first
    sizes = np.array([stratum.sizes for stratum in pairs.strata], dtype=np.int64)  # (n_users, 2)
    for mine, theirs in pairs.strata:
        ranks = [_midranks(np.concatenate([s.withdrawn.raw[mine], s.others.raw[theirs]])) for s in (one, other)]
        changes.append(ranks[0] - ranks[1])
    m, n = sizes.T
    scale = 1 / (n * m.sum())  # of a user's summed change
    value = float(sum(change[:size].sum() * by for change, size, by in zip(changes, m, scale, strict=True)))
    squares = np.array([float((change**2).sum()) for change in changes])
    error = math.sqrt(float((scale**2 * m * n / ((m + n) * (m + n - 1)) * squares).sum()))
    if np.minimum(m, n).sum() >= _ENOUGH_FOR_NORMAL:
        return Gap(value, error, _NORMAL_QUANTILE * error)
    rng, chance = stream(0, "audit relabelling"), np.zeros(_DRAWS)
    for change, mine, theirs, by in zip(changes, m.tolist(), n.tolist(), scale, strict=True):
        chance += by * _sums_of_draws(change, mine, theirs, rng)
    return Gap(value, error, _quantile(np.append(chance, value)))


def score_shift(pairs: Pairs, one: NDArray[np.float64], other: NDArray[np.float64]) -> Gap:
    """How much higher one model scores the pairs: P(score of one > score of other) + P(equal) / 2 - 1/2.

    Args:
        pairs: The pairs; at least one.
        one: Standardised scores of the unlearned model, ``(n_pairs,)``.
        other: Of the one it is held against.
    """
    n_pairs = len(one)
    ranks = _midranks(np.concatenate([one, other]))
    signed = (ranks[:n_pairs] - ranks[n_pairs:]) / (2 * n_pairs**2)  # sums to the shift; swapping turns the sign
    value = float(signed.sum())
    users, user = np.unique(pairs.user, return_inverse=True)
    if len(users) >= _ENOUGH_USERS_TO_SWAP:
        signed = np.bincount(user, weights=signed)  # what moves a person's scores moves all of them: swap together
    error = math.sqrt(float((signed**2).sum()))
    if len(signed) >= _ENOUGH_FOR_NORMAL:
        return Gap(value, error, _NORMAL_QUANTILE * error)
    signs = stream(0, "audit swapping").choice([-1.0, 1.0], size=(_DRAWS, len(signed)))
    return Gap(value, error, _quantile(np.append(signs @ signed, value)))


def _midranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing the middle of theirs."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right") + 1) / 2


def _sums_of_draws(
    change: NDArray[np.float64], n_withdrawn: int, n_others: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Summed change of as many random pairs as were withdrawn, ``(_DRAWS,)``."""
    n_drawn = min(n_withdrawn, n_others)
    keys = rng.random((_DRAWS, len(change)))
    drawn = np.argpartition(keys, n_drawn - 1, axis=1)[:, :n_drawn]
    sums = change[drawn].sum(axis=1)
    return sums if n_drawn == n_withdrawn else -sums  # all changes add up to 0: the others' are the rest


def _quantile(chance: NDArray[np.float64]) -> float:
    """The size that 95 % of the chance gaps stay within; the next larger one where it falls between two."""
    return float(np.quantile(np.abs(chance), _CONFIDENCE, method="higher"))
