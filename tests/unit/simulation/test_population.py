"""Everybody's devices: what they answer, whom they refuse, what an order leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.algorithms.popularity import SameForAll
from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.errors import BadOption, CohortTooSmall
from fedshare.federation.metering import Metered
from fedshare.federation.orders import Ballot, CountsCall, Devices, Probe, Refit, RoundOrder
from fedshare.federation.payload import Payload, array_bytes
from fedshare.models.vectors import unit
from fedshare.sharing.holdout import Holdout
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.request import Request
from fedshare.simulation.population import Population
from fedshare.simulation.train import catalogue_of
from fedshare.simulation.validation import HeldOut
from fedshare.testing.synthetic import FEW, small_fedshare, small_ledger, tensors_in, train_small
from fedshare.training.server_side import ServerSide

ALGORITHM = small_fedshare(item_item=None)
RULE = Holdout(least_pairs=5, most=7)


def round_order(ledger: Ledger, algorithm: FedShare = ALGORITHM, number: int = 1) -> RoundOrder:
    side = ServerSide(ledger.server_view(), catalogue_of(ledger), seed=1, rounds=3)
    return RoundOrder(
        payload=algorithm.publish(algorithm.start(side), side),
        task=algorithm.task(),
        number=number,
        seed=1,
        participation=algorithm.participation,
        transforms=algorithm.transforms,
    )


def ballot(ledger: Ledger, holdout: Holdout = RULE) -> Ballot:
    """A ballot as SharedEASE asks for it."""
    side = ServerSide(ledger.server_view(), catalogue_of(ledger), seed=1, rounds=1)
    algorithm = SharedEASE(regs=(2.0, 3.0), neighbours=(12,), held_out=holdout.fraction)
    program = algorithm.select(algorithm.start(side), side, 1)
    asked = next(program)
    program.close()
    assert isinstance(asked, Ballot)
    return replace(asked, holdout=holdout)


def probe(ledger: Ledger) -> Probe:
    draw = torch.Generator().manual_seed(0)
    views, items = (unit(torch.randn(n, 4, generator=draw)) for n in (ledger.known.n_users, ledger.known.n_items))
    return Probe(payload=Payload(tables={"items": items}, personal={"view": views}))


def withdrawal(ledger: Ledger, n_people: int) -> Request:
    """So many people take one pair back."""
    request = Request(ledger, ledger)
    for user in ledger.sharers()[:n_people]:
        ledger, more = ledger.unshare(user, items=ledger.shared_items(user)[:1])
        request = request + more
    return request


# -- rounds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("participation", "n_people"), [(1.0, 14), (0.5, 7), (0.2, 3)])
def test_a_round_rests_on_its_cohort_and_not_on_fewer(participation: float, n_people: int):
    ledger = small_ledger()
    order = round_order(ledger, small_fedshare(item_item=None, participation=participation))
    answer = Population(ledger, min_cohort=n_people).train(order)
    assert (answer.n_people, answer.min_cohort) == (n_people, n_people)
    assert answer.tables["items"].shape == (30, 8)
    strict = Population(ledger, min_cohort=n_people + 1)
    with pytest.raises(CohortTooSmall, match=f"round 1 would rest on {n_people} people, expected {n_people + 1}"):
        strict.train(order)
    assert not strict.private  # nobody has begun


def test_a_hundred_people_unless_somebody_says_otherwise():
    with pytest.raises(CohortTooSmall, match=r"14 people, expected 100 or more.*--min-cohort 14.*min_cohort=14"):
        Population(small_ledger()).train(round_order(small_ledger()))


@pytest.mark.parametrize("least", [0, -1])
def test_nobody_at_all_is_no_cohort(least: int):
    with pytest.raises(BadOption, match=f"min_cohort: got {least}"):
        Population(small_ledger(), min_cohort=least)


def test_round_one_starts_afresh_and_others_go_on():
    ledger = small_ledger()
    devices = Population(ledger, min_cohort=FEW)
    devices.train(round_order(ledger))
    once = {name: rows.clone() for name, rows in devices.private.items()}
    devices.train(round_order(ledger, number=2))
    assert not torch.equal(devices.private["vector.values"], once["vector.values"])
    assert devices.private["vector.steps"].tolist() == [2] * 14
    devices.train(round_order(ledger))
    assert all(torch.equal(rows, once[name]) for name, rows in devices.private.items())


def test_what_is_held_out_is_not_trained_on():
    ledger = small_ledger()
    order = round_order(ledger)
    answers = [Population(ledger, min_cohort=FEW).train(replace(order, holdout=each)) for each in (None, RULE)]
    assert not torch.equal(answers[0].tables["items"], answers[1].tables["items"])


# -- choices --------------------------------------------------------------------------------------------------------


def test_a_choice_rests_on_those_who_hold_something_out():
    ledger = small_ledger()
    n_people = len(HeldOut.of(ledger, RULE, 1, "cpu").users)
    assert 1 < n_people < 14
    votes = Population(ledger, min_cohort=n_people).validate(ballot(ledger))
    assert (votes.n_people, len(votes.totals)) == (n_people, 4)
    assert votes.bytes_down == n_people * array_bytes(ballot(ledger).payload.arrays)
    expected = rf"a choice by validation clients would rest on {n_people} people, expected {n_people + 1}"
    with pytest.raises(CohortTooSmall, match=expected):
        Population(ledger, min_cohort=n_people + 1).validate(ballot(ledger))


def test_where_nobody_holds_anything_out_there_is_nothing_to_tell():
    ledger = small_ledger()
    votes = Population(ledger, min_cohort=100).validate(ballot(ledger, Holdout(least_pairs=1000)))
    assert (votes.n_people, votes.totals, votes.bytes_down) == (0, (0.0,) * 4, 0)


def test_a_task_that_cannot_rank_is_refused():
    ledger = small_ledger()
    with pytest.raises(BadOption, match="'same-for-all', expected one that ranks candidates"):
        Population(ledger, min_cohort=FEW).validate(replace(ballot(ledger), task=SameForAll()))


# -- private contributions ------------------------------------------------------------------------------------------


def test_contributions_are_what_is_not_shared_summed_over_everybody():
    ledger = small_ledger()
    answer = Population(ledger, min_cohort=14, contributes=True).contribute(CountsCall(n_items=30, seed=1))
    expected = np.zeros((30, 30), dtype=np.int64)
    for user in ledger.users():
        known = ledger.known.items.indices(ledger.shared_items(user) + ledger.private_items(user))
        shared = ledger.known.items.indices(ledger.shared_items(user))
        for items, sign in ((known, 1), (shared, -1)):
            expected[np.ix_(items, items)] += sign
    assert answer.values.tolist() == expected[np.triu_indices(30)].tolist()
    assert (answer.n_people, answer.bytes_up) == (14, 14 * 465 * 2)


def test_contributions_of_few_are_refused():
    with pytest.raises(CohortTooSmall, match="a sum of private contributions would rest on 14 people"):
        Population(small_ledger(), min_cohort=15, contributes=True).contribute(CountsCall(n_items=30, seed=1))


def test_contributions_need_that_people_agreed_and_the_same_catalogue():
    with pytest.raises(BadOption, match="have not agreed"):
        Population(small_ledger(), min_cohort=FEW).contribute(CountsCall(n_items=30, seed=1))
    with pytest.raises(BadOption, match="got a call for 29 items, expected 30"):
        Population(small_ledger(), min_cohort=FEW, contributes=True).contribute(CountsCall(n_items=29, seed=1))


def test_who_shares_everything_hides_nobody_in_a_sum_of_contributions():
    ledger = small_ledger()
    ledger = ledger.share("u03", ledger.private_items("u03"))
    with pytest.raises(CohortTooSmall, match="would rest on 13 people"):
        Population(ledger, min_cohort=14, contributes=True).contribute(CountsCall(n_items=30, seed=1))


def test_who_has_nothing_left_hides_nobody_in_a_round():
    ledger = small_ledger()
    ledger, _ = ledger.erase("u03", ledger.shared_items("u03") + ledger.private_items("u03"))
    with pytest.raises(CohortTooSmall, match="round 1 would rest on 13 people"):
        Population(ledger, min_cohort=14).train(round_order(ledger))
    assert Population(ledger, min_cohort=13).train(round_order(ledger)).n_people == 13


# -- withdrawals ----------------------------------------------------------------------------------------------------


def naive_outscored(ledger: Ledger, request: Request, asked: Probe) -> float:
    """Of every withdrawn pair, the part of the person's never-shared pairs that it outscores; a tie is a half."""
    views, items, total = asked.payload.personal["view"], asked.payload.tables["items"], 0.0
    for user, item in zip(request.user.tolist(), request.item.tolist(), strict=True):
        private = ledger.known.items.indices(ledger.private_items(ledger.known.users.ids[user]))
        score, others = float(views[user] @ items[item]), [float(views[user] @ items[other]) for other in private]
        total += sum(1.0 if score > other else 0.5 if score == other else 0.0 for other in others) / len(others)
    return total


def test_a_comparison_is_a_sum_over_those_who_withdraw():
    ledger = small_ledger()
    request, asked = withdrawal(ledger, 5), probe(ledger)
    answer = Population(request.after, request=request, min_cohort=5).compare(asked)
    assert answer is not None
    assert (answer.n_people, answer.min_cohort, answer.n_pairs) == (5, 5, 5)
    assert answer.total == pytest.approx(naive_outscored(ledger, request, asked))
    assert 0 < answer.total < 5


def test_a_comparison_by_few_people_is_no_answer():
    ledger = small_ledger()
    request = withdrawal(ledger, 4)
    assert Population(request.after, request=request, min_cohort=5).compare(probe(ledger)) is None
    nothing = Request(ledger, ledger)
    assert Population(ledger, request=nothing, min_cohort=1).compare(probe(ledger)) is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda devices: devices.compare(probe(devices.ledger)),
        lambda devices: devices.refit(Refit(payload=Payload(), task=ALGORITHM.task(), seed=1, steps=1)),
    ],
)
def test_what_is_about_a_request_needs_one(ask: Callable[[Population], object]):
    with pytest.raises(BadOption, match="about a request"):
        ask(Population(small_ledger(), min_cohort=FEW))


def test_who_erased_something_fits_again_and_nobody_else():
    ledger = small_ledger()
    run = train_small(ALGORITHM, ledger, rounds=3, seed=1)
    after, request = ledger.erase("u03", ledger.private_items("u03")[:1])
    devices = run.devices.population(after, request=request)
    devices.refit(Refit(payload=run.devices.released, task=ALGORITHM.task(), seed=1, steps=4))
    changed = (devices.private["vector.values"] != run.devices.private["vector.values"]).any(1).nonzero()
    assert changed.flatten().tolist() == [3]
    assert devices.private["vector.steps"].tolist() == [4 if user == 3 else 3 for user in range(14)]
    assert run.devices.private["vector.steps"].tolist() == [3] * 14  # the run that went in is as it was


# -- bytes ----------------------------------------------------------------------------------------------------------


def test_a_meter_adds_up_what_answers_report():
    ledger = small_ledger()
    plain, metered = Population(ledger, min_cohort=FEW), Metered(Population(ledger, min_cohort=FEW, contributes=True))
    assert isinstance(metered, Devices)
    up = down = 0
    for number in (1, 2):
        order = round_order(ledger, number=number)
        expected, answer = plain.train(order), metered.train(order)
        assert torch.equal(answer.tables["items"], expected.tables["items"])
        up, down = up + expected.bytes_up, down + expected.bytes_down
    assert (metered.rounds, metered.bytes_up, metered.bytes_down) == (2, up, down)
    down += metered.validate(ballot(ledger)).bytes_down
    metered.validate(replace(ballot(ledger), nothing_new=True))
    up += metered.contribute(CountsCall(n_items=30, seed=1)).bytes_up
    assert (metered.rounds, metered.bytes_up, metered.bytes_down) == (2, up, down)


def test_what_is_about_a_withdrawal_weighs_nothing_more():
    """A probe is the server's own and already counted views; a refit uploads nothing."""
    ledger = small_ledger()
    run = train_small(ALGORITHM, ledger, rounds=1, seed=1)
    after, request = ledger.erase("u03", ledger.shared_items("u03")[:1])
    metered = Metered(run.devices.population(after, request=request))
    metered.compare(probe(ledger))
    metered.refit(Refit(payload=run.devices.released, task=ALGORITHM.task(), seed=1, steps=1))
    assert (metered.rounds, metered.bytes_up, metered.bytes_down) == (0, 0, 0)


def test_bytes_of_a_round_by_hand():
    ledger, options = small_ledger(), {"item_item": None, "quantise_bits": 12, "clip_norm": 1.0}
    algorithm = small_fedshare(**options)
    answer = Population(ledger, min_cohort=FEW).train(round_order(ledger, algorithm))
    known = np.diff(ledger.device_pairs()[0])
    rows = int(sum(n + min(30 - n, max(10, n)) for n in known.tolist()))
    sharers = len(ledger.sharers())
    assert answer.bytes_up == rows * 4 + round(rows * 8 * 12 / 8)
    assert answer.bytes_down == rows * (4 + 8 * 4) + sharers * 8 * 4


def test_an_answer_holds_nothing_but_sums():
    ledger = small_ledger()
    answer = Population(ledger, min_cohort=FEW).train(round_order(ledger))
    assert {path for path, _ in tensors_in(answer)} == {"tables.items"}


def test_too_few_validation_clients_are_refused_in_the_first_round() -> None:
    """Not after 40 % of the rounds, when the choice is due."""
    told: list[int] = []
    ledger = small_ledger()
    held_out = len(HeldOut.of(ledger, Holdout(), 1, "cpu").users)
    assert 2 < held_out < ledger.known.n_users
    with pytest.raises(CohortTooSmall, match=f"validation clients would rest on {held_out} people"):
        train_small(
            small_fedshare(),
            ledger,
            rounds=10,
            seed=1,
            min_cohort=held_out + 1,
            progress=lambda done, *_: told.append(done),
        )
    assert told == []
    chosen = train_small(small_fedshare(), ledger, rounds=3, seed=1).chosen
    assert train_small(small_fedshare(), ledger, rounds=3, seed=1, min_cohort=held_out + 1, chosen=chosen).finished
