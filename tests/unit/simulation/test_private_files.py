"""What other accounts can read of a run, and what a digest outside ``devices/`` tells of private pairs: nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from pathlib import Path

import pytest

from fedshare.algorithms.lightgcn import LightGCN
from fedshare.algorithms.popularity import Popularity
from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.views import share_set_version
from fedshare.simulation.run import Run
from fedshare.storage.json_files import digest_of
from fedshare.testing.synthetic import small_ledger, swap_private_pair, train_small
from fedshare.training.algorithm import Algorithm


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_devices_are_for_their_account_alone(small_run: Run, tmp_path: Path, umask: int):
    before = os.umask(umask)
    try:
        small_run.save(tmp_path / "run")
        small_run.save(tmp_path / "run", replace=True)
    finally:
        os.umask(before)
    devices = tmp_path / "run" / "devices"
    assert mode(devices) == 0o700
    assert {mode(file) for file in devices.iterdir()} == {0o600}
    others = [tmp_path / "run", tmp_path / "run" / "server", tmp_path / "run" / "published"]
    assert {mode(folder) for folder in others} == {0o777 & ~umask}
    assert {mode(file) for folder in others for file in folder.iterdir() if file.is_file()} == {0o666 & ~umask}


def test_nothing_of_devices_is_open_while_it_is_written(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from fedshare.simulation import device_folder

    seen = []
    real = device_folder.write_manifest

    def look(folder: Path, content: dict[str, object]) -> None:
        seen.append([mode(each) for each in (folder, folder.parents[1])])
        real(folder, content)

    monkeypatch.setattr(device_folder, "write_manifest", look)
    before = os.umask(0)
    try:
        small_run.save(tmp_path / "run")
    finally:
        os.umask(before)
    assert seen == [[0o700, 0o700]]


def test_a_server_that_was_given_everything_is_for_its_account_alone(tmp_path: Path):
    train_small(LightGCN(embedding_size=4), small_ledger(), rounds=1).save(tmp_path / "run")
    server = tmp_path / "run" / "server"
    assert mode(server) == 0o700
    assert {mode(file) for file in server.iterdir()} == {0o600}


# -- digests --------------------------------------------------------------------------------------------------------

RUNS = [Popularity(), SharedEASE(regs=(50.0,), popularity_penalties=(0.0,), neighbours=(12,))]
"Of these nothing outside ``devices/`` depends on private pairs, vectors included."


def digests_outside(run: Path) -> set[str]:
    """Every 64 hex digits outside of ``devices/``, and the digests of the files there."""
    files = [each for each in run.rglob("*") if each.is_file() and each.parent.name != "devices"]
    named = {found for file in files for found in re.findall(rb"[0-9a-f]{64}", file.read_bytes())}
    return {each.decode() for each in named} | {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def guesses_of(ledger: Ledger) -> set[str]:
    """What somebody who guesses all private pairs right can compute."""
    known = ledger.known
    owners = [known.users.id(int(user)) for user in known.user]
    items = [known.items.id(int(item)) for item in known.item]
    people = {user: [item for owner, item in zip(owners, items, strict=True) if owner == user] for user in owners}
    texts = [
        f"{user}{between}{item}" for user, item in zip(owners, items, strict=True) for between in ("", ",", ":", " ")
    ]
    pairs = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    return {known.fingerprint(), share_set_version(people.items()), *pairs}


@pytest.mark.parametrize("algorithm", RUNS, ids=lambda each: each.name)
def test_no_digest_outside_devices_tells_a_private_pair(tmp_path: Path, algorithm: Algorithm):
    """Two worlds, apart in two private pairs: outside, only what is drawn anew each time differs."""
    ledger = small_ledger()
    found = []
    for name, world in (("here", swap_private_pair(ledger, "u00")), ("there", swap_private_pair(ledger, "u05"))):
        for copy in ("one", "two"):
            train_small(algorithm, world).save(tmp_path / name / copy)
        found.append([digests_outside(tmp_path / name / copy) for copy in ("one", "two")])
        assert not guesses_of(world) & (found[-1][0] | found[-1][1])
    always = [one & two for one, two in found]
    assert always[0] == always[1]


def test_the_digest_of_the_devices_manifest_cannot_be_guessed(small_run: Run, tmp_path: Path):
    """Who guesses every pair right does not come by it without the salt, which is inside."""
    digests = []
    for name in ("one", "two"):
        small_run.save(tmp_path / name)
        digests.append(json.loads((tmp_path / name / "run.json").read_text())["manifests"]["devices"])
        manifest = json.loads((tmp_path / name / "devices" / "manifest.json").read_text())
        assert digest_of(manifest) == digests[-1]
        assert len(bytes.fromhex(manifest["salt"])) == 16
    assert digests[0] != digests[1]


def test_stored_rows_of_a_comparison_name_no_data(tmp_path: Path):
    from fedshare.experiments.stored_rows import StoredRows

    key = hashlib.sha256(b"settings and pairs").hexdigest()
    StoredRows(tmp_path / "rows.jsonl").add(key, {})  # type: ignore[typeddict-item]
    assert StoredRows(tmp_path / "rows.jsonl").get(key) == {}
    assert key not in (tmp_path / "rows.jsonl").read_text()
    assert mode(tmp_path / "rows.secret") == 0o600
    (tmp_path / "rows.secret").unlink()
    assert StoredRows(tmp_path / "rows.jsonl").get(key) is None
