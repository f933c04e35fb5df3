"""Exact unlearning ends in the bytes of training without the pairs; updates agree to a tolerance and fall due."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.algorithms.shared_ease.solution import Solution
from fedshare.errors import AuditFailed, BadOption, RequestMismatch
from fedshare.evaluation.audit import AuditPolicy, audit
from fedshare.models.gram import digest
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.policy import ShareEverything
from fedshare.sharing.request import Request
from fedshare.simulation.refresh import refresh
from fedshare.simulation.run import Run
from fedshare.simulation.unlearn import unlearn
from fedshare.simulation.verify import verify
from fedshare.testing.synthetic import run_bytes, same_run, small_ledger
from fedshare.testing.synthetic import train_small as train
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.drop_only import DropOnly
from fedshare.unlearning.exact import ExactUnlearning
from fedshare.unlearning.retrain import Retrain

FIXED = SharedEASE(regs=(4.0,), popularity_penalties=(0.2,), neighbours=(7,))
UPDATE, FACTORISE = ExactUnlearning(refresh="update"), ExactUnlearning(refresh="factorise")


@pytest.fixture(scope="module")
def run() -> Run:
    return train(FIXED, small_ledger(n_users=40))


def requests(ledger: Ledger) -> list[Request]:
    """One of each kind."""
    first, second, third = ledger.sharers()[:3]
    erasable = next(user for user in ledger.sharers() if ledger.private_items(user))
    return [
        ledger.unshare(first, to=0.2)[1],
        ledger.unshare(second, everything=True)[1],
        ledger.unshare(third, ledger.shared_items(third)[:1])[1],
        ledger.erase(erasable, [ledger.shared_items(erasable)[0], ledger.private_items(erasable)[0]])[1],
    ]


def gram_bytes(run: Run) -> list[bytes]:
    return [value.numpy().tobytes() for name, value in sorted(run.server.state.kept.items()) if name.startswith("gram")]


@pytest.mark.parametrize("kind", range(4))
def test_a_factorised_run_has_the_bytes_of_training_without(run: Run, kind: int):
    request = requests(run.ledger)[kind]
    after = unlearn(run, request, method=FACTORISE)
    assert same_run(after, unlearn(run, request, method=Retrain()))
    assert same_run(after, train(FIXED, request.after))
    assert not same_run(after, run)


@pytest.mark.parametrize("kind", range(4))
def test_an_updated_run_has_the_same_counts_and_weights_within_the_tolerance(run: Run, kind: int):
    request = requests(run.ledger)[kind]
    after, reference = unlearn(run, request, method=UPDATE), unlearn(run, request, method=Retrain())
    assert after.certificate is not None
    assert after.certificate.how == "updated"
    assert gram_bytes(after) == gram_bytes(reference)
    mine, theirs = (Solution.of(each.server.state, 30) for each in (after, reference))
    assert mine.inverse is not None
    assert theirs.inverse is not None
    np.testing.assert_allclose(mine.inverse, theirs.inverse, atol=1e-13)
    assert abs(mine.weights - theirs.weights).max() <= after.certificate.tolerance


def test_a_factorisation_falls_due_and_restores_every_byte(run: Run):
    method = ExactUnlearning(refresh="update", updates_in_a_row=2)
    now, how = run, []
    for user in run.ledger.sharers()[:6]:
        now = unlearn(now, now.ledger.unshare(user, everything=True)[1], method=method)
        assert now.certificate is not None
        how.append((now.certificate.how, now.certificate.updates))
        if now.certificate.how == "factorised":
            assert same_run(now, train(FIXED, now.ledger))
    assert how == [("updated", 1), ("updated", 2), ("factorised", 0)] * 2


def test_few_changes_are_an_update_and_many_a_factorisation(run: Run):
    method = ExactUnlearning(max_rank=4 / 30)
    ledger, request = run.ledger, Request(run.ledger, run.ledger)
    for n, user in enumerate(run.ledger.sharers()[:3], 1):
        ledger, more = ledger.unshare(user, everything=True)
        request = request + more
        after = unlearn(run, request, method=method)
        assert after.certificate is not None
        assert after.certificate.how == ("updated" if n <= 2 else "factorised")


def test_an_update_that_is_not_good_enough_becomes_a_factorisation(run: Run):
    """The inverse of the run is spoiled: that shows, and a factorisation takes its place."""
    state = run.server.state
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((30, 30)) * 1e-3)
    spoiled = replace(state, kept={**state.kept, "inverse": state.kept["inverse"] + noise + noise.T})
    request = requests(run.ledger)[0]
    after = unlearn(replace(run, server=replace(run.server, state=spoiled)), request, method=UPDATE)
    assert after.certificate is not None
    assert after.certificate.how == "factorised"
    assert same_run(after, train(FIXED, request.after))


def test_without_a_kept_inverse_every_request_is_a_factorisation():
    algorithm = replace(FIXED, inverse_items=0)
    lean = train(algorithm, small_ledger())
    request = requests(lean.ledger)[0]
    assert same_run(unlearn(lean, request, method=UPDATE), train(algorithm, request.after))


def test_contributions_are_collected_again_when_something_is_erased():
    algorithm = replace(FIXED, private_contributions=True)
    summed = train(algorithm, small_ledger())
    for request in requests(summed.ledger):
        after = unlearn(summed, request, method=ExactUnlearning())
        assert same_run(after, train(algorithm, request.after))
        assert after.cost.bytes_up_per_client == 2 * 30 * 31 // 2


def test_unsharing_with_contributions_changes_no_weight_and_erasing_does():
    """What is not shared any more is contributed instead: the sum, and so the weights, stay."""
    algorithm = replace(FIXED, private_contributions=True)
    summed = train(algorithm, small_ledger())
    unshared, _, _, erased = (unlearn(summed, each, method=ExactUnlearning()) for each in requests(summed.ledger))
    before = Solution.of(summed.server.state, 30).weights
    assert digest(Solution.of(unshared.server.state, 30).weights) == digest(before)
    assert digest(Solution.of(erased.server.state, 30).weights) != digest(before)


def test_a_run_follows_what_is_shared_as_well(run: Run):
    giver = next(user for user in run.ledger.users() if run.ledger.private_items(user))
    more = run.ledger.share(giver, run.ledger.private_items(giver))
    assert same_run(refresh(run, more, method=FACTORISE), train(FIXED, more))
    updated = refresh(run, more, method=UPDATE)
    assert gram_bytes(updated) == gram_bytes(train(FIXED, more))
    assert updated.method == "exact"
    assert updated.cost.kept_bytes_server == updated.kept_bytes
    verify(updated).check()


def test_identity_can_be_restored_at_any_time(run: Run):
    updated = unlearn(run, requests(run.ledger)[0], method=UPDATE)
    restored = refresh(updated, updated.ledger, method=FACTORISE)
    assert same_run(restored, train(FIXED, updated.ledger))


def test_a_run_does_not_follow_a_ledger_of_others(run: Run):
    with pytest.raises(RequestMismatch, match="does not go on from"):
        refresh(run, small_ledger(seed=3, n_users=40))


def test_certificates_form_a_chain(run: Run):
    first, second = run.ledger.sharers()[:2]
    once = unlearn(run, run.ledger.unshare(first, everything=True)[1], method=UPDATE)
    twice = unlearn(once, once.ledger.unshare(second, everything=True)[1], method=UPDATE)
    assert run.certificate is not None
    assert once.certificate is not None
    assert twice.certificate is not None
    assert once.certificate.previous == run.certificate.digest
    assert twice.certificate.previous == once.certificate.digest
    for each in (once, twice):
        verify(each).check()


def test_a_run_after_unlearning_names_no_earlier_share_set(run: Run, tmp_path):
    """Whoever holds the run and what is still shared cannot test guesses of what was withdrawn."""
    request = requests(run.ledger)[1]
    after = unlearn(run, request, method=FACTORISE)
    after.save(tmp_path / "run")
    manifests = [file.read_text() for file in (tmp_path / "run").rglob("*.json")]
    assert len(manifests) == 4
    assert run.certificate is not None
    for earlier in (run.ledger.version, run.certificate.gram, run.certificate.salt):
        assert not any(earlier in each for each in manifests)
    assert run.certificate.digest in (tmp_path / "run" / "server" / "manifest.json").read_text()


def test_no_snapshots_are_kept(run: Run):
    after = unlearn(run, requests(run.ledger)[0], method=UPDATE)
    assert not run.server.history.snapshots
    assert not after.server.history.snapshots


def test_the_audit_finds_no_distance_to_the_reference_and_fails_the_control():
    known = small_ledger(ShareEverything(), n_users=60, n_items=40)
    run = train(SharedEASE(regs=(0.5,), popularity_penalties=(0.0,), neighbours=(40,)), known)
    ledger, request = run.ledger, Request(run.ledger, run.ledger)
    for user in run.ledger.sharers()[:30]:
        ledger, more = ledger.unshare(user, to=0.5)
        request = request + more
    # somebody has to have pairs that were never shared, to compare withdrawn ones with
    after, reference = (unlearn(run, request, method=each) for each in (FACTORISE, Retrain()))
    report = audit(run, after, reference, request)
    report.check(AuditPolicy(max_forget_gap=0.0, max_utility_drop=0.0))
    assert report.server is not None
    assert report.server.gap is not None
    assert report.server.gap.value == 0.0
    control = audit(run, unlearn(run, request, method=DropOnly()), reference, request)
    with pytest.raises(AuditFailed):
        control.check(AuditPolicy(max_forget_gap=0.0, max_utility_drop=0.0))


def test_methods_say_which_runs_they_are_for(run: Run, small_run: Run):
    with pytest.raises(BadOption, match="exact unlearning needs a shared-ease run"):
        unlearn(small_run, small_run.ledger.unshare("u01", everything=True)[1], method=ExactUnlearning())
    with pytest.raises(BadOption, match="ExactUnlearning"):
        unlearn(run, requests(run.ledger)[0], method=ContrastiveUnlearning())


@pytest.mark.parametrize(
    ("option", "value"), [("updates_in_a_row", -1), ("max_rank", 0.0), ("tolerance", 0.0), ("tolerance", float("nan"))]
)
def test_a_bad_option_is_named(option: str, value: float):
    with pytest.raises(BadOption, match=f"{option}: got {value}"):
        ExactUnlearning(**{option: value})  # type: ignore[arg-type]


def test_the_run_passed_in_keeps_every_byte(run: Run):
    before = run_bytes(run)
    for request in requests(run.ledger):
        unlearn(run, request, method=UPDATE)
    assert run_bytes(run) == before
