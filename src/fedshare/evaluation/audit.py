"""The audit: an unlearned model held against one that was retrained without the withdrawn pairs.

It sees three models through their scorers, and more retrained ones as the noise floor. So it cannot know which
unlearning method it audits. Forgetting is measured on the server with the scores the server can compute, and for erased
pairs on the device as well. Utility is what the devices recommend. Cost is what the runs say they cost.

This module is the door. ``measure`` takes the figures, ``membership`` is the attack, ``gap`` says what chance
explains, ``report`` holds what was found, ``policy`` gives the verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import numpy as np

from fedshare.cohort import small_cohort_note
from fedshare.cost import Cost
from fedshare.data.interactions import Interactions
from fedshare.errors import EmptyRequest, RequestMismatch
from fedshare.evaluation.aligned import withheld_pairs
from fedshare.evaluation.measure import compare_utility, distances_to_reference, measure_side, survey
from fedshare.evaluation.membership import compare_on_device, compare_on_server
from fedshare.evaluation.pairs import Pairs
from fedshare.evaluation.policy import AuditPolicy
from fedshare.evaluation.report import AuditReport
from fedshare.evaluation.text import audit_notes
from fedshare.models.scorer import Scorer
from fedshare.options import instance, shown
from fedshare.sharing.request import Request
from fedshare.sharing.state import State

if TYPE_CHECKING:
    from fedshare.sharing.ledger import Ledger

__all__ = ["AuditPolicy", "AuditReport", "Auditable", "audit"]


_FROM_NOTHING = ("train", "retrain")
"Methods that make a model from nothing, so that it can be the reference."


@runtime_checkable
class Auditable(Protocol):
    """What the audit needs of a run."""

    @property
    def known(self) -> Interactions: ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def cost(self) -> Cost:
        """Of making this very model: of training for a trained run, of unlearning for an unlearned one."""
        ...

    def device_scorer(self) -> Scorer:
        """Scores as each person's own device computes them."""
        ...

    def server_scorer(self) -> Scorer:
        """Scores as the server can compute them, from what it has."""
        ...


@runtime_checkable
class _HasCohort(Protocol):
    @property
    def min_cohort(self) -> int: ...


@runtime_checkable
class _HasMethod(Protocol):
    @property
    def method(self) -> str: ...


def _cohort_notes(run: Auditable) -> list[str]:
    """A note on sums of few people, for a run that says how many stand behind its sums."""
    note = small_cohort_note(run.min_cohort) if isinstance(run, _HasCohort) else None
    return [] if note is None else [note]


def audit(
    before: Auditable,
    after: Auditable,
    reference: Auditable | None,
    request: Request,
    *,
    test: Interactions | None = None,
    noise: Iterable[Auditable] = (),
) -> AuditReport:
    """Hold an unlearned run against the run before and against the reference.

    Args:
        before: The run that was trained with the pairs.
        after: The run that unlearned them.
        reference: Retrained without them, same seeds; None if there is none, then there is no verdict.
        request: What was withdrawn.
        test: Withheld pairs, for utility on them.
        noise: Further references, retrained with other seeds: their distance to the reference is the noise floor.

    Raises:
        EmptyRequest: The request withdraws nothing.
        RequestMismatch: A run's ledger is not the one that the request starts from or leads to, or the reference is the
            audited run itself, or was not trained from nothing.
        BadOption: An argument is of another kind.
        BadData: The test pairs do not belong to the known ones.
    """
    noise = _checked(before, after, reference, request, noise)
    if not len(request):
        raise EmptyRequest("audit: got a request without pairs, expected at least one. Nothing is to be audited.")
    _check_ledgers(before, after, reference, noise, request)
    known = request.after.known
    retained = Pairs(known.user, known.item).take(request.after.state != State.ERASED)
    relevant = None if test is None else withheld_pairs(test, known, retained, retained)

    references = [] if reference is None else [reference, *noise]  # without a reference there is nothing to floor
    runs = [before, after, *references]
    on_devices = [_sized(run.device_scorer(), known) for run in runs]
    server = measure_side(compare_on_server(request), [_sized(run.server_scorer(), known) for run in runs])
    device = measure_side(compare_on_device(request), on_devices)
    surveys = [survey(scorer, retained, relevant) for scorer in on_devices]

    affected = np.zeros(known.n_users, dtype=np.bool_)
    affected[request.user] = True
    notes = [
        *audit_notes(
            server, device, has_reference=reference is not None, has_noise=bool(noise), has_test=test is not None
        ),
        *_cohort_notes(after),
        *(relevant.notes() if relevant else ()),
    ]
    return AuditReport(
        n_pairs=len(request),
        n_users=int(affected.sum()),
        n_erased=int(np.count_nonzero(request.erased)),
        server=server,
        device=device,
        distances=distances_to_reference(server or device, surveys, affected),
        utility=compare_utility(surveys[:3], np.ones_like(affected)),
        utility_by_group={
            "affected": compare_utility(surveys[:3], affected),
            "bystanders": compare_utility(surveys[:3], ~affected),
        },
        unlearn_cpu_s=float(after.cost.cpu_s),
        retrain_cpu_s=None if reference is None else float(reference.cost.cpu_s),
        kept_bytes_server=int(before.cost.kept_bytes_server),
        kept_bytes_per_device=int(before.cost.kept_bytes_per_device),
        notes=tuple(notes),
    )


def _checked(before: object, after: object, reference: object, request: object, noise: object) -> list[Auditable]:
    """The noise runs, once every argument is of its kind and no model is held against itself."""
    hint = "Write fs.audit(before=run, after=after, reference=reference, request=request)."
    instance("before", before, Auditable, "a run", hint=hint)
    instance("after", after, Auditable, "a run", hint=hint)
    if reference is not None:
        instance("reference", reference, Auditable, "a run, or None", hint=hint)
    instance("request", request, Request, "a request", hint="ledger.unshare and ledger.erase make one.")
    instance("noise", noise, Iterable, "several runs", hint="Write noise=[run, other].")
    runs = list(cast("Iterable[object]", noise))
    for number, run in enumerate(runs, 1):
        instance(f"noise run {number}", run, Auditable, "a run", hint="Write noise=[run, other].")
    several = [("reference", reference), *((f"noise run {number}", run) for number, run in enumerate(runs, 1))]
    for place, (name, run) in enumerate(several):
        if run is after or any(run is other for _, other in several[:place] if run is not None):
            raise RequestMismatch(
                f"audit: {name} is a run that is audited or held against already; expected another one. A model held "
                "against itself passes whatever it remembers. Retrain: fs.unlearn(run, request, method=fs.Retrain())."
            )
        if isinstance(run, _HasMethod) and run.method not in _FROM_NOTHING:
            raise RequestMismatch(
                f"audit: {name} is a run made by {shown(run.method)}; expected one trained from nothing. Make it with "
                "fs.unlearn(run, request, method=fs.Retrain())."
            )
    return cast("list[Auditable]", runs)


def _check_ledgers(
    before: Auditable, after: Auditable, reference: Auditable | None, noise: Sequence[Auditable], request: Request
) -> None:
    runs = [("before", before, request.before), ("after", after, request.after)]
    runs += [] if reference is None else [("reference", reference, request.after)]
    runs += [(f"noise run {number}", run, request.after) for number, run in enumerate(noise, 1)]
    for name, run, expected in runs:
        if run.ledger.version != expected.version:
            raise RequestMismatch(
                f"audit: the ledger of '{name}' shares version {run.ledger.version[:12]}, the request "
                f"{'starts from' if expected is request.before else 'leads to'} {expected.version[:12]}. "
                "Pass the run that the request was made on, and runs that have carried it out."
            )


def _sized(scorer: Scorer, known: Interactions) -> Scorer:
    if (scorer.n_users, scorer.n_items) != (known.n_users, known.n_items):
        raise RequestMismatch(
            f"audit: got a scorer of {scorer.n_users} users and {scorer.n_items} items, the request has "
            f"{known.n_users} and {known.n_items}. Pass runs on the data that the request belongs to."
        )
    return scorer
