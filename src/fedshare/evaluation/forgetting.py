"""What one side, server or device, still knows of the withdrawn pairs: the membership attack against three models.

The attack is ``membership``'s, the gap to the reference and what chance explains of it ``gap``'s, the other distances
``distances``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from fedshare.evaluation.distances import Distances, ks_distance, mean_distances
from fedshare.evaluation.figures import ComparedFigures
from fedshare.evaluation.gap import Gap, auc_gap, score_shift
from fedshare.evaluation.membership import (
    AttackPairs,
    AttackScores,
    attack_auc,
    attack_standard_error,
    attack_tpr,
)

__all__ = ["NOT_MEASURED", "Compared", "Forgetting", "measure_forgetting"]


@final
@dataclass(frozen=True)
class Compared:
    """One figure of the three models; None where it was not measured."""

    before: float | None
    after: float | None
    reference: float | None

    def to_dict(self) -> ComparedFigures:
        """The three under their names."""
        return {"before": self.before, "after": self.after, "reference": self.reference}


NOT_MEASURED = Compared(None, None, None)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Forgetting:
    """What one side, server or device, still knows of the withdrawn pairs."""

    judged_on: Literal["membership_auc", "score_shift"]
    "What the gap is a gap of; the score shift where there is no pair to compare with."
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
    pairs: AttackPairs,
    before: AttackScores,
    after: AttackScores,
    reference: AttackScores | None,
    noise: Sequence[AttackScores] = (),
) -> Forgetting:
    """All figures of one side.

    Args:
        pairs: Which pairs against which; at least one withdrawn pair.
        before: Scores of the model before unlearning.
        after: After it.
        reference: Of the model retrained without the pairs, if there is one.
        noise: Of models retrained likewise with other seeds.
    """
    models = {"before": before, "after": after} | ({} if reference is None else {"reference": reference})
    yardstick = None if reference is None else _Yardstick(pairs, reference)
    return Forgetting(
        judged_on="membership_auc" if pairs.strata else "score_shift",
        auc=_compared(attack_auc, pairs, models),
        standard_error=_compared(attack_standard_error, pairs, models),
        tpr_at_1pct_fpr=_compared(attack_tpr, pairs, models),
        gap=yardstick.gap(after) if yardstick else None,
        gap_before=yardstick.gap(before) if yardstick else None,
        noise_floor=max((abs(yardstick.gap(each).value) for each in noise), default=None) if yardstick else None,
        before=yardstick.distances(before) if yardstick else None,
        after=yardstick.distances(after) if yardstick else None,
        noise=mean_distances([yardstick.distances(each) for each in noise]) if yardstick else None,
        n_pairs=pairs.withdrawn.n_pairs,
        n_pairs_compared=pairs.n_pairs,
        n_users_compared=pairs.n_users,
        n_users_left_out=pairs.n_users_left_out,
        n_others=pairs.n_others,
        withdrawn_scores={name: scores.withdrawn.standardised for name, scores in models.items()},
        other_scores={name: scores.others.standardised for name, scores in models.items()},
    )


@final
@dataclass(frozen=True, eq=False)
class _Yardstick:
    """The reference, which other models are held against."""

    pairs: AttackPairs
    reference: AttackScores

    def gap(self, scores: AttackScores) -> Gap:
        """By the attack, or by the score shift where nobody has a pair to compare with."""
        if self.pairs.strata:
            return auc_gap(self.pairs, scores, self.reference)
        ours, theirs = scores.withdrawn.standardised, self.reference.withdrawn.standardised
        return score_shift(self.pairs.withdrawn, ours, theirs)

    def distances(self, scores: AttackScores) -> Distances:
        """Of the withdrawn pairs' scores; recommendations are compared elsewhere."""
        ours, theirs = scores.withdrawn.standardised, self.reference.withdrawn.standardised
        return Distances(
            score_ks=ks_distance(ours, theirs),
            score_difference=float(np.abs(ours - theirs).mean()),
            auc_gap=self.gap(scores).value if self.pairs.strata else None,
        )


def _compared(
    measure: Callable[[AttackPairs, AttackScores], float | None],
    pairs: AttackPairs,
    models: Mapping[str, AttackScores],
) -> Compared:
    """One figure of every model there is."""
    values = {name: measure(pairs, scores) for name, scores in models.items()}
    return Compared(values["before"], values["after"], values.get("reference"))
