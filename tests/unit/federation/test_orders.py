"""Orders and answers: who carries them, and what an answer must rest on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fedshare.errors import CohortTooSmall
from fedshare.federation.metering import Metered
from fedshare.federation.orders import (
    MIN_COHORT,
    Aggregate,
    Ballot,
    CountsCall,
    Devices,
    MaskedSum,
    Order,
    Outscored,
    Probe,
    Program,
    Refit,
    RoundOrder,
    Votes,
    ask,
    carry_out,
    check_cohort,
)
from fedshare.federation.payload import Payload
from fedshare.sharing.holdout import Holdout
from fedshare.simulation.population import Population
from fedshare.testing.synthetic import small_fedshare, small_ledger


class Note(Order[int]):
    """An order that says how often it was put to somebody."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.put = 0

    def put_to(self, devices: Devices) -> int:
        self.put += 1
        return 10 * self.number


@pytest.fixture
def devices() -> Devices:
    return Metered(Population(small_ledger(), min_cohort=2))


def test_answers_come_back_to_who_asked(devices: Devices):
    orders = [Note(1), Note(2), Note(3)]

    def program() -> Program[list[int]]:
        first = yield from ask(orders[0])
        second = yield from ask(orders[1])
        return [first, second, (yield from ask(orders[2]))]

    assert carry_out(program(), devices) == [10, 20, 30]
    assert [order.put for order in orders] == [1, 1, 1]


def test_a_program_can_call_another(devices: Devices):
    def inner(number: int) -> Program[int]:
        return (yield from ask(Note(number))) + 1

    def outer() -> Program[int]:
        first = yield from inner(1)
        return (yield from inner(first))

    assert carry_out(outer(), devices) == 10 * 11 + 1


def test_a_program_that_asks_nothing(devices: Devices):
    def program() -> Program[str]:
        return "done"
        yield

    assert carry_out(program(), devices) == "done"


def test_what_the_devices_refuse_reaches_whoever_carries_and_the_program_is_closed(devices: Devices):
    left = []

    class Refused(Note):
        def put_to(self, devices: Devices) -> int:
            raise CohortTooSmall("too few")

    def program() -> Program[int]:
        try:
            return (yield from ask(Refused(1)))
        finally:
            left.append("closed")

    running = program()  # held on to, so that no garbage collection closes it
    with pytest.raises(CohortTooSmall, match="too few"):
        carry_out(running, devices)
    assert left == ["closed"]


def test_a_program_that_fails_is_closed_too(devices: Devices):
    left = []

    def program() -> Program[int]:
        try:
            yield from ask(Note(1))
            raise KeyError("mine")
        finally:
            left.append("closed")

    with pytest.raises(KeyError, match="mine"):
        carry_out(program(), devices)
    assert left == ["closed"]


def test_a_program_is_closed_when_it_is_done(devices: Devices):
    def program() -> Program[int]:
        return (yield from ask(Note(1)))

    running = program()
    assert carry_out(running, devices) == 10
    with pytest.raises(StopIteration):
        next(running)


ANSWERS: list[tuple[type, dict[str, Any]]] = [
    (Aggregate, {"tables": {}}),
    (Votes, {}),
    (Outscored, {}),
    (MaskedSum, {"values": torch.zeros(1, dtype=torch.int64)}),
]


@pytest.mark.parametrize(("kind", "parts"), ANSWERS)
def test_an_answer_of_too_few_cannot_even_be_made(kind: type, parts: dict[str, Any]):
    assert kind(n_people=5, min_cohort=5, **parts).n_people == 5
    with pytest.raises(CohortTooSmall, match=f"'{kind.__name__}' would rest on 4 people, expected 5 or more"):
        kind(n_people=4, min_cohort=5, **parts)


def test_an_answer_of_nobody_is_refused_unless_there_is_nothing_to_tell():
    assert Votes(n_people=0, min_cohort=5).n_people == 0
    with pytest.raises(CohortTooSmall, match="0 people"):
        Aggregate(n_people=0, min_cohort=5, tables={})


def test_the_message_says_how_to_lower_the_bound():
    check_cohort("a round", 100, MIN_COHORT)
    with pytest.raises(CohortTooSmall, match=r"a round would rest on 99 people.*--min-cohort 99.*min_cohort=99"):
        check_cohort("a round", 99, MIN_COHORT)
    with pytest.raises(CohortTooSmall, match=r"--min-cohort 1 on"):
        check_cohort("a round", 0, MIN_COHORT)


class Asked(Exception):
    """Instead of an answer."""


class Telephone:
    """Devices that say which question they were asked."""

    def __getattr__(self, question: str) -> Any:
        def told(order: object) -> None:
            raise Asked(question)

        return told


TASK = small_fedshare().task()
ORDERS: list[tuple[Order[Any], str]] = [
    (RoundOrder(payload=Payload(), task=TASK, number=1, seed=0), "train"),
    (Ballot(payload=Payload(), task=TASK, seed=0, holdout=Holdout(), candidates=(), k=1), "validate"),
    (Probe(payload=Payload()), "compare"),
    (CountsCall(n_items=3, seed=0), "contribute"),
    (Refit(payload=Payload(), task=TASK, seed=0, steps=1), "refit"),
]


@pytest.mark.parametrize(("order", "question"), ORDERS)
def test_each_order_is_one_question(order: Order[Any], question: str):
    with pytest.raises(Asked, match=f"^{question}$"):
        order.put_to(Telephone())  # type: ignore[arg-type]


def test_nothing_else_can_be_asked():
    assert {name for name in vars(Devices) if not name.startswith("_")} == {question for _, question in ORDERS}
    assert isinstance(Population(small_ledger()), Devices)
