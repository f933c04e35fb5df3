"""A round as a program: what it asks of devices, and from which share set."""

from __future__ import annotations

from dataclasses import replace

import torch

from fedshare.federation.orders import Ballot, RoundOrder, carry_out, put
from fedshare.sharing.ledger import Ledger
from fedshare.simulation.population import Population
from fedshare.simulation.train import catalogue_of
from fedshare.testing.synthetic import FEW, small_fedshare, small_ledger
from fedshare.training.loop import round_of
from fedshare.training.server_side import ServerSide

ALGORITHM = small_fedshare()


def side(ledger: Ledger, rounds: int = 10) -> ServerSide:
    return ServerSide(ledger.server_view(), catalogue_of(ledger), seed=1, rounds=rounds)


def first_order(server: ServerSide, number: int) -> RoundOrder:
    order = next(round_of(ALGORITHM, ALGORITHM.start(server), server, number))
    assert isinstance(order, RoundOrder)
    return order


def test_the_first_rounds_are_published_without_what_is_held_out():
    server = side(small_ledger())
    order, state = first_order(server, 1), ALGORITHM.start(server)
    assert order.holdout is not None
    assert order.votes_follow
    without = ALGORITHM.publish(state, server.without(order.holdout))
    assert torch.equal(order.payload.personal["view"], without.personal["view"])
    assert not torch.equal(order.payload.personal["view"], ALGORITHM.publish(state, server).personal["view"])


def test_the_first_rounds_update_without_what_is_held_out():
    ledger = small_ledger()
    server, devices = side(ledger), Population(ledger, min_cohort=FEW)
    order, state = first_order(server, 1), ALGORITHM.start(server)
    assert order.holdout is not None
    after, _ = carry_out(round_of(ALGORITHM, state, server, 1), devices, FEW)
    again = Population(ledger, min_cohort=FEW)
    expected = ALGORITHM.update(state, again.train(order), server.without(order.holdout), 1)
    other = ALGORITHM.update(state, Population(ledger, min_cohort=FEW).train(order), server, 1)
    assert torch.equal(after.tables["users"].values, expected.tables["users"].values)
    assert not torch.equal(after.tables["users"].values, other.tables["users"].values)


def test_the_other_rounds_train_on_everything():
    server = side(small_ledger())
    order = first_order(server, 5)
    assert order.holdout is None
    assert not order.votes_follow
    whole = ALGORITHM.publish(ALGORITHM.start(server), server)
    assert torch.equal(order.payload.personal["view"], whole.personal["view"])


def test_people_are_asked_once_and_after_two_fifths_of_the_rounds():
    ledger = small_ledger()
    server, devices = side(ledger), Population(ledger, min_cohort=FEW)
    state, asked = ALGORITHM.start(server), []
    for number in range(1, 11):
        program = round_of(ALGORITHM, state, server, number)
        order = next(program)
        try:
            while True:
                asked += [number] if isinstance(order, Ballot) else []
                order = program.send(put(order, devices))
        except StopIteration as done:
            state, _ = done.value
    assert set(asked) == {4}
    assert state.chosen is not None
    again = replace(ALGORITHM.start(server), chosen=state.chosen)
    order = next(round_of(ALGORITHM, again, server, 1))
    assert isinstance(order, RoundOrder)
    assert order.holdout is not None
    assert not order.votes_follow
