"""The demo's first part: how good recommendations are, by how many people share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fedshare.demo.context import DemoContext
from fedshare.learning.fedshare import FedShare
from fedshare.learning.lightgcn import LightGCN
from fedshare.learning.popularity import Popularity, Random
from fedshare.learning.run import Run
from fedshare.sharing.ledger import share
from fedshare.sharing.policy import ShareEverything, ShareUsers

__all__ = ["FRACTIONS", "REFERENCES", "quality_by_share"]

FRACTIONS = (0.0, 0.1, 0.3, 0.5, 1.0)
"Of the people, who share everything; nobody sharing is FedMF."

REFERENCES = (
    ("random", "Random order", Random()),
    ("popularity", "Bestsellers", Popularity()),
    ("lightgcn", "Central LightGCN", LightGCN()),
)
"Models that see everybody's data, whatever people chose."


def quality_by_share(context: DemoContext, on_run: Callable[[float, Run], None] | None = None) -> dict[str, Any]:
    """Train FedShare once for each fraction of the people, and the references once.

    Args:
        context: Where the demo takes place.
        on_run: Handed each FedShare run, without its devices, and its fraction; the run is dropped afterwards.

    Returns:
        ``points``, one for each fraction, and ``references``: quality and CPU seconds of each.
    """
    points = []
    for fraction in FRACTIONS:
        ledger = share(context.known, ShareUsers(fraction), seed=context.seed)
        run = context.train(f"training, {fraction:.0%} of the people share", FedShare(), ledger)
        points.append({"share": fraction, **context.quality(run), "cpu_s": run.cost.cpu_s, "wall_s": run.cost.wall_s})
        run = context.light(run)
        if on_run is not None:
            on_run(fraction, run)
        del run  # a run keeps every simulated device: one at a time is enough
    everything = share(context.known, ShareEverything(), seed=context.seed)
    references = []
    for name, label, algorithm in REFERENCES:
        run = context.train(f"training, {label}", algorithm, everything)
        found = context.quality(run)
        references.append({"name": name, "label": label, "metrics": found["metrics"], "cpu_s": run.cost.cpu_s})
        del run
    return {"points": points, "references": references}
