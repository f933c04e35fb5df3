"""The demo's exact part: the same people take back the same pairs from a model that can be computed again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, cast

from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.cost import CpuClock
from fedshare.demo.context import DemoContext
from fedshare.demo.withdrawal import SHARED, withdraw
from fedshare.sharing.ledger import share
from fedshare.sharing.policy import ShareFraction
from fedshare.simulation.run import Run
from fedshare.simulation.verify import verify
from fedshare.unlearning.exact import ExactUnlearning
from fedshare.unlearning.retrain import Retrain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.cost import Cost
    from fedshare.demo.figures import ExactFigures, VerificationFigures
    from fedshare.sharing.request import Request

__all__ = ["unlearn_and_verify"]


def unlearn_and_verify(context: DemoContext) -> ExactFigures:
    """Train SharedEASE on what the main part shares, unlearn the same request, retrain, and compare the bytes.

    Each model weighs as much as all others of the demo. So they are made one after another, and of the retrained one
    only a digest is kept.
    """
    ledger = share(context.known, ShareFraction(SHARED), seed=context.seed)
    request = withdraw(ledger, context.seed)
    run = context.train("exact path: training", SharedEASE(), ledger)
    before, trained, kept_bytes = context.quality(run), run.cost, run.kept_bytes
    updated = context.unlearn("exact path: update", run, request, ExactUnlearning(refresh="update")).cost
    retrained, wanted = _retrain(context, run, request)
    unlearned = context.unlearn("exact path: unlearning", run, request, ExactUnlearning(refresh="factorise"))
    chosen = run.chosen.to_dict() if run.chosen else {}
    del run
    verification, verify_cpu_s = _verify(context, unlearned)
    return {
        "quality": {"before": before, "after": context.quality(unlearned)},
        "chosen": chosen,
        "costs": {
            "train_cpu_s": trained.cpu_s,
            "update_cpu_s": updated.cpu_s,
            "factorise_cpu_s": unlearned.cost.cpu_s,
            "retrain_cpu_s": retrained.cpu_s,
            "verify_cpu_s": verify_cpu_s,
            "kept_bytes": kept_bytes,
            "download_bytes": unlearned.cost.bytes_down_per_client,
        },
        "n_bytes": sum(array.nbytes for array in _arrays(unlearned)),
        "identical": _digest(unlearned) == wanted,
        "verification": verification,
    }


def _retrain(context: DemoContext, run: Run, request: Request) -> tuple[Cost, str]:
    """What retraining without the pairs cost, and the digest of its model."""
    again = context.unlearn("exact path: retraining", run, request, Retrain())
    return again.cost, _digest(again)


def _verify(context: DemoContext, run: Run) -> tuple[VerificationFigures, float]:
    """The verification and its CPU seconds."""
    context.meter.begin("exact path: verification", context.small_step)
    with CpuClock() as clock:
        verification = verify(run)
    return cast("VerificationFigures", verification.to_dict()), clock.cpu_s  # tests hold the keys against the type


def _arrays(run: Run) -> list[NDArray[Any]]:
    """Every number of the model and of what is kept beside it."""
    state = run.server.state
    return [arrays[name].numpy() for arrays in (state.arrays, state.kept) for name in sorted(arrays)]


def _digest(run: Run) -> str:
    found = hashlib.sha256()
    for array in _arrays(run):
        found.update(array.data)
    return found.hexdigest()
