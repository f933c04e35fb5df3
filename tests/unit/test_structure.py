"""The privacy boundary: what server code can reach, name or receive; what crosses, and what stays on devices."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
import structure
from fedshare.algorithms.registry import ALGORITHMS
from fedshare.data.interactions import Interactions
from fedshare.federation.messages import ClientUpdate, Download
from fedshare.federation.orders import Aggregate, MaskedSum, Outscored, RoundOrder, Votes
from fedshare.lazy import at
from fedshare.sharing.holdout import Holdout
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import ShareFraction
from fedshare.sharing.views import ServerView
from fedshare.simulation.clients import Clients
from fedshare.simulation.engines import LocalRound, LocalWork, Sequential, sequential
from fedshare.simulation.population import Population
from fedshare.simulation.run import Run
from fedshare.simulation.train import catalogue_of
from fedshare.simulation.unlearn import unlearn
from fedshare.simulation.validation import HeldOut
from fedshare.testing.synthetic import FEW, small_fedshare, small_ledger, swap_private_pair, tensors_in
from fedshare.testing.synthetic import train_small as train
from fedshare.training.server_run import ServerRun
from fedshare.training.server_side import ServerSide
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.registry import METHODS

FILES = structure.module_files()


# -- by type --------------------------------------------------------------------------------------------------------


def test_server_code_reaches_and_names_nothing_private():
    assert structure.faults(FILES) == []


def test_server_modules_are_found_without_a_list():
    found = structure.server_modules(FILES)
    packages = [name for name in FILES if name.split(".")[1:2] and name.split(".")[1] in structure.SERVER_PACKAGES]
    assert set(packages) <= set(found)
    assert {"fedshare.models.graph", "fedshare.sharing.views", "fedshare.federation.orders"} <= set(found)
    for row in (*ALGORITHMS.values(), *METHODS.values()):
        assert row.home.partition(":")[0] in found


LEAKS = {
    "a ledger at the top": "from fedshare.sharing.ledger import Ledger\n",
    "a ledger for types": "import typing\nif typing.TYPE_CHECKING:\n    from fedshare.sharing.ledger import Ledger\n",
    "a population in a function": "def f():\n    import fedshare.simulation.population\n",
    "a lazy import": 'from fedshare.lazy import at\nHERE = at("fedshare.simulation.run:Run")\n',
    "by way of another module": "from fedshare.evaluation import pairs\n",
    "the whole package": "import fedshare\ndef f(x):\n    return fedshare\n",
    "a parameter": "def f(ledger):\n    return 1\n",
    "an annotation": "def f(run: Run) -> None: ...\n",
    "an annotation as text": 'def f(run: "Run") -> None: ...\n',
    "an attribute": "def f(side):\n    return side.devices.private\n",
    "by getattr": 'def f(side):\n    return getattr(side, "device_pairs")()\n',
    "a cohort outside a task": "def f(cohort: Cohort): ...\n",
    "a name of the whole package": "from fedshare import train\n",
    "by a name that is put together": 'def f(side):\n    return getattr(side, "dev" + "ices")\n',
    "by an operator": 'import operator\nget = operator.attrgetter("dev" + "ices")\n',
    "by the method below getattr": 'def f(side):\n    return object.__getattribute__(side, "priv" + "ate")\n',
    "by vars": "def f(order):\n    return vars(order)\n",
    "by its dictionary": "def f(order):\n    return order.__dict__\n",
    "by the frames above": "import sys\ndef f():\n    return sys._getframe(1).f_locals\n",
    "by the garbage collector": "import gc\ndef f():\n    return gc.get_objects()\n",
    "by a lazy name that is put together": 'from fedshare.lazy import at\nX = at("fedshare.sim" + "ulation.run:Run")\n',
    "by importlib": 'import importlib\nX = importlib.import_module("fed" + "share.cli")\n',
    "by matching": "def f(x):\n    match x:\n        case object(private=p):\n            return p\n",
    "an order that carries itself": "class Peek:\n    def put_to(self, devices):\n        return devices\n",
    "putting an order itself": "from fedshare.federation.orders import put\n",
    "a ledger in a task": "class Mine(TrainingTask):\n    def train(self, ledger):\n        return ledger\n",
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_found(name: str, tmp_path: Path):
    (tmp_path / "leak.py").write_text('"""A leak."""\n' + LEAKS[name])
    files = {**FILES, "fedshare.algorithms.leak": tmp_path / "leak.py"}
    assert structure.faults(files), LEAKS[name]


def test_every_package_belongs_to_a_side():
    packages = {name.split(".")[1] for name, file in FILES.items() if file.name == "__init__.py" and "." in name}
    assert packages == {*structure.SERVER_PACKAGES, *structure.SHARED_PACKAGES, *structure.OTHER_PACKAGES}


def test_answers_are_sums_and_sizes_and_nothing_else():
    """What devices may say, field by field: another field is another promise."""
    size = {"n_people", "min_cohort"}
    said = {kind: {each.name for each in fields(kind)} - size for kind in (Aggregate, Votes, Outscored, MaskedSum)}
    assert said == {
        Aggregate: {"tables", "arrays", "loss", "bytes_up", "bytes_down"},
        Votes: {"totals", "gains", "squared_gains", "bytes_down"},
        Outscored: {"total", "n_pairs"},
        MaskedSum: {"values", "bytes_up"},
    }


def test_a_task_in_the_same_file_may_read_its_cohort(tmp_path: Path):
    (tmp_path / "fine.py").write_text(
        "from fedshare.federation.tasks import Cohort, TrainingTask\n"
        "class Mine(TrainingTask):\n    def train(self, cohort: Cohort):\n        return _helper(cohort.private)\n"
        "def _helper(private):\n    return private\n"
    )
    assert structure.faults({**FILES, "fedshare.algorithms.fine": tmp_path / "fine.py"}) == []
    (tmp_path / "fine.py").write_text((tmp_path / "fine.py").read_text() + "def server():\n    return _helper(1)\n")
    assert structure.faults({**FILES, "fedshare.algorithms.fine": tmp_path / "fine.py"})


PRIVATE_TYPES = (Ledger, Interactions, Run, Population, Clients)


def types_within(kind: Any, seen: set[Any]) -> set[Any]:
    """Every class that a value of this type holds, through fields, unions and containers."""
    if kind in seen:
        return seen
    try:
        seen.add(kind)
    except TypeError:
        return seen
    for part in get_args(kind):
        types_within(part, seen)
    if is_dataclass(kind) and isinstance(kind, type):
        for hint in get_type_hints(kind).values():
            types_within(hint, seen)
    return seen


@pytest.mark.parametrize("kind", [ServerRun, ServerView, RoundOrder], ids=lambda kind: kind.__name__)
def test_values_of_the_server_hold_nothing_private(kind: type):
    assert not {each.__name__ for each in types_within(kind, set()) if each in PRIVATE_TYPES}


@pytest.mark.parametrize("row", [*ALGORITHMS.values(), *METHODS.values()], ids=lambda row: row.name)
def test_methods_of_algorithms_and_of_unlearning_receive_nothing_private(row: Any):
    for name, function in inspect.getmembers(at(row.home), inspect.isfunction):
        if name.startswith("__"):
            continue
        parameters = inspect.signature(function).parameters
        assert not {"ledger", "population", "devices", "private", "known"} & set(parameters), name


def test_a_server_view_is_copies_of_shared_pairs(small_run: Run):
    view, ledger = small_run.server.view, small_run.ledger
    assert {each.name for each in fields(ServerView)} == {
        "n_users",
        "n_items",
        "user",
        "item",
        "user_ids",
        "timestamp",
        "offsets",
    }
    known = ledger.known
    shared = {(known.users.index(u), known.items.index(i)) for u in ledger.users() for i in ledger.shared_items(u)}
    assert shared == set(zip(view.user.tolist(), view.item.tolist(), strict=True))
    assert list(view.user_ids) == [known.users.ids[user] for user in view.sharers.tolist()]
    for array in (view.user, view.item, view.offsets):
        assert array.base is None
        assert not np.shares_memory(array, known.user)
        assert not np.shares_memory(array, known.item)


# -- by message -----------------------------------------------------------------------------------------------------


class Listener:
    """Runs devices one by one and writes down everything that crosses."""

    def __init__(self) -> None:
        self.rounds: list[tuple[LocalWork, list[tuple[int, Download, ClientUpdate]], LocalRound]] = []

    def run(self, work: LocalWork) -> LocalRound:
        crossed: list[tuple[int, Download, ClientUpdate]] = []
        original = sequential._on_device

        def listening(work: LocalWork, user: int, download: Download) -> Any:
            update, mine, loss = original(work, user, download)
            crossed.append((user, download, update))
            return update, mine, loss

        sequential._on_device = listening
        try:
            result = Sequential().run(work)
        finally:
            sequential._on_device = original
        self.rounds.append((work, crossed, result))
        return result


@pytest.fixture(scope="module")
def overheard() -> tuple[Listener, Run]:
    listener = Listener()
    run = train(small_fedshare(), small_ledger(), rounds=3, seed=1, engine=listener)
    return listener, run


def test_what_reaches_the_server_is_the_sum_of_the_updates(overheard: tuple[Listener, Run]):
    for _, crossed, result in overheard[0].rounds:
        total = torch.zeros_like(result.tables["items"])
        for _, _, update in crossed:
            total.index_add_(0, update.rows, update.tables["items"])
        assert torch.equal(total, result.tables["items"])


def test_messages_are_rows_and_values_and_nothing_else(overheard: tuple[Listener, Run]):
    for work, crossed, _ in overheard[0].rounds:
        before = {row.numpy().tobytes() for row in work.private["vector.values"]}
        for _, download, update in crossed:
            assert {path for path, _ in tensors_in(download)} <= {"rows", "tables.items", "personal.view"}
            assert {path for path, _ in tensors_in(update)} == {"rows", "tables.items"}
            assert torch.equal(update.rows, download.rows)
            assert not {row.numpy().tobytes() for row in update.tables["items"]} & before


def test_a_device_gets_its_own_view_and_nobody_elses(overheard: tuple[Listener, Run]):
    listener, run = overheard
    sharers = set(run.server.view.sharers.tolist())
    for work, crossed, _ in listener.rounds:
        for user, download, _ in crossed:
            if user in sharers:
                assert download.personal is not None
                assert torch.equal(download.personal["view"], work.order.payload.personal["view"][user])
            else:
                assert download.personal is None


def test_who_shares_nothing_gets_no_view():
    listener, ledger = Listener(), small_ledger()
    ledger, _ = ledger.unshare("u03", everything=True)
    train(small_fedshare(), ledger, rounds=1, engine=listener)
    views = {user: download.personal for user, download, _ in listener.rounds[0][1]}
    assert views[3] is None
    assert all(view is not None for user, view in views.items() if user != 3)


def test_downloads_are_sorted_and_hide_the_known_among_the_pseudo(overheard: tuple[Listener, Run]):
    for work, crossed, _ in overheard[0].rounds:
        for user, download, _ in crossed:
            mine = work.clients.select(torch.tensor([user]))
            rows = download.rows.tolist()
            assert rows == sorted(set(rows))
            assert set(rows) == set(mine.known.columns.tolist()) | set(mine.pseudo.columns.tolist())


def test_rows_are_the_same_in_every_round(overheard: tuple[Listener, Run]):
    asked = [{user: tuple(d.rows.tolist()) for user, d, _ in crossed} for _, crossed, _ in overheard[0].rounds]
    assert asked[0] == asked[1] == asked[2]


def test_pseudo_items_are_enough_and_never_known(overheard: tuple[Listener, Run]):
    listener, run = overheard
    task, clients = small_fedshare().task(), listener.rounds[-1][0].clients
    for user in range(run.known.n_users):
        known = set(run.ledger.device_view(user).items.tolist())
        pseudo = clients.pseudo.columns[clients.pseudo.owners == user].tolist()
        assert not known & set(pseudo)
        assert len(pseudo) >= min(task.pseudo_items, run.known.n_items - len(known))


# -- by memory and by file ------------------------------------------------------------------------------------------


def private_rows(run: Run) -> list[torch.Tensor]:
    return list(run.devices.private["vector.values"])


def test_the_servers_state_neither_aliases_nor_equals_a_private_vector(small_run: Run):
    pointers = {tensor.untyped_storage().data_ptr() for tensor in small_run.devices.private.values()}
    rows = {row.numpy().tobytes() for row in private_rows(small_run)}
    for _, tensor in tensors_in({"state": small_run.server.state, "history": small_run.server.history}):
        assert tensor.untyped_storage().data_ptr() not in pointers
        if tensor.ndim == 2:
            assert not {row.contiguous().numpy().tobytes() for row in tensor} & rows


@pytest.mark.parametrize("unlearned", [False, True])
def test_no_file_but_the_devices_own_holds_a_private_vector(small_run: Run, tmp_path: Path, unlearned: bool):
    run = small_run
    if unlearned:
        request = run.ledger.unshare(run.ledger.sharers()[0], to=0.2)[1]
        run = unlearn(run, request, method=ContrastiveUnlearning(steps=2))
    run.save(tmp_path / "run")
    rows = [(row.numpy().tobytes(), row.half().numpy().tobytes()) for row in private_rows(run)]
    files = {str(each.relative_to(tmp_path / "run")): each.read_bytes() for each in (tmp_path / "run").rglob("*.*")}
    holding = {name for name, content in files.items() for row in rows if any(each in content for each in row)}
    assert holding == {"devices/private.safetensors"}


def test_no_file_of_the_server_names_somebody_who_shares_nothing(tmp_path: Path):
    ledger, _ = small_ledger().unshare("u03", everything=True)
    renamed = {"u03": "somebody-who-shares-nothing"}
    known = replace(
        ledger.known, users=type(ledger.known.users)("user", tuple(renamed.get(u, u) for u in ledger.users()))
    )
    again = Ledger(known)
    for user in ledger.sharers():
        again = again.share(user, ledger.shared_items(user))
    train(small_fedshare(), again, rounds=2, seed=1).save(tmp_path / "run")
    for side in ("server", "published"):
        for file in (tmp_path / "run" / side).iterdir():
            assert b"somebody-who-shares-nothing" not in file.read_bytes(), file
    assert any(b"somebody-who-shares-nothing" in file.read_bytes() for file in (tmp_path / "run/devices").iterdir())


def test_the_server_keeps_the_share_set_and_no_events(small_run: Run, tmp_path: Path):
    small_run.save(tmp_path / "run")
    assert {each.name for each in (tmp_path / "run" / "server").iterdir()} == {
        "manifest.json",
        "state.safetensors",
        "snapshots.safetensors",
        "catalogue.parquet",
        "shared.parquet",
        "sharers.parquet",
    }
    text = (tmp_path / "run" / "server" / "manifest.json").read_text()
    assert small_run.known.fingerprint() not in text
    assert "position" not in text


# -- by consequence -------------------------------------------------------------------------------------------------


def side(ledger: Ledger) -> ServerSide:
    return ServerSide(ledger.server_view(), catalogue_of(ledger), seed=1, rounds=5)


@pytest.mark.parametrize("user", ["u00", "u05", "u11"])
def test_a_private_pair_changes_nothing_that_the_server_reads(user: str):
    ledger = small_ledger()
    elsewhere = swap_private_pair(ledger, user)
    here, there = side(ledger), side(elsewhere)
    assert ledger.known.fingerprint() != elsewhere.known.fingerprint()
    assert here.view.version(here.catalogue.ids) == there.view.version(there.catalogue.ids) == ledger.version
    for name in ("user", "item", "offsets"):
        assert getattr(here.view, name).tobytes() == getattr(there.view, name).tobytes()
    for one, other in ((here, there), (here.without(Holdout()), there.without(Holdout()))):
        assert torch.equal(one.graph.edges.columns, other.graph.edges.columns)
        assert torch.equal(one.graph.weights, other.graph.weights)


def test_a_private_pair_is_on_its_own_device_only():
    ledger = small_ledger()
    here, there = (Population(each, min_cohort=FEW).histories for each in (ledger, swap_private_pair(ledger, "u05")))
    for user in range(14):
        one = torch.tensor([user])
        assert torch.equal(here.select(one).columns, there.select(one).columns) == (user != 5)


def test_other_private_vectors_change_no_message_of_mine(overheard: tuple[Listener, Run]):
    work, crossed, _ = overheard[0].rounds[-1]
    others = torch.arange(14) != 5
    poisoned: Mapping[str, torch.Tensor] = {name: rows.clone() for name, rows in work.private.items()}
    poisoned["vector.values"][others] = 9.0
    listener = Listener()
    listener.run(replace(work, private=poisoned))
    mine = [next(update for user, _, update in each if user == 5) for each in (crossed, listener.rounds[0][1])]
    assert torch.equal(mine[0].tables["items"], mine[1].tables["items"])


def test_a_ledger_stays_a_value(half_shared: Ledger):
    before = half_shared.state.tobytes(), half_shared.position
    train(small_fedshare(), half_shared, rounds=1)
    assert before == (half_shared.state.tobytes(), half_shared.position)


def test_newer_private_pairs_change_nothing_that_the_server_trains_on():
    ledger = small_ledger()
    known = ledger.known
    assert known.timestamp is not None
    expected = side(ledger).without(Holdout()).graph.edges.columns.tolist()
    for user in range(known.n_users):  # one more private interaction, the newest of all
        other = int(np.setdiff1d(np.arange(known.n_items), known.items_of(user))[0])
        users, items = np.append(known.user, np.int32(user)), np.append(known.item, np.int32(other))
        times, order = np.append(known.timestamp, known.timestamp.max() + 60), np.lexsort((items, users))
        more = Interactions(
            users=known.users, items=known.items, user=users[order], item=items[order], timestamp=times[order]
        )
        elsewhere = side(Ledger(more, seed=ledger.seed, events=ledger.events))
        assert elsewhere.without(Holdout()).graph.edges.columns.tolist() == expected


def test_an_erasure_leaves_alone_what_others_hold_out():
    known = small_ledger().known
    timeless = Interactions(users=known.users, items=known.items, user=known.user, item=known.item)
    before = share(timeless, ShareFraction(0.5))
    after, _ = before.erase("u00", before.private_items("u00")[:1])

    def held_out(ledger: Ledger) -> dict[int, list[int]]:
        held = HeldOut.of(ledger, Holdout(), 1, "cpu").held_out
        rows = held.columns.split(held.counts.tolist())
        return {user: row.tolist() for user, row in enumerate(rows) if user != 0}

    assert any(held_out(before).values())
    assert held_out(after) == held_out(before)


def test_every_module_of_the_library_says_what_it_is_and_has_what_it_names():
    for name in FILES:
        module = __import__(name, fromlist=["_"])
        assert module.__doc__, name
        for public in getattr(module, "__all__", []):
            assert hasattr(module, public), f"{name}.{public}"
