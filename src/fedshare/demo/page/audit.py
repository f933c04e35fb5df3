"""The audit's figures as one table: four models side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedshare.demo.page.components import section, table
from fedshare.demo.page.formatting import NOTHING, figure
from fedshare.demo.page.markup import Child, Html, join, tag

__all__ = ["audit_part"]

_HEAD = ("", "before", "deleted only", "unlearned", "trained again")

_DISTANCES = (
    ("auc_gap", "AUC less that of training again", "0 is as if trained again"),
    ("score_ks", "Distance of the score distributions", "Kolmogorov-Smirnov, 0 to 1"),
    ("score_difference", "Mean difference of scores", "in standard deviations"),
    ("top20_overlap_affected", "Same first 20, people who took back", "part of the recommendations"),
    ("top20_overlap_bystanders", "Same first 20, everybody else", "part of the recommendations"),
)

_UTILITY = (
    ("ndcg@20", "NDCG@20", "of what people bought next"),
    ("recall@20", "Recall@20", "of what people bought next"),
    ("fit_ndcg@20", "Fit, NDCG@20", "of what people had bought before"),
)

Row = Sequence[Child] | str


def audit_part(figures: Mapping[str, Any]) -> Html:
    """The table, and what a reader of it should know."""
    part = figures["withdrawal"]
    rows = [*_forgetting(part), *_utility(part), *_cost(part)]
    notes = [tag("p", note, class_="quiet small") for note in _notes(part["audit"])]
    return section(
        "The audit in figures",
        tag("div", table(_HEAD, rows), class_="scroll"),
        tag("div", *notes, class_="after"),
    )


def _forgetting(part: Mapping[str, Any]) -> list[Row]:
    ours, theirs = part["audit"]["forget"], part["control"]["forget"]
    rows: list[Row] = ["Forgetting"]
    for key, name, help in (
        ("membership_auc", "Membership AUC", "0.5 is guessing"),
        ("membership_auc_standard_error", "Its standard error", None),
        ("membership_tpr_at_1pct_fpr", "Found at 1% false alarms", "0.01 is guessing"),
    ):
        rows.append(_row(name, help, ours[key], theirs[key], 3))
    for key, name, help in _DISTANCES:
        before, after, noise = (ours["distances"][each] or {} for each in ("before", "after", "noise"))
        dropped = theirs["distances"]["after"] or {}
        sign = "+.3f" if key == "auc_gap" else ".3f"
        values = (each.get(key) for each in (before, dropped, after))
        floor = noise.get(key)
        rows.append(
            [
                _name(name, help),
                *(NOTHING if value is None else format(value, sign) for value in values),
                NOTHING if floor is None else join(figure(floor), tag("small", "another seed")),
            ]
        )
    return rows


def _utility(part: Mapping[str, Any]) -> list[Row]:
    ours, theirs = part["audit"], part["control"]
    rows: list[Row] = ["Quality, everybody"]
    rows += [
        _row(name, help, ours["utility"][key], theirs["utility"][key], 4)
        for key, name, help in _UTILITY
        if key in ours["utility"]
    ]
    key, name, help = _UTILITY[0]
    for group, title in (("affected", "Quality, people who took back"), ("bystanders", "Quality, everybody else")):
        figures = ours["utility_by_group"].get(group, {})
        if key in figures:
            rows += [title, _row(name, help, figures[key], theirs["utility_by_group"][group][key], 4)]
    return rows


def _cost(part: Mapping[str, Any]) -> list[Row]:
    costs, dropped = part["costs"], part["control"]["cost"]["unlearn_cpu_s"]
    values = (costs["train_cpu_s"], dropped, costs["unlearn_cpu_s"], costs["retrain_cpu_s"])
    return ["Cost", [_name("CPU seconds", "of making the model"), *(figure(value, 2) for value in values)]]


def _row(name: str, help: str | None, ours: Mapping[str, Any], theirs: Mapping[str, Any], digits: int) -> Row:
    values = (ours.get("before"), theirs.get("after"), ours.get("after"), ours.get("reference"))
    return [_name(name, help), *(figure(value, digits) for value in values)]


def _name(name: str, help: str | None) -> Html:
    return join(name, tag("small", help) if help else None)


def _notes(report: Mapping[str, Any]) -> list[str]:
    forget, evidence = report["forget"], report["evidence"]["server"]
    notes = []
    if forget["noise_floor_ratio"] is not None:
        notes.append(
            f"In the scores of what was taken back, unlearning is {forget['noise_floor_ratio']:.2f} times as far from "
            "training again as two trainings with different seeds are from each other."
        )
    if forget["resolution"] is not None and evidence is not None:
        notes.append(
            f"The gap to training again is {forget['gap']:+.3f}; gaps up to {forget['resolution']:.3f} can be chance. "
            f"{evidence['n_pairs_compared']:,} purchases taken back by {evidence['n_users_compared']:,} people were "
            f"held against {evidence['n_compared_with']:,} that they never shared."
        )
    return [*notes, *report["evidence"]["notes"]]
