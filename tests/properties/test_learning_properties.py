"""What must hold in any world, whatever people decide: shares, training, unlearning, disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from fedshare.federation.aggregation import add_updates
from fedshare.federation.engines import Batched, Sequential
from fedshare.federation.messages import ClientUpdate
from fedshare.learning.algorithm import World
from fedshare.learning.run import Run
from fedshare.learning.train import train
from fedshare.models.ragged import Ragged
from fedshare.sharing.ledger import Ledger
from fedshare.testing.strategies import fractions, ledgers, play, steps, worlds
from fedshare.testing.worlds import run_bytes, same_run, small_fedshare
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.drop_only import DropOnly
from fedshare.unlearning.unlearner import unlearn

few = settings(  # every example trains: an eighth of the profile's number, and no minutes of shrinking
    max_examples=settings().max_examples // 8,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
ALGORITHM = small_fedshare(embedding_size=3, pseudo_items=2, negatives=4)


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
        train(algorithm, trainable(ledger), rounds=2, engine=engine)
        for engine in (Sequential(), Batched(clients_per_step=size))
    ]
    one, many = (run.state for run in runs)
    assert one.clients is not None
    assert many.clients is not None
    torch.testing.assert_close(one.clients.vectors, many.clients.vectors, atol=1e-4, rtol=0)
    torch.testing.assert_close(one.server.tables["items"].values, many.server.tables["items"].values, atol=1e-4, rtol=0)
    assert runs[0].cost.bytes_down_per_client == runs[1].cost.bytes_down_per_client


@given(st.data())
@few
def test_unlearning_follows_any_sequence_of_decisions(data: st.DataObject):
    known = data.draw(worlds())
    ledger = trainable(play(Ledger(known), data.draw(steps(known, max_steps=4)))[0])
    run = train(ALGORITHM, ledger, rounds=2)
    after, requests = play(ledger, [each for each in data.draw(steps(known)) if not each.way.startswith("share")])
    for request in requests:
        run = unlearn(run, request, method=ContrastiveUnlearning(steps=2, fold_in_steps=2, erase_rounds=1))
        view = run.world.server_view
        assert not set(request.pairs()) & {
            (known.users.ids[u], known.items.ids[i])
            for u, i in zip(view.user.tolist(), view.item.tolist(), strict=True)
        }
    assert run.ledger == after
    assert np.isfinite(run.device_scorer().scores(np.arange(known.n_users))).all()
    assert np.isfinite(run.server_scorer().scores(np.arange(known.n_users))).all()
    assert all(len(each.users) == len(run.world.server_view.sharers) for each in run.snapshots.kept)


@given(ledgers())
@few
def test_any_run_comes_back_from_disk(ledger: Ledger):
    run = train(ALGORITHM, trainable(ledger), rounds=1)
    with tempfile.TemporaryDirectory() as folder:
        run.save(Path(folder) / "run")
        back = Run.load(Path(folder) / "run")
    assert same_run(run, back)
    assert back.ledger == ledger


@given(ledgers())
@few
def test_what_the_server_reads_is_what_is_shared(ledger: Ledger):
    world = World(ledger)
    edges = world.graph.edges
    mine = set(zip(edges.owners.tolist(), edges.columns.tolist(), strict=True))
    users, items = ledger.known.users, ledger.known.items
    assert mine == {(users.index(u), items.index(i)) for u in ledger.users() for i in ledger.shared_items(u)}


@given(worlds(), fractions)
@few
def test_taking_everything_back_restores_the_empty_graph(known, fraction: float):
    ledger = Ledger(known)
    user = known.users.ids[0]
    shared = ledger.share(user, fraction=fraction)
    if shared is not ledger:
        after = unlearn_graph(shared, user)
        assert after.is_empty


def unlearn_graph(ledger: Ledger, user: str):
    return World(ledger.unshare(user, everything=True)[0]).graph


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
def test_a_sum_of_updates_is_blind_to_their_order(order: list[int]):
    generator = np.random.default_rng(0)
    updates = [
        ClientUpdate(torch.tensor([n, n + 1]), torch.from_numpy(generator.normal(size=(2, 3)).astype(np.float32)))
        for n in range(5)
    ]
    torch.testing.assert_close(add_updates([updates[n] for n in order], 7, 3), add_updates(updates, 7, 3))


@given(ledgers())
@few
def test_dropping_changes_no_table_in_any_world(ledger: Ledger):
    run = train(ALGORITHM, trainable(ledger), rounds=1)
    for user in ledger.sharers()[:1]:
        after = unlearn(run, ledger.unshare(user, everything=True)[1], method=DropOnly())
        assert run_bytes(after) == {name: each for name, each in run_bytes(run).items() if "snapshots" not in name}
