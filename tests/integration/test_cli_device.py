"""``fedshare device``: a person moves to another phone."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from cli_calls import Call

from fedshare.simulation.run import Run


@pytest.fixture
def shop(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "shop"))


@pytest.fixture
def secret(tmp_path: Path) -> tuple[object, ...]:
    file = tmp_path / "passphrase"
    file.write_text("several words of mine\n")
    return "--passphrase-file", file


def test_a_person_moves_to_another_phone(
    fedshare: Call, shop: Path, tmp_path: Path, secret: tuple[object, ...]
) -> None:
    before, file = Run.load(shop), tmp_path / "u03.device"
    item = before.ledger.private_items("u03")[0]
    assert fedshare("share", shop, "--user", "u03", "--items", item, "--reason", "it is fine").status == 0
    answer = fedshare("device", "export", shop, "--user", "u03", "--to", file, *secret, "--json")
    assert answer.status == 0, answer.stderr
    assert answer.json["n_events"] == len(before.ledger.events_of("u03")) + 1  # with what waits
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_bytes()
    assert not any(word in content for word in (b"u03", item.encode(), b"it is fine"))
    assert fedshare("device", "export", shop, "--user", "u03", "--to", file, *secret).status == 2  # it is there
    assert file.read_bytes() == content

    answer = fedshare("device", "import", shop, "--file", file, *secret)
    assert answer.status == 2  # choices wait there
    assert "refresh" in answer.stderr
    (shop / "devices" / "journal.jsonl").unlink()
    answer = fedshare("device", "import", shop, "--file", file, "--out", tmp_path / "moved", *secret, "--json")
    assert answer.status == 0, answer.stderr
    assert (answer.json["n_new_events"], answer.json["n_new_users"]) == (1, 0)
    after = Run.load(tmp_path / "moved")
    assert item in after.ledger.shared_items("u03")
    assert after.ledger.extends(before.ledger)
    assert Run.load(shop).ledger == before.ledger
    answer = fedshare("device", "import", tmp_path / "moved", "--file", file, *secret, "--json")  # in place
    assert answer.json["n_new_events"] == 0
    assert Run.load(tmp_path / "moved").ledger == after.ledger


def test_somebody_comes_from_another_run(
    fedshare: Call, run: Path, data: Path, tmp_path: Path, secret: tuple[object, ...]
) -> None:
    from cli_calls import TRAINING

    fewer = tmp_path / "fewer.csv"
    fewer.write_text("".join(line for line in data.read_text().splitlines(True) if not line.startswith("u29")))
    assert fedshare("train", fewer, *TRAINING, "--out", tmp_path / "small").status == 0
    file = tmp_path / "u29.device"
    assert fedshare("device", "export", run, "--user", "u29", "--to", file, *secret).status == 0
    answer = fedshare("device", "import", tmp_path / "small", "--file", file, *secret, "--json")
    assert answer.status == 0, answer.stderr
    assert answer.json["n_new_users"] == 1
    there, here = Run.load(run).ledger, Run.load(tmp_path / "small").ledger
    assert here.shared_items("u29") == there.shared_items("u29")
    assert fedshare("recommend", tmp_path / "small", "--user", "u29").status == 0


def test_what_goes_wrong_is_named(
    fedshare: Call, shop: Path, tmp_path: Path, secret: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "u03.device"
    assert fedshare("device", "export", shop, "--user", "u03", "--to", file).status == 2  # no passphrase
    assert fedshare("device", "export", shop, "--user", "nobody", "--to", file, *secret).status == 2
    assert not file.exists()
    monkeypatch.setenv("FEDSHARE_PASSPHRASE", "several words of mine")
    assert fedshare("device", "export", shop, "--user", "u03", "--to", file).status == 0
    monkeypatch.setenv("FEDSHARE_PASSPHRASE", "others")
    before = (shop / "run.json").read_bytes()
    answer = fedshare("device", "import", shop, "--file", file)
    assert (answer.status, "BadData" in answer.stderr) == (2, True)
    other = tmp_path / "other"
    other.write_bytes(b"PK\x03\x04" + b"0" * 100)
    for wrong in (other, tmp_path / "nothing", tmp_path):
        assert fedshare("device", "import", shop, "--file", wrong, *secret).status == 2
    assert fedshare("unshare", shop, "--user", "u03", "--all", "--out", tmp_path / "newer").status == 0
    answer = fedshare("device", "import", tmp_path / "newer", "--file", file, *secret)
    assert (answer.status, "newer" in answer.stderr) == (2, True)
    assert (shop / "run.json").read_bytes() == before
