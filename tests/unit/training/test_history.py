"""What is kept for unlearning, how much it weighs, and that unlearning rewrites it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fedshare.algorithms.fedmf import FedMF
from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.errors import BadOption
from fedshare.sharing.request import Request
from fedshare.simulation.run import Run
from fedshare.simulation.unlearn import unlearn
from fedshare.testing.synthetic import same_run, small_fedshare, small_ledger
from fedshare.testing.synthetic import train_small as train
from fedshare.training.history import (
    History,
    Keeping,
    Nothing,
    Snapshot,
    Snapshots,
    parse_keeping,
    snapshot_rounds,
)
from fedshare.unlearning.contrastive import ContrastiveUnlearning


@pytest.mark.parametrize(
    ("rounds", "count", "expected"),
    [(60, 4, {15, 30, 45, 60}), (10, 4, {2, 5, 8, 10}), (3, 4, {1, 2, 3}), (7, 1, {7}), (7, 0, set()), (1, 1, {1})],
)
def test_rounds_are_equally_spaced_with_the_last_among_them(rounds: int, count: int, expected: set[int]):
    assert snapshot_rounds(rounds, count) == expected


@pytest.mark.parametrize("rounds", range(1, 40))
@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_there_are_always_as_many_as_wanted(rounds: int, count: int):
    chosen = snapshot_rounds(rounds, count)
    assert len(chosen) == min(rounds, count)
    assert max(chosen) == rounds
    assert min(chosen) >= 1


def test_four_snapshots_weigh_two_copies_of_both_tables():
    run = train(small_fedshare(), small_ledger(), rounds=8, seed=1)
    assert [each.round for each in run.server.history.snapshots] == [2, 4, 6, 8]
    tables = run.server.state.tables
    in_fp32 = 4 * (tables["items"].values.numel() + tables["users"].values.numel())
    assert 0 < run.server.history.nbytes <= 2 * in_fp32
    assert run.cost.kept_bytes_server == run.server.history.nbytes


def test_a_snapshot_is_the_tables_of_its_round_in_half_precision():
    ledger = small_ledger()
    run = train(small_fedshare(), ledger, rounds=4, seed=1, keep=Snapshots(2))
    earlier = train(small_fedshare(item_item=None), ledger, rounds=2, seed=1)
    assert [each.round for each in run.server.history.snapshots] == [2, 4]
    last, tables = run.server.history.snapshots[-1], run.server.state.tables
    sharers = torch.from_numpy(ledger.server_view().sharers).long()
    assert torch.equal(last.items, tables["items"].values.half())
    assert torch.equal(last.users, tables["users"].values[sharers].half())
    assert {each.version for each in run.server.history.snapshots} == {ledger.version}
    assert earlier.server.history.snapshots[-1].items.shape == last.items.shape


def test_rows_go_back_to_their_owners():
    snapshot = Snapshot(1, "v", torch.zeros(3, 2).half(), torch.tensor([[1.0, 2.0], [3.0, 4.0]]).half())
    rows = snapshot.full_users(torch.tensor([1, 3]), 4)
    assert rows.tolist() == [[0, 0], [1, 2], [0, 0], [3, 4]]
    assert rows.dtype == torch.float32


def test_nobody_shares_nothing_is_kept():
    assert train(small_fedshare(), small_ledger(0.0), rounds=3).server.history.snapshots == ()


def test_what_learns_nothing_from_sharing_keeps_nothing():
    assert train(FedMF(embedding_size=4), small_ledger(0.5), rounds=3).server.history.snapshots == ()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_as_many_as_asked_for(count: int):
    run = train(small_fedshare(), small_ledger(), rounds=3, keep=Snapshots(count))
    assert len(run.server.history.snapshots) == min(count, 3)
    assert [version.name for version in run.server.versions()] == ["now"] + ["snapshot"] * min(count, 3)


def test_what_is_kept_changes_nothing_that_is_learned():
    ledger = small_ledger()
    nothing = train(small_fedshare(), ledger, rounds=3, seed=1, keep=Nothing())
    assert nothing.server.history.snapshots == ()
    assert (nothing.kept_bytes, nothing.cost.kept_bytes_server) == (0, 0)
    some = train(small_fedshare(), ledger, rounds=3, seed=1, keep=Snapshots(2))
    assert same_run(nothing, replace(some, server=replace(some.server, history=History())))


def test_without_a_wish_training_keeps_what_the_algorithms_own_method_needs():
    for algorithm, keep in ((small_fedshare(), Snapshots(4)), (SharedEASE(), Nothing()), (FedMF(), Nothing())):
        assert train(algorithm, small_ledger(), rounds=1).server.keep == keep


@pytest.mark.parametrize("keep", [Nothing(), Snapshots(2), Snapshots(0)])
def test_the_wish_comes_back_from_disk(tmp_path: Path, keep: Keeping):
    assert isinstance(keep, Keeping)
    train(small_fedshare(), small_ledger(), rounds=2, keep=keep).save(tmp_path / "run")
    assert Run.load(tmp_path / "run").server.keep == keep


@pytest.mark.parametrize(
    ("text", "keep"),
    [
        ("nothing", Nothing()),
        ("snapshots", Snapshots(4)),
        ("snapshots:2", Snapshots(2)),
        (" snapshots:0 ", Snapshots(0)),
    ],
)
def test_what_is_kept_can_be_written(text: str, keep: Keeping):
    assert parse_keeping(text) == keep


@pytest.mark.parametrize(
    "text",
    [
        "",
        "all",
        "nothing:2",
        "nothing:",
        "snapshots:",
        "snapshots:-1",
        "snapshots:2.5",
        "snapshots: 2",
        "snapshots:1:2",
    ],
)
def test_what_cannot_be_kept_is_named(text: str):
    with pytest.raises(BadOption, match=f"keep: got '{text}', expected nothing, snapshots or snapshots:N"):
        parse_keeping(text)


def test_single_uploads_are_no_text():
    """Nobody gets them by a word on a command line."""
    with pytest.raises(BadOption, match="keep: got"):
        parse_keeping("unsafe-update-log")


def test_fewer_than_no_snapshots():
    with pytest.raises(BadOption, match="snapshots: got -1"):
        Snapshots(-1)


def kept_rows(run: Run) -> set[bytes]:
    """The bytes of every row that the run's snapshots hold."""
    parts = [part for each in run.server.history.snapshots for part in (each.items, each.users)]
    return {row.numpy().tobytes() for part in parts for row in part}


def affected_rows(run: Run, request: Request) -> set[bytes]:
    """Those that an unlearned run must not hold any more: of users and items of the withdrawn pairs, while trained."""
    users, items = (np.unique(each) for each in request.withdrawn_from_server)
    sharers = run.server.view.sharers.tolist()
    places = torch.tensor([sharers.index(user) for user in users.tolist()])
    rows: set[bytes] = set()
    for each in run.server.history.snapshots:
        rows |= {row.numpy().tobytes() for row in each.users[places]}
        rows |= {row.numpy().tobytes() for row in each.items[torch.from_numpy(items).long()]}
    return rows


METHOD = ContrastiveUnlearning(steps=5)


def partial(run: Run) -> Request:
    ledger, request = run.ledger, None
    for user in run.ledger.sharers()[:4]:
        ledger, more = ledger.unshare(user, to=run.ledger.share_of(user) / 2)
        request = more if request is None else request + more
    assert request is not None
    return request


def test_no_affected_row_of_an_old_snapshot_survives(small_run: Run):
    request = partial(small_run)
    after = unlearn(small_run, request, method=METHOD)
    survived = affected_rows(small_run, request) & kept_rows(after)
    users_only = {row.numpy().tobytes() for each in small_run.server.history.snapshots for row in each.users}
    assert not survived & users_only
    assert {each.version for each in after.server.history.snapshots} == {request.after.version}
    assert [each.round for each in after.server.history.snapshots] == [
        each.round for each in small_run.server.history.snapshots
    ]


def test_item_rows_of_older_rounds_do_not_survive_either(small_run: Run):
    request = partial(small_run)
    after = unlearn(small_run, request, method=METHOD)
    items = torch.from_numpy(np.unique(request.withdrawn_from_server[1])).long()
    last = small_run.server.history.snapshots[-1].items
    older = {row.numpy().tobytes() for each in small_run.server.history.snapshots[:-1] for row in each.items[items]}
    assert not older & kept_rows(after)
    assert last.shape == after.server.history.snapshots[-1].items.shape


def test_rows_of_everybody_else_stay(small_run: Run):
    request = small_run.ledger.unshare(small_run.ledger.sharers()[0], everything=True)[1]
    after = unlearn(small_run, request, method=METHOD)
    for old, new in zip(small_run.server.history.snapshots, after.server.history.snapshots, strict=True):
        assert torch.equal(old.users[1:], new.users)  # the first sharer is gone


def test_moments_of_affected_rows_are_reset(small_run: Run):
    request = partial(small_run)
    after = unlearn(small_run, request, method=METHOD)
    users, items = (torch.from_numpy(np.unique(each)).long() for each in request.withdrawn_from_server)
    for name, rows in (("users", users), ("items", items)):
        old, new = small_run.server.state.tables[name], after.server.state.tables[name]
        assert bool((old.steps[rows] > 0).all())
        for part in (new.first, new.second, new.steps):
            assert not part[rows].any()
        others = torch.ones(len(new), dtype=torch.bool)
        others[rows] = False
        assert torch.equal(old.values[others], new.values[others])
        assert torch.equal(old.first[others], new.first[others])


def test_no_affected_item_row_survives_a_full_withdrawal(small_run: Run):
    request = small_run.ledger.unshare(small_run.ledger.sharers()[0], everything=True)[1]
    after = unlearn(small_run, request, method=METHOD)
    assert not affected_rows(small_run, request) & kept_rows(after)


def test_a_snapshot_has_a_row_for_each_sharer_and_for_nobody_else():
    ledger = small_ledger()
    for user in ("u03", "u07"):
        ledger, _ = ledger.unshare(user, everything=True)
    run = train(small_fedshare(), ledger, rounds=2, seed=1)
    for snapshot in run.server.history.snapshots:
        assert len(snapshot.users) == len(ledger.sharers()) == 12
