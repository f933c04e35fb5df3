"""The demo's first part: how good recommendations are, by how many people share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.algorithms.lightgcn import LightGCN
from fedshare.algorithms.popularity import Popularity, Random
from fedshare.demo.context import DemoContext
from fedshare.sharing.ledger import share
from fedshare.sharing.policy import ShareEverything, ShareUsers
from fedshare.simulation.run import Run

if TYPE_CHECKING:
    from fedshare.demo.figures import CurveFigures, CurvePoint, ReferenceFigures
    from fedshare.sharing.ledger import Ledger
    from fedshare.training.algorithm import Algorithm

__all__ = ["FRACTIONS", "REFERENCES", "quality_by_share"]

FRACTIONS = (0.0, 0.1, 0.3, 0.5, 1.0)
"Of the people, who share everything; with nobody sharing, the model is FedMF."

REFERENCES: tuple[tuple[str, str, Algorithm], ...] = (
    ("random", "Random order", Random()),
    ("popularity", "Bestsellers", Popularity()),
    ("lightgcn", "Central LightGCN", LightGCN()),
)
"Models that see everybody's data, whatever people chose."


def quality_by_share(context: DemoContext, on_run: Callable[[float, Run], None] | None = None) -> CurveFigures:
    """Train FedShare once for each fraction of the people, and the references once.

    Args:
        context: Data, seed and rounds.
        on_run: Receives each fraction with its FedShare run, without the run's devices. The run is dropped afterwards.

    Returns:
        Quality and cost of each model.
    """
    points = [_point(context, fraction, on_run) for fraction in FRACTIONS]
    everything = share(context.known, ShareEverything(), seed=context.seed)
    references = [_reference(context, everything, *each) for each in REFERENCES]
    return {"points": points, "references": references}


def _point(context: DemoContext, fraction: float, on_run: Callable[[float, Run], None] | None) -> CurvePoint:
    ledger = share(context.known, ShareUsers(fraction), seed=context.seed)
    run = context.train(f"training, {fraction:.0%} of the people share", FedShare(), ledger)
    quality, cost = context.quality(run), run.cost
    if on_run is not None:
        on_run(fraction, run)
    return {"share": fraction, **quality, "cpu_s": cost.cpu_s, "wall_s": cost.wall_s}


def _reference(
    context: DemoContext, everything: Ledger, name: str, label: str, algorithm: Algorithm
) -> ReferenceFigures:
    run = context.train(f"training, {label}", algorithm, everything)
    return {"name": name, "label": label, "metrics": context.quality(run)["metrics"], "cpu_s": run.cost.cpu_s}
