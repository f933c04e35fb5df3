"""Whether it has been forgotten: the attack on four models, and the scores that it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedshare.demo.page.charts import Dot, density_chart, dot_chart
from fedshare.demo.page.components import box, keys, read_out, section, sized
from fedshare.demo.page.formatting import figure
from fedshare.demo.page.markup import Html, tag

if TYPE_CHECKING:
    from fedshare.demo.figures import DemoFigures, ModelName, ScoreDensities, ScoreFigures, WithdrawalFigures

__all__ = ["forgetting_part"]

_MODELS: tuple[tuple[ModelName, str, str], ...] = (
    ("before", "Before", "ink-2"),
    ("dropped", "Deleted, not unlearned", "ink-4"),
    ("after", "Unlearned", "ink-1"),
    ("reference", "Retrained", "ink-3"),
)

_CONTROL = {
    True: "Here, merely deleting the purchases from the server passes the same audit as well.",
    False: "It is not enough to delete the purchases from the server. The model has learned from them, and the same "
    "audit fails it.",
    None: "Whether it is enough to delete the purchases from the server could not be judged.",
}

_Aucs = dict["ModelName", float | None]


def forgetting_part(figures: DemoFigures) -> Html:
    """The attack in words, its success, and the scores."""
    part = figures["withdrawal"]
    aucs = _aucs(part)
    return section(
        "Has it been forgotten?",
        tag(
            "p",
            "An attacker has the server's model and all purchases of somebody who took some of them back. The attacker "
            "wants to know which of them had been shared. The guess: those that the model scores higher than the "
            "person's other purchases. ",
            _CONTROL[part["control_verdict"]["passed"]],
        ),
        _attack(aucs, part["policy"]["max_forget_gap"]),
        _scores(aucs, part["scores"]),
    )


def _aucs(part: WithdrawalFigures) -> _Aucs:
    """The attack's success on each of the four models."""
    auc = part["audit"]["forget"]["membership_auc"]
    return {
        "before": auc["before"],
        "dropped": part["control"]["forget"]["membership_auc"]["after"],
        "after": auc["after"],
        "reference": auc["reference"],
    }


def _attack(aucs: _Aucs, allowed: float) -> Html | None:
    measured = [(name, auc, ink) for key, name, ink in _MODELS if (auc := aucs[key]) is not None]
    dots = [Dot(name, auc, figure(auc), ink) for name, auc, ink in measured]
    reference = aucs["reference"]
    if not dots or reference is None:
        return None

    def draw(width: int) -> Html:
        return dot_chart(
            dots,
            width=width,
            label=read_out("Membership AUC", dots),
            x_label="membership AUC",
            band=(reference - allowed, reference + allowed),
            band_label="where the audit passes",
            origin=reference,
        )

    return box(
        "Can the server tell what was taken back?",
        "Membership AUC: how often the model scores a purchase that was taken back above one that the same person "
        "never shared. 0.5 is no better than guessing. A value that is too low fails the audit as well, since it shows "
        "that something was removed.",
        sized(draw),
    )


def _scores(aucs: _Aucs, scores: ScoreFigures) -> Html:
    models = [(scores["models"][key], name, ink, figure(aucs[key])) for key, name, ink in _MODELS]
    top = max(max(*each["withdrawn"], *each["never_shared"]) for each, *_ in models)
    panels = [_panel(scores["grid"], *model, top * 1.04) for model in models]
    return box(
        "How the model scores what was taken back",
        "Scores, standardised for each person. Where the coloured curve lies on the grey one, nothing stands out. "
        "Where it lies further right, the model still prefers the purchases that it was once trained on.",
        keys([("never shared", "ink-grey", None), ("taken back, in the colour of the model", "ink-2", None)]),
        tag("div", *panels, class_="panels"),
    )


def _panel(grid: list[float], densities: ScoreDensities, name: str, ink: str, auc: str, top: float) -> Html:
    chart = density_chart(
        grid,
        densities["never_shared"],
        densities["withdrawn"],
        width=205,
        top=top,
        label=f"{name}: scores of purchases taken back and of those never shared, membership AUC {auc}",
        ink=ink,
    )
    return tag("div", tag("b", name), tag("span", f"AUC {auc}"), chart)
