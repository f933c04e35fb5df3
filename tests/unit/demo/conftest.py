"""Figures of a demo that nobody ran: every number is made up, titles are hostile."""

from __future__ import annotations

import pytest

from fedshare.demo.figures import (
    CaseStudyFigures,
    CurveFigures,
    CurvePoint,
    DemoFigures,
    ExactFigures,
    MetricsAt20,
    QualityFigures,
    RecommendedItem,
    ReferenceFigures,
    ScoreDensities,
    WithdrawalCosts,
    WithdrawalFigures,
)
from fedshare.evaluation.figures import (
    AuditFigures,
    ComparedFigures,
    DistanceFigures,
    ForgetFigures,
    UtilityFigures,
)

HOSTILE = "<script>alert('x')</script> & \"TEA\""


def _three(before: float | None, after: float | None, reference: float | None) -> ComparedFigures:
    return {"before": before, "after": after, "reference": reference}


def _metrics(recall: float) -> MetricsAt20:
    return {"recall@20": recall, "ndcg@20": recall * 0.8, "hr@20": 0.5, "mrr@20": 0.1}


def _quality(recall: float, sharers: float | None = None, non_sharers: float | None = None) -> QualityFigures:
    return {
        "metrics": _metrics(recall),
        "sharers": None if sharers is None else _metrics(sharers),
        "non_sharers": None if non_sharers is None else _metrics(non_sharers),
        "n_sharers": 30,
        "n_users": 60,
    }


# -- the audit ------------------------------------------------------------------------------------------------------


def _distances(auc: float) -> DistanceFigures:
    return {
        "top20_overlap_affected": 0.9,
        "top20_overlap_bystanders": 0.95,
        "score_ks": 0.05,
        "score_difference": 0.2,
        "auc_gap": auc - 0.5,
    }


def _forget(auc: float) -> ForgetFigures:
    return {
        "membership_auc": _three(0.75, auc, 0.5),
        "membership_auc_standard_error": _three(0.01, 0.01, 0.01),
        "membership_tpr_at_1pct_fpr": _three(0.05, 0.01, None),
        "judged_on": "membership_auc",
        "gap": auc - 0.5,
        "gap_standard_error": 0.005,
        "resolution": 0.01,
        "gap_before": 0.25,
        "resolution_before": 0.02,
        "noise_floor": 0.01,
        "noise_floor_ratio": 0.9,
        "noise_floor_ratios": {"score_difference": 0.9},
        "distances": {"before": _distances(auc), "after": _distances(auc), "noise": _distances(auc)},
        "device": None,
    }


def _utility() -> UtilityFigures:
    return {
        "ndcg@20": _three(0.16, 0.158, 0.159),
        "recall@20": _three(0.2, 0.2, 0.2),
        "fit_ndcg@20": _three(None, None, None),
    }


def _audit(auc: float) -> AuditFigures:
    return {
        "request": {"n_pairs": 30, "n_users": 3, "n_erased": 0},
        "forget": _forget(auc),
        "utility": _utility(),
        "utility_by_group": {"affected": _utility(), "bystanders": _utility()},
        "cost": {
            "unlearn_cpu_s": 0.0,
            "retrain_cpu_s": 20.0,
            "ratio": 0.0,
            "kept_bytes": {"server": 4_000_000, "per_device": 0},
        },
        "evidence": {
            "server": {
                "n_pairs": 30,
                "n_pairs_compared": 30,
                "n_users_compared": 3,
                "n_users_left_out": 0,
                "n_compared_with": 40,
            },
            "device": None,
            "notes": [f"A note with {HOSTILE}."],
        },
    }


# -- the parts ------------------------------------------------------------------------------------------------------


def _point(share: float, quality: QualityFigures) -> CurvePoint:
    return {"share": share, **quality, "cpu_s": 20.0, "wall_s": 20.0}


def _reference(name: str, label: str, recall: float) -> ReferenceFigures:
    return {"name": name, "label": label, "metrics": _metrics(recall), "cpu_s": 1.0}


def _curve() -> CurveFigures:
    return {
        "points": [
            _point(0.0, _quality(0.19, None, 0.19)),
            _point(0.5, _quality(0.21, 0.22, 0.2)),
            _point(1.0, _quality(0.23, 0.23, None)),
        ],
        "references": [_reference("random", "Random order", 0.01), _reference("lightgcn", "Central LightGCN", 0.2)],
    }


def _densities() -> ScoreDensities:
    return {"withdrawn": [0.1, 0.5, 0.1], "never_shared": [0.1, 0.5, 0.1]}


def _costs() -> WithdrawalCosts:
    return {
        "train_cpu_s": 20.0,
        "unlearn_cpu_s": 1.5,
        "unlearn_wall_s": 1.5,
        "retrain_cpu_s": 21.0,
        "retrain_wall_s": 21.0,
        "kept_bytes": 4_000_000,
        "kept_bytes_per_device": 0,
        "model_bytes": 2_000_000,
        "federaser_bytes": 70_000_000_000,
        "fru_bytes": 7_000_000_000,
        "fru_bytes_per_device": 100_000_000,
        "rounds": 3,
        "bytes_up_per_round": 274_000.0,
        "bytes_down_per_round": 274_500.0,
    }


def _withdrawal() -> WithdrawalFigures:
    return {
        "share": 0.5,
        "request": {"n_pairs": 30, "n_users": 3, "n_shared": 60},
        "audit": _audit(0.51),
        "control": _audit(0.6),
        "verdict": {"passed": True, "broken": []},
        "control_verdict": {"passed": False, "broken": ["max_forget_gap: gap +0.100"]},
        "policy": {"max_forget_gap": 0.05, "max_utility_drop": 0.01},
        "quality": {"before": _quality(0.21), "after": _quality(0.21)},
        "scores": {
            "grid": [-1.0, 0.0, 1.0],
            "models": {
                "before": _densities(),
                "dropped": _densities(),
                "after": _densities(),
                "reference": _densities(),
            },
        },
        "costs": _costs(),
    }


def _exact() -> ExactFigures:
    return {
        "quality": {"before": _quality(0.22), "after": _quality(0.22)},
        "chosen": {"ridge": 50.0, "damping": 0.1, "neighbours": 25.0},
        "costs": {
            "train_cpu_s": 7.0,
            "update_cpu_s": 0.3,
            "factorise_cpu_s": 1.2,
            "retrain_cpu_s": 1.4,
            "verify_cpu_s": 1.5,
            "kept_bytes": 160_000_000,
            "download_bytes": 740_000.0,
        },
        "n_bytes": 161_000_000,
        "identical": True,
        "verification": {
            "certificate": "c0ffee" * 10,
            "verified": True,
            "checks": [{"name": "gram", "holds": True, "detail": f"counted again: {HOSTILE}"}],
        },
    }


def _item(number: int, later: bool = False) -> RecommendedItem:
    return {"item": f"i{number}", "title": f"{HOSTILE} {number}", "chosen_later": later}


def _case_study() -> CaseStudyFigures:
    return {
        "user": HOSTILE,
        "n_eligible": 8,
        "rule": "drawn by the seed",
        "n_known": 21,
        "n_withdrawn": 21,
        "n_chosen_later": 5,
        "history": [{"item": "i1", "title": HOSTILE}],
        "lists": {
            "before": [_item(1), _item(2)],
            "sharing": [_item(1, later=True), _item(3)],
            "after": [_item(1), _item(2)],
        },
        "changed_by_sharing": 1,
        "changed_by_unsharing": 1,
        "apart_in_the_end": 0,
        "unlearn_cpu_s": 0.2,
        "retrain_cpu_s": 20.0,
    }


@pytest.fixture
def figures() -> DemoFigures:
    """Made anew for each test, to change as you like."""
    return {
        "format": 1,
        "data": {"name": HOSTILE, "embedded": False, "n_users": 60, "n_items": 40, "n_known": 900, "n_test": 200},
        "seed": 0,
        "rounds": 3,
        "min_cohort": 2,
        "curve": _curve(),
        "withdrawal": _withdrawal(),
        "exact": _exact(),
        "story": _case_study(),
        "demo": {"wall_s": 100.0, "cpu_s": 170.0, "peak_mib": 1200.0},
        "versions": {"fedshare": "0.1.0", "python": "3.12", "system": "Linux"},
    }


@pytest.fixture
def hostile() -> str:
    """What a title must not be able to do."""
    return HOSTILE
