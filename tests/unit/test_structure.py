"""The privacy boundary: what can reach whom, by type, by message, by file and by byte."""

from __future__ import annotations

import ast
import importlib
import inspect
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import fedshare.simulation.engines.sequential as sequential
import fedshare.algorithms.fedshare.encoder
import fedshare.algorithms.fedshare.server_objective
import fedshare.models.gram
import fedshare.models.graph
import fedshare.models.item_item
import fedshare.models.lightgcn
from fedshare.data.interactions import Interactions
from fedshare.simulation.clients import Clients, ClientStore
from fedshare.simulation.engines import LocalRound, RoundRequest, Sequential
from fedshare.federation.messages import ClientUpdate, Download
from fedshare.training.algorithm import ServerState, World
from fedshare.algorithms.fedshare.item_item import ItemItem
from fedshare.simulation.run import Run
from fedshare.testing.synthetic import train_small as train
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import ShareFraction
from fedshare.sharing.views import ServerView
from fedshare.testing.synthetic import small_fedshare, small_ledger, swap_private_pair, tensors_in
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.simulation.unlearn import unlearn

SERVER_SIDE = [
    fedshare.algorithms.fedshare.server_objective,
    fedshare.algorithms.fedshare.encoder,
    fedshare.models.gram,
    fedshare.models.graph,
    fedshare.models.item_item,
    fedshare.models.lightgcn,
]


def private_rows(run: Run) -> list[bytes]:
    assert run.state.clients is not None
    return [row.numpy().tobytes() for row in run.state.clients.vectors]


# -- by type --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", SERVER_SIDE, ids=lambda module: module.__name__)
def test_server_code_knows_no_ledger_and_no_interactions(module):
    names = {node.id for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Name)}
    names |= {
        alias.name
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not names & {"Ledger", "Interactions", "DeviceView", "Clients", "ClientStore", "World", "Request"}


def test_server_state_has_no_place_for_a_device():
    assert [each.name for each in fields(ServerState)] == ["tables", "arrays", "numbers", "kept"]
    assert "Client" not in inspect.getsource(ServerState)


def test_a_server_view_is_copies_of_shared_pairs(small_run: Run):
    view = small_run.server.view
    assert {each.name for each in fields(ServerView)} == {"n_users", "n_items", "user", "item", "version", "offsets"}
    shared = {(u, i) for u, i in zip(view.user.tolist(), view.item.tolist(), strict=True)}
    ledger = small_run.ledger
    assert shared == {
        (ledger.known.users.index(u), ledger.known.items.index(i))
        for u in ledger.users()
        for i in ledger.shared_items(u)
    }
    for array in (view.user, view.item, view.offsets):
        assert array.base is None
        assert not np.shares_memory(array, ledger.known.user)
        assert not np.shares_memory(array, ledger.known.item)


# -- by message -----------------------------------------------------------------------------------------------------


class Listener:
    """Runs devices one by one and writes down everything that crosses."""

    def __init__(self) -> None:
        self.rounds: list[tuple[RoundRequest, list[tuple[int, Download, ClientUpdate]], LocalRound]] = []

    def run(self, request: RoundRequest) -> LocalRound:
        crossed: list[tuple[int, Download, ClientUpdate]] = []
        original = sequential._on_device

        def listening(request: RoundRequest, user: int, download: Download):
            update, row, loss = original(request, user, download)
            crossed.append((user, download, update))
            return update, row, loss

        sequential._on_device = listening
        try:
            result = Sequential().run(request)
        finally:
            sequential._on_device = original
        self.rounds.append((request, crossed, result))
        return result


@pytest.fixture(scope="module")
def overheard() -> tuple[Listener, Run]:
    listener = Listener()
    run = train(small_fedshare(), small_ledger(), rounds=3, seed=1, engine=listener)
    return listener, run


def test_what_reaches_the_server_is_the_sum_of_the_updates(overheard):
    listener, _ = overheard
    for _, crossed, result in listener.rounds:
        total = torch.zeros_like(result.gradient)
        for _, _, update in crossed:
            total.index_add_(0, update.rows, update.values)
        assert torch.equal(total, result.gradient)


def test_messages_are_rows_and_values_and_nothing_else(overheard):
    listener, _ = overheard
    for request, crossed, _ in listener.rounds:
        before = {row.numpy().tobytes() for row in request.store.vectors}
        for _, download, update in crossed:
            assert {path for path, _ in tensors_in(download)} <= {"rows", "values", "global_view"}
            assert {path for path, _ in tensors_in(update)} == {"rows", "values"}
            assert torch.equal(update.rows, download.rows)
            assert not {row.numpy().tobytes() for row in update.values} & before


def test_a_device_gets_its_own_view_and_nobody_elses(overheard):
    listener, run = overheard
    sharers = set(run.server.view.sharers.tolist())
    for request, crossed, _ in listener.rounds:
        assert request.published.users is not None
        for user, download, _ in crossed:
            if user in sharers:
                assert download.global_view is not None
                assert torch.equal(download.global_view, request.published.users[user])
            else:
                assert download.global_view is None


def test_who_shares_nothing_gets_no_view():
    listener, ledger = Listener(), small_ledger()
    ledger, _ = ledger.unshare("u03", everything=True)
    train(small_fedshare(), ledger, rounds=1, engine=listener)
    views = {user: download.global_view for user, download, _ in listener.rounds[0][1]}
    assert views[3] is None
    assert all(view is not None for user, view in views.items() if user != 3)


def test_downloads_are_sorted_and_hide_the_known_among_the_pseudo(overheard):
    listener, _ = overheard
    for request, crossed, _ in listener.rounds:
        for user, download, _ in crossed:
            mine = request.clients.select(torch.tensor([user]))
            rows = download.rows.tolist()
            assert rows == sorted(set(rows))
            assert set(rows) == set(mine.known.columns.tolist()) | set(mine.pseudo.columns.tolist())


def test_rows_are_the_same_in_every_round(overheard):
    listener, _ = overheard
    asked = [{user: tuple(d.rows.tolist()) for user, d, _ in crossed} for _, crossed, _ in listener.rounds]
    assert asked[0] == asked[1] == asked[2]


def test_pseudo_items_are_enough_and_never_known(overheard):
    _, run = overheard
    algorithm = small_fedshare()
    clients = algorithm.clients(run.world)
    for user in range(run.known.n_users):
        known = set(run.ledger.device_view(user).items.tolist())
        pseudo = clients.pseudo.columns[clients.pseudo.owners == user].tolist()
        assert not known & set(pseudo)
        assert len(pseudo) >= min(algorithm.pseudo_items, run.known.n_items - len(known))


# -- by memory ------------------------------------------------------------------------------------------------------


def test_server_state_neither_aliases_nor_equals_a_private_vector(small_run: Run):
    assert small_run.state.clients is not None
    private = dict(tensors_in(small_run.state.clients))
    pointers = {tensor.untyped_storage().data_ptr() for tensor in private.values()}
    rows = set(private_rows(small_run))
    for _, tensor in tensors_in({"server": small_run.server.state, "snapshots": small_run.snapshots}):
        assert tensor.untyped_storage().data_ptr() not in pointers
        if tensor.ndim == 2:
            assert not {row.contiguous().numpy().tobytes() for row in tensor} & rows


# -- by file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unlearned", [False, True])
def test_nothing_under_server_holds_a_private_vector(small_run: Run, tmp_path: Path, unlearned: bool):
    run = small_run
    if unlearned:
        request = run.ledger.unshare(run.ledger.sharers()[0], to=0.2)[1]
        run = unlearn(run, request, method=ContrastiveUnlearning(steps=2))
    run.save(tmp_path / "run")
    assert run.state.clients is not None
    rows = [(row.numpy().tobytes(), row.half().numpy().tobytes()) for row in run.state.clients.vectors]
    files = [each for each in (tmp_path / "run").rglob("*") if each.is_file()]
    holding = {
        str(each.relative_to(tmp_path / "run"))
        for each in files
        for row in rows
        if any(r in each.read_bytes() for r in row)
    }
    assert holding == {"devices/vectors.safetensors"}


def test_nothing_under_server_holds_pairs_or_names(small_run: Run, tmp_path: Path):
    small_run.save(tmp_path / "run")
    known, view = small_run.known, small_run.server.view
    for file in (tmp_path / "run" / "server").iterdir():
        assert file.suffix == ".safetensors"
        for name, tensor in load_file(file).items():
            last = name.rsplit(".", 1)[-1]
            if last == "steps":  # whole numbers, the same for all rows that take part: no pairs in them
                assert tensor.shape in {(known.n_items,), (known.n_users,)}
                continue
            assert tensor.is_floating_point()
            assert tensor.shape[0] in {known.n_items, known.n_users, len(view.sharers)}
            assert tensor.shape[1] == small_fedshare().embedding_size
        assert not any(user.encode() in file.read_bytes() for user in known.users.ids)


# -- by consequence -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["u00", "u05", "u11"])
def test_a_private_pair_changes_nothing_that_the_server_reads(user: str):
    ledger = small_ledger()
    here, there = World(ledger, 1), World(swap_private_pair(ledger, user), 1)
    assert ledger.known.fingerprint() != there.ledger.known.fingerprint()
    assert here.server_view.version == there.server_view.version
    for name in ("user", "item", "offsets"):
        assert getattr(here.server_view, name).tobytes() == getattr(there.server_view, name).tobytes()
    assert torch.equal(here.graph.edges.columns, there.graph.edges.columns)
    assert torch.equal(here.graph.edges.offsets, there.graph.edges.offsets)
    assert torch.equal(here.graph.weights, there.graph.weights)
    options = small_fedshare().item_item
    assert options is not None
    numbers = {"item_item_ridge": 50.0, "item_item_neighbours": 9.0}
    assert torch.equal(options.weights(here, numbers), options.weights(there, numbers))


def test_a_private_pair_is_on_its_own_device_only():
    ledger = small_ledger()
    here, there = (World(each, 1).clients(10, 1.0) for each in (ledger, swap_private_pair(ledger, "u05")))
    for user in range(14):
        one = torch.tensor([user])
        same = torch.equal(here.known.select(one).columns, there.known.select(one).columns)
        assert same == (user != 5)


def test_the_server_step_is_blind_to_who_holds_what():
    """With the devices' sum fixed, other private pairs leave the server's next state as it is."""

    class Deaf:
        def run(self, request: RoundRequest) -> LocalRound:
            return LocalRound(torch.ones_like(request.published.items), request.store, 0.0, 0, 0)

    algorithm, ledger = small_fedshare(item_item=None), small_ledger()
    states = []
    for each in (ledger, swap_private_pair(ledger, "u05")):
        world = World(each, 1, Deaf())
        state, _ = algorithm.step(algorithm.start(world), world, 1)
        states.append({path: tensor.numpy().tobytes() for path, tensor in tensors_in(state.server)})
    assert states[0] == states[1]


def test_other_private_vectors_change_no_message_of_mine():
    algorithm, ledger = small_fedshare(), small_ledger()
    world = World(ledger, 1)
    state = algorithm.start(world)
    assert state.clients is not None
    table = state.clients.table
    others = torch.arange(14) != 5
    poisoned = table.with_values(others, torch.full_like(table.values[others], 9.0))
    mine = []
    for store in (state.clients, ClientStore(poisoned)):
        listener = Listener()
        algorithm.step(replace(state, clients=store), World(ledger, 1, listener), 1)
        mine.append(next(update for user, _, update in listener.rounds[0][1] if user == 5))
    assert torch.equal(mine[0].values, mine[1].values)


def test_clients_hold_no_ledger():
    assert [each.name for each in fields(Clients)] == ["known", "pseudo", "user_ids"]
    assert [each.name for each in fields(ClientStore)] == ["table"]


def test_a_ledger_stays_a_value(half_shared: Ledger):
    before = half_shared.state.tobytes(), half_shared.position
    train(small_fedshare(), half_shared, rounds=1)
    assert before == (half_shared.state.tobytes(), half_shared.position)


def test_every_module_of_the_library_can_be_imported():
    root = Path(fedshare.models.graph.__file__).parents[1]
    for folder in ("models", "federation", "learning", "unlearning"):
        for file in sorted((root / folder).rglob("*.py")):
            name = ".".join(("fedshare", *file.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
            module = importlib.import_module(name)
            assert module.__doc__, name
            for public in getattr(module, "__all__", []):
                assert hasattr(module, public), f"{name}.{public}"


def test_a_private_pair_changes_nothing_that_the_server_trains_on():
    algorithm, ledger = small_fedshare(item_item=ItemItem()), small_ledger()
    known = ledger.known
    assert known.timestamp is not None
    graphs = []
    for user in range(known.n_users):  # everybody gets one more private interaction, the newest of all
        other = int(np.setdiff1d(np.arange(known.n_items), known.items_of(user))[0])
        users, items = np.append(known.user, np.int32(user)), np.append(known.item, np.int32(other))
        times, order = np.append(known.timestamp, known.timestamp.max() + 60), np.lexsort((items, users))
        more = Interactions(
            users=known.users, items=known.items, user=users[order], item=items[order], timestamp=times[order]
        )
        world = World(Ledger(more, seed=ledger.seed, events=ledger.events), 1)
        assert world.server_view.version == ledger.version
        graphs.append(algorithm._training_graph(world).edges.columns.tolist())
    expected = algorithm._training_graph(World(ledger, 1)).edges.columns.tolist()
    assert all(graph == expected for graph in graphs)


def test_an_erasure_leaves_alone_what_other_judges_hold_out():
    known = small_ledger().known
    timeless = Interactions(users=known.users, items=known.items, user=known.user, item=known.item)
    before = share(timeless, ShareFraction(0.5))
    after, _ = before.erase("u00", before.private_items("u00")[:1])
    options = ItemItem()

    def held_out(ledger: Ledger) -> dict[int, list[int]]:
        judges = options.draw_judges(World(ledger, 1))
        rows = judges.held_out.columns.split(judges.held_out.counts.tolist())
        return {user: row.tolist() for user, row in enumerate(rows) if user != 0}

    assert held_out(before)
    assert held_out(after) == held_out(before)
