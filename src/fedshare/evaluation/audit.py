"""The audit: an unlearned model held against one that was retrained without the withdrawn pairs.

It sees three models through their scorers, and more retrained ones as the noise floor, so it cannot know which
method it judges. Forgetting is measured on the server with the scores the server can compute (`membership`,
`forgetting`), and for erased pairs on the device as well; utility is what the devices recommend; cost is what the runs
say they cost.

Utility figures, means over users:

- ndcg@20 and recall@20 on test pairs, where there are any. All three models rank the same items: those outside
  the pairs that the user has after the request, so an erased item can be recommended again, and will be where it
  was not forgotten.
- fit_ndcg@20: each user's own remaining pairs among all items. It needs no test pairs and shows what too much
  forgetting breaks. Where there are test pairs they are left out of this list: finding them is no loss of fit.

The verdict is `AuditReport.check`: nothing, or `AuditFailed` with every broken bound. The forget bound holds in both
directions. How thin evidence is treated stands at the top of `forgetting`; in short, a gap has to be larger
than the bound and larger than chance explains.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, final

import numpy as np
from numpy.typing import NDArray

from fedshare.cost import Cost
from fedshare.data.interactions import Interactions
from fedshare.errors import AuditFailed, BadOption, EmptyRequest, NotMeasured, RequestMismatch
from fedshare.evaluation.evaluate import list_metrics, means, withheld_pairs
from fedshare.evaluation.forgetting import (
    Compared,
    Distances,
    Forgetting,
    list_overlap,
    mean_distances,
    measure_forgetting,
    noise_floor_ratios,
)
from fedshare.evaluation.membership import Comparison, ViewScores, compare_on_device, compare_on_server
from fedshare.evaluation.pairs import Pairs, score_batches
from fedshare.evaluation.ranking import top_k
from fedshare.models.scorer import Scorer
from fedshare.sharing.state import State

if TYPE_CHECKING:
    from fedshare.sharing.ledger import Ledger
    from fedshare.sharing.request import Request

__all__ = ["AuditPolicy", "AuditReport", "Auditable", "Breach", "audit"]

_K = 20
_UTILITY = (f"ndcg@{_K}", f"recall@{_K}", f"fit_ndcg@{_K}")
_NOT_MEASURED = Compared(None, None, None)


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


@final
@dataclass(frozen=True, kw_only=True)
class AuditPolicy:
    """What an unlearned model must keep to.

    Raises:
        BadOption: A bound is outside its range.
    """

    max_forget_gap: float = 0.05
    "Largest |AUC(after) - AUC(reference)|, 0..1, in either direction."
    max_utility_drop: float = 0.01
    "Largest (reference - after) / reference of any utility figure, 0..1. After may be better by any amount."
    max_cost_ratio: float | None = None
    "Largest CPU time of unlearning over that of retraining, above 0; None for no bound."
    max_resolution: float | None = None
    "Refuse a request that cannot tell gaps of this size from chance, 0..1; None takes thin evidence as it is."

    def __post_init__(self) -> None:
        for name in ("max_forget_gap", "max_utility_drop", "max_resolution"):
            bound: float | None = getattr(self, name)
            if bound is None and name == "max_resolution":
                continue
            if bound is None or not 0 <= bound <= 1:  # NaN is not in between either
                raise BadOption(f"{name}: got {bound}, expected 0 to 1.")
        ratio = self.max_cost_ratio
        if ratio is not None and not (math.isfinite(ratio) and ratio > 0):
            raise BadOption(f"max_cost_ratio: got {ratio}, expected a number above 0, or None for no bound.")


class Breach(NamedTuple):
    """One broken bound."""

    bound: str
    "Name of the bound in the policy."
    value: float
    limit: float
    text: str
    "The sentence for people."


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class AuditReport:
    """What was measured, and the verdict by `check`. Plain figures; no model is held."""

    n_pairs: int
    n_users: int
    n_erased: int
    server: Forgetting | None
    "None if the server never had any of the pairs."
    device: Forgetting | None
    "Of erased pairs; None if the request erases nothing."
    distances: Mapping[str, Distances | None]
    'To the reference, under "before", "after" and "noise"; on the server, or on the device if the server had nothing.'
    utility: Mapping[str, Compared]
    'Under "ndcg@20", "recall@20" and "fit_ndcg@20", over all users.'
    utility_by_group: Mapping[str, Mapping[str, Compared]]
    'Likewise for "affected" (the users of the request) and "bystanders" (everybody else).'
    unlearn_cpu_s: float
    retrain_cpu_s: float | None
    kept_bytes_server: int
    kept_bytes_per_device: int
    notes: tuple[str, ...]
    "What a reader of the figures should know, one sentence each."

    @property
    def membership_auc(self) -> Compared:
        """AUC of the attack on the server; None where it has no pair to compare with."""
        return self.server.auc if self.server else _NOT_MEASURED

    @property
    def noise_floor_ratio(self) -> float | None:
        """Mean score difference to the reference over that between retrainings; None without noise runs."""
        return self.noise_floor_ratios.get("score_difference")

    @property
    def noise_floor_ratios(self) -> dict[str, float | None]:
        """Each distance after-to-reference over the same between retrainings; {} without noise runs."""
        after, noise = self.distances["after"], self.distances["noise"]
        return noise_floor_ratios(after, noise) if after and noise else {}

    @property
    def withdrawn_scores(self) -> dict[str, NDArray[np.float64]]:
        """Standardised scores of the withdrawn pairs under "before", "after", "reference", for plots."""
        side = self.server or self.device
        return side.withdrawn_scores if side else {}

    @property
    def never_shared_scores(self) -> dict[str, NDArray[np.float64]]:
        """Likewise of the same users' never-shared pairs; empty if the server never had any of the pairs."""
        return self.server.other_scores if self.server else {}

    @property
    def cost_ratio(self) -> float | None:
        """CPU time of unlearning over that of retraining; None without a reference that cost anything."""
        return self.unlearn_cpu_s / self.retrain_cpu_s if self.retrain_cpu_s else None

    @property
    def utility_drops(self) -> dict[str, float]:
        """(reference - after) / reference of every utility figure that has both; below 0 where after is better."""
        return {
            name: (figure.reference - figure.after) / figure.reference if figure.reference else 0.0
            for name, figure in self.utility.items()
            if figure.reference is not None and figure.after is not None
        }

    def check(self, policy: AuditPolicy) -> None:
        """Nothing if every bound is kept.

        Raises:
            AuditFailed: A bound is broken; the message lists all of them.
            NotMeasured: There is no figure for a bound, because there was no reference.
        """
        breaches = self.breaches(policy)
        if breaches:
            count = "1 bound is" if len(breaches) == 1 else f"{len(breaches)} bounds are"
            raise AuditFailed("\n".join([f"audit: {count} broken.", *(f"  - {breach.text}" for breach in breaches)]))

    def breaches(self, policy: AuditPolicy) -> tuple[Breach, ...]:
        """The broken bounds; empty if all are kept.

        Raises:
            NotMeasured: There is no figure for a bound, because there was no reference.
        """
        self._require(policy)
        found: list[Breach] = []
        for place, side in (("server", self.server), ("device", self.device)):
            if side is not None:
                found += _forget_breaches(place, side, policy)
        for name, drop in self.utility_drops.items():
            if drop > policy.max_utility_drop:
                figure = self.utility[name]
                text = (
                    f"max_utility_drop: {name} is {figure.after:.4f}, {drop:.1%} below the reference's "
                    f"{figure.reference:.4f}; allowed {policy.max_utility_drop:.1%}. Unlearn with fewer steps."
                )
                found.append(Breach("max_utility_drop", drop, policy.max_utility_drop, text))
        ratio, limit = self.cost_ratio, policy.max_cost_ratio
        if limit is not None and ratio is not None and ratio > limit:
            text = (
                f"max_cost_ratio: unlearning took {self.unlearn_cpu_s:.2f} CPU s, {ratio:.3f} of retraining; "
                f"allowed {limit:.3f}. Unlearn with fewer steps, or retrain."
            )
            found.append(Breach("max_cost_ratio", ratio, limit, text))
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON takes them; None is "not measured", and an infinite ratio is None too."""
        server = _side_dict(self.server)
        return {
            "request": {"n_pairs": self.n_pairs, "n_users": self.n_users, "n_erased": self.n_erased},
            "forget": {
                **server,
                "noise_floor_ratio": _finite(self.noise_floor_ratio),
                "noise_floor_ratios": {name: _finite(value) for name, value in self.noise_floor_ratios.items()},
                "distances": {name: each.to_dict() if each else None for name, each in self.distances.items()},
                "device": _side_dict(self.device) if self.device else None,
            },
            "utility": {name: figure.to_dict() for name, figure in self.utility.items()},
            "utility_by_group": {
                group: {name: figure.to_dict() for name, figure in figures.items()}
                for group, figures in self.utility_by_group.items()
            },
            "cost": {
                "unlearn_cpu_s": self.unlearn_cpu_s,
                "retrain_cpu_s": self.retrain_cpu_s,
                "ratio": self.cost_ratio,
                "kept_bytes": {"server": self.kept_bytes_server, "per_device": self.kept_bytes_per_device},
            },
            "evidence": {"server": _evidence(self.server), "device": _evidence(self.device), "notes": list(self.notes)},
        }

    def summary(self) -> str:
        """The figures as a few lines of text."""
        erased = f", {self.n_erased} of them erased" if self.n_erased else ""
        lines = [f"{_count(self.n_pairs, 'pair')} of {_count(self.n_users, 'user')} withdrawn{erased}"]
        for place, side in (("server", self.server), ("device", self.device)):
            if side is not None:
                lines += _side_lines(place, side)
        if self.noise_floor_ratio is not None:
            lines.append(f"distance to the reference: {self.noise_floor_ratio:.2f} x that between retrainings")
        for name, figure in self.utility.items():
            if figure.after is not None:
                drop = f" (drop {self.utility_drops[name]:+.1%})" if name in self.utility_drops else ""
                lines.append(f"{name}: {_three(figure, 4)}{drop}")
        ratio = f", {self.cost_ratio:.3f} of retraining" if self.cost_ratio is not None else ""
        lines.append(
            f"cost: {self.unlearn_cpu_s:.2f} CPU s{ratio}; kept {self.kept_bytes_server:,} bytes on the server, "
            f"{self.kept_bytes_per_device:,} per device"
        )
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _require(self, policy: AuditPolicy) -> None:
        sides = [side for side in (self.server, self.device) if side is not None]
        missing = []
        if any(side.gap is None for side in sides):
            missing.append("the forget gap")
        if not self.utility_drops:
            missing.append("the utility drop")
        if policy.max_cost_ratio is not None and self.cost_ratio is None:
            missing.append("the cost ratio")
        if missing:
            raise NotMeasured(
                f"audit: no reference model was given (or it cost nothing), so {', '.join(missing)} could not be "
                "measured. Pass reference=fs.unlearn(run, request, method=fs.Retrain())."
            )


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
        reference: Retrained without them, same seeds; None if there is none, then nothing can be judged.
        request: What was withdrawn.
        test: Withheld pairs, for utility on them.
        noise: Further references, retrained with other seeds: their distance to the reference is the noise floor.

    Raises:
        EmptyRequest: The request withdraws nothing.
        RequestMismatch: A run's ledger is not the one that the request starts from or leads to.
        BadData: The test pairs do not belong to the known ones.
    """
    noise = list(noise)
    if not len(request):
        raise EmptyRequest("audit: got a request without pairs, expected at least one. Nothing is to be audited.")
    _check_ledgers(before, after, reference, noise, request)
    known = request.after.known
    retained = Pairs(known.user, known.item).take(request.after.state != State.ERASED)
    relevant = None if test is None else withheld_pairs(test, retained, (known.n_users, known.n_items))

    references = [] if reference is None else [reference, *noise]  # without a reference there is nothing to floor
    runs = [before, after, *references]
    on_devices = [_sized(run.device_scorer(), known) for run in runs]
    server = _side(compare_on_server(request), [_sized(run.server_scorer(), known) for run in runs])
    device = _side(compare_on_device(request), on_devices)
    surveys = [_survey(scorer, retained, relevant) for scorer in on_devices]

    affected = np.zeros(known.n_users, dtype=bool)
    affected[request.user] = True
    utility = {
        group: _compare_utility(surveys[:3], mask)
        for group, mask in (("all", np.ones_like(affected)), ("affected", affected), ("bystanders", ~affected))
    }
    return AuditReport(
        n_pairs=len(request),
        n_users=int(affected.sum()),
        n_erased=int(np.count_nonzero(request.erased)),
        server=server,
        device=device,
        distances=_all_distances(server or device, surveys, affected),
        utility=utility.pop("all"),
        utility_by_group=utility,
        unlearn_cpu_s=float(after.cost.cpu_s),
        retrain_cpu_s=None if reference is None else float(reference.cost.cpu_s),
        kept_bytes_server=int(before.cost.kept_bytes_server),
        kept_bytes_per_device=int(before.cost.kept_bytes_per_device),
        notes=tuple(_notes(server, device, reference is not None, bool(noise), test is not None)),
    )


class _Survey(NamedTuple):
    """One model's recommendations and each user's utility."""

    lists: NDArray[np.int32]  # (n_users, 20)
    utility: Mapping[str, tuple[NDArray[np.integer], NDArray[np.float64]]]  # metric -> (users, value of each)


def _survey(scorer: Scorer, retained: Pairs, relevant: Pairs | None) -> _Survey:
    free, fit = [], []  # lists outside the retained pairs; lists that show where those stand
    for batch, scores in score_batches(scorer, np.arange(scorer.n_users)):
        own = retained.within(batch)
        own_scores = scores[own]
        scores[own] = -np.inf
        free.append(top_k(scores, _K))
        scores[own] = own_scores
        if relevant is not None:
            scores[relevant.within(batch)] = -np.inf
        fit.append(top_k(scores, _K))
    lists, fit_lists = np.concatenate(free), np.concatenate(fit)
    utility = {}
    if relevant is not None:
        users = relevant.users()
        table = list_metrics(lists[users], users, relevant, scorer.n_items, (_K,))
        utility = {name: (users, table[name]) for name in _UTILITY if name in table}
    users = retained.users()
    table = list_metrics(fit_lists[users], users, retained, scorer.n_items, (_K,))
    return _Survey(lists, utility | {f"fit_ndcg@{_K}": (users, table[f"ndcg@{_K}"])})


def _compare_utility(surveys: Sequence[_Survey], mask: NDArray[np.bool_]) -> dict[str, Compared]:
    """Means over some users, for before, after and, if it is there, reference."""

    def mean(survey: _Survey, name: str) -> float | None:
        users, values = survey.utility.get(name, (np.empty(0, dtype=np.intp), np.empty(0)))
        return means({name: values}, mask[users]).get(name)

    figures = {name: [mean(survey, name) for survey in surveys] for name in _UTILITY}
    return {name: Compared(*[*values, None][:3]) for name, values in figures.items()}


def _side(comparison: Comparison, scorers: Sequence[Scorer]) -> Forgetting | None:
    """Forgetting on one side; the scorers are those of before, after, reference and noise runs, in this order."""
    if not comparison.withdrawn.n_pairs:
        return None
    before, after, *references = (ViewScores.of(scorer, comparison) for scorer in scorers)
    return measure_forgetting(comparison, before, after, references[0] if references else None, references[1:])


def _all_distances(
    side: Forgetting | None, surveys: Sequence[_Survey], affected: NDArray[np.bool_]
) -> dict[str, Distances | None]:
    """Distances to the reference with the overlap of recommendations added."""
    if side is None or len(surveys) < 3:
        return {"before": None, "after": None, "noise": None}
    reference = surveys[2]

    def overlaps(survey: _Survey) -> dict[str, float | None]:
        agreement = {"overlap": list_overlap(survey.lists, reference.lists)}
        return {
            "top20_overlap_affected": means(agreement, affected).get("overlap"),
            "top20_overlap_bystanders": means(agreement, ~affected).get("overlap"),
        }

    def joined(distances: Distances | None, several: Sequence[_Survey]) -> Distances | None:
        mean = mean_distances([Distances(**overlaps(survey)) for survey in several])
        if distances is None or mean is None:
            return None
        return replace(
            distances,
            top20_overlap_affected=mean.top20_overlap_affected,
            top20_overlap_bystanders=mean.top20_overlap_bystanders,
        )

    return {
        "before": joined(side.before, surveys[:1]),
        "after": joined(side.after, surveys[1:2]),
        "noise": joined(side.noise, surveys[3:]),
    }


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


def _forget_breaches(place: str, side: Forgetting, policy: AuditPolicy) -> list[Breach]:
    gap, found = side.gap, []
    if gap is None:
        return found
    if gap.beyond(policy.max_forget_gap, side.noise_floor):
        direction = "too little is forgotten" if gap.value > 0 else "too much is forgotten, which tells as well"
        step = "more" if gap.value > 0 else "fewer or smaller"
        figure = (
            f"membership AUC {side.auc.after:.3f}, reference {side.auc.reference:.3f}"
            if side.auc.after is not None
            else "score shift of the withdrawn pairs"
        )
        text = (
            f"max_forget_gap: gap {gap.value:+.3f} on the {place} ({figure}: {direction}); allowed "
            f"{policy.max_forget_gap:.3f} either way, chance explains {gap.resolution:.3f}. Unlearn with {step} steps."
        )
        found.append(Breach("max_forget_gap", gap.value, policy.max_forget_gap, text))
    if policy.max_resolution is not None and gap.resolution > policy.max_resolution:
        text = (
            f"max_resolution: on the {place} gaps below {gap.resolution:.3f} cannot be told from chance; allowed "
            f"{policy.max_resolution:.3f}. Audit several requests together."
        )
        found.append(Breach("max_resolution", gap.resolution, policy.max_resolution, text))
    return found


def _notes(
    server: Forgetting | None, device: Forgetting | None, has_reference: bool, has_noise: bool, has_test: bool
) -> Iterable[str]:
    if server is None:
        yield "The server never had these pairs; there is nothing to forget there."
    for place, side, others in (("server", server, "never-shared"), ("device", device, "remaining")):
        if side is None:
            continue
        if side.judged_on == "score_shift":
            yield (
                f"On the {place}, no user has a {others} pair to compare with, so there is no membership AUC; judged "
                "on the shift of the withdrawn pairs' scores."
            )
        elif side.n_users_left_out:
            yield f"On the {place}, {_count(side.n_users_left_out, 'user')} without a {others} pair left out."
        if side.gap_before is not None and not side.gap_before.beyond(0.0, side.noise_floor):
            yield (
                f"On the {place}, not even the model before unlearning can be told from the reference (gap "
                f"{side.gap_before.value:+.3f}, chance explains {side.gap_before.resolution:.3f}): this request says "
                "little about forgetting."
            )
    if not has_reference:
        yield "No reference: nothing can be judged."
    elif not has_noise:
        yield "No noise runs: how far apart two retrainings are is not known."
    if not has_test:
        yield f"No test pairs: utility is fit_ndcg@{_K} only."


def _side_dict(side: Forgetting | None) -> dict[str, Any]:
    """One side's figures; all keys are there, and None, where the side had none of the pairs."""
    gap, gap_before = (side.gap, side.gap_before) if side else (None, None)
    return {
        "membership_auc": (side.auc if side else _NOT_MEASURED).to_dict(),
        "membership_auc_standard_error": (side.standard_error if side else _NOT_MEASURED).to_dict(),
        "membership_tpr_at_1pct_fpr": (side.tpr_at_1pct_fpr if side else _NOT_MEASURED).to_dict(),
        "judged_on": side.judged_on if side else None,
        "gap": gap.value if gap else None,
        "gap_standard_error": gap.standard_error if gap else None,
        "resolution": gap.resolution if gap else None,
        "gap_before": gap_before.value if gap_before else None,
        "resolution_before": gap_before.resolution if gap_before else None,
        "noise_floor": side.noise_floor if side else None,
    }


def _evidence(side: Forgetting | None) -> dict[str, int] | None:
    if side is None:
        return None
    return {
        "n_pairs": side.n_pairs,
        "n_pairs_compared": side.n_pairs_compared,
        "n_users_compared": side.n_users_compared,
        "n_users_left_out": side.n_users_left_out,
        "n_compared_with": side.n_others,
    }


def _side_lines(place: str, side: Forgetting) -> list[str]:
    if side.judged_on == "membership_auc":
        lines = [
            f"{place} membership AUC: {_three(side.auc, 3)} ({_count(side.n_pairs_compared, 'withdrawn pair')} against "
            f"{side.n_others} others of {_count(side.n_users_compared, 'user')})"
        ]
    else:
        lines = [f"{place} membership AUC: not measured"]
    if side.gap is not None:
        floor = "" if side.noise_floor is None else f", {side.noise_floor:.3f} between retrainings"
        lines.append(f"{place} gap: {side.gap.value:+.3f} (chance explains {side.gap.resolution:.3f}{floor})")
    return lines


def _three(figure: Compared, digits: int) -> str:
    words = {name: "none" if value is None else f"{value:.{digits}f}" for name, value in figure.to_dict().items()}
    return f"{words['before']} before, {words['after']} after, {words['reference']} reference"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
