"""What every engine, every unlearning method and every algorithm has to keep to; subclass and name yours.

    class TestContrastive(UnlearnerContract):
        method = ContrastiveUnlearning(steps=5)

The classes are collected by pytest where a test module subclasses them, and need nothing but a plain assert.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from fedshare.cost import Cost
from fedshare.errors import CohortTooSmall, RequestMismatch
from fedshare.federation.orders import (
    Aggregate,
    Ballot,
    CountsCall,
    Devices,
    MaskedSum,
    Order,
    Outscored,
    Probe,
    Refit,
    RoundOrder,
    Votes,
    carry_out,
    put,
)
from fedshare.models.scorer import Scorer
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.request import Request
from fedshare.simulation.engines import Engine, LocalRound, LocalWork, Sequential
from fedshare.simulation.population import Population
from fedshare.simulation.run import Run
from fedshare.simulation.train import catalogue_of, train
from fedshare.simulation.unlearn import unlearn
from fedshare.testing.synthetic import (
    FEW,
    run_bytes,
    same_run,
    server_bytes,
    small_fedshare,
    small_ledger,
    swap_private_pair,
    tensors_in,
    train_small,
)
from fedshare.training.algorithm import Algorithm
from fedshare.training.loop import round_of
from fedshare.training.server_side import ServerSide
from fedshare.unlearning.unlearner import Unlearner

__all__ = ["AlgorithmContract", "EngineContract", "UnlearnerContract"]

ROUNDS = 3


class EngineContract:
    """An engine does what :class:`fedshare.simulation.engines.Sequential` does, to 1e-5."""

    engine: ClassVar[Engine]
    options: ClassVar[dict[str, Any]] = {}
    "Of the FedShare that is trained; what changes results must be the same on every engine."

    def test_three_rounds_are_those_of_the_reference(self) -> None:
        ledger, algorithm = small_ledger(), small_fedshare(**self.options)
        mine = train_small(algorithm, ledger, rounds=ROUNDS, seed=1, engine=self.engine)
        reference = train_small(algorithm, ledger, rounds=ROUNDS, seed=1, engine=Sequential())
        for name in ("items", "users"):
            torch.testing.assert_close(
                mine.server.state.tables[name].values, reference.server.state.tables[name].values, atol=1e-5, rtol=0
            )
        assert mine.devices.private
        for name, rows in mine.devices.private.items():
            torch.testing.assert_close(rows, reference.devices.private[name], atol=1e-5, rtol=0)
        assert mine.cost.bytes_up_per_client == reference.cost.bytes_up_per_client
        assert mine.cost.bytes_down_per_client == reference.cost.bytes_down_per_client

    def test_one_round_is_that_of_the_reference(self) -> None:
        work = self._work()
        mine, reference = self.engine.run(work), Sequential().run(work)
        for part, other in ((mine.tables, reference.tables), (mine.private, reference.private)):
            assert set(part) == set(other)
            for name, values in part.items():
                torch.testing.assert_close(values, other[name], atol=1e-5, rtol=1e-5)
        assert mine.loss == pytest.approx(reference.loss, rel=1e-5)
        assert (mine.bytes_up, mine.bytes_down) == (reference.bytes_up, reference.bytes_down)

    def test_devices_that_sit_out_keep_their_state(self) -> None:
        work = replace(self._work(), users=torch.tensor([1, 4]))
        after = self.engine.run(work).private
        for name, rows in work.private.items():
            changed = (after[name] != rows).reshape(len(rows), -1).any(1).nonzero().squeeze(1)
            assert changed.tolist() == [1, 4]

    def test_the_work_is_not_changed(self) -> None:
        work = self._work()
        parts = {"private": work.private, "payload": work.order.payload}
        before = {path: tensor.clone() for path, tensor in tensors_in(parts)}
        self.engine.run(work)
        assert all(torch.equal(tensor, before[path]) for path, tensor in tensors_in(parts))

    def test_it_gives_the_same_bits_again(self) -> None:
        first, second = self.engine.run(self._work()), self.engine.run(self._work())
        assert torch.equal(first.tables["items"], second.tables["items"])
        assert all(torch.equal(rows, second.private[name]) for name, rows in first.private.items())

    def _work(self) -> LocalWork:
        recorder = _Recorder()
        train_small(small_fedshare(**self.options), small_ledger(), rounds=1, seed=1, engine=recorder)
        assert recorder.seen is not None
        return recorder.seen


class _Recorder:
    """An engine that remembers what it was asked to do."""

    seen: LocalWork | None = None

    def run(self, work: LocalWork) -> LocalRound:
        self.seen = work
        return Sequential().run(work)


class UnlearnerContract:
    """What an unlearning method must keep to, however well it forgets."""

    method: ClassVar[Unlearner]
    algorithm: ClassVar[Algorithm] = small_fedshare()
    trains_devices: ClassVar[bool] = False
    "Whether devices train on in an unshare; if not, private vectors must stay as they are, unread."

    def test_an_empty_request_changes_nothing(self) -> None:
        run = self._run()
        after = unlearn(run, Request(run.ledger, run.ledger), method=self.method)
        assert run_bytes(after) == run_bytes(run)
        assert after.ledger == run.ledger
        assert after.cost.bytes_up_per_client == after.cost.bytes_down_per_client == 0

    def test_the_pairs_are_gone_from_the_servers_view(self) -> None:
        run = self._run()
        request = _partial(run.ledger)
        after = unlearn(run, request, method=self.method)
        view = after.server.view
        left = set(zip(view.user.tolist(), view.item.tolist(), strict=True))
        assert not left & set(zip(request.user.tolist(), request.item.tolist(), strict=True))
        assert after.ledger == request.after
        assert after.server.share_set == request.after.version

    def test_the_run_passed_in_is_untouched(self) -> None:
        run = self._run()
        before, ledger = run_bytes(run), run.ledger
        for request in (_partial(ledger), _full(ledger), _erasure(ledger)):
            unlearn(run, request, method=self.method)
            assert run_bytes(run) == before
            assert run.ledger is ledger

    def test_the_same_seed_gives_the_same_result(self) -> None:
        run = self._run()
        request = _partial(run.ledger) + _full(_partial(run.ledger).after)
        assert same_run(unlearn(run, request, method=self.method), unlearn(run, request, method=self.method))

    def test_several_requests_in_a_row(self) -> None:
        run = self._run()
        for request_of in (_partial, _full, _erasure):
            request = request_of(run.ledger)
            run = unlearn(run, request, method=self.method)
            assert run.ledger == request.after
        assert np.isfinite(run.device_scorer().scores(np.arange(run.known.n_users))).all()
        assert np.isfinite(run.server_scorer().scores(np.arange(run.known.n_users))).all()

    def test_everybody_may_leave(self) -> None:
        run = self._run()
        ledger, request = run.ledger, Request(run.ledger, run.ledger)
        for user in run.ledger.sharers():
            ledger, more = ledger.unshare(user, everything=True)
            request = request + more
        after = unlearn(run, request, method=self.method)
        assert len(after.server.view) == 0
        assert np.isfinite(after.device_scorer().scores(np.arange(run.known.n_users))).all()

    def test_an_erased_pair_is_in_nobodys_training(self) -> None:
        run = self._run()
        request = _erasure(run.ledger)
        assert {"private", "shared"} == {"shared" if seen else "private" for seen in request.seen_by_server}
        after = unlearn(run, request, method=self.method)
        offsets, items = after.ledger.device_pairs()
        for user, item in zip(request.user.tolist(), request.item.tolist(), strict=True):
            assert item not in items[offsets[user] : offsets[user + 1]]

    def test_nobody_elses_private_state_is_changed_or_read_by_an_unshare(self) -> None:
        if self.trains_devices:
            pytest.skip("devices train on, each on its own")
        run = self._run()
        if not run.devices.private:
            pytest.skip("devices keep no private state")
        request = _partial(run.ledger)
        others = torch.ones(run.known.n_users, dtype=torch.bool)
        others[torch.from_numpy(np.unique(request.user).astype(np.int64))] = False
        poisoned = {name: _poisoned(rows, others) for name, rows in run.devices.private.items()}
        poisoned_run = replace(run, devices=replace(run.devices, private=poisoned))
        after, blind = (unlearn(each, request, method=self.method) for each in (run, poisoned_run))
        assert server_bytes(after) == server_bytes(blind)
        for name, rows in run.devices.private.items():
            assert torch.equal(after.devices.private[name][others], rows[others])
            assert torch.equal(after.devices.private[name][~others], blind.devices.private[name][~others])

    def test_nobody_elses_private_pairs_are_read_by_an_unshare(self) -> None:
        if self.trains_devices:
            pytest.skip("devices train on, each on its own")
        run = self._run()
        request = _partial(run.ledger)
        bystander = next(user for user in run.ledger.users() if user not in request.users())
        elsewhere = swap_private_pair(run.ledger, bystander)
        other = Request(elsewhere, Ledger(elsewhere.known, seed=elsewhere.seed, events=request.after.events))
        after = unlearn(run, request, method=self.method)
        moved = replace(run, devices=replace(run.devices, ledger=elsewhere))
        assert server_bytes(after) == server_bytes(unlearn(moved, other, method=self.method))

    def test_a_request_that_does_not_match_is_refused(self) -> None:
        run = self._run()
        first = _partial(run.ledger)
        second = _full(first.after)
        before = run_bytes(run)
        with pytest.raises(RequestMismatch, match="run"):
            unlearn(run, second, method=self.method)
        with pytest.raises(RequestMismatch, match="data"):
            unlearn(run, _partial(small_ledger(seed=5)), method=self.method)
        assert run_bytes(run) == before
        after = unlearn(run, first, method=self.method)
        with pytest.raises(RequestMismatch):
            unlearn(after, first, method=self.method)  # withdrawn already

    def test_it_says_what_it_cost_and_no_more(self) -> None:
        run = self._run()
        huge = Cost(cpu_s=1e6, wall_s=1e6, rounds=777, bytes_up_per_client=1e12, bytes_down_per_client=1e12)
        after = unlearn(replace(run, cost=huge), _partial(run.ledger), method=self.method)
        assert after.method == self.method.name
        assert after.cost.cpu_s < 1e3
        assert after.cost.rounds < 777
        assert after.cost.bytes_up_per_client < 1e12
        assert after.cost.kept_bytes_server == after.kept_bytes

    def _run(self) -> Run:
        return _trained(self.algorithm, small_ledger())


class AlgorithmContract:
    """Three steps from state to state, and nothing private on the server."""

    algorithm: ClassVar[Algorithm]
    has_server_scorer: ClassVar[bool] = True

    def test_the_same_seed_gives_the_same_bits_and_another_does_not(self) -> None:
        first, second = self._run(), train_small(self.algorithm, small_ledger(), rounds=ROUNDS, seed=1)
        assert same_run(first, second)
        people = np.arange(first.known.n_users)
        assert np.array_equal(first.device_scorer().scores(people), second.device_scorer().scores(people))
        if first.server.state.tables:
            assert not same_run(first, train_small(self.algorithm, small_ledger(), rounds=ROUNDS, seed=2))

    def test_a_round_changes_nothing_in_place(self) -> None:
        ledger = small_ledger()
        side, devices = _side(self.algorithm, ledger), _devices(self.algorithm, ledger)
        state = self.algorithm.start(side)
        before = {path: tensor.clone() for path, tensor in tensors_in(state)}
        after, _ = carry_out(round_of(self.algorithm, state, side, 1), devices, FEW)
        self.algorithm.release(after, side)
        assert all(torch.equal(tensor, before[path]) for path, tensor in tensors_in(state))
        assert state.round == 0
        assert after.round == 1

    def test_the_next_round_needs_the_state_only(self) -> None:
        ledger = small_ledger()
        side, devices = _side(self.algorithm, ledger), _devices(self.algorithm, ledger)
        state = fresh_state = self.algorithm.start(side)
        private = devices.private
        for number in (1, 2):
            state, _ = carry_out(round_of(self.algorithm, state, side, number), devices, FEW)
            fresh = _devices(self.algorithm, ledger, private)
            fresh_side = _side(self.algorithm, ledger)
            fresh_state, _ = carry_out(round_of(self.algorithm, fresh_state, fresh_side, number), fresh, FEW)
            private = fresh.private
        expected = dict(tensors_in(state))
        assert all(torch.equal(tensor, expected[path]) for path, tensor in tensors_in(fresh_state))

    def test_a_swapped_private_pair_changes_nothing_that_the_server_alone_computes(self) -> None:
        if self.algorithm.central:
            pytest.skip("a central reference is given everything")
        ledger = small_ledger()
        elsewhere = swap_private_pair(ledger, ledger.sharers()[0])
        answers = _Answers(_devices(self.algorithm, ledger))
        side = _side(self.algorithm, ledger)
        first, _ = carry_out(round_of(self.algorithm, self.algorithm.start(side), side, 1), answers, FEW)
        other_side = _side(self.algorithm, elsewhere)
        program = round_of(self.algorithm, self.algorithm.start(other_side), other_side, 1)
        second, _ = carry_out(program, _Replay(answers), FEW)
        for state, place in ((first, side), (second, other_side)):
            released = self.algorithm.release(state, place)
            answers.released.append({path: tensor.clone() for path, tensor in tensors_in((state, released))})
        assert answers.released[0].keys() == answers.released[1].keys()
        assert all(torch.equal(each, answers.released[1][path]) for path, each in answers.released[0].items())

    def test_few_people_are_refused_by_default(self) -> None:
        ledger = small_ledger()
        if _asks_nobody(self.algorithm, ledger):
            assert train(self.algorithm, ledger, rounds=1, seed=1).min_cohort == 100
            return
        with pytest.raises(CohortTooSmall, match=r"expected 100 or more.*--min-cohort \d+"):
            train(self.algorithm, ledger, rounds=ROUNDS, seed=1)
        assert train(self.algorithm, ledger, rounds=1, seed=1, min_cohort=FEW).min_cohort == FEW

    def test_scores_have_the_shape_of_the_question(self) -> None:
        run = self._run()
        scorers = [run.device_scorer(), *([run.server_scorer()] if self.has_server_scorer else [])]
        for scorer in scorers:
            assert isinstance(scorer, Scorer)
            assert (scorer.n_users, scorer.n_items) == (run.known.n_users, run.known.n_items)
            scores = scorer.scores(np.array([3, 0, 3]))
            assert scores.shape == (3, run.known.n_items)
            assert scores.dtype == np.float32
            assert np.isfinite(scores).all()
            assert np.array_equal(scores[0], scores[2])
            assert scorer.scores(np.array([], dtype=np.intp)).shape == (0, run.known.n_items)

    def test_it_comes_back_from_disk_as_it_was(self, tmp_path: Path) -> None:
        run = self._run()
        run.save(tmp_path / "run")
        back = Run.load(tmp_path / "run")
        assert same_run(run, back)
        assert back.algorithm == run.algorithm
        assert (back.ledger, back.seed, back.rounds, back.cost) == (run.ledger, run.seed, run.rounds, run.cost)
        user = run.known.users.ids[0]
        assert back.recommend(user) == run.recommend(user)

    def test_somebody_without_interactions_left_is_no_trouble(self) -> None:
        ledger, _ = small_ledger().erase("u02", everything=True)
        run = train_small(self.algorithm, ledger, rounds=ROUNDS, seed=1)
        assert np.isfinite(run.device_scorer().scores(np.arange(run.known.n_users))).all()
        assert len(run.recommend("u02", k=5)) == 5

    def _run(self) -> Run:
        return _trained(self.algorithm, small_ledger())


_kept: dict[tuple[Algorithm, str], Run] = {}


def _trained(algorithm: Algorithm, ledger: Ledger) -> Run:
    """The same run for all tests: each also shows that the ones before it left it alone."""
    key = (algorithm, ledger.version)
    if key not in _kept:
        _kept[key] = train_small(algorithm, ledger, rounds=ROUNDS, seed=1)
    return _kept[key]


def _side(algorithm: Algorithm, ledger: Ledger) -> ServerSide:
    view = ledger.central_view() if algorithm.central else ledger.server_view()
    return ServerSide(view, catalogue_of(ledger), seed=1, rounds=ROUNDS)


class _Answers:
    """Devices whose answers are written down."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.given: list[Any] = []
        self.released: list[dict[str, torch.Tensor]] = []

    def train(self, order: RoundOrder) -> Aggregate:
        return self._noted(order)

    def validate(self, ballot: Ballot) -> Votes:
        return self._noted(ballot)

    def compare(self, probe: Probe) -> Outscored | None:
        return self._noted(probe)

    def contribute(self, call: CountsCall) -> MaskedSum:
        return self._noted(call)

    def refit(self, order: Refit) -> None:
        return self._noted(order)

    def _noted(self, order: Order[Any]) -> Any:
        self.given.append(put(order, self._devices))
        return self.given[-1]


class _Replay(_Answers):
    """Devices that answer what others answered: whatever differs then, the server has read elsewhere."""

    def __init__(self, answers: _Answers) -> None:
        super().__init__(answers)
        self._left = iter(list(answers.given))

    def _noted(self, order: Order[Any]) -> Any:
        return next(self._left)


def _devices(algorithm: Algorithm, ledger: Ledger, private: Mapping[str, torch.Tensor] | None = None) -> Population:
    return Population(ledger, private=private, min_cohort=FEW, contributes=algorithm.task().contributes)


def _asks_nobody(algorithm: Algorithm, ledger: Ledger) -> bool:
    answers = _Answers(_devices(algorithm, ledger))
    side = _side(algorithm, ledger)
    carry_out(round_of(algorithm, algorithm.start(side), side, 1), answers, FEW)
    return not answers.given


def _poisoned(rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    changed = rows.clone()
    changed[others] = torch.nan if rows.is_floating_point() else -1
    return changed


def _partial(ledger: Ledger) -> Request:
    """Two people take half of what they share back, and one of them a pair more."""
    sharers = [user for user in ledger.sharers() if len(ledger.shared_items(user)) >= 3]
    after, request = ledger.unshare(sharers[0], to=ledger.share_of(sharers[0]) / 2)
    _, more = after.unshare(sharers[1], items=after.shared_items(sharers[1])[:1])
    return request + more


def _full(ledger: Ledger) -> Request:
    """Somebody withdraws everything."""
    return ledger.unshare(ledger.sharers()[-1], everything=True)[1]


def _erasure(ledger: Ledger) -> Request:
    """Somebody erases a shared and a private pair."""
    user = next(each for each in ledger.sharers() if ledger.private_items(each))
    return ledger.erase(user, [ledger.shared_items(user)[0], ledger.private_items(user)[0]])[1]
