"""The demo's exact part: the same people take back the same pairs from a model that can be computed again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from fedshare.demo.context import DemoContext
from fedshare.demo.withdrawal import SHARED, withdraw
from fedshare.evaluation.cost import CpuClock
from fedshare.learning.run import Run
from fedshare.learning.shared_ease import SharedEASE
from fedshare.learning.verification import verify
from fedshare.sharing.ledger import share
from fedshare.sharing.policy import ShareFraction
from fedshare.unlearning.exact import ExactUnlearning
from fedshare.unlearning.retrain import Retrain

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["unlearn_and_verify"]


def unlearn_and_verify(context: DemoContext) -> dict[str, Any]:
    """Train SharedEASE on what the main part shares, unlearn its request both ways, train again, compare bytes.

    Args:
        context: Where the demo takes place.

    Returns:
        Quality ``before`` and ``after``; CPU seconds; bytes kept and downloaded; under ``identical`` whether the
        unlearned run has the bytes of the one that was trained again; the verification.
    """
    ledger = share(context.known, ShareFraction(SHARED), seed=context.seed)
    run = context.train("exact path: training", SharedEASE(), ledger)
    request = withdraw(ledger, context.seed)
    before, train_cpu_s, kept_bytes = context.quality(run), run.cost.cpu_s, run.kept_bytes
    # each model weighs as much as all of the demo's others: one after another, and a digest of what was there
    update_cost = context.unlearn("exact path: update", run, request, ExactUnlearning(refresh="update")).cost
    again = context.unlearn("exact path: training again", run, request, Retrain())
    wanted, retrain_cost = _digest(again), again.cost
    del again
    factorised = context.unlearn("exact path: unlearning", run, request, ExactUnlearning(refresh="factorise"))
    numbers = dict(run.state.server.numbers)
    del run
    context.meter.begin("exact path: verification", context.small_step)
    with CpuClock() as clock:
        verification = verify(factorised)
    return {
        "quality": {"before": before, "after": context.quality(factorised)},
        "chosen": numbers,
        "costs": {
            "train_cpu_s": train_cpu_s,
            "update_cpu_s": update_cost.cpu_s,
            "factorise_cpu_s": factorised.cost.cpu_s,
            "retrain_cpu_s": retrain_cost.cpu_s,
            "verify_cpu_s": clock.cpu_s,
            "kept_bytes": kept_bytes,
            "download_bytes": factorised.cost.bytes_down_per_client,
        },
        "n_bytes": sum(array.nbytes for array in _arrays(factorised)),
        "identical": _digest(factorised) == wanted,
        "verification": verification.to_dict(),
    }


def _arrays(run: Run) -> list[NDArray[Any]]:
    """Every number of the model and of what is kept beside it."""
    server = run.state.server
    return [arrays[name].numpy() for arrays in (server.arrays, server.kept) for name in sorted(arrays)]


def _digest(run: Run) -> str:
    found = hashlib.sha256()
    for array in _arrays(run):
        found.update(array.data)
    return found.hexdigest()
