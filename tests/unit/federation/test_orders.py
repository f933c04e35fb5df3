"""Orders and answers: who carries them, and what an answer must rest on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fedshare.errors import BadMessage, CohortTooSmall
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
    put,
)
from fedshare.federation.payload import Payload
from fedshare.sharing.holdout import Holdout
from fedshare.simulation.population import Population
from fedshare.testing.synthetic import small_fedshare, small_ledger


class Desk:
    """Devices that answer a probe with how often they were asked, and refuse from the ``refuses``-th on."""

    def __init__(self, n_people: int = 10, refuses: int = 99) -> None:
        self.asked = 0
        self.n_people = n_people
        self.refuses = refuses

    def compare(self, probe: Probe) -> Outscored:
        self.asked += 1
        if self.asked >= self.refuses:
            raise CohortTooSmall("too few")
        return Outscored(n_people=self.n_people, min_cohort=1, total=10.0 * self.asked, n_pairs=1)

    def train(self, order: RoundOrder) -> Aggregate: ...

    def validate(self, ballot: Ballot) -> Votes: ...

    def contribute(self, call: CountsCall) -> MaskedSum: ...

    def refit(self, order: Refit) -> None: ...


def asked_once() -> Program[float]:
    answer = yield from ask(Probe(payload=Payload()))
    assert answer is not None
    return answer.total


def carried(program: Program[Any], desk: Desk, least: int = 1) -> Any:
    return carry_out(program, desk, least)  # type: ignore[arg-type]


def test_answers_come_back_to_who_asked():
    desk = Desk()

    def program() -> Program[list[float]]:
        return [(yield from asked_once()), (yield from asked_once()), (yield from asked_once())]

    assert carried(program(), desk) == [10.0, 20.0, 30.0]
    assert desk.asked == 3


def test_a_program_that_asks_nothing():
    def program() -> Program[str]:
        return "done"
        yield

    assert carried(program(), Desk()) == "done"


def test_what_the_devices_refuse_reaches_whoever_carries_and_the_program_is_closed():
    left = []

    def program() -> Program[float]:
        try:
            return (yield from asked_once())
        finally:
            left.append("closed")

    running = program()  # held on to, so that no garbage collection closes it
    with pytest.raises(CohortTooSmall, match="too few"):
        carried(running, Desk(refuses=1))
    assert left == ["closed"]


def test_a_program_that_fails_is_closed_too():
    left = []

    def program() -> Program[float]:
        try:
            yield from asked_once()
            raise KeyError("mine")
        finally:
            left.append("closed")

    with pytest.raises(KeyError, match="mine"):
        carried(program(), Desk())
    assert left == ["closed"]


def test_an_answer_of_fewer_people_than_the_server_promises_is_refused_whatever_devices_say():
    assert carried(asked_once(), Desk(n_people=10), 10) == 10.0
    with pytest.raises(CohortTooSmall, match="9 people, expected 10"):
        carried(asked_once(), Desk(n_people=9), 10)


def test_server_code_that_brings_an_order_of_its_own_never_meets_the_devices():
    met = []

    class Peek(Order[Any]):
        def put_to(self, devices: object) -> object:
            met.append(devices)
            return devices

        __call__ = put_to

    class Sly(Probe):
        pass

    for order in (Peek(), Sly(payload=Payload())):

        def program(order: Any = order) -> Program[Any]:
            return (yield order)

        with pytest.raises(BadMessage, match="order: got a"):
            carried(program(), Desk())
    assert met == []


def test_something_that_is_no_answer_does_not_reach_the_server():
    class Talkative(Desk):
        def compare(self, probe: Probe) -> Any:
            return {"private": 1}

    with pytest.raises(BadMessage, match="answer: got a dict"):
        carried(asked_once(), Talkative())


@pytest.mark.parametrize("wrong", [{"n_people": -5, "min_cohort": -10}, {"n_people": float("nan"), "min_cohort": 5}])
def test_numbers_of_people_are_whole_and_not_below_zero(wrong: dict[str, Any]):
    with pytest.raises(Exception, match="n_people"):
        Aggregate(tables={}, **wrong)


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

    def train(self, order: RoundOrder) -> Aggregate:
        raise Asked("train")

    def validate(self, ballot: Ballot) -> Votes:
        raise Asked("validate")

    def compare(self, probe: Probe) -> Outscored | None:
        raise Asked("compare")

    def contribute(self, call: CountsCall) -> MaskedSum:
        raise Asked("contribute")

    def refit(self, order: Refit) -> None:
        raise Asked("refit")


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
        put(order, Telephone())


def test_nothing_else_can_be_asked():
    assert {name for name in vars(Devices) if not name.startswith("_")} == {question for _, question in ORDERS}
    assert isinstance(Population(small_ledger()), Devices)
