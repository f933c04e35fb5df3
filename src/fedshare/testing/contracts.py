"""What every engine, every unlearning method and every algorithm has to keep to; subclass and name yours.

    class TestContrastive(UnlearnerContract):
        method = ContrastiveUnlearning(steps=5)

The classes are collected by pytest where a test module subclasses them, and need nothing but a plain assert.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from fedshare.errors import RequestMismatch
from fedshare.evaluation.cost import Cost
from fedshare.federation.clients import ClientStore
from fedshare.federation.cohorts import sample_cohort
from fedshare.federation.engines import Engine, LocalRound, RoundRequest, Sequential
from fedshare.learning.algorithm import Algorithm, World
from fedshare.learning.run import Run
from fedshare.learning.train import train
from fedshare.models.scorer import Scorer
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.request import Request
from fedshare.testing.worlds import (
    run_bytes,
    same_run,
    server_bytes,
    small_fedshare,
    small_ledger,
    swap_private_pair,
    tensors_in,
)
from fedshare.unlearning.unlearner import Unlearner, unlearn

__all__ = ["AlgorithmContract", "EngineContract", "UnlearnerContract"]

ROUNDS = 3


class EngineContract:
    """An engine does what :class:`fedshare.federation.engines.Sequential` does, to 1e-5."""

    engine: ClassVar[Engine]
    options: ClassVar[dict[str, Any]] = {}
    "Of the FedShare that is trained; what changes results must be the same on every engine."

    def test_three_rounds_are_those_of_the_reference(self) -> None:
        ledger, algorithm = small_ledger(), small_fedshare(**self.options)
        mine = train(algorithm, ledger, rounds=ROUNDS, seed=1, engine=self.engine)
        reference = train(algorithm, ledger, rounds=ROUNDS, seed=1, engine=Sequential())
        for name in ("items", "users"):
            torch.testing.assert_close(
                mine.state.server.tables[name].values, reference.state.server.tables[name].values, atol=1e-5, rtol=0
            )
        assert mine.state.clients is not None
        assert reference.state.clients is not None
        torch.testing.assert_close(mine.state.clients.vectors, reference.state.clients.vectors, atol=1e-5, rtol=0)
        assert mine.cost.bytes_up_per_client == reference.cost.bytes_up_per_client
        assert mine.cost.bytes_down_per_client == reference.cost.bytes_down_per_client

    def test_one_round_is_that_of_the_reference(self) -> None:
        request = self._request()
        mine, reference = self.engine.run(request), Sequential().run(request)
        torch.testing.assert_close(mine.gradient, reference.gradient, atol=1e-5, rtol=1e-5)
        for part, other in zip(mine.store.table._parts(), reference.store.table._parts(), strict=True):
            torch.testing.assert_close(part, other, atol=1e-5, rtol=1e-5)
        assert mine.loss == pytest.approx(reference.loss, rel=1e-5)
        assert (mine.bytes_up, mine.bytes_down) == (reference.bytes_up, reference.bytes_down)

    def test_devices_that_sit_out_keep_their_state(self) -> None:
        request = replace(self._request(), users=torch.tensor([1, 4]))
        before, after = request.store.table, self.engine.run(request).store.table
        changed = (before.values != after.values).any(1).nonzero().squeeze(1)
        assert changed.tolist() == [1, 4]
        assert after.steps.nonzero().squeeze(1).tolist() == [1, 4]

    def test_the_request_is_not_changed(self) -> None:
        request = self._request()
        parts = {"store": request.store, "published": request.published}
        before = {path: tensor.clone() for path, tensor in tensors_in(parts)}
        self.engine.run(request)
        assert all(torch.equal(tensor, before[path]) for path, tensor in tensors_in(parts))

    def test_it_gives_the_same_bits_again(self) -> None:
        first, second = self.engine.run(self._request()), self.engine.run(self._request())
        assert torch.equal(first.gradient, second.gradient)
        assert torch.equal(first.store.vectors, second.store.vectors)

    def _request(self) -> RoundRequest:
        algorithm = small_fedshare(**self.options)
        world = World(small_ledger(), 1, self.engine)
        state = algorithm.start(world)
        assert state.clients is not None
        recorder = _Recorder()
        algorithm.step(state, replace(world, engine=recorder), 1)
        assert recorder.seen is not None
        users = sample_cohort(world.n_users, algorithm.participation, world.seed, 1)
        return replace(recorder.seen, users=users)


class _Recorder:
    """An engine that remembers what it was asked to do."""

    seen: RoundRequest | None = None

    def run(self, request: RoundRequest) -> LocalRound:
        self.seen = request
        return Sequential().run(request)


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

    def test_the_pairs_are_gone_from_the_servers_view(self) -> None:
        run = self._run()
        request = _partial(run.ledger)
        after = unlearn(run, request, method=self.method)
        view = after.world.server_view
        left = set(zip(view.user.tolist(), view.item.tolist(), strict=True))
        assert not left & set(zip(request.user.tolist(), request.item.tolist(), strict=True))
        assert after.ledger == request.after
        assert after.world.graph.edges.n_slots == len(view)

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
        assert after.world.graph.is_empty
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
        if run.state.clients is None:
            pytest.skip("devices keep no private state")
        request = _partial(run.ledger)
        others = torch.ones(run.known.n_users, dtype=torch.bool)
        others[torch.from_numpy(np.unique(request.user).astype(np.int64))] = False
        table = run.state.clients.table
        poisoned = table.with_values(others, torch.full_like(table.values[others], torch.nan))
        poisoned_run = replace(run, state=replace(run.state, clients=ClientStore(poisoned)))
        after, blind = (unlearn(each, request, method=self.method) for each in (run, poisoned_run))
        assert server_bytes(after) == server_bytes(blind)
        assert after.state.clients is not None
        assert blind.state.clients is not None
        assert torch.equal(after.state.clients.vectors[others], table.values[others])
        assert torch.equal(after.state.clients.vectors[~others], blind.state.clients.vectors[~others])

    def test_nobody_elses_private_pairs_are_read_by_an_unshare(self) -> None:
        if self.trains_devices:
            pytest.skip("devices train on, each on its own")
        run = self._run()
        request = _partial(run.ledger)
        bystander = next(user for user in run.ledger.users() if user not in request.users())
        elsewhere = swap_private_pair(run.ledger, bystander)
        other = Request(elsewhere, Ledger(elsewhere.known, seed=elsewhere.seed, events=request.after.events))
        after = unlearn(run, request, method=self.method)
        assert server_bytes(after) == server_bytes(unlearn(run.on(elsewhere), other, method=self.method))

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
    """Two functions from state to state."""

    algorithm: ClassVar[Algorithm]
    has_server_scorer: ClassVar[bool] = True

    def test_the_same_seed_gives_the_same_bits_and_another_does_not(self) -> None:
        first, second = self._run(), train(self.algorithm, small_ledger(), rounds=ROUNDS, seed=1)
        assert same_run(first, second)
        people = np.arange(first.known.n_users)
        assert np.array_equal(first.device_scorer().scores(people), second.device_scorer().scores(people))
        if first.state.server.tables:
            assert not same_run(first, train(self.algorithm, small_ledger(), rounds=ROUNDS, seed=2))

    def test_a_round_changes_nothing_in_place(self) -> None:
        world = World(small_ledger(), 1)
        state = self.algorithm.start(world)
        before = {path: tensor.clone() for path, tensor in tensors_in(state)}
        after, _ = self.algorithm.step(state, world, 1)
        self.algorithm.finish(after, world)
        assert all(torch.equal(tensor, before[path]) for path, tensor in tensors_in(state))
        assert state.round == 0
        assert after.round == 1

    def test_the_next_round_needs_the_state_only(self) -> None:
        ledger = small_ledger()
        world, state = World(ledger, 1), self.algorithm.start(World(ledger, 1))
        fresh_state = state
        for number in (1, 2):
            state, _ = self.algorithm.step(state, world, number)
            fresh_state, _ = self.algorithm.step(fresh_state, World(ledger, 1), number)
        expected = dict(tensors_in(state))
        assert all(torch.equal(tensor, expected[path]) for path, tensor in tensors_in(fresh_state))

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
        run = train(self.algorithm, ledger, rounds=ROUNDS, seed=1)
        assert np.isfinite(run.device_scorer().scores(np.arange(run.known.n_users))).all()
        assert len(run.recommend("u02", k=5)) == 5

    def _run(self) -> Run:
        return _trained(self.algorithm, small_ledger())


_kept: dict[tuple[Algorithm, str], Run] = {}


def _trained(algorithm: Algorithm, ledger: Ledger) -> Run:
    """The same run for all tests: each also shows that the ones before it left it alone."""
    key = (algorithm, ledger.version)
    if key not in _kept:
        _kept[key] = train(algorithm, ledger, rounds=ROUNDS, seed=1)
    return _kept[key]


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
