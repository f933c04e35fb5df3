"""The figures of an audit as a dictionary that JSON takes: no NaN, no infinity, no array."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fedshare.evaluation.distances import Distances
from fedshare.evaluation.figures import (
    AuditFigures,
    CostFigures,
    DistanceFigures,
    ForgetFigures,
    SideEvidenceFigures,
    SideFigures,
    UtilityFigures,
)
from fedshare.evaluation.forgetting import NOT_MEASURED, Compared, Forgetting

if TYPE_CHECKING:
    from fedshare.evaluation.report import AuditReport

__all__ = ["audit_figures"]


def audit_figures(report: AuditReport) -> AuditFigures:
    """All figures of a report."""
    return {
        "request": {"n_pairs": report.n_pairs, "n_users": report.n_users, "n_erased": report.n_erased},
        "forget": _forget(report),
        "utility": _utility(report.utility),
        "utility_by_group": {
            "affected": _utility(report.utility_by_group["affected"]),
            "bystanders": _utility(report.utility_by_group["bystanders"]),
        },
        "cost": _cost(report),
        "evidence": {
            "server": _evidence(report.server),
            "device": _evidence(report.device),
            "notes": list(report.notes),
        },
    }


def _forget(report: AuditReport) -> ForgetFigures:
    return {
        **_side(report.server),
        "noise_floor_ratio": _finite(report.noise_floor_ratio),
        "noise_floor_ratios": {name: _finite(value) for name, value in report.noise_floor_ratios.items()},
        "distances": {
            "before": _distances(report.distances["before"]),
            "after": _distances(report.distances["after"]),
            "noise": _distances(report.distances["noise"]),
        },
        "device": _side(report.device) if report.device else None,
    }


def _side(side: Forgetting | None) -> SideFigures:
    """One side's figures; None where the side had none of the pairs."""
    gap, gap_before = (side.gap, side.gap_before) if side else (None, None)
    return {
        "membership_auc": (side.auc if side else NOT_MEASURED).to_dict(),
        "membership_auc_standard_error": (side.standard_error if side else NOT_MEASURED).to_dict(),
        "membership_tpr_at_1pct_fpr": (side.tpr_at_1pct_fpr if side else NOT_MEASURED).to_dict(),
        "judged_on": side.judged_on if side else None,
        "gap": gap.value if gap else None,
        "gap_standard_error": gap.standard_error if gap else None,
        "resolution": gap.resolution if gap else None,
        "gap_before": gap_before.value if gap_before else None,
        "resolution_before": gap_before.resolution if gap_before else None,
        "noise_floor": side.noise_floor if side else None,
    }


def _distances(distances: Distances | None) -> DistanceFigures | None:
    return distances.to_dict() if distances else None


def _utility(figures: Mapping[str, Compared]) -> UtilityFigures:
    return {
        "ndcg@20": figures["ndcg@20"].to_dict(),
        "recall@20": figures["recall@20"].to_dict(),
        "fit_ndcg@20": figures["fit_ndcg@20"].to_dict(),
    }


def _cost(report: AuditReport) -> CostFigures:
    return {
        "unlearn_cpu_s": report.unlearn_cpu_s,
        "retrain_cpu_s": report.retrain_cpu_s,
        "ratio": report.cost_ratio,
        "kept_bytes": {"server": report.kept_bytes_server, "per_device": report.kept_bytes_per_device},
    }


def _evidence(side: Forgetting | None) -> SideEvidenceFigures | None:
    if side is None:
        return None
    return {
        "n_pairs": side.n_pairs,
        "n_pairs_compared": side.n_pairs_compared,
        "n_users_compared": side.n_users_compared,
        "n_users_left_out": side.n_users_left_out,
        "n_compared_with": side.n_others,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
