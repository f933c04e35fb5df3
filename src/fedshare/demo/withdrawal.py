"""The demo's main part: people share half, some take half of that back, the model unlearns it, an audit judges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fedshare.demo.context import DemoContext, ScoredRun
from fedshare.errors import AuditFailed, NotMeasured
from fedshare.evaluation.audit import AuditPolicy, AuditReport, audit
from fedshare.evaluation.cost import federaser_bytes, fru_bytes
from fedshare.federation.messages import VALUE_BYTES, update_bytes
from fedshare.learning.fedshare import FedShare
from fedshare.rng import stream
from fedshare.sharing.ledger import share
from fedshare.sharing.policy import ShareFraction
from fedshare.sharing.request import Request
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.drop_only import DropOnly
from fedshare.unlearning.retrain import Retrain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from fedshare.learning.run import Run
    from fedshare.sharing.ledger import Ledger

__all__ = ["SHARED", "WHO", "density", "withdraw", "withdraw_and_audit"]

SHARED = 0.5
"Of everybody's interactions, shared."
WHO = 0.05
"Of the people, who change their minds."
TAKEN_BACK = 0.5
"Of what they share, taken back."


def withdraw(ledger: Ledger, seed: int) -> Request:
    """Half of what 5 % of the people share is taken back, by name; both are drawn by the seed.

    Args:
        ledger: Who shares what.
        seed: Draws the people, among those who share at least two items, and the items.
    """
    able = [user for user in ledger.sharers() if len(ledger.shared_items(user)) >= 2]
    n_wanted = max(1, round(WHO * ledger.known.n_users))
    drawn = stream(seed, "demo", "who changes their mind").permutation(len(able))[:n_wanted]
    after = ledger
    for user in sorted(able[index] for index in drawn.tolist()):
        shared = after.shared_items(user)
        order = stream(seed, "demo", "what is taken back", user).permutation(len(shared))
        taken = [shared[index] for index in order[: round(TAKEN_BACK * len(shared))].tolist()]
        after, _ = after.unshare(user, taken)
    return Request(ledger, after)


def withdraw_and_audit(context: DemoContext) -> dict[str, Any]:
    """Train, withdraw, unlearn, retrain, audit.

    Args:
        context: Where the demo takes place.

    Returns:
        ``request``, ``audit`` and ``control`` (an audit of merely dropping the edges), ``verdict`` and
        ``control_verdict``, ``scores`` for a plot, ``quality`` and ``costs``.
    """
    ledger = share(context.known, ShareFraction(SHARED), seed=context.seed)
    run = context.train("main run: training, everybody shares half", FedShare(), ledger)
    request = withdraw(ledger, context.seed)
    before, run = ScoredRun.of(run), context.light(run)
    after = ScoredRun.of(context.unlearn("main run: unlearning", run, request, ContrastiveUnlearning()))
    dropped = ScoredRun.of(context.unlearn("main run: dropping edges only", run, request, DropOnly()))
    reference = ScoredRun.of(context.retrain("main run: training again without it", run, request, Retrain()))
    other_seed = Retrain(seed=context.seed + 1)
    noise = ScoredRun.of(context.retrain("main run: training again, another seed", run, request, other_seed))
    costs = _costs(context, run, after, reference)
    context.meter.begin("main run: audit", context.small_step)
    report = audit(before, after, reference, request, test=context.test, noise=[noise])
    control = audit(before, dropped, reference, request, test=context.test, noise=[noise])
    policy = AuditPolicy()
    return {
        "share": SHARED,
        "request": {"n_pairs": len(request), "n_users": len(request.users()), "n_shared": _n_shared(request)},
        "audit": report.to_dict(),
        "control": control.to_dict(),
        "verdict": _verdict(report, policy),
        "control_verdict": _verdict(control, policy),
        "policy": {"max_forget_gap": policy.max_forget_gap, "max_utility_drop": policy.max_utility_drop},
        "scores": _scores(report, control),
        "quality": {"before": context.quality(before), "after": context.quality(after)},
        "costs": costs,
    }


def density(values: NDArray[np.floating], grid: NDArray[np.floating]) -> NDArray[np.float64]:
    """A smooth histogram: Gaussian kernels of Silverman's width.

    Args:
        values: ``(n,)``; of none the density is 0 everywhere.
        grid: ``(n_points,)`` where it is wanted.

    Returns:
        ``(n_points,)``, with an area of 1 over the whole line.
    """
    if not len(values):
        return np.zeros(len(grid))
    spread = min(float(values.std()), float(np.subtract(*np.percentile(values, [75, 25]))) / 1.349) or 1.0
    width = 0.9 * spread * len(values) ** -0.2
    summed = np.zeros(len(grid))
    for part in np.array_split(values, 1 + len(values) // 4096):
        summed += np.exp(-0.5 * ((grid[:, None] - part[None, :]) / width) ** 2).sum(1)
    return summed / (len(values) * width * np.sqrt(2 * np.pi))


def _verdict(report: AuditReport, policy: AuditPolicy) -> dict[str, Any]:
    try:
        report.check(policy)
    except AuditFailed:
        return {"passed": False, "broken": [breach.text for breach in report.breaches(policy)]}
    except NotMeasured as error:
        return {"passed": None, "broken": [str(error)]}
    return {"passed": True, "broken": []}


def _scores(report: AuditReport, control: AuditReport) -> dict[str, Any]:
    """Densities of withdrawn and never-shared pairs' scores under four models."""
    found = {
        "before": (report.withdrawn_scores.get("before"), report.never_shared_scores.get("before")),
        "dropped": (control.withdrawn_scores.get("after"), control.never_shared_scores.get("after")),
        "after": (report.withdrawn_scores.get("after"), report.never_shared_scores.get("after")),
        "reference": (report.withdrawn_scores.get("reference"), report.never_shared_scores.get("reference")),
    }
    pairs = {name: [np.empty(0) if each is None else each for each in both] for name, both in found.items()}
    pooled = np.concatenate([values for both in pairs.values() for values in both])
    low, high = np.percentile(pooled, [0.5, 99.0]) if len(pooled) else (-1.0, 1.0)
    grid = np.linspace(low - 0.5, high + 0.5, 97)
    return {
        "grid": _rounded(grid),
        "models": {
            name: {"withdrawn": _rounded(density(both[0], grid)), "never_shared": _rounded(density(both[1], grid))}
            for name, both in pairs.items()
        },
    }


def _costs(context: DemoContext, run: Run, after: ScoredRun, reference: ScoredRun) -> dict[str, Any]:
    algorithm, cost = run.algorithm, run.cost
    assert isinstance(algorithm, FedShare)
    size, n_users, n_items = algorithm.embedding_size, context.known.n_users, context.known.n_items
    takes_part = max(1, round(algorithm.participation * n_users))
    moved_rows = cost.bytes_up_per_client * n_users / update_bytes(1, size)
    sizes = {
        "rounds": run.rounds,
        "clients_per_round": takes_part,
        "rows_per_client": round(moved_rows / (run.rounds * takes_part)),
        "embedding_size": size,
    }
    return {
        "train_cpu_s": cost.cpu_s,
        "unlearn_cpu_s": after.cost.cpu_s,
        "unlearn_wall_s": after.cost.wall_s,
        "retrain_cpu_s": reference.cost.cpu_s,
        "retrain_wall_s": reference.cost.wall_s,
        "kept_bytes": cost.kept_bytes_server,
        "kept_bytes_per_device": cost.kept_bytes_per_device,
        "model_bytes": (n_users + n_items) * size * VALUE_BYTES,
        "federaser_bytes": federaser_bytes(**sizes),
        "fru_bytes": fru_bytes(**sizes),
        "fru_bytes_per_device": fru_bytes(**sizes) // n_users,
        "rounds": run.rounds,
        "bytes_up_per_round": cost.bytes_up_per_client / run.rounds,
        "bytes_down_per_round": cost.bytes_down_per_client / run.rounds,
    }


def _n_shared(request: Request) -> int:
    """What the people of the request shared before it."""
    mine = np.isin(request.before.server_view().user, request.user)
    return int(mine.sum())


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(value), 5) for value in values]
