"""How far a model is from the reference, over the withdrawn pairs and over people's recommendations.

Distances are taken before against reference, after against reference, and reference against retrained with another
seed. The last is the noise floor. A noise-floor ratio of 1 means: no further than retraining is from retraining.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import final

import numpy as np
from numpy.typing import NDArray

from fedshare.evaluation.figures import DistanceFigures
from fedshare.evaluation.ranking import NOTHING

__all__ = ["Distances", "ks_distance", "list_overlap", "mean_distances", "noise_floor_ratios"]


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

    def to_dict(self) -> DistanceFigures:
        """The figures under their own names."""
        return {
            "top20_overlap_affected": self.top20_overlap_affected,
            "top20_overlap_bystanders": self.top20_overlap_bystanders,
            "score_ks": self.score_ks,
            "score_difference": self.score_difference,
            "auc_gap": self.auc_gap,
        }


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
    values = [_by_name(each) for each in several]
    return Distances(**{name: _mean_size([each[name] for each in values]) for name in values[0]})


def noise_floor_ratios(after: Distances, noise: Distances) -> dict[str, float | None]:
    """Each distance over its noise floor; overlaps as 1 - overlap.

    0 where the distance is 0, infinite where only the floor is 0, None where either was not measured.
    """
    floors = _by_name(noise)
    return {name: _ratio(name, value, floors[name]) for name, value in _by_name(after).items()}


def _ratio(name: str, value: float | None, floor: float | None) -> float | None:
    if value is None or floor is None:
        return None
    distance, floor = (1 - value, 1 - floor) if "overlap" in name else (abs(value), floor)
    if distance == 0:
        return 0.0
    return distance / floor if floor else math.inf


def _mean_size(values: Sequence[float | None]) -> float | None:
    """Mean without signs, of those that were measured."""
    sizes = [abs(value) for value in values if value is not None]
    return float(np.mean(sizes)) if sizes else None


def _by_name(distances: Distances) -> dict[str, float | None]:
    return {each.name: getattr(distances, each.name) for each in fields(Distances)}
