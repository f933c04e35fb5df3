"""The shape of what an audit and an evaluation return as dictionaries, as JSON takes them.

Every key is always there. None stands for "not measured".
"""

from __future__ import annotations

from typing import TypedDict

__all__ = [
    "AuditFigures",
    "ComparedFigures",
    "CostFigures",
    "DistanceFigures",
    "DistancesFigures",
    "EvaluationFigures",
    "EvidenceFigures",
    "ForgetFigures",
    "KeptBytesFigures",
    "RequestFigures",
    "SideEvidenceFigures",
    "SideFigures",
    "UtilityFigures",
    "UtilityGroupFigures",
]


class ComparedFigures(TypedDict):
    """One figure of the three models."""

    before: float | None
    after: float | None
    reference: float | None


class RequestFigures(TypedDict):
    """What was withdrawn."""

    n_pairs: int
    n_users: int
    n_erased: int


class DistanceFigures(TypedDict):
    """One model against the reference; see ``Distances``."""

    top20_overlap_affected: float | None
    top20_overlap_bystanders: float | None
    score_ks: float | None
    score_difference: float | None
    auc_gap: float | None


class DistancesFigures(TypedDict):
    """The distances to the reference of the model before, of the one after, and of the noise runs."""

    before: DistanceFigures | None
    after: DistanceFigures | None
    noise: DistanceFigures | None


class SideFigures(TypedDict):
    """What one side, server or device, still knows of the withdrawn pairs; see ``Forgetting``."""

    membership_auc: ComparedFigures
    membership_auc_standard_error: ComparedFigures
    membership_tpr_at_1pct_fpr: ComparedFigures
    judged_on: str | None
    gap: float | None
    gap_standard_error: float | None
    resolution: float | None
    gap_before: float | None
    resolution_before: float | None
    noise_floor: float | None


class ForgetFigures(SideFigures):
    """The server's side, the distances, and the device's side where something was erased."""

    noise_floor_ratio: float | None
    noise_floor_ratios: dict[str, float | None]
    "By the name of the distance; {} without noise runs."
    distances: DistancesFigures
    device: SideFigures | None


UtilityFigures = TypedDict(
    "UtilityFigures", {"ndcg@20": ComparedFigures, "recall@20": ComparedFigures, "fit_ndcg@20": ComparedFigures}
)


class UtilityGroupFigures(TypedDict):
    """Utility over the users of the request, and over everybody else."""

    affected: UtilityFigures
    bystanders: UtilityFigures


class KeptBytesFigures(TypedDict):
    """What is kept for later unlearning."""

    server: int
    per_device: int


class CostFigures(TypedDict):
    """What unlearning cost beside retraining."""

    unlearn_cpu_s: float
    retrain_cpu_s: float | None
    ratio: float | None
    kept_bytes: KeptBytesFigures


class SideEvidenceFigures(TypedDict):
    """How many pairs and users the figures of one side rest on."""

    n_pairs: int
    n_pairs_compared: int
    n_users_compared: int
    n_users_left_out: int
    n_compared_with: int


class EvidenceFigures(TypedDict):
    """What the figures rest on."""

    server: SideEvidenceFigures | None
    device: SideEvidenceFigures | None
    notes: list[str]


class AuditFigures(TypedDict):
    """What ``AuditReport.to_dict`` returns."""

    request: RequestFigures
    forget: ForgetFigures
    utility: UtilityFigures
    utility_by_group: UtilityGroupFigures
    cost: CostFigures
    evidence: EvidenceFigures


class EvaluationFigures(TypedDict):
    """What ``Evaluation.to_dict`` returns."""

    metrics: dict[str, float]
    sharers: dict[str, float] | None
    non_sharers: dict[str, float] | None
    groups: dict[str, dict[str, float]]
    n_users: int
    n_left_out: int
    n_test_pairs: int
    n_unknown_users: int
    n_cold_items: int
    n_cold_pairs: int
    n_sharers: int | None
    notes: list[str]
