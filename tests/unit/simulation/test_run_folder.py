"""Runs on disk: back as they were, or a named error; half a run nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fedshare.data.interactions import Interactions
from fedshare.errors import BadOption, DamagedRun, MissingFile, NewerRun, OutputExists
from fedshare.algorithms.fedmf import FedMF
from fedshare.algorithms.popularity import Popularity
from fedshare.simulation.run import Run
from fedshare.simulation.train import resume, train
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import ShareEverything, ShareFraction
from fedshare.testing.synthetic import same_run, small_fedshare, small_ledger
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.simulation.unlearn import unlearn

FILES = {
    "manifest.json",
    "catalogue.parquet",
    "server/state.safetensors",
    "server/snapshots.safetensors",
    "devices/vectors.safetensors",
    "devices/people.parquet",
    "devices/interactions.parquet",
    "devices/events.parquet",
}


@pytest.fixture
def folder(small_run: Run, tmp_path: Path) -> Path:
    small_run.save(tmp_path / "run")
    return tmp_path / "run"


def test_a_folder_holds_the_documented_files_and_no_others(folder: Path):
    assert {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()} == FILES
    assert set(json.loads((folder / "manifest.json").read_text())["files"]) == FILES - {"manifest.json"}


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
def test_a_run_in_which_nobody_ever_decided_anything(tmp_path: Path, algorithm):
    run = train(algorithm, Ledger(small_ledger().known), rounds=2)
    run.save(tmp_path / "run")
    back = Run.load(tmp_path / "run")
    assert same_run(run, back)
    assert back.ledger.position == 0


def test_a_run_without_snapshots(tmp_path: Path):
    run = train(small_fedshare(), small_ledger(), rounds=2, snapshots=0)
    run.save(tmp_path / "run")
    assert Run.load(tmp_path / "run").server.history.snapshots == ()


def test_a_run_with_held_out_pairs_keeps_them_with_the_devices(tmp_path: Path):
    known = small_ledger().known
    chosen = np.arange(known.n_pairs) % 5 == 0
    run = train(Popularity(), share(known.select(~chosen), ShareEverything()), test=known.select(chosen))
    run.save(tmp_path / "run")
    back = Run.load(tmp_path / "run").test
    assert back is not None
    assert back.user.tolist() == known.user[chosen].tolist()
    assert back.item.tolist() == known.item[chosen].tolist()
    files = {str(each.relative_to(tmp_path / "run")) for each in (tmp_path / "run").rglob("*") if each.is_file()}
    assert files == FILES | {"devices/test.parquet"}


# -- what can be wrong ----------------------------------------------------------------------------------------------


def test_no_such_folder(tmp_path: Path):
    with pytest.raises(MissingFile, match="nowhere"):
        Run.load(tmp_path / "nowhere")


def test_something_that_is_no_run(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(MissingFile, match=r"no manifest\.json"):
            Run.load(path)


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
def test_a_missing_file_is_named(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(DamagedRun, match=f"{name} is missing"):
        Run.load(folder)


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
@pytest.mark.parametrize("damage", ["cut", "one bit", "empty"])
def test_a_changed_file_is_named(folder: Path, name: str, damage: str):
    whole = (folder / name).read_bytes()
    broken = {"cut": whole[:-7], "one bit": whole[:-1] + bytes([whole[-1] ^ 1]), "empty": b""}[damage]
    (folder / name).write_bytes(broken)
    with pytest.raises(DamagedRun, match=name):
        Run.load(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"format": "x"}', '{"format": 1}', '{"format": 1, "files": 3}', "\xff"]
)
def test_a_manifest_that_cannot_be_read(folder: Path, text: str):
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DamagedRun, match=r"manifest\.json"):
        Run.load(folder)


@pytest.mark.parametrize("part", ["data", "ledger", "seed", "state", "rounds", "snapshots", "cost", "numbers", "round"])
def test_a_manifest_with_a_part_missing(folder: Path, part: str):
    manifest = json.loads((folder / "manifest.json").read_text())
    if part not in manifest:
        return
    del manifest[part]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DamagedRun, match="run"):
        Run.load(folder)


@pytest.mark.parametrize("extra", [{}, {"files": None}])
def test_a_later_format_says_so(folder: Path, extra: dict):
    manifest = json.loads((folder / "manifest.json").read_text()) | {"format": 2, "fedshare": "9.9"} | extra
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(NewerRun, match=r"format 2 by fedshare 9\.9"):
        Run.load(folder)


def test_data_that_does_not_belong_to_the_manifest(folder: Path):
    manifest = json.loads((folder / "manifest.json").read_text())
    for place in (("data", "fingerprint"), ("ledger", "version")):
        changed = json.loads(json.dumps(manifest))
        changed[place[0]][place[1]] = "0" * 64
        (folder / "manifest.json").write_text(json.dumps(changed))
        with pytest.raises(DamagedRun, match="disagree"):
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
    assert (last.state.round, last.finished) == (stopped_after // 2 * 2, False)
    resumed = resume(folder)
    assert same_run(whole, resumed)
    assert resumed.finished
    assert resumed.cost.rounds == 6
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
