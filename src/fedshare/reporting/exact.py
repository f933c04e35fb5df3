"""The demo's exact part: the same people take back the same pairs from a model that can be computed again."""

from __future__ import annotations

from typing import Any

from fedshare.evaluation.cost import CpuClock
from fedshare.learning.run import Run
from fedshare.learning.shared_ease import SharedEASE
from fedshare.learning.verification import verify
from fedshare.reporting.scene import Scene
from fedshare.reporting.withdrawal import SHARED, withdraw
from fedshare.sharing.ledger import share
from fedshare.sharing.policy import ShareFraction
from fedshare.unlearning.exact import ExactUnlearning
from fedshare.unlearning.retrain import Retrain

__all__ = ["unlearn_and_verify"]


def unlearn_and_verify(scene: Scene) -> dict[str, Any]:
    """Train SharedEASE on what the main part shares, unlearn its request both ways, train again, compare bytes.

    Args:
        scene: Where the demo takes place.

    Returns:
        Quality ``before`` and ``after``; CPU seconds; bytes kept and downloaded; under ``identical`` whether the
        unlearned run has the bytes of the one that was trained again; the verification.
    """
    ledger = share(scene.known, ShareFraction(SHARED), seed=scene.seed)
    run = scene.train("exact path: training", SharedEASE(), ledger)
    request = withdraw(ledger, scene.seed)
    updated = scene.unlearn("exact path: unlearning by update", run, request, ExactUnlearning(refresh="update"))
    factorised = scene.unlearn("exact path: unlearning", run, request, ExactUnlearning(refresh="factorise"))
    again = scene.unlearn("exact path: training again", run, request, Retrain())
    scene.meter.begin("exact path: verification", scene.small_step)
    with CpuClock() as clock:
        verification = verify(factorised)
    return {
        "quality": {"before": scene.quality(run), "after": scene.quality(factorised)},
        "chosen": dict(run.state.server.numbers),
        "costs": {
            "train_cpu_s": run.cost.cpu_s,
            "update_cpu_s": updated.cost.cpu_s,
            "factorise_cpu_s": factorised.cost.cpu_s,
            "retrain_cpu_s": again.cost.cpu_s,
            "verify_cpu_s": clock.cpu_s,
            "kept_bytes": run.kept_bytes,
            "download_bytes": factorised.cost.bytes_down_per_client,
        },
        "n_bytes": sum(map(len, _bytes(again))),
        "identical": _bytes(factorised) == _bytes(again),
        "verification": verification.to_dict(),
    }


def _bytes(run: Run) -> list[bytes]:
    """Every byte of the model and of what is kept beside it."""
    server = run.state.server
    return [arrays[name].numpy().tobytes() for arrays in (server.arrays, server.kept) for name in sorted(arrays)]
