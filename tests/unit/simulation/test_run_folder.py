"""Runs on disk: back as they were, or a named error; half a run nowhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from fedshare.algorithms.fedmf import FedMF
from fedshare.algorithms.lightgcn import LightGCN
from fedshare.algorithms.popularity import Popularity
from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.data.interactions import Interactions
from fedshare.errors import BadOption, DamagedRun, MissingFile, NewerRun, OldRun, OutputExists
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import ShareEverything, ShareFraction
from fedshare.simulation.run import Run
from fedshare.simulation.run_folder import load_device_run
from fedshare.simulation.train import resume
from fedshare.simulation.unlearn import unlearn
from fedshare.storage.json_files import sealed
from fedshare.storage.published_folder import load_published
from fedshare.storage.server_folder import load_server, save_server
from fedshare.testing.folders import edit, reseal
from fedshare.testing.synthetic import run_bytes, same_run, small_fedshare, small_ledger, tensors_in
from fedshare.testing.synthetic import train_small as train
from fedshare.training.algorithm import Algorithm
from fedshare.training.server_run import ServerRun
from fedshare.unlearning.contrastive import ContrastiveUnlearning

FOLDERS = {
    "server": {
        "state.safetensors",
        "snapshots.safetensors",
        "catalogue.parquet",
        "shared.parquet",
        "sharers.parquet",
    },
    "published": {"model.safetensors", "catalogue.parquet"},
    "devices": {
        "private.safetensors",
        "personal.safetensors",
        "people.parquet",
        "interactions.parquet",
        "events.parquet",
    },
}
MANIFESTS = [f"{folder}/manifest.json" for folder in FOLDERS]
CONTENT = sorted(f"{folder}/{name}" for folder, names in FOLDERS.items() for name in names)
FILES = {"run.json", *MANIFESTS, *CONTENT}


def files_in(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}


@pytest.fixture
def folder(small_run: Run, tmp_path: Path) -> Path:
    small_run.save(tmp_path / "run")
    return tmp_path / "run"


def test_a_folder_holds_the_documented_files_and_no_others(folder: Path):
    assert files_in(folder) == FILES
    for name, files in FOLDERS.items():
        assert set(json.loads((folder / name / "manifest.json").read_text())["files"]) == files


def test_a_run_comes_back_to_the_bit(small_run: Run, folder: Path):
    back = Run.load(folder)
    assert same_run(small_run, back)
    people = np.arange(small_run.known.n_users)
    for mine, theirs in (
        (small_run.device_scorer(), back.device_scorer()),
        (small_run.server_scorer(), back.server_scorer()),
    ):
        assert mine.scores(people).tobytes() == theirs.scores(people).tobytes()
    assert [back.recommend(u) for u in back.ledger.users()] == [small_run.recommend(u) for u in back.ledger.users()]
    assert (back.ledger, back.rounds, back.seed, back.cost) == (
        small_run.ledger,
        small_run.rounds,
        small_run.seed,
        small_run.cost,
    )
    assert [(s.round, s.version) for s in back.server.history.snapshots] == [
        (s.round, s.version) for s in small_run.server.history.snapshots
    ]
    assert (back.method, back.chosen, back.min_cohort) == (small_run.method, small_run.chosen, small_run.min_cohort)
    assert (back.server.keep, back.server.versions()) == (small_run.server.keep, small_run.server.versions())


def test_a_run_that_came_back_unlearns_like_the_one_that_stayed(small_run: Run, folder: Path):
    back = Run.load(folder)
    user = back.ledger.sharers()[0]
    method = ContrastiveUnlearning(steps=3)
    here = unlearn(small_run, small_run.ledger.unshare(user, to=0.2)[1], method=method)
    there = unlearn(back, back.ledger.unshare(user, to=0.2)[1], method=method)
    assert same_run(here, there)


def test_odd_ids_titles_times_and_ratings_come_back(tmp_path: Path):
    users, items = ["Zoë", "a/b", "x y", "🙂"] * 3, [f"item,{n}\n\"'" for n in range(12)]
    known = Interactions.from_arrays(
        users, items, timestamp=range(12), rating=np.linspace(0, 5, 12), titles={items[0]: "Ünïcode\t☕"}, name="odd"
    )
    run = train(small_fedshare(), share(known, ShareFraction(0.5)), rounds=1)
    run.save(tmp_path / "run")
    back = Run.load(tmp_path / "run").known
    assert back.users.ids == known.users.ids
    assert back.items.ids == known.items.ids
    assert dict(back.titles) == dict(known.titles)
    assert back.timestamp is not None
    assert known.timestamp is not None
    assert back.timestamp.tolist() == known.timestamp.tolist()
    assert back.rating is not None
    assert known.rating is not None
    assert back.rating.tolist() == known.rating.tolist()
    assert (back.name, back.fingerprint()) == ("odd", known.fingerprint())


@pytest.mark.parametrize("algorithm", [Popularity(), FedMF(embedding_size=4), small_fedshare()], ids=lambda a: a.name)
def test_a_run_in_which_nobody_ever_decided_anything(tmp_path: Path, algorithm: Algorithm):
    run = train(algorithm, Ledger(small_ledger().known), rounds=2)
    run.save(tmp_path / "run")
    back = Run.load(tmp_path / "run")
    assert same_run(run, back)
    assert back.ledger.position == 0


def test_a_central_reference_comes_back(tmp_path: Path):
    """Its server was given more than is shared, and what it sent to each person is with the devices."""
    run = train(LightGCN(embedding_size=4), small_ledger(0.3), rounds=2)
    run.save(tmp_path / "run")
    back = Run.load(tmp_path / "run")
    assert same_run(run, back)
    assert len(back.server.view) == back.known.n_pairs
    assert run.devices.released.recipients is not None
    assert back.devices.released.recipients is not None
    assert back.devices.released.recipients.all()


def test_a_run_with_held_out_pairs_keeps_them_with_the_devices(tmp_path: Path):
    known = small_ledger().known
    chosen = np.arange(known.n_pairs) % 5 == 0
    run = train(Popularity(), share(known.select(~chosen), ShareEverything()), test=known.select(chosen))
    run.save(tmp_path / "run")
    back = Run.load(tmp_path / "run").test
    assert back is not None
    assert back.user.tolist() == known.user[chosen].tolist()
    assert back.item.tolist() == known.item[chosen].tolist()
    assert files_in(tmp_path / "run") == FILES | {"devices/test.parquet"}


# -- each side alone ------------------------------------------------------------------------------------------------


def test_devices_recommend_when_the_server_is_gone(small_run: Run, folder: Path):
    expected = {user: small_run.recommend(user) for user in small_run.ledger.users()}
    shutil.rmtree(folder / "server")
    devices = load_device_run(folder)
    assert {user: devices.recommend(user) for user in expected} == expected
    with pytest.raises(MissingFile):
        Run.load(folder)


def test_devices_keep_their_own_and_what_was_meant_for_each(small_run: Run, folder: Path):
    devices = load_device_run(folder)
    assert devices.ledger == small_run.ledger
    assert (devices.task, devices.min_cohort) == (small_run.devices.task, small_run.min_cohort)
    assert set(devices.private) == set(small_run.devices.private)
    assert all(torch.equal(rows, small_run.devices.private[name]) for name, rows in devices.private.items())


def test_a_server_works_from_a_copy_of_its_own_folder(small_run: Run, folder: Path, tmp_path: Path):
    released, catalogue = load_published(folder / "published")
    shutil.copytree(folder / "server", tmp_path / "elsewhere")
    shutil.rmtree(folder)
    server = load_server(tmp_path / "elsewhere")
    assert same_server(server, small_run.server)
    again = dict(tensors_in(server.release()))
    assert {path for path, _ in tensors_in(released)} == set(again)
    assert all(torch.equal(tensor, again[path]) for path, tensor in tensors_in(released))
    assert catalogue == server.catalogue
    save_server(server, tmp_path / "copy")
    assert same_server(load_server(tmp_path / "copy"), small_run.server)
    for name in FOLDERS["server"]:
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "elsewhere" / name).read_bytes()
    with pytest.raises(OutputExists):
        save_server(server, tmp_path / "copy")


def test_a_certificate_is_with_the_server(tmp_path: Path):
    run = train(SharedEASE(), small_ledger())
    run.save(tmp_path / "run")
    back = load_server(tmp_path / "run" / "server")
    assert back.certificate is not None
    assert back.certificate == run.certificate
    assert same_server(back, run.server)


def same_server(server: ServerRun, other: ServerRun) -> bool:
    def plain(run: ServerRun) -> tuple[object, ...]:
        history = [(each.round, each.version) for each in run.history.snapshots]
        options = (run.algorithm, run.catalogue, run.seed, run.rounds, run.keep, run.min_cohort, run.finished)
        times = None if run.view.timestamp is None else run.view.timestamp.tolist()
        pairs = (run.view.n_users, run.view.keys.tolist(), run.view.user_ids, times)
        tensors = {
            path: (tensor.dtype, tensor.shape, tensor.numpy().tobytes())
            for path, tensor in tensors_in((run.state, run.history))
        }
        return (*options, *pairs, history, tensors, run.state.chosen, run.state.round, run.share_set, run.certificate)

    return plain(server) == plain(other)


# -- what can be wrong ----------------------------------------------------------------------------------------------


def test_no_such_folder(tmp_path: Path):
    for load in (Run.load, load_device_run, load_server):
        with pytest.raises(MissingFile, match="nowhere"):
            load(tmp_path / "nowhere")


def test_something_that_is_no_run(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(MissingFile, match=r"no run\.json"):
            Run.load(path)
        with pytest.raises(MissingFile, match=r"no manifest\.json"):
            load_server(path)


@pytest.mark.parametrize("name", ["run.json", *MANIFESTS])
def test_a_missing_manifest_is_named(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(MissingFile, match=f"{Path(name).parent.name}.*no {Path(name).name}"):
        Run.load(folder)


@pytest.mark.parametrize("name", CONTENT)
def test_a_missing_file_is_named(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(DamagedRun, match=f"{Path(name).parent}'.*{Path(name).name} is missing"):
        Run.load(folder)


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("damage", ["cut", "one bit", "empty"])
def test_a_changed_file_is_named(folder: Path, name: str, damage: str):
    whole = (folder / name).read_bytes()
    broken = {"cut": whole[:-7], "one bit": whole[:-1] + bytes([whole[-1] ^ 1]), "empty": b""}[damage]
    (folder / name).write_bytes(broken)
    with pytest.raises(DamagedRun, match=f"{Path(name).parent}'.*{Path(name).name}"):
        Run.load(folder)


@pytest.mark.parametrize("name", ["run.json", *MANIFESTS])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"format": "x"}',
        '{"format": true}',
        "\xff",
        '{"format": 3, "format": 3}',
        '{"format": NaN}',
        '{"format": ' + "9" * 5000 + "}",
        '{"a":' * 100_000,
        '{"format": 3, "a": ' + "[" * 500 + "]" * 500 + "}",
        "{" + " " * 5_000_000 + "}",
    ],
    ids=lambda text: text[:20] if isinstance(text, str) else None,
)
def test_a_manifest_that_cannot_be_read(folder: Path, name: str, text: str):
    (folder / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(DamagedRun, match="cannot be read") as failure:
        Run.load(folder)
    assert len(str(failure.value)) < 600


@pytest.mark.parametrize("name", ["run.json", *MANIFESTS])
@pytest.mark.parametrize("text", ['{"format": 3}', '{"format": 3, "files": 3}'])
def test_a_manifest_that_says_too_little(folder: Path, name: str, text: str):
    (folder / name).write_text(text)
    with pytest.raises(DamagedRun, match="is not what was written"):
        Run.load(folder)
    reseal(folder)
    with pytest.raises(DamagedRun, match=f"{Path(name).name}: got no"):
        Run.load(folder)


NEEDED = {
    "run.json": ["method", "cost", "manifests"],
    "server/manifest.json": [
        "algorithm",
        "rounds",
        "round",
        "seed",
        "finished",
        "min_cohort",
        "n_users",
        "n_items",
        "has_times",
        "share_set",
        "chosen",
        "keep",
        "snapshots",
        "certificate",
        "files",
    ],
    "published/manifest.json": ["numbers", "n_items", "files"],
    "devices/manifest.json": [
        "task",
        "min_cohort",
        "data",
        "ledger",
        "has_times",
        "has_ratings",
        "has_gifts",
        "test",
        "salt",
        "files",
    ],
}
FOR_PEOPLE = {"format", "fedshare", "python", "torch", "digest"}


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, parts in NEEDED.items() for part in parts])
def test_a_manifest_with_a_part_missing(folder: Path, name: str, part: str):
    manifest = json.loads((folder / name).read_text())
    assert set(NEEDED[name]) == set(manifest) - FOR_PEOPLE
    edit(folder / name, {}, without=part)
    with pytest.raises(DamagedRun, match=f"{Path(name).name} is not what was written"):
        Run.load(folder)
    reseal(folder)
    with pytest.raises(DamagedRun, match=f"{Path(name).name}: got no '{part}'"):
        Run.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": {"name": "pinsage", "options": {}}},
        {"algorithm": {"name": "fedshare", "options": {"hops": 3}}},
        {"chosen": {"ridge": 3.0}},
        {"keep": {"name": "snapshots"}},
        {"certificate": {"gram": "0"}},
    ],
)
def test_options_that_nobody_has_are_refused(folder: Path, change: dict[str, Any]):
    edit(folder / "server/manifest.json", change)
    reseal(folder)
    with pytest.raises(DamagedRun, match=next(iter(change))):
        Run.load(folder)


@pytest.mark.parametrize("name", ["run.json", *MANIFESTS])
@pytest.mark.parametrize("extra", [{}, {"files": None}])
def test_a_later_format_says_so(folder: Path, name: str, extra: dict[str, Any]):
    edit(folder / name, {"format": 4, "fedshare": "9.9"} | extra)
    with pytest.raises(NewerRun, match=r"format 4 by fedshare .*Upgrade"):
        Run.load(folder)


@pytest.mark.parametrize("name", ["run.json", *MANIFESTS])
def test_an_earlier_format_says_so(folder: Path, name: str):
    edit(folder / name, {"format": 2})
    with pytest.raises(OldRun, match=r"format 2 .*Train again"):
        Run.load(folder)


def test_a_folder_of_before_the_two_sides_is_refused_by_name(small_run: Run, tmp_path: Path):
    """One manifest at the top, as the earlier format had it."""
    old = tmp_path / "old"
    (old / "server").mkdir(parents=True)
    (old / "manifest.json").write_text(json.dumps({"format": 1, "fedshare": "0.0.9", "files": {}}))
    for read in (Run.load, load_device_run, load_server, resume):
        with pytest.raises(OldRun, match=r"old'.*format 1 .*Train again"):
            read(old)
    with pytest.raises(OutputExists):
        small_run.save(old)
    small_run.save(old, replace=True)
    assert same_run(Run.load(old), small_run)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("devices/manifest.json", {"data": {"name": "drawn", "fingerprint": "0" * 64, "n_users": 14}}),
        ("server/manifest.json", {"share_set": "0" * 64}),
    ],
)
def test_data_that_does_not_belong_to_the_manifest(folder: Path, name: str, change: dict[str, Any]):
    edit(folder / name, change)
    reseal(folder)
    with pytest.raises(DamagedRun, match="disagree"):
        Run.load(folder)


def test_events_that_do_not_belong_to_the_manifest(folder: Path):
    ledger = json.loads((folder / "devices/manifest.json").read_text())["ledger"]
    edit(folder / "devices/manifest.json", {"ledger": ledger | {"version": "0" * 64}})
    reseal(folder)
    with pytest.raises(DamagedRun, match="disagree"):
        Run.load(folder)


def test_sharers_that_do_not_belong_to_the_pairs(folder: Path):
    """With digests that fit: somebody has written the folder so."""
    server = folder / "server"
    people = pl.read_parquet(server / "sharers.parquet")
    people.with_columns(pl.col("user") + 1).write_parquet(server / "sharers.parquet")
    reseal(folder)
    with pytest.raises(DamagedRun, match=r"shared\.parquet and sharers\.parquet disagree"):
        load_server(server)


def test_two_sides_of_different_runs_are_told_apart(folder: Path, tmp_path: Path):
    train(small_fedshare(), small_ledger(0.3), rounds=1, seed=1).save(tmp_path / "other")
    shutil.rmtree(folder / "server")
    shutil.copytree(tmp_path / "other" / "server", folder / "server")
    with pytest.raises(DamagedRun, match="server and devices disagree on what is shared"):
        Run.load(folder)


@pytest.mark.parametrize("side", ["server", "published", "devices"])
def test_a_side_of_another_run_like_this_one_is_refused(folder: Path, tmp_path: Path, side: str):
    """Everything in it agrees with everything else, but for what was trained."""
    train(small_fedshare(), small_ledger(), rounds=3, seed=0, min_cohort=2).save(tmp_path / "other")
    shutil.rmtree(folder / side)
    shutil.copytree(tmp_path / "other" / side, folder / side)
    with pytest.raises(DamagedRun, match=f"{side}/ is of another run|disagree|of another seed|weight"):
        Run.load(folder)


def test_an_output_that_is_there_is_not_written_over(small_run: Run, folder: Path):
    before = {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()}
    with pytest.raises(OutputExists, match="run' is there"):
        small_run.save(folder)
    assert before == {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_a_folder_of_something_else_is_never_replaced(small_run: Run, tmp_path: Path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.png").write_bytes(b"x")
    with pytest.raises(OutputExists, match="is no run"):
        small_run.save(tmp_path / "photos", replace=True)
    with pytest.raises(OutputExists, match="is no run"):
        train(small_fedshare(), small_ledger(), rounds=1, checkpoint=tmp_path / "photos")
    assert (tmp_path / "photos" / "me.png").read_bytes() == b"x"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_interrupted_save_leaves_the_old_run_whole(
    small_run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
):
    def fails(*_: object, **__: object) -> None:
        raise error

    other = train(small_fedshare(), small_ledger(), rounds=1, seed=9)
    monkeypatch.setattr(pl.DataFrame, "write_parquet", fails)
    with pytest.raises(error):
        other.save(folder, replace=True)
    monkeypatch.undo()
    assert same_run(Run.load(folder), small_run)
    assert [each.name for each in folder.parent.iterdir()] == ["run"]


# -- going on -------------------------------------------------------------------------------------------------------


class _Stop(Exception):
    pass


def stop_after(number: int):
    def progress(done: int, *_: object) -> None:
        if done == number:
            raise _Stop

    return progress


@pytest.mark.parametrize("stopped_after", [2, 3, 5, 6])
@pytest.mark.parametrize("options", [{}, {"participation": 0.5, "noise_multiplier": 0.1, "local_epochs": 2}])
def test_resumed_training_ends_where_it_would_have_ended(tmp_path: Path, stopped_after: int, options: dict):
    ledger, algorithm, folder = small_ledger(), small_fedshare(**options), tmp_path / "checkpoint"
    whole = train(algorithm, ledger, rounds=6, seed=1)
    with pytest.raises(_Stop):
        train(
            algorithm,
            ledger,
            rounds=6,
            seed=1,
            checkpoint=folder,
            checkpoint_every=2,
            progress=stop_after(stopped_after),
        )
    last = Run.load(folder)
    assert (last.server.state.round, last.finished) == (stopped_after // 2 * 2, False)
    resumed = resume(folder)
    assert same_run(whole, resumed)
    assert resumed.finished
    assert resumed.cost.rounds == 6
    assert run_bytes(resumed) == run_bytes(whole)
    assert resumed.cost.bytes_up_per_client == pytest.approx(whole.cost.bytes_up_per_client)
    assert [(s.round, s.version) for s in resumed.server.history.snapshots] == [
        (s.round, s.version) for s in whole.server.history.snapshots
    ]


def test_a_finished_run_is_not_finished_again(small_run: Run, folder: Path):
    assert same_run(resume(folder), small_run)


def test_nothing_to_go_on_from(tmp_path: Path):
    with pytest.raises(MissingFile):
        resume(tmp_path / "checkpoint")


def test_a_bad_option_of_resuming_is_named(folder: Path):
    with pytest.raises(BadOption, match="checkpoint_every: got 0"):
        resume(folder, checkpoint_every=0)


@pytest.mark.parametrize("side", ["server", "published", "devices"])
def test_a_file_that_no_manifest_names_is_refused(folder: Path, side: str):
    (folder / side / "stowaway.bin").write_bytes(b"withdrawn pairs")
    with pytest.raises(DamagedRun, match=r"stowaway\.bin is not in the manifest"):
        Run.load(folder)


def test_a_file_cannot_be_kept_out_of_the_check_by_leaving_it_out_of_the_manifest(folder: Path):
    manifest = json.loads((folder / "server/manifest.json").read_text())
    del manifest["files"]["snapshots.safetensors"]
    manifest.pop("digest")
    (folder / "server/manifest.json").write_text(sealed(manifest))
    with pytest.raises(DamagedRun, match="snapshots"):
        Run.load(folder)
