"""How far a model is from the reference, in both directions, and how much of that is chance.

**Distances.** Of two models, over the withdrawn pairs and over people's recommendations: overlap of the top 20;
Kolmogorov-Smirnov distance and mean absolute difference of the scores standardised per user; difference of the
membership AUC. Each is taken before against reference, after against reference, and reference against retrained
with another seed (the noise floor). A noise-floor ratio of 1 means: no further than retraining is from retraining.

**The gap.** What the audit judges is one signed number: AUC(after) - AUC(reference). Above 0 too little is forgotten;
below 0 too much, which also tells that something was removed. Where nobody has a pair to compare with (everything
was shared), it is the score shift instead: the probability that a withdrawn pair's standardised score is higher
after than in the reference (ties 1/2), less 1/2. Both are AUCs less what they should be, so one bound serves both.

**The resolution.** Two withdrawn pairs of one person make a coarse AUC: another seed alone moves it by 0.1. So each gap
comes with the smallest gap that this request can tell from chance. If the model forgot as the reference did, then
the withdrawn pairs are private pairs like any other, and they moved from reference to after as their user's
never-shared pairs did. Then it does not matter which of them are called withdrawn: drawing the label anew among a
user's pairs gives the gaps that chance makes, and the resolution is the size that 95 % of them stay within (about
two paired standard errors). The movements are those of these very two models, so the errors are paired, and one
withdrawn pair among many private ones is enough to say something. For the score shift the two models' labels
are swapped instead: for all pairs of a user together, or pair by pair below six users, where too few swaps exist.

A gap breaks a bound if it is larger than the bound, *and* larger than the resolution, *and* larger than the gap
between the reference and the noise runs. With ample evidence the resolution is far below the bound, and the bound
is what counts. With thin evidence a gap is held against chance: a model that has unlearned nothing still fails
where its pairs stand out from the person's others, and a request too small to show anything passes with a
resolution that says so (``AuditPolicy(max_resolution=...)`` refuses it). Two prices: perfectly unlearned small
requests can fail by chance, fewer than one in twenty; and a small request that passes is not shown to be forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from fedshare.evaluation.membership import (
    Comparison,
    ViewScores,
    attack_auc,
    attack_standard_error,
    attack_tpr,
)
from fedshare.evaluation.pairs import Pairs
from fedshare.evaluation.ranking import NOTHING
from fedshare.rng import stream

__all__ = [
    "Compared",
    "Distances",
    "Forgetting",
    "Gap",
    "auc_gap",
    "ks_distance",
    "list_overlap",
    "mean_distances",
    "measure_forgetting",
    "noise_floor_ratios",
    "score_shift",
]

_CONFIDENCE = 0.95
_NORMAL_QUANTILE = 1.959964  # two-sided, of _CONFIDENCE
_DRAWS = 1_999
_ENOUGH_FOR_NORMAL = 30  # exchangeable pairs or users; above, the closed form and the draws agree
_ENOUGH_USERS_TO_SWAP = 6  # 2**6 swaps: the rarest has p = 1/32 on two sides


@final
@dataclass(frozen=True)
class Compared:
    """One figure of the three models; None where it was not measured."""

    before: float | None
    after: float | None
    reference: float | None

    def to_dict(self) -> dict[str, float | None]:
        """The three under their names."""
        return asdict(self)


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


@final
@dataclass(frozen=True)
class Distances:
    """One model against the reference. None: nobody to measure it on."""

    top20_overlap_affected: float | None = None
    "Share of the 20 recommendations that agree, mean over the users of the request; 1 is equal."
    top20_overlap_bystanders: float | None = None
    "Likewise over everybody else."
    score_ks: float | None = None
    "Kolmogorov-Smirnov distance of the withdrawn pairs' standardised scores, 0 to 1."
    score_difference: float | None = None
    "Mean absolute difference of the withdrawn pairs' standardised scores, in standard deviations."
    auc_gap: float | None = None
    "Membership AUC less the reference's."

    def to_dict(self) -> dict[str, float | None]:
        """The figures under their own names."""
        return asdict(self)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Forgetting:
    """What one side, server or device, still knows of the withdrawn pairs."""

    judged_on: str
    '"membership_auc", or "score_shift" where there is no pair to compare with.'
    auc: Compared
    standard_error: Compared
    tpr_at_1pct_fpr: Compared
    gap: Gap | None
    "After against reference; None without a reference."
    gap_before: Gap | None
    noise_floor: float | None
    "Largest gap between the reference and a noise run, without sign; None without noise runs."
    before: Distances | None
    after: Distances | None
    noise: Distances | None
    "Reference to noise runs, means."
    n_pairs: int
    "Withdrawn pairs that this side had."
    n_pairs_compared: int
    n_users_compared: int
    n_users_left_out: int
    "Users without a pair to compare with."
    n_others: int
    "Pairs they are compared with."
    withdrawn_scores: dict[str, NDArray[np.float64]]
    'Standardised, under "before", "after", "reference"; ``(n_pairs,)`` each.'
    other_scores: dict[str, NDArray[np.float64]]


def measure_forgetting(
    comparison: Comparison,
    before: ViewScores,
    after: ViewScores,
    reference: ViewScores | None,
    noise: Sequence[ViewScores] = (),
) -> Forgetting:
    """All figures of one side.

    Args:
        comparison: Which pairs against which; at least one withdrawn pair.
        before: Scores of the model before unlearning.
        after: After it.
        reference: Of the model retrained without the pairs, if there is one.
        noise: Of models retrained likewise with other seeds.
    """
    models = {"before": before, "after": after} | ({} if reference is None else {"reference": reference})
    by_auc = bool(comparison.strata)

    def gap(one: ViewScores, other: ViewScores) -> Gap:
        if by_auc:
            return auc_gap(comparison, one, other)
        return score_shift(comparison.withdrawn, one.withdrawn.standardised, other.withdrawn.standardised)

    def compared(measure) -> Compared:
        values = {name: measure(comparison, scores) for name, scores in models.items()}
        return Compared(values["before"], values["after"], values.get("reference"))

    def distances(one: ViewScores) -> Distances | None:
        if reference is None:
            return None
        ours, theirs = one.withdrawn.standardised, reference.withdrawn.standardised
        return Distances(
            score_ks=ks_distance(ours, theirs),
            score_difference=float(np.abs(ours - theirs).mean()),
            auc_gap=gap(one, reference).value if by_auc else None,
        )

    measured_noise = [] if reference is None else noise
    return Forgetting(
        judged_on="membership_auc" if by_auc else "score_shift",
        auc=compared(attack_auc),
        standard_error=compared(attack_standard_error),
        tpr_at_1pct_fpr=compared(attack_tpr),
        gap=None if reference is None else gap(after, reference),
        gap_before=None if reference is None else gap(before, reference),
        noise_floor=max((abs(gap(scores, reference).value) for scores in measured_noise if reference), default=None),
        before=distances(before),
        after=distances(after),
        noise=mean_distances([found for scores in measured_noise if (found := distances(scores))]),
        n_pairs=comparison.withdrawn.n_pairs,
        n_pairs_compared=comparison.n_pairs,
        n_users_compared=comparison.n_users,
        n_users_left_out=comparison.n_users_left_out,
        n_others=comparison.n_others,
        withdrawn_scores={name: scores.withdrawn.standardised for name, scores in models.items()},
        other_scores={name: scores.others.standardised for name, scores in models.items()},
    )


def auc_gap(comparison: Comparison, one: ViewScores, other: ViewScores) -> Gap:
    """Difference of two models' attack AUCs, with the differences that relabelling within users gives.

    Among a user's m withdrawn and n other pairs together, the difference of the AUCs is the summed change of rank
    of the withdrawn ones over ``m * n``. Drawing m of the m + n pairs without replacement, that sum has mean 0
    and variance ``m n / ((m + n) (m + n - 1))`` times the sum of squared changes; below 30 exchangeable pairs,
    draws take the place of the normal distribution.

    Args:
        comparison: Which pairs; at least one user with both kinds.
        one: The model that is judged.
        other: The one it is held against.
    """
    changes: list[NDArray[np.float64]] = []  # of rank, per user, withdrawn pairs first
    sizes = np.array([stratum.sizes for stratum in comparison.strata], dtype=np.int64)  # (n_users, 2)
    for mine, theirs in comparison.strata:
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
        one: Standardised scores of the model that is judged, ``(n_pairs,)``.
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


def ks_distance(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Kolmogorov-Smirnov distance: the largest difference of the two empirical distribution functions, 0 to 1.

    Example:
        >>> ks_distance(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
        0.5
    """
    one, other = np.sort(one), np.sort(other)
    points = np.concatenate([one, other])
    below_one = np.searchsorted(one, points, side="right") / len(one)
    below_other = np.searchsorted(other, points, side="right") / len(other)
    return float(np.abs(below_one - below_other).max())


def list_overlap(one: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.float64]:
    """Share of items that two ranked lists have in common, row by row; order does not count, `NOTHING` is no item.

    Args:
        one: ``(n_lists, k)`` item indices, none twice in a row.
        other: Likewise.

    Returns:
        Common items over the items of the longer list, ``(n_lists,)``; 1 where both are empty.
    """
    common = ((one[:, :, None] == other[:, None, :]) & (one != NOTHING)[:, :, None]).sum(axis=(1, 2))
    longer = np.maximum((one != NOTHING).sum(axis=1), (other != NOTHING).sum(axis=1))
    return np.where(longer == 0, 1.0, common / np.maximum(longer, 1))


def mean_distances(several: Sequence[Distances]) -> Distances | None:
    """Mean of each distance, the AUC gap without its sign; None of none."""
    if not several:
        return None

    def mean(name: str) -> float | None:
        values = [abs(value) for each in several if (value := getattr(each, name)) is not None]
        return float(np.mean(values)) if values else None

    return Distances(**{name: mean(name) for name in several[0].to_dict()})


def noise_floor_ratios(after: Distances, noise: Distances) -> dict[str, float | None]:
    """Each distance over its noise floor; overlaps as 1 - overlap.

    0 where the distance is 0, infinite where only the floor is 0, None where either was not measured.
    """
    ratios: dict[str, float | None] = {}
    for name, value in after.to_dict().items():
        floor = getattr(noise, name)
        if value is None or floor is None:
            ratios[name] = None
            continue
        distance, floor = (1 - value, 1 - floor) if "overlap" in name else (abs(value), floor)
        ratios[name] = 0.0 if distance == 0 else distance / floor if floor else math.inf
    return ratios


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
