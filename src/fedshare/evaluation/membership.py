"""The membership attack: can one tell from the scores that a pair was withdrawn?

The attacker holds the server's model and one person's private pairs, and guesses which of them the server once had:
the ones it scores highest. Withdrawn pairs are compared with pairs of the *same* person that were never shared, since
scores of different people do not compare and since both kinds are this person's true choices; only what the server
learned from seeing some of them tells them apart. After perfect unlearning it cannot tell them apart better than
it can with the reference, whose AUC need not be 1/2: people may share other things than they keep.

- AUC, stratified by user: for each withdrawn pair the fraction of its own user's never-shared pairs that it
  outscores (ties 1/2), averaged over the withdrawn pairs. Users without a never-shared pair drop out.
- Standard error: the larger of two estimates, as each has its blind spot. Hanley and McNeil, Radiology 1982, within
  each user (needs no second pair, ignores that users differ), with the AUC drawn towards 1/2 by two made-up pairs, so
  that two pairs out of two are not certainty; and the spread of the users' AUCs around the mean (needs users).
- TPR at 1 % FPR: one threshold for everybody on scores standardised per user, the lowest that at most 1 % of the
  never-shared pairs exceed. With fewer than 100 of them there is no such rate, and the figure is None.

For erased pairs the device is attacked likewise: there the comparison is with the pairs that the device goes on
training on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from fedshare.evaluation.pairs import Pairs, PairScores, pairs_of, score_pairs
from fedshare.models.scorer import Scorer
from fedshare.sharing.state import State

if TYPE_CHECKING:
    from fedshare.sharing.request import Request

__all__ = [
    "AttackPairs",
    "AttackScores",
    "Stratum",
    "attack_auc",
    "attack_standard_error",
    "attack_tpr",
    "compare_on_device",
    "compare_on_server",
    "outscored",
]

_FPR = 0.01


class Stratum(NamedTuple):
    """One user's part of the arrays of `AttackPairs`."""

    withdrawn: slice
    others: slice

    @property
    def sizes(self) -> tuple[int, int]:
        """(withdrawn pairs, other pairs) of this user."""
        return self.withdrawn.stop - self.withdrawn.start, self.others.stop - self.others.start


@final
@dataclass(frozen=True, eq=False)
class AttackPairs:
    """Which pairs are compared with which, always within one user."""

    withdrawn: Pairs
    others: Pairs
    "Pairs of the same users that were not withdrawn."

    @cached_property
    def strata(self) -> tuple[Stratum, ...]:
        """The users that have both kinds of pairs."""
        bounds = [
            (
                *np.searchsorted(self.withdrawn.user, [user, user + 1]),
                *np.searchsorted(self.others.user, [user, user + 1]),
            )
            for user in np.intersect1d(self.withdrawn.user, self.others.user)
        ]
        return tuple(Stratum(slice(int(a), int(b)), slice(int(c), int(d))) for a, b, c, d in bounds)

    @property
    def n_users(self) -> int:
        """Users that are compared."""
        return len(self.strata)

    @property
    def n_users_left_out(self) -> int:
        """Users with withdrawn pairs and nothing to compare them with."""
        return len(self.withdrawn.users()) - self.n_users

    @property
    def n_pairs(self) -> int:
        """Withdrawn pairs that are compared."""
        return sum(stratum.sizes[0] for stratum in self.strata)

    @property
    def n_others(self) -> int:
        """Pairs they are compared with."""
        return sum(stratum.sizes[1] for stratum in self.strata)


class AttackScores(NamedTuple):
    """One model's scores of the pairs that are compared."""

    withdrawn: PairScores
    others: PairScores

    @classmethod
    def of(cls, scorer: Scorer, pairs: AttackPairs) -> AttackScores:
        """Ask a scorer."""
        return cls(score_pairs(scorer, pairs.withdrawn), score_pairs(scorer, pairs.others))


def compare_on_server(request: Request) -> AttackPairs:
    """Withdrawn pairs that the server had, against pairs of the same users that no event ever shared."""
    known, before = request.before.known, request.before.state
    requested = pairs_of(request.user, request.item).contains(known.user, known.item, known.n_items)
    ever_shared = _ever_shared(request).contains(known.user, known.item, known.n_items)
    pairs = Pairs(known.user, known.item)
    withdrawn = pairs.take(requested & (before == State.SHARED))
    mine = np.isin(known.user, withdrawn.user)
    return AttackPairs(withdrawn, pairs.take(mine & (before == State.PRIVATE) & ~ever_shared & ~requested))


def compare_on_device(request: Request) -> AttackPairs:
    """Erased pairs against the pairs that the same users' devices keep."""
    known = request.after.known
    pairs, erased = Pairs(known.user, known.item), pairs_of(request.user[request.erased], request.item[request.erased])
    requested = pairs_of(request.user, request.item).contains(known.user, known.item, known.n_items)
    mine = np.isin(known.user, erased.user)
    return AttackPairs(erased, pairs.take(mine & (request.after.state != State.ERASED) & ~requested))


def outscored(withdrawn: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """For each withdrawn score of one user the fraction of the user's others that it outscores, ties 1/2.

    Example:
        >>> outscored(np.array([3.0, 1.0]), np.array([1.0, 2.0])).tolist()
        [1.0, 0.25]
    """
    ordered = np.sort(others)
    below, level = np.searchsorted(ordered, withdrawn), np.searchsorted(ordered, withdrawn, side="right")
    return (below + level) / (2 * len(others))


def attack_auc(pairs: AttackPairs, scores: AttackScores) -> float | None:
    """AUC of the attack, stratified by user; None where nobody has both kinds of pairs."""
    if not pairs.strata:
        return None
    return float(np.concatenate(_fractions(pairs, scores)).mean())


def attack_standard_error(pairs: AttackPairs, scores: AttackScores) -> float | None:
    """Sampling error of the AUC: what another draw of users and pairs of the same number would change."""
    if not pairs.strata:
        return None
    fractions = _fractions(pairs, scores)
    sizes = np.array([stratum.sizes for stratum in pairs.strata], dtype=np.float64)  # (n_users, 2)
    n_pairs = sizes[:, 0].sum()
    weight = sizes[:, 0] / n_pairs
    auc = float(np.concatenate(fractions).mean())
    within = float((weight**2 * _hanley_mcneil((auc * n_pairs + 1) / (n_pairs + 2), sizes)).sum())
    between, n_users = 0.0, len(sizes)
    if n_users > 1:
        of_users = np.array([values.mean() for values in fractions])
        between = n_users / (n_users - 1) * float((weight**2 * (of_users - auc) ** 2).sum())
    return math.sqrt(max(within, between))


def attack_tpr(pairs: AttackPairs, scores: AttackScores) -> float | None:
    """Share of the withdrawn pairs above the threshold that 1 % of the others exceed; None below 100 others."""
    if pairs.n_others < 1 / _FPR:
        return None
    withdrawn = np.concatenate([scores.withdrawn.standardised[stratum.withdrawn] for stratum in pairs.strata])
    others = np.concatenate([scores.others.standardised[stratum.others] for stratum in pairs.strata])
    allowed = math.floor(_FPR * len(others) + 1e-9)
    threshold = np.partition(others, len(others) - 1 - allowed)[len(others) - 1 - allowed]
    return float((withdrawn > threshold).mean())


def _fractions(pairs: AttackPairs, scores: AttackScores) -> list[NDArray[np.float64]]:
    """`outscored`, user by user."""
    return [
        outscored(scores.withdrawn.raw[stratum.withdrawn], scores.others.raw[stratum.others])
        for stratum in pairs.strata
    ]


def _hanley_mcneil(auc: float, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of an AUC from ``sizes[:, 0]`` positives and ``sizes[:, 1]`` negatives; Hanley and McNeil 1982."""
    positives, negatives = sizes.T
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    return spread / (positives * negatives)


def _ever_shared(request: Request) -> Pairs:
    """Every pair of the request's people that an event of the ledger, up to the end of the request, has shared."""
    users, items, people = request.after.known.users, request.after.known.items, request.users()
    user: list[int] = []
    item: list[int] = []
    for event in (each for person in people for each in request.after.events_of(person)):
        if event.kind == "share":
            user += [users.index(event.user)] * len(event.items)
            item += [items.index(name) for name in event.items]
    return pairs_of(np.array(user, dtype=np.int32), np.array(item, dtype=np.int32))
