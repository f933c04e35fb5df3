import json
import math
from dataclasses import replace

import numpy as np
import pytest

from fedshare.data.interactions import Interactions
from fedshare.data.synthetic import random_world
from fedshare.errors import AuditFailed, BadData, BadOption, EmptyRequest, NotMeasured, RequestMismatch
from fedshare.evaluation import AuditPolicy, Cost, audit
from fedshare.evaluation.forgetting import Compared
from fedshare.sharing.request import Request
from fedshare.sharing.state import State
from fedshare.simulation.unlearn import unlearn
from fedshare.unlearning.drop_only import DropOnly
from fedshare.unlearning.retrain import Retrain

LENIENT = AuditPolicy(max_utility_drop=1.0)


class Case:
    """A made-up model: private choices score 1, what the server has 3, the rest noise; withdrawing makes 3 into 1."""

    def __init__(self, make, seed=0, n_users=40, share=0.5, withdraw=0.5, users=None, kind="unshare"):
        self.make = make
        world = random_world(seed, n_users=n_users, n_items=60, n_pairs=n_users * 20)
        held_out = np.random.default_rng(seed).random(len(world)) < 0.2
        self.known, self.test = world.select(~held_out), world.select(held_out)
        rng = np.random.default_rng(seed + 1)
        shared = {}
        for user in range(n_users):
            items = self.known.items_of(user)
            chosen = rng.permutation(items)[: round(share * len(items))]
            shared[self.known.users.id(user)] = [self.known.items.id(int(i)) for i in chosen]
        self.before = make.ledger(self.known, {user: items for user, items in shared.items() if items})
        after, request = self.before, None
        for user in users or list(shared)[: n_users // 2]:
            items = shared[user][: withdraw if isinstance(withdraw, int) else round(withdraw * len(shared[user]))]
            after, one = getattr(after, kind)(user, items=items)
            request = one if request is None else request + one
        assert request is not None
        self.request, self.after = request, after

    def run(self, ledger, *, seed, left=0.0, cpu_s=1.0, quality=1.0, kept=0):
        """``left``: how much of a withdrawn pair's trace is still there; 1 is all, below 0 is too little."""
        taste, seeds = (np.random.default_rng(number) for number in (100, seed))  # the same for all runs, and not
        size = (self.known.n_users, self.known.n_items)
        scores = taste.normal(size=size) + 0.5 * seeds.normal(size=size)
        np.add.at(scores, (self.known.user, self.known.item), 1.0)
        np.add.at(scores, (self.test.user, self.test.item), quality)
        shared = ledger.state == State.SHARED
        np.add.at(scores, (self.known.user[shared], self.known.item[shared]), 2.0)
        server, device = scores.copy(), scores
        np.add.at(server, (self.request.user, self.request.item), 2.0 * left)
        erased = self.request.user[self.request.erased], self.request.item[self.request.erased]
        if ledger is not self.before:
            np.add.at(device, erased, -3.0 * (1 - left))
        cost = Cost(cpu_s=cpu_s, wall_s=cpu_s, kept_bytes_server=kept, kept_bytes_per_device=kept // 10)
        return self.make.run(ledger, device, server, cost)

    def audit(self, left=0.0, *, with_test=True, n_noise=0, **options):
        return audit(
            self.run(self.before, seed=1, kept=1000),
            self.run(self.after, seed=2, left=left, cpu_s=0.5, **options),
            self.run(self.after, seed=3, cpu_s=10.0),
            self.request,
            test=self.test if with_test else None,
            noise=[self.run(self.after, seed=4 + number) for number in range(n_noise)],
        )


def test_forgotten_as_the_reference_passes(make):
    report = Case(make).audit(n_noise=2)
    report.check(LENIENT)
    auc = report.membership_auc
    assert auc.before is not None
    assert auc.before > 0.8
    assert auc.after == pytest.approx(0.5, abs=0.06)
    assert report.noise_floor_ratio == pytest.approx(1, abs=0.25)
    assert report.cost_ratio == 0.5 / 10


def test_too_little_forgotten_fails(make):
    report = Case(make).audit(left=1.0)
    with pytest.raises(AuditFailed, match="too little is forgotten"):
        report.check(LENIENT)
    assert report.breaches(LENIENT)[0].value > 0.3


def test_too_much_forgotten_fails(make):
    report = Case(make).audit(left=-1.0)
    with pytest.raises(AuditFailed, match="too much is forgotten"):
        report.check(LENIENT)
    assert report.breaches(LENIENT)[0].value < -0.3


@pytest.mark.parametrize(("user", "left", "text"), [("u03", 1.0, "too little"), ("u08", -5.0, "too much")])
def test_two_pairs_of_one_person_fail_where_the_gap_is_clear(make, user, left, text):
    case = Case(make, users=[user], withdraw=2, share=0.4)  # about ten never-shared pairs
    case.audit().check(LENIENT)
    with pytest.raises(AuditFailed, match=text):
        case.audit(left=left).check(LENIENT)


def test_thin_evidence_passes_but_says_so_and_can_be_refused(make):
    case = Case(make, users=["u03"], withdraw=1, share=0.9)  # one withdrawn pair, one or two that were never shared
    report = case.audit(left=1.0)
    report.check(LENIENT)
    assert report.server is not None
    assert report.server.gap is not None
    assert report.server.gap.resolution > 0.05
    assert any("says little about forgetting" in note for note in report.notes)
    with pytest.raises(AuditFailed, match="max_resolution"):
        report.check(AuditPolicy(max_utility_drop=1.0, max_resolution=0.05))


def test_everything_shared_is_judged_on_the_score_shift(make):
    case = Case(make, share=1.0)
    report = case.audit()
    report.check(LENIENT)
    assert report.membership_auc.to_dict() == {"before": None, "after": None, "reference": None}
    assert any("no membership AUC" in note for note in report.notes)
    assert report.to_dict()["forget"]["judged_on"] == "score_shift"
    for left in (1.0, -1.0):
        with pytest.raises(AuditFailed, match="score shift"):
            case.audit(left=left).check(LENIENT)
    evidence = report.to_dict()["evidence"]["server"]
    assert evidence is not None
    assert evidence["n_users_left_out"] == 20


def test_erased_pairs_have_to_leave_the_device_as_well(make):
    case = Case(make, kind="erase")
    report = case.audit()
    report.check(LENIENT)
    assert report.device is not None
    assert report.n_erased == report.n_pairs
    assert report.device.auc.before is not None
    assert report.device.auc.before > 0.4
    assert report.device.auc.reference is not None
    assert report.device.auc.reference < 0.2
    with pytest.raises(AuditFailed, match="on the device"):
        case.audit(left=1.0).check(LENIENT)


def test_erasing_what_the_server_never_had(make):
    known = make.table("abcdefgh", {"ann": "abcdef", "bob": "abc"})
    before = make.ledger(known, {"bob": "a"})
    after, request = before.erase("ann", items=["a"])
    scores = np.random.default_rng(0).normal(size=(2, 8))
    runs = [make.run(ledger, scores, scores) for ledger in (before, after, after)]
    report = audit(runs[0], runs[1], runs[2], request)
    assert report.server is None
    assert report.device is not None
    assert any("never had" in note for note in report.notes)
    assert report.to_dict()["forget"]["membership_auc"]["after"] is None
    assert list(report.withdrawn_scores) == ["before", "after", "reference"]
    assert report.never_shared_scores == {}
    report.check(AuditPolicy())


def test_without_a_reference_figures_are_none_and_nothing_is_judged(make):
    case = Case(make)
    report = audit(case.run(case.before, seed=1), case.run(case.after, seed=2), None, case.request, test=case.test)
    found = report.to_dict()
    assert found["forget"]["membership_auc"]["reference"] is None
    assert found["forget"]["membership_auc"]["after"] is not None
    assert found["forget"]["gap"] is None
    assert found["forget"]["noise_floor_ratio"] is None
    assert found["utility"]["ndcg@20"]["reference"] is None
    assert found["cost"]["retrain_cpu_s"] is None
    assert "No reference: nothing can be judged." in report.notes
    with pytest.raises(NotMeasured, match="the forget gap, the utility drop could not be measured"):
        report.check(AuditPolicy())
    with pytest.raises(NotMeasured, match="the cost ratio"):
        report.check(AuditPolicy(max_cost_ratio=0.1))
    assert "no reference" in report.summary().lower()


def test_utility_drop_is_relative_and_one_sided(make):
    case = Case(make)
    policy = AuditPolicy(max_forget_gap=1.0, max_utility_drop=0.05)
    with pytest.raises(AuditFailed, match=r"(?s)ndcg@20 is .*below the reference's"):
        case.audit(quality=0.0).check(policy)
    better = case.audit(quality=4.0)
    assert better.utility_drops["ndcg@20"] < -0.3
    better.check(policy)


def test_utility_without_test_pairs_is_fit_only(make):
    report = Case(make).audit(with_test=False)
    assert report.utility["ndcg@20"].after is None
    assert list(report.utility_drops) == ["fit_ndcg@20"]
    assert "No test pairs: utility is fit_ndcg@20 only." in report.notes


def test_fit_by_hand(make):
    known = make.table("abcd", {"ann": "abc", "bob": "d"})
    before = make.ledger(known, {"ann": "ab"})
    after, request = before.erase("ann", items=["a"])
    falling = np.tile([4.0, 3, 2, 1], (2, 1))
    runs = [make.run(ledger, falling, falling) for ledger in (before, after, after)]
    report = audit(runs[0], runs[1], runs[2], request)
    # ann keeps b and c, at places 2 and 3; bob keeps d, at place 4
    ann = (1 / math.log2(3) + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    bob = 1 / math.log2(5)
    assert report.utility["fit_ndcg@20"].after == pytest.approx((ann + bob) / 2)
    assert report.utility_by_group["affected"]["fit_ndcg@20"].after == pytest.approx(ann)
    assert report.utility_by_group["bystanders"]["fit_ndcg@20"].reference == pytest.approx(bob)


def test_overlap_of_recommendations_apart_for_affected_and_bystanders(make):
    catalogue = "".join(map(chr, range(0x4E00, 0x4E00 + 60)))
    known = make.table(catalogue, {"ann": catalogue[:4], "bob": catalogue[:4]})
    before = make.ledger(known, {"ann": catalogue[:2]})
    after, request = before.unshare("ann", items=[catalogue[0]])
    falling = np.tile(np.arange(60.0, 0, -1), (2, 1))
    other = falling.copy()
    other[0, 4:9] = 0.0  # five of ann's twenty are replaced
    report = audit(
        make.run(before, other, other), make.run(after, falling, falling), make.run(after, falling, falling), request
    )
    found = report.distances["before"]
    assert found is not None
    assert found.top20_overlap_affected == pytest.approx(15 / 20)
    assert found.top20_overlap_bystanders == 1.0
    assert report.noise_floor_ratio is None


def test_cost_bound(make):
    report = Case(make).audit()
    report.check(AuditPolicy(max_utility_drop=1.0, max_cost_ratio=0.05))
    with pytest.raises(AuditFailed, match=r"max_cost_ratio: unlearning took 0.50 CPU s, 0.050 of retraining"):
        report.check(AuditPolicy(max_utility_drop=1.0, max_cost_ratio=0.049))


def test_a_failed_audit_lists_every_broken_bound(make):
    report = Case(make).audit(left=1.0, quality=-1.0)
    with pytest.raises(AuditFailed) as failure:
        report.check(AuditPolicy(max_cost_ratio=0.01))
    text = str(failure.value)
    assert text.startswith("audit: ")
    assert all(name in text for name in ("max_forget_gap", "ndcg@20", "recall@20", "max_cost_ratio"))
    assert {breach.bound for breach in report.breaches(AuditPolicy())} == {"max_forget_gap", "max_utility_drop"}


def test_json_form(make):
    found = json.loads(json.dumps(Case(make).audit(n_noise=1).to_dict(), allow_nan=False))
    three = {"before", "after", "reference"}
    assert set(found["forget"]["membership_auc"]) == three
    assert found["forget"]["noise_floor_ratio"] > 0
    assert set(found["utility"]) == {"ndcg@20", "recall@20", "fit_ndcg@20"}
    assert all(set(figure) == three for figure in found["utility"].values())
    assert found["cost"]["unlearn_cpu_s"] == 0.5
    assert found["cost"]["retrain_cpu_s"] == 10.0
    assert found["cost"]["kept_bytes"] == {"server": 1000, "per_device": 100}
    assert found["request"]["n_users"] == 20


def test_an_exact_method_is_not_divided_by_a_noise_floor_of_nothing(make):
    case = Case(make)
    before, after = case.run(case.before, seed=1), case.run(case.after, seed=2)
    exact = audit(before, after, replace(after), case.request, noise=[replace(after)])
    exact.check(AuditPolicy())
    assert exact.noise_floor_ratio == 0.0
    inexact = audit(before, case.run(case.after, seed=9), after, case.request, noise=[replace(after)])
    assert inexact.noise_floor_ratio == math.inf
    assert json.loads(json.dumps(inexact.to_dict(), allow_nan=False))["forget"]["noise_floor_ratio"] is None


def test_same_inputs_same_report(make):
    case = Case(make, users=["u03"], withdraw=2)
    assert case.audit(n_noise=1).to_dict() == case.audit(n_noise=1).to_dict()


def test_scores_for_plots_and_summary(make):
    case = Case(make)
    report = case.audit(n_noise=1)
    assert {name: len(values) for name, values in report.withdrawn_scores.items()} == dict.fromkeys(
        ("before", "after", "reference"), len(case.request)
    )
    assert report.withdrawn_scores["before"].mean() > report.withdrawn_scores["after"].mean()
    assert len(report.never_shared_scores["after"]) > 0
    text = report.summary()
    assert "20 users withdrawn" in text
    assert "server membership AUC" in text
    assert "between retrainings" in text


def test_runs_that_are_not_of_the_request_are_refused(make):
    case = Case(make)
    before, after = case.run(case.before, seed=1), case.run(case.after, seed=2)
    reference = case.run(case.after, seed=3)
    with pytest.raises(RequestMismatch, match="'after'"):
        audit(before, before, reference, case.request)
    with pytest.raises(RequestMismatch, match="'before'"):
        audit(after, after, reference, case.request)
    with pytest.raises(RequestMismatch, match="noise run 1"):
        audit(before, after, reference, case.request, noise=[before])
    small = make.run(case.after, np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(RequestMismatch, match="2 users and 2 items"):
        audit(before, small, reference, case.request)
    with pytest.raises(BadData, match="known pairs too"):
        audit(before, after, reference, case.request, test=case.known)


def test_a_run_held_against_itself_is_refused(make):
    case = Case(make)
    before, after, reference = (case.run(ledger, seed=1) for ledger in (case.before, case.after, case.after))
    with pytest.raises(RequestMismatch, match=r"reference is a run that is audited .*Retrain\(\)"):
        audit(before, after, after, case.request)
    for noise in ([after], [reference]):
        with pytest.raises(RequestMismatch, match="noise run 1 is a run that is audited or held against already"):
            audit(before, after, reference, case.request, noise=noise)
    floor = case.run(case.after, seed=4)
    with pytest.raises(RequestMismatch, match="noise run 2 is"):
        audit(before, after, reference, case.request, noise=[floor, floor])


def test_a_copy_of_the_audited_run_is_no_reference(small_run):
    shared = small_run.ledger.shared_items("u00")
    _, request = small_run.ledger.unshare("u00", items=shared[:1])
    after = unlearn(small_run, request, method=DropOnly())
    with pytest.raises(RequestMismatch, match=r"a run made by 'drop-only'; expected one trained from nothing"):
        audit(small_run, after, replace(after), request)
    again = unlearn(small_run, request, method=Retrain())
    audit(small_run, unlearn(small_run, request, method=Retrain()), again, request).check(AuditPolicy())


def test_what_is_no_run_or_request_is_refused(make):
    case = Case(make)
    before, after, reference = (case.run(ledger, seed=1) for ledger in (case.before, case.after, case.after))
    wrong = {"before": None, "after": "runs/b", "reference": case.after, "request": (case.after, case.request)}
    for name, value in wrong.items():
        given = {"before": before, "after": after, "reference": reference, "request": case.request, name: value}
        with pytest.raises(BadOption, match=rf"^{name}: got .*expected a (run|request)"):
            audit(**given)
    for noise in (3, [None]):
        with pytest.raises(BadOption, match="noise"):
            audit(before, after, reference, case.request, noise=noise)  # pyright: ignore[reportArgumentType] on purpose


def test_a_request_without_pairs_is_refused(make):
    case = Case(make)
    run = case.run(case.before, seed=1)
    with pytest.raises(EmptyRequest):
        audit(run, run, None, Request(case.before, case.before))


def test_test_pairs_are_matched_by_id(make):
    case = Case(make)
    runs = (case.run(case.before, seed=1), case.run(case.after, seed=2), case.run(case.after, seed=3))
    plain = audit(*runs, case.request, test=case.test)
    users, items = np.array(case.test.users.ids)[case.test.user], np.array(case.test.items.ids)[case.test.item]
    strangers = Interactions.from_arrays([*users, "zoe"], [*items, items[0]])  # another numbering, and one more person
    report = audit(*runs, case.request, test=strangers)
    assert report.utility == plain.utility
    assert report.notes == (*plain.notes, "1 test user not known to the run left out, with 1 pair.")


@pytest.mark.parametrize(
    "options",
    [
        {"max_forget_gap": -0.1},
        {"max_forget_gap": 1.5},
        {"max_forget_gap": None},
        {"max_forget_gap": True},
        {"max_utility_drop": "0.1"},
        {"max_forget_gap": float("nan")},
        {"max_utility_drop": 2},
        {"max_cost_ratio": 0},
        {"max_cost_ratio": float("nan")},
        {"max_resolution": -1},
    ],
)
def test_policies_are_checked(options):
    with pytest.raises(BadOption, match=next(iter(options))):
        AuditPolicy(**options)


def test_a_utility_drop_is_a_part_of_the_references_figure(make):
    """Half of the reference's 0.8 is lost where 0.4 is left: a drop of 1/2, not of 1."""
    measured = {"ndcg@20": Compared(before=0.9, after=0.4, reference=0.8)}
    report = replace(Case(make).audit(), utility=measured)
    assert report.utility_drops == {"ndcg@20": pytest.approx(1 / 2)}
