"""The demo's main part: people share half, some take half of that back, the model unlearns it and is audited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.demo.context import DemoContext
from fedshare.demo.costs import withdrawal_costs
from fedshare.demo.densities import score_densities
from fedshare.demo.scored_run import ScoredRun
from fedshare.errors import AuditFailed, NotMeasured
from fedshare.evaluation.audit import AuditPolicy, AuditReport, audit
from fedshare.rng import stream
from fedshare.sharing.ledger import share
from fedshare.sharing.policy import ShareFraction
from fedshare.sharing.request import Request
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.drop_only import DropOnly
from fedshare.unlearning.retrain import Retrain

if TYPE_CHECKING:
    from fedshare.demo.figures import VerdictFigures, WithdrawalCosts, WithdrawalFigures, WithdrawalRequest
    from fedshare.evaluation.figures import AuditFigures
    from fedshare.sharing.ledger import Ledger
    from fedshare.simulation.run import Run

__all__ = ["SHARED", "TAKEN_BACK", "WHO", "withdraw", "withdraw_and_audit"]

SHARED = 0.5
"Of everybody's interactions, shared."
WHO = 0.05
"Of the people, who change their minds."
TAKEN_BACK = 0.5
"Of what they share, taken back."


def withdraw(ledger: Ledger, seed: int) -> Request:
    """Let 5 % of the people take back half of what they share, by name.

    Args:
        ledger: Who shares what.
        seed: Draws the people, among those who share at least two items, and the items.
    """
    able = [user for user in ledger.sharers() if len(ledger.shared_items(user)) >= 2]
    n_wanted = max(1, round(WHO * ledger.known.n_users))
    drawn: list[int] = stream(seed, "demo", "who changes their mind").permutation(len(able)).tolist()
    after = ledger
    for user in sorted(able[index] for index in drawn[:n_wanted]):
        shared = after.shared_items(user)
        order: list[int] = stream(seed, "demo", "what is taken back", user).permutation(len(shared)).tolist()
        taken = [shared[index] for index in order[: round(TAKEN_BACK * len(shared))]]
        after, _ = after.unshare(user, taken)
    return Request(ledger, after)


def withdraw_and_audit(context: DemoContext) -> WithdrawalFigures:
    """Train, withdraw, unlearn, retrain, audit; the same audit of merely dropping the pairs is the control."""
    ledger = share(context.known, ShareFraction(SHARED), seed=context.seed)
    request = withdraw(ledger, context.seed)
    models = _make_models(context, ledger, request)
    context.meter.begin("main run: audit", context.small_step)
    report = models.audit(models.after, request, context)
    control = models.audit(models.dropped, request, context)
    policy = AuditPolicy()
    return {
        "share": SHARED,
        "request": _request_size(request),
        "audit": _figures(report),
        "control": _figures(control),
        "verdict": _verdict(report, policy),
        "control_verdict": _verdict(control, policy),
        "policy": {"max_forget_gap": policy.max_forget_gap, "max_utility_drop": policy.max_utility_drop},
        "scores": score_densities(report, control),
        "quality": {"before": context.quality(models.before), "after": context.quality(models.after)},
        "costs": models.costs,
    }


@dataclass(frozen=True, eq=False)
class _Models:
    """The models that the audits hold against each other, and what they cost."""

    before: ScoredRun
    after: ScoredRun
    dropped: ScoredRun
    reference: ScoredRun
    other_seed: ScoredRun
    costs: WithdrawalCosts

    def audit(self, unlearned: ScoredRun, request: Request, context: DemoContext) -> AuditReport:
        noise = [self.other_seed]
        return audit(self.before, unlearned, self.reference, request, test=context.test, noise=noise)


def _make_models(context: DemoContext, ledger: Ledger, request: Request) -> _Models:
    run, before = _train(context, ledger)
    after = ScoredRun.of(context.unlearn("main run: unlearning", run, request, ContrastiveUnlearning()))
    dropped = ScoredRun.of(context.unlearn("main run: dropping edges only", run, request, DropOnly()))
    reference = ScoredRun.of(context.retrain("main run: retraining without it", run, request, Retrain()))
    method = Retrain(seed=context.seed + 1)
    other_seed = ScoredRun.of(context.retrain("main run: retraining, another seed", run, request, method))
    costs = withdrawal_costs(context, run, after.cost, reference.cost)
    return _Models(before, after, dropped, reference, other_seed, costs)


def _train(context: DemoContext, ledger: Ledger) -> tuple[Run, ScoredRun]:
    """The run without its devices, and its scorers."""
    run = context.train("main run: training, everybody shares half", FedShare(), ledger)
    return run, ScoredRun.of(run)


def _request_size(request: Request) -> WithdrawalRequest:
    shared_by_them = np.isin(request.before.server_view().user, request.user)
    return {"n_pairs": len(request), "n_users": len(request.users()), "n_shared": int(shared_by_them.sum())}


def _figures(report: AuditReport) -> AuditFigures:
    return cast("AuditFigures", report.to_dict())  # tests hold the keys against the type


def _verdict(report: AuditReport, policy: AuditPolicy) -> VerdictFigures:
    try:
        report.check(policy)
    except AuditFailed:
        return {"passed": False, "broken": [breach.text for breach in report.breaches(policy)]}
    except NotMeasured as error:
        return {"passed": None, "broken": [str(error)]}
    return {"passed": True, "broken": []}
