"""The stopping test: who is asked, when the loop ends, and that nobody alone is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedshare.federation.orders import Outscored, Probe, Program
from fedshare.sharing.request import Request
from fedshare.simulation.population import Population
from fedshare.simulation.run import Run
from fedshare.simulation.unlearn import unlearn, withdrawal_of
from fedshare.testing.synthetic import FEW, same_run, tensors_in
from fedshare.training.server_run import ServerRun
from fedshare.unlearning.contrastive import ContrastiveUnlearning

N_PAIRS = 12
"""Withdrawn pairs of the answers here: chance explains ``sqrt(1 / 12 / 12) = 1 / 12`` above one half."""


def halves(run: Run, n_people: int) -> Request:
    """So many people take half of what they share back."""
    ledger, request = run.ledger, Request(run.ledger, run.ledger)
    for user in run.ledger.sharers()[:n_people]:
        ledger, more = ledger.unshare(user, to=ledger.share_of(user) / 2)
        request = request + more
    return request


def answered(program: Program[ServerRun], *fractions: float | None) -> tuple[ServerRun, int]:
    """What a program comes to if devices answer its stopping test so, the last answer again and again; how often."""
    asked, to_come = 0, list(fractions)
    try:
        order = next(program)
        while True:
            assert isinstance(order, Probe)
            fraction = to_come.pop(0) if len(to_come) > 1 else to_come[0]
            asked += 1
            order = program.send(None if fraction is None else outscored(fraction))
    except StopIteration as done:
        return done.value, asked


def outscored(fraction: float) -> Outscored:
    return Outscored(n_people=FEW, min_cohort=FEW, total=fraction * N_PAIRS, n_pairs=N_PAIRS)


def contrast(run: Run, request: Request, *fractions: float | None, **options: int) -> tuple[ServerRun, int]:
    method = ContrastiveUnlearning(**options)  # type: ignore[arg-type]
    return answered(method.unlearn(run.server, withdrawal_of(run, request)), *fractions)


def same_server(one: ServerRun, other: ServerRun) -> bool:
    return {path: each.numpy().tobytes() for path, each in tensors_in((one.state, one.history))} == {
        path: each.numpy().tobytes() for path, each in tensors_in((other.state, other.history))
    }


def steps_taken(run: Run, request: Request, n: int) -> ServerRun:
    """Exactly ``n`` steps, with nobody asked."""
    after, asked = contrast(run, request, None, steps=n, least_steps=n)
    assert asked == 0
    return after


def test_with_too_few_people_nobody_is_asked_and_the_least_steps_are_taken(small_run: Run):
    request = halves(small_run, FEW - 1)
    after, asked = contrast(small_run, request, 1.0, steps=20, least_steps=4)
    assert asked == 0
    assert same_server(after, steps_taken(small_run, request, 4))
    assert not same_server(after, steps_taken(small_run, request, 5))


@pytest.mark.parametrize(("n_people", "asked"), [(3, 0), (4, 6)])
def test_how_many_are_enough_is_up_to_the_run(small_run: Run, n_people: int, asked: int):
    strict = replace(small_run, server=replace(small_run.server, min_cohort=4))
    assert contrast(strict, halves(strict, n_people), 1.0, steps=10, least_steps=4)[1] == asked


def test_a_test_that_never_says_stop_runs_all_steps(small_run: Run):
    request = halves(small_run, FEW)
    after, asked = contrast(small_run, request, 1.0, steps=10, least_steps=4)
    assert asked == 10 - 4
    assert same_server(after, steps_taken(small_run, request, 10))


@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.58, None])  # None: too few can compare
def test_it_stops_the_loop_when_withdrawn_pairs_do_not_outscore(small_run: Run, fraction: float | None):
    request = halves(small_run, FEW)
    after, asked = contrast(small_run, request, fraction, steps=10, least_steps=4)
    assert asked == 1
    assert same_server(after, steps_taken(small_run, request, 4))


def test_it_stops_as_soon_as_they_do_not(small_run: Run):
    request = halves(small_run, FEW)
    after, asked = contrast(small_run, request, 0.9, 0.59, 0.58, steps=10, least_steps=4)
    assert asked == 3
    assert same_server(after, steps_taken(small_run, request, 6))


def test_it_is_sent_views_to_those_who_withdraw_and_to_nobody_else(small_run: Run):
    request = halves(small_run, 3)
    program = ContrastiveUnlearning(least_steps=0).unlearn(small_run.server, withdrawal_of(small_run, request))
    order = next(program)
    assert isinstance(order, Probe)
    assert order.payload.recipients is not None
    assert order.payload.recipients.nonzero().squeeze(1).tolist() == sorted(set(request.user.tolist()))
    assert set(order.payload.personal) == {"view"}
    assert not order.payload.arrays
    program.close()


def test_devices_are_asked_about_whole_cohorts_only(small_run: Run, monkeypatch: pytest.MonkeyPatch):
    """Through the door that people use: one person alone is never compared, several are."""
    asked: list[int] = []
    compare = Population.compare

    def listening(self: Population, probe: Probe) -> Outscored | None:
        answer = compare(self, probe)
        asked.append(0 if answer is None else answer.n_people)
        return answer

    monkeypatch.setattr(Population, "compare", listening)
    method = ContrastiveUnlearning(steps=10)
    alone = unlearn(small_run, halves(small_run, 1), method=method)
    assert asked == []
    assert same_run(alone, unlearn(small_run, halves(small_run, 1), method=ContrastiveUnlearning(steps=3)))
    unlearn(small_run, halves(small_run, 5), method=method)
    assert asked
    assert set(asked) == {5}


def test_who_has_nothing_to_compare_with_does_not_count(small_run: Run):
    """Two people withdraw, one of them has no pair that was never shared: that is one person, and no answer."""
    whole, half = small_run.ledger.sharers()[:2]
    ledger = small_run.ledger.share(whole, small_run.ledger.private_items(whole))
    after, first = ledger.unshare(whole, to=0.5)
    request = first + after.unshare(half, to=0.2)[1]
    views = small_run.algorithm.encode(small_run.server.state, small_run.server.side().graph)  # type: ignore[attr-defined]
    payload = replace(small_run.devices.released, tables={"items": views.items}, personal={"view": views.users})
    assert Population(ledger, min_cohort=2, request=request).compare(Probe(payload=payload)) is None
    answer = Population(ledger, min_cohort=1, request=request).compare(Probe(payload=payload))
    assert answer is not None
    assert answer.n_people == 1
