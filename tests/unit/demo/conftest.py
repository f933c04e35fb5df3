"""Figures of a demo that nobody ran: every number is made up, titles are hostile."""

from __future__ import annotations

import copy
from typing import Any

import pytest

HOSTILE = "<script>alert('x')</script> & \"TEA\""


def _three(before: float | None, after: float | None, reference: float | None) -> dict[str, float | None]:
    return {"before": before, "after": after, "reference": reference}


def _quality(recall: float) -> dict[str, float]:
    return {"recall@20": recall, "ndcg@20": recall * 0.8}


def _audit(auc: float) -> dict[str, Any]:
    distances = {
        "top20_overlap_affected": 0.9,
        "top20_overlap_bystanders": 0.95,
        "score_ks": 0.05,
        "score_difference": 0.2,
        "auc_gap": auc - 0.5,
    }
    utility = {"ndcg@20": _three(0.16, 0.158, 0.159), "recall@20": _three(0.2, 0.2, 0.2)}
    return {
        "request": {"n_pairs": 30, "n_users": 3, "n_erased": 0},
        "forget": {
            "membership_auc": _three(0.75, auc, 0.5),
            "membership_auc_standard_error": _three(0.01, 0.01, 0.01),
            "membership_tpr_at_1pct_fpr": _three(0.05, 0.01, None),
            "distances": {"before": distances, "after": distances, "noise": distances},
            "noise_floor_ratio": 0.9,
            "gap": auc - 0.5,
            "resolution": 0.01,
        },
        "utility": utility,
        "utility_by_group": {"affected": utility, "bystanders": utility},
        "cost": {"unlearn_cpu_s": 0.0, "retrain_cpu_s": 20.0},
        "evidence": {
            "server": {"n_pairs_compared": 30, "n_users_compared": 3, "n_compared_with": 40},
            "device": None,
            "notes": [f"A note with {HOSTILE}."],
        },
    }


def _figures() -> dict[str, Any]:
    def item(number: int, later: bool = False) -> dict[str, Any]:
        return {"item": f"i{number}", "title": f"{HOSTILE} {number}", "chosen_later": later}

    grid, curve = [-1.0, 0.0, 1.0], [0.1, 0.5, 0.1]
    return {
        "format": 1,
        "data": {
            "name": HOSTILE,
            "embedded": False,
            "n_users": 60,
            "n_items": 40,
            "n_known": 900,
            "n_test": 200,
        },
        "seed": 0,
        "rounds": 3,
        "curve": {
            "points": [
                {"share": 0.0, "metrics": _quality(0.19), "sharers": None, "non_sharers": _quality(0.19)},
                {"share": 0.5, "metrics": _quality(0.21), "sharers": _quality(0.22), "non_sharers": _quality(0.2)},
                {"share": 1.0, "metrics": _quality(0.23), "sharers": _quality(0.23), "non_sharers": None},
            ],
            "references": [
                {"name": "random", "label": "Random order", "metrics": _quality(0.01), "cpu_s": 0.1},
                {"name": "lightgcn", "label": "Central LightGCN", "metrics": _quality(0.2), "cpu_s": 3.0},
            ],
        },
        "withdrawal": {
            "share": 0.5,
            "request": {"n_pairs": 30, "n_users": 3, "n_shared": 60},
            "audit": _audit(0.51),
            "control": _audit(0.6),
            "verdict": {"passed": True, "broken": []},
            "control_verdict": {"passed": False, "broken": ["max_forget_gap: gap +0.100"]},
            "policy": {"max_forget_gap": 0.05, "max_utility_drop": 0.01},
            "quality": {name: {"metrics": _quality(0.21)} for name in ("before", "after")},
            "scores": {
                "grid": grid,
                "models": {
                    name: {"withdrawn": curve, "never_shared": curve}
                    for name in ("before", "dropped", "after", "reference")
                },
            },
            "costs": {
                "train_cpu_s": 20.0,
                "unlearn_cpu_s": 1.5,
                "retrain_cpu_s": 21.0,
                "kept_bytes": 4_000_000,
                "model_bytes": 2_000_000,
                "federaser_bytes": 70_000_000_000,
                "fru_bytes": 7_000_000_000,
                "rounds": 3,
                "bytes_up_per_round": 274_000.0,
                "bytes_down_per_round": 274_500.0,
            },
        },
        "exact": {
            "quality": {name: {"metrics": _quality(0.22)} for name in ("before", "after")},
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
        },
        "story": {
            "user": HOSTILE,
            "n_eligible": 8,
            "rule": "drawn by the seed",
            "n_known": 21,
            "n_withdrawn": 21,
            "n_chosen_later": 5,
            "history": [{"item": "i1", "title": HOSTILE}],
            "lists": {
                "before": [item(1), item(2)],
                "sharing": [item(1, later=True), item(3)],
                "after": [item(1), item(2)],
            },
            "changed_by_sharing": 1,
            "changed_by_unsharing": 1,
            "apart_in_the_end": 0,
        },
        "demo": {"wall_s": 100.0, "cpu_s": 170.0, "peak_mib": 1200.0},
        "versions": {"fedshare": "0.1.0", "python": "3.12", "system": "Linux"},
    }


@pytest.fixture
def figures() -> dict[str, Any]:
    """A copy, to change as you like."""
    return copy.deepcopy(_figures())


@pytest.fixture
def hostile() -> str:
    """What a title must not be able to do."""
    return HOSTILE
