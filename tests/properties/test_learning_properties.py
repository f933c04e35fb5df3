"""What must hold in any world, whatever people decide: shares, training, unlearning, disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from fedshare.data.interactions import Interactions
from fedshare.federation.uploads import Rows
from fedshare.models.graph import SharedGraph
from fedshare.models.ragged import Ragged
from fedshare.sharing.ledger import Ledger
from fedshare.simulation.engines import Batched, Sequential
from fedshare.simulation.run import Run
from fedshare.simulation.unlearn import unlearn, withdrawal_of
from fedshare.testing.strategies import fractions, ledgers, play, steps, worlds
from fedshare.testing.synthetic import run_bytes, same_run, small_fedshare
from fedshare.testing.synthetic import train_small as train
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.drop_only import DropOnly

few = settings(  # every example trains: an eighth of the profile's number, and no minutes of shrinking
    max_examples=settings().max_examples // 8,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
ALGORITHM = small_fedshare(embedding_size=3, pseudo_items=2, negatives=4)
METHOD = ContrastiveUnlearning(steps=3, least_steps=1, fold_in_steps=2, erase_rounds=1)
ONE = 1
"The ``min_cohort`` of worlds in which a cohort may be one person."


def graph_of(ledger: Ledger) -> SharedGraph:
    return SharedGraph.of(ledger.server_view(), "cpu")


def trainable(ledger: Ledger) -> Ledger:
    assume(ledger.known.n_users >= 2 and ledger.known.n_items >= 2)
    return ledger


@given(ledgers(), st.integers(1, 4), st.sampled_from([1.0, 0.5]), st.sampled_from([0.0, 0.1]))
@few
def test_engines_agree_in_any_world(ledger: Ledger, size: int, participation: float, noise: float):
    # who knows the whole catalogue ranks it above nothing: such a gradient is rounding, which Adam scales up
    assume(ledger.known.user_degree().max() < ledger.known.n_items)
    algorithm = small_fedshare(embedding_size=3, pseudo_items=2, participation=participation, noise_multiplier=noise)
    runs = [
        train(algorithm, trainable(ledger), rounds=2, engine=engine, min_cohort=ONE)
        for engine in (Sequential(), Batched(clients_per_step=size))
    ]
    one, many = (run.server.state.tables["items"].values for run in runs)
    torch.testing.assert_close(one, many, atol=1e-4, rtol=0)
    one, many = (run.devices.private["vector.values"] for run in runs)
    torch.testing.assert_close(one, many, atol=1e-4, rtol=0)
    assert runs[0].cost.bytes_down_per_client == runs[1].cost.bytes_down_per_client


@given(st.data())
@few
def test_unlearning_follows_any_sequence_of_decisions(data: st.DataObject):
    known = data.draw(worlds())
    ledger = trainable(play(Ledger(known), data.draw(steps(known, max_steps=4)))[0])
    run = train(ALGORITHM, ledger, rounds=2, min_cohort=ONE)
    after, requests = play(ledger, [each for each in data.draw(steps(known)) if not each.way.startswith("share")])
    for request in requests:
        withdrawal = withdrawal_of(run, request)
        users, items = (each.tolist() for each in request.withdrawn_from_server)
        assert (withdrawal.user.tolist(), withdrawal.item.tolist()) == (users, items)
        run = unlearn(run, request, method=METHOD)
        view = run.server.view
        assert not set(request.pairs()) & {
            (known.users.ids[u], known.items.ids[i])
            for u, i in zip(view.user.tolist(), view.item.tolist(), strict=True)
        }
    assert run.ledger == after
    assert np.isfinite(run.device_scorer().scores(np.arange(known.n_users))).all()
    assert np.isfinite(run.server_scorer().scores(np.arange(known.n_users))).all()
    assert all(len(each.users) == len(run.server.view.sharers) for each in run.server.history.snapshots)


@given(ledgers())
@few
def test_any_run_comes_back_from_disk(ledger: Ledger):
    run = train(ALGORITHM, trainable(ledger), rounds=1, min_cohort=ONE)
    with tempfile.TemporaryDirectory() as folder:
        run.save(Path(folder) / "run")
        back = Run.load(Path(folder) / "run")
    assert same_run(run, back)
    assert back.ledger == ledger


@given(ledgers())
@few
def test_what_the_server_reads_is_what_is_shared(ledger: Ledger):
    edges = graph_of(ledger).edges
    mine = set(zip(edges.owners.tolist(), edges.columns.tolist(), strict=True))
    users, items = ledger.known.users, ledger.known.items
    assert mine == {(users.index(u), items.index(i)) for u in ledger.users() for i in ledger.shared_items(u)}


@given(worlds(), fractions)
@few
def test_taking_everything_back_restores_the_empty_graph(known: Interactions, fraction: float):
    ledger = Ledger(known)
    user = known.users.ids[0]
    shared = ledger.share(user, fraction=fraction)
    if shared.sharers():
        assert not graph_of(shared).is_empty
        assert graph_of(shared.unshare(user, everything=True)[0]).is_empty


@given(st.lists(st.lists(st.integers(0, 6), max_size=5, unique=True), min_size=1, max_size=6), st.data())
@few
def test_ragged_products_do_not_depend_on_the_order_of_owners(rows: list[list[int]], data: st.DataObject):
    order = data.draw(st.permutations(range(len(rows))))
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    pattern = Ragged.from_numpy(offsets, np.array([c for row in rows for c in row], dtype=np.int32), 7)
    chosen = torch.tensor(order)
    some = pattern.select(chosen)
    generator = np.random.default_rng(len(rows))
    vectors, table = (torch.from_numpy(generator.normal(size=(n, 3)).astype(np.float32)) for n in (len(rows), 7))
    assert torch.equal(some.sum(some.dot(vectors[chosen], table)), pattern.sum(pattern.dot(vectors, table))[chosen])
    weights = torch.ones(pattern.n_slots)
    assert torch.equal(some.gather(weights, table), pattern.gather(weights, table)[chosen])
    torch.testing.assert_close(some.scatter(weights, vectors[chosen]), pattern.scatter(weights, vectors))


@given(st.permutations(range(5)))
@few
def test_a_sum_of_uploads_is_blind_to_their_order(order: list[int]):
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32))

    def total(devices: list[int]) -> torch.Tensor:
        columns = np.array([[n, n + 1] for n in devices], dtype=np.int32).ravel()
        pattern = Ragged.from_numpy(np.arange(0, 11, 2), columns, 7)
        return Rows(pattern, values[devices].reshape(10, 3)).total()

    torch.testing.assert_close(total(order), total([0, 1, 2, 3, 4]))
    assert not torch.equal(total(order), torch.zeros(7, 3))


@given(ledgers())
@few
def test_dropping_changes_no_table_in_any_world(ledger: Ledger):
    run = train(ALGORITHM, trainable(ledger), rounds=1, min_cohort=ONE)
    for user in ledger.sharers()[:1]:
        after = unlearn(run, ledger.unshare(user, everything=True)[1], method=DropOnly())
        mine, before = (
            {name: each for name, each in run_bytes(each).items() if name.startswith(("server", "devices.private"))}
            for each in (after, run)
        )
        assert mine == before
        assert len(mine) >= 12  # three tables, of values, moments and steps
        assert (after.chosen, after.server.history.snapshots) == (run.chosen, ())
