"""The audit's figures as one table: four models side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from fedshare.demo.page.components import section, table
from fedshare.demo.page.formatting import NOTHING, figure
from fedshare.demo.page.markup import Child, Html, join, tag

if TYPE_CHECKING:
    from fedshare.demo.figures import DemoFigures, WithdrawalFigures
    from fedshare.evaluation.figures import AuditFigures, ComparedFigures, DistanceFigures

__all__ = ["audit_part"]

_HEAD = ("", "before", "deleted only", "unlearned", "retrained")

_Attack = Literal["membership_auc", "membership_auc_standard_error", "membership_tpr_at_1pct_fpr"]
_Distance = Literal["auc_gap", "score_ks", "score_difference", "top20_overlap_affected", "top20_overlap_bystanders"]
_Utility = Literal["ndcg@20", "recall@20", "fit_ndcg@20"]

_ATTACK: tuple[tuple[_Attack, str, str | None], ...] = (
    ("membership_auc", "Membership AUC", "0.5 is guessing"),
    ("membership_auc_standard_error", "Its standard error", None),
    ("membership_tpr_at_1pct_fpr", "Found at 1% false alarms", "0.01 is guessing"),
)

_DISTANCES: tuple[tuple[_Distance, str, str], ...] = (
    ("auc_gap", "AUC minus that of the retrained model", "0 is the same"),
    ("score_ks", "Distance of the score distributions", "Kolmogorov-Smirnov, 0 to 1"),
    ("score_difference", "Mean difference of scores", "in standard deviations"),
    ("top20_overlap_affected", "Same first 20, people who took back", "fraction of the recommendations"),
    ("top20_overlap_bystanders", "Same first 20, everybody else", "fraction of the recommendations"),
)

_UTILITY: tuple[tuple[_Utility, str, str], ...] = (
    ("ndcg@20", "NDCG@20", "of what people bought next"),
    ("recall@20", "Recall@20", "of what people bought next"),
    ("fit_ndcg@20", "Fit, NDCG@20", "of what people had bought before"),
)

_GROUPS: tuple[tuple[Literal["affected", "bystanders"], str], ...] = (
    ("affected", "Quality, people who took back"),
    ("bystanders", "Quality, everybody else"),
)

Row = Sequence[Child] | str
"Cells, or the heading over the rows below."


def audit_part(figures: DemoFigures) -> Html:
    """The table, and what a reader of it should know."""
    part = figures["withdrawal"]
    rows = [*_forgetting(part), *_utility(part), *_cost(part)]
    notes = [tag("p", note, class_="quiet small") for note in _notes(part["audit"])]
    return section(
        "The audit in figures",
        tag("div", table(_HEAD, rows), class_="scroll"),
        tag("div", *notes, class_="after"),
    )


def _forgetting(part: WithdrawalFigures) -> Iterator[Row]:
    """The attack on four models, and how far each of them is from the retrained one."""
    unlearned, dropped = part["audit"]["forget"], part["control"]["forget"]
    yield "Forgetting"
    for key, name, help in _ATTACK:
        yield _row(name, help, unlearned[key], dropped[key], 3)
    before, after, noise = (unlearned["distances"][each] for each in ("before", "after", "noise"))
    models = (before, dropped["distances"]["after"], after)
    for key, name, help in _DISTANCES:
        yield [_name(name, help), *(_distance(each, key) for each in models), _noise(noise, key)]


def _distance(distances: DistanceFigures | None, key: _Distance) -> str:
    value = distances[key] if distances else None
    return NOTHING if value is None else format(value, "+.3f" if key == "auc_gap" else ".3f")


def _noise(distances: DistanceFigures | None, key: _Distance) -> Child:
    """The distance between two models that were retrained with different seeds."""
    value = distances[key] if distances else None
    return NOTHING if value is None else join(figure(value), tag("small", "another seed"))


def _utility(part: WithdrawalFigures) -> Iterator[Row]:
    unlearned, dropped = part["audit"], part["control"]
    yield "Quality, everybody"
    for key, name, help in _UTILITY:
        yield _row(name, help, unlearned["utility"][key], dropped["utility"][key], 4)
    key, name, help = _UTILITY[0]
    for group, title in _GROUPS:
        yield title
        yield _row(name, help, unlearned["utility_by_group"][group][key], dropped["utility_by_group"][group][key], 4)


def _cost(part: WithdrawalFigures) -> Iterator[Row]:
    costs, dropped = part["costs"], part["control"]["cost"]["unlearn_cpu_s"]
    values = (costs["train_cpu_s"], dropped, costs["unlearn_cpu_s"], costs["retrain_cpu_s"])
    yield "Cost"
    yield [_name("CPU seconds", "to make the model"), *(figure(value, 2) for value in values)]


def _row(name: str, help: str | None, unlearned: ComparedFigures, dropped: ComparedFigures, digits: int) -> Row:
    values = (unlearned["before"], dropped["after"], unlearned["after"], unlearned["reference"])
    return [_name(name, help), *(figure(value, digits) for value in values)]


def _name(name: str, help: str | None) -> Html:
    return join(name, tag("small", help) if help else None)


def _notes(report: AuditFigures) -> list[str]:
    """What the figures mean and what they rest on, and the audit's own notes."""
    forget, evidence = report["forget"], report["evidence"]["server"]
    notes: list[str] = []
    if forget["noise_floor_ratio"] is not None:
        notes.append(
            f"The unlearned model's scores of the withdrawn purchases are {forget['noise_floor_ratio']:.2f} times as "
            "far from the retrained model's as those of two retrained models with different seeds are from each other."
        )
    if forget["gap"] is not None and forget["resolution"] is not None and evidence is not None:
        notes.append(
            f"The AUC gap to the retrained model is {forget['gap']:+.3f}. Gaps of up to {forget['resolution']:.3f} can "
            f"be chance. {evidence['n_pairs_compared']:,} purchases taken back by {evidence['n_users_compared']:,} "
            f"people were compared with {evidence['n_compared_with']:,} purchases that these people never shared."
        )
    return [*notes, *report["evidence"]["notes"]]
