"""A shop that lives on: choices that wait, rules, new purchases, refresh."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from cli_calls import Call

from fedshare.simulation.run import Run
from fedshare.simulation.waiting import JOURNAL


@pytest.fixture
def shop(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "shop"))


def test_choices_wait_until_a_refresh(fedshare: Call, shop: Path, tmp_path: Path) -> None:
    before = Run.load(shop)
    item = before.ledger.private_items("u03")[0]
    answer = fedshare("share", shop, "--user", "u03", "--items", item, "--reason", "it is fine")
    assert answer.status == 0, answer.stderr
    assert "fedshare refresh" in answer.stdout
    assert fedshare("share", shop, "--user", "u04", "--to", 1, "--json").json["n_waiting"] == 2
    assert fedshare("rule", shop, "--user", "u05", "--add", "until:2020-01-01", "--json").json["n_due"] > 0
    assert Run.load(shop).ledger == before.ledger  # the model is as it was
    journal = shop / "devices" / JOURNAL
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert item in fedshare("shares", shop, "--user", "u03", "--json").stdout
    log = fedshare("log", shop, "--user", "u03", "--json").json["events"]
    assert (log[-1]["kind"], log[-1]["items"], log[-1]["reason"]) == ("share", [item], "it is fine")
    assert log[-1]["waits"]
    assert "it is fine" in fedshare("log", shop, "--user", "u03").stdout

    answer = fedshare("unshare", shop, "--user", "u03", "--all", "--out", tmp_path / "lost")
    assert answer.status == 2
    assert "3 choices wait for a refresh" in answer.stderr

    answer = fedshare("refresh", shop, "--out", tmp_path / "later", "--json")
    assert answer.status == 0, answer.stderr
    after = Run.load(tmp_path / "later")
    assert item in after.ledger.shared_items("u03")
    assert after.ledger.private_items("u04") == []
    assert after.ledger.shared_items("u05") == []
    assert answer.json["n_withdrawn"] == len(before.ledger.shared_items("u05"))
    assert not (tmp_path / "later" / "devices" / JOURNAL).exists()
    assert after.ledger.extends(before.ledger)


def test_new_purchases_come_from_a_file(fedshare: Call, shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "november.csv"
    file.write_text("user_id,item_id,timestamp\nu03,novelty,1320000000\nnewcomer,novelty,1320000001\n")
    answer = fedshare("refresh", shop, "--data", file, "--out", tmp_path / "later", "--now", "2011-11-30", "--json")
    assert answer.status == 0, answer.stderr
    assert (answer.json["n_new_users"], answer.json["n_new_items"], answer.json["n_new_pairs"]) == (1, 1, 2)
    assert fedshare("recommend", tmp_path / "later", "--user", "newcomer").status == 0
    assert "newcomer" not in (tmp_path / "later" / "server" / "manifest.json").read_text()


def test_a_torn_line_was_never_acknowledged(fedshare: Call, shop: Path) -> None:
    assert fedshare("share", shop, "--user", "u04", "--to", 1).status == 0
    journal = shop / "devices" / JOURNAL
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole[: len(whole) // 2])
    assert len(fedshare("log", shop, "--user", "u04", "--json").json["events"]) > 0
    assert fedshare("rule", shop, "--user", "u04", "--add", "never-gifts").status == 0
    assert journal.read_bytes().startswith(whole)
    assert journal.read_bytes().count(b"\n") == whole.count(b"\n") + 1


@pytest.mark.parametrize(
    "damage", [lambda text: text.replace(b"u04", b"u05"), lambda text: text + text, lambda _: b"x\n"]
)
def test_a_changed_journal_is_refused(fedshare: Call, shop: Path, damage) -> None:  # type: ignore[no-untyped-def]
    assert fedshare("share", shop, "--user", "u04", "--to", 1).status == 0
    journal = shop / "devices" / JOURNAL
    journal.write_bytes(damage(journal.read_bytes()))
    for words in (("log", shop, "--user", "u04"), ("refresh", shop, "--out", shop / "x")):
        answer = fedshare(*words)
        assert answer.status == 2
        assert answer.stderr.startswith("DamagedRun")


@pytest.mark.parametrize(
    "words",
    [
        ("share", "--user", "u03"),
        ("share", "--user", "u03", "--to", "0.9", "--items", "x"),
        ("share", "--user", "nobody", "--to", "1"),
        ("rule", "--user", "u03", "--add", "sometimes"),
        ("rule", "--user", "u03", "--lift", "never-gifts"),
        ("log", "--user", "nobody"),
    ],
)
def test_what_cannot_be_chosen_leaves_nothing_behind(fedshare: Call, shop: Path, words: tuple[str, ...]) -> None:
    answer = fedshare(words[0], shop, *words[1:])
    assert answer.status == 2
    journal = shop / "devices" / JOURNAL
    assert not journal.exists() or journal.read_bytes() == b""
