"""The verdict on an unlearned model: what it must keep to, and which bounds a report breaks.

The forget bound holds in both directions: forgetting too much tells that something was there. How thin evidence is
treated stands at the top of ``gap``. In short, a gap breaks the bound if it is larger than the bound, and larger
than chance explains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, final

from fedshare.errors import NotMeasured
from fedshare.evaluation.forgetting import Forgetting
from fedshare.options import above, within

if TYPE_CHECKING:
    from fedshare.evaluation.gap import Gap
    from fedshare.evaluation.report import AuditReport

__all__ = ["AuditPolicy", "Breach", "find_breaches"]


@final
@dataclass(frozen=True, kw_only=True)
class AuditPolicy:
    """What an unlearned model must keep to.

    Raises:
        BadOption: A bound is outside its range.
    """

    max_forget_gap: float = 0.05
    "Largest |AUC(after) - AUC(reference)|, 0..1, in either direction."
    max_utility_drop: float = 0.01
    "Largest (reference - after) / reference of any utility figure, 0..1. After may be better by any amount."
    max_cost_ratio: float | None = None
    "Largest CPU time of unlearning over that of retraining, above 0; None for no bound."
    max_resolution: float | None = None
    "Refuse a request that cannot tell gaps of this size from chance, 0..1; None takes thin evidence as it is."

    def __post_init__(self) -> None:
        within("max_forget_gap", self.max_forget_gap, 0, 1)
        within("max_utility_drop", self.max_utility_drop, 0, 1)
        if self.max_cost_ratio is not None:
            above("max_cost_ratio", self.max_cost_ratio, 0, hint="None is no bound.")
        if self.max_resolution is not None:
            within("max_resolution", self.max_resolution, 0, 1, hint="None is no bound.")


class Breach(NamedTuple):
    """One broken bound."""

    bound: str
    "Name of the bound in the policy."
    value: float
    limit: float
    text: str
    "The sentence for people."


def find_breaches(report: AuditReport, policy: AuditPolicy) -> Iterator[Breach]:
    """The bounds of the policy that the report's figures break.

    Raises:
        NotMeasured: There is no figure for a bound, because there was no reference.
    """
    _require_figures(report, policy)
    for place, side in report.sides():
        yield from _forget_breaches(place, side, policy)
    yield from _utility_breaches(report, policy)
    yield from _cost_breaches(report, policy)


def _require_figures(report: AuditReport, policy: AuditPolicy) -> None:
    missing: list[str] = []
    if any(side.gap is None for _, side in report.sides()):
        missing.append("the forget gap")
    if not report.utility_drops:
        missing.append("the utility drop")
    if policy.max_cost_ratio is not None and report.cost_ratio is None:
        missing.append("the cost ratio")
    if missing:
        raise NotMeasured(
            f"audit: no reference model was given (or it cost nothing), so {', '.join(missing)} could not be "
            "measured. Pass reference=fs.unlearn(run, request, method=fs.Retrain())."
        )


def _forget_breaches(place: str, side: Forgetting, policy: AuditPolicy) -> Iterator[Breach]:
    gap = side.gap
    if gap is None:
        return
    if gap.beyond(policy.max_forget_gap, side.noise_floor):
        text = _gap_text(place, side, gap, policy.max_forget_gap)
        yield Breach("max_forget_gap", gap.value, policy.max_forget_gap, text)
    if policy.max_resolution is not None and gap.resolution > policy.max_resolution:
        text = (
            f"max_resolution: on the {place} gaps below {gap.resolution:.3f} cannot be told from chance; allowed "
            f"{policy.max_resolution:.3f}. Audit several requests together."
        )
        yield Breach("max_resolution", gap.resolution, policy.max_resolution, text)


def _gap_text(place: str, side: Forgetting, gap: Gap, limit: float) -> str:
    direction = "too little is forgotten" if gap.value > 0 else "too much is forgotten, which tells as well"
    step = "more" if gap.value > 0 else "fewer or smaller"
    figure = (
        f"membership AUC {side.auc.after:.3f}, reference {side.auc.reference:.3f}"
        if side.auc.after is not None
        else "score shift of the withdrawn pairs"
    )
    return (
        f"max_forget_gap: gap {gap.value:+.3f} on the {place} ({figure}: {direction}); allowed {limit:.3f} either way, "
        f"chance explains {gap.resolution:.3f}. Unlearn with {step} steps."
    )


def _utility_breaches(report: AuditReport, policy: AuditPolicy) -> Iterator[Breach]:
    limit = policy.max_utility_drop
    for name, drop in report.utility_drops.items():
        if drop > limit:
            figure = report.utility[name]
            text = (
                f"max_utility_drop: {name} is {figure.after:.4f}, {drop:.1%} below the reference's "
                f"{figure.reference:.4f}; allowed {limit:.1%}. Unlearn with fewer steps."
            )
            yield Breach("max_utility_drop", drop, limit, text)


def _cost_breaches(report: AuditReport, policy: AuditPolicy) -> Iterator[Breach]:
    ratio, limit = report.cost_ratio, policy.max_cost_ratio
    if limit is not None and ratio is not None and ratio > limit:
        text = (
            f"max_cost_ratio: unlearning took {report.unlearn_cpu_s:.2f} CPU s, {ratio:.3f} of retraining; "
            f"allowed {limit:.3f}. Unlearn with fewer steps, or retrain."
        )
        yield Breach("max_cost_ratio", ratio, limit, text)
