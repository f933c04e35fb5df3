"""Whether it has been forgotten: the attack on four models, and the scores that it looks at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedshare.demo.page.charts import Dot, density_chart, dot_chart
from fedshare.demo.page.components import box, keys, read_out, section, sized
from fedshare.demo.page.formatting import figure
from fedshare.demo.page.markup import Html, tag

__all__ = ["MODELS", "forgetting_part"]

MODELS = (
    ("before", "Before", "ink-2"),
    ("dropped", "Deleted, not unlearned", "ink-4"),
    ("after", "Unlearned", "ink-1"),
    ("reference", "Trained again", "ink-3"),
)

_CONTROL = {
    True: "Merely deleting the purchases from the server passes the audit here as well.",
    False: "Merely deleting the purchases from the server is not enough: the same audit fails that model, which has "
    "learned from them.",
    None: "Whether merely deleting the purchases would do could not be judged.",
}


def forgetting_part(figures: Mapping[str, Any]) -> Html:
    """The attack in words, its success, and the scores."""
    part = figures["withdrawal"]
    return section(
        "Has it been forgotten?",
        tag(
            "p",
            "An attacker holds the server's model and the purchases of somebody who took some of them back. Which of "
            "them had been shared? The attacker guesses: those that the model scores higher than the person's other "
            "purchases. ",
            _CONTROL[part["control_verdict"]["passed"]],
        ),
        _attack(part),
        _scores(part),
    )


def _aucs(part: Mapping[str, Any]) -> dict[str, float | None]:
    auc = part["audit"]["forget"]["membership_auc"]
    return {**auc, "dropped": part["control"]["forget"]["membership_auc"]["after"]}


def _attack(part: Mapping[str, Any]) -> Html | None:
    aucs, gap = _aucs(part), part["policy"]["max_forget_gap"]
    measured = [(name, auc, ink) for key, name, ink in MODELS if (auc := aucs[key]) is not None]
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
            band=(reference - gap, reference + gap),
            band_label="where the audit passes",
            origin=reference,
        )

    return box(
        "Can the server tell what was taken back?",
        "How often its model scores a purchase that was taken back above one that the same person never shared: 0.5 is "
        "no better than guessing. Too low fails the audit as well, since it shows that something was removed.",
        sized(draw),
    )


def _scores(part: Mapping[str, Any]) -> Html:
    grid, models, aucs = part["scores"]["grid"], part["scores"]["models"], _aucs(part)
    top = max(max(values) for model in models.values() for values in model.values())
    panels = []
    for key, name, ink in MODELS:
        auc = figure(aucs[key])
        chart = density_chart(
            grid,
            models[key]["never_shared"],
            models[key]["withdrawn"],
            width=205,
            top=top * 1.04,
            label=f"{name}: scores of purchases taken back and of those never shared, membership AUC {auc}",
            ink=ink,
        )
        panels.append(tag("div", tag("b", name), tag("span", f"AUC {auc}"), chart))
    return box(
        "How the model scores what was taken back",
        "Each person's scores, standardised. Where the coloured curve lies on the grey one, nothing stands out; where "
        "it lies further right, the model still prefers what it was once shown.",
        keys([("never shared", "ink-grey", None), ("taken back, in the colour of the model", "ink-2", None)]),
        tag("div", *panels, class_="panels"),
    )
