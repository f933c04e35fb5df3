"""The figures of an audit as JSON has them, with a type for each part.

They say what `AuditReport.to_dict` gives, so that whoever reads such figures, from a report or from a file, has its
keys checked. None stands for "not measured" everywhere.
"""

from __future__ import annotations

from typing import TypedDict

__all__ = [
    "AuditCosts",
    "AuditEvidence",
    "AuditFigures",
    "ComparedFigures",
    "DistanceFigures",
    "DistancesToReference",
    "EvidenceFigures",
    "ForgetFigures",
    "KeptBytes",
    "RequestSize",
    "SideFigures",
    "UtilityByGroup",
    "UtilityFigures",
]


class ComparedFigures(TypedDict):
    """One figure of three models: before unlearning, after it, and retrained."""

    before: float | None
    after: float | None
    reference: float | None


class RequestSize(TypedDict):
    """How much was withdrawn."""

    n_pairs: int
    n_users: int
    n_erased: int
    "Pairs that were erased from their device as well."


class SideFigures(TypedDict):
    """What one side, server or device, still knows of the withdrawn pairs."""

    membership_auc: ComparedFigures
    membership_auc_standard_error: ComparedFigures
    membership_tpr_at_1pct_fpr: ComparedFigures
    judged_on: str | None
    '"membership_auc", or "score_shift" where there is no pair to compare with.'
    gap: float | None
    "After less reference."
    gap_standard_error: float | None
    resolution: float | None
    "The smallest gap that can be told from chance."
    gap_before: float | None
    resolution_before: float | None
    noise_floor: float | None
    "The largest gap between two retrainings that differ in nothing but the seed."


class DistanceFigures(TypedDict):
    """One model against the reference."""

    top20_overlap_affected: float | None
    top20_overlap_bystanders: float | None
    score_ks: float | None
    score_difference: float | None
    auc_gap: float | None


class DistancesToReference(TypedDict):
    """Distances of the model before, of the model after, and of the reference with another seed."""

    before: DistanceFigures | None
    after: DistanceFigures | None
    noise: DistanceFigures | None


class ForgetFigures(SideFigures):
    """The server's side, distances to the reference, and the device's side of erased pairs."""

    noise_floor_ratio: float | None
    "Of the score differences: after to reference, over the same between retrainings."
    noise_floor_ratios: dict[str, float | None]
    "Of each distance; empty without noise runs."
    distances: DistancesToReference
    device: SideFigures | None


# the names of these figures are no Python names
UtilityFigures = TypedDict(
    "UtilityFigures", {"ndcg@20": ComparedFigures, "recall@20": ComparedFigures, "fit_ndcg@20": ComparedFigures}
)
"Means over users; `audit` says what each of them ranks."


class UtilityByGroup(TypedDict):
    """Utility of the users of the request, and of everybody else."""

    affected: UtilityFigures
    bystanders: UtilityFigures


class KeptBytes(TypedDict):
    """What is kept for later unlearning, beside the model itself."""

    server: int
    per_device: int


class AuditCosts(TypedDict):
    """CPU seconds of unlearning against those of retraining, and bytes kept."""

    unlearn_cpu_s: float
    retrain_cpu_s: float | None
    ratio: float | None
    kept_bytes: KeptBytes


class EvidenceFigures(TypedDict):
    """How many pairs one side's figures rest on."""

    n_pairs: int
    n_pairs_compared: int
    n_users_compared: int
    n_users_left_out: int
    n_compared_with: int


class AuditEvidence(TypedDict):
    """The evidence of both sides, and what a reader of the figures should know."""

    server: EvidenceFigures | None
    device: EvidenceFigures | None
    notes: list[str]


class AuditFigures(TypedDict):
    """All figures of one audit."""

    request: RequestSize
    forget: ForgetFigures
    utility: UtilityFigures
    utility_by_group: UtilityByGroup
    cost: AuditCosts
    evidence: AuditEvidence
