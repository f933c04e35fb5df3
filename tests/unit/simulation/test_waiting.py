from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fedshare.algorithms.popularity import Popularity
from fedshare.drafts import draft_beside
from fedshare.errors import CannotWrite, DamagedRun, RunError
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.rules import NeverGifts
from fedshare.simulation.refresh import refresh
from fedshare.simulation.run import Run
from fedshare.simulation.successors import SUCCESSORS
from fedshare.simulation.waiting import JOURNAL, Journal, note, nothing_waits, replacing, waiting
from fedshare.testing.synthetic import small_ledger
from fedshare.testing.synthetic import train_small as train


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the ledger that all tests here start from."""
    path = tmp_path_factory.mktemp("waiting") / "run"
    train(Popularity(), small_ledger()).save(path)
    return path


@pytest.fixture
def run(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "run"))


def everything(ledger: Ledger) -> Ledger:
    """One event of every kind."""
    user, item = ledger.sharers()[0], ledger.ids[1][0]
    ledger = ledger.observe([(user, "new", 5, True), ("dee", item, 6)], titles={"new": "N", item: "I"}, now=7)
    ledger = ledger.share("dee", fraction=1.0, now=8).set_rule(user, NeverGifts(), now=9).retire([item], now=10)
    ledger, _ = ledger.unshare(user, ledger.shared_items(user)[:1], now=11, actor="shop", reason="by 'telephone'\n")
    ledger, _ = ledger.erase(user, ["new"], now=12)
    return ledger.lift_rule(user, NeverGifts(), now=13).restore_items([item], now=14)


def test_what_was_chosen_comes_back(run: Path) -> None:
    ledger = small_ledger()
    after = note(run, ledger, everything)
    back = waiting(run, ledger.at(ledger.position))
    assert back == after
    assert back.state.tolist() == after.state.tolist()
    assert back.known.titles == after.known.titles
    assert [(e.id, e.time, e.actor, e.reason) for e in back.events] == [
        (e.id, e.time, e.actor, e.reason) for e in after.events
    ]
    assert stat.S_IMODE((run / "devices" / JOURNAL).stat().st_mode) == 0o600
    with pytest.raises(RunError, match="choices wait for a refresh"):
        nothing_waits(run, ledger)


def test_choices_come_on_top_of_one_another(run: Path) -> None:
    ledger = small_ledger()
    for n in range(3):
        note(run, ledger, lambda before, n=n: before.observe(users=[f"new{n}"]))  # pyright: ignore[reportCallIssue]
    assert waiting(run, ledger).ids[0][-3:] == ("new0", "new1", "new2")


def test_what_raises_leaves_nothing(run: Path) -> None:
    def fails(ledger: Ledger) -> Ledger:
        ledger.observe(users=["nobody"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        note(run, small_ledger(), fails)
    assert waiting(run, small_ledger()).position == small_ledger().position


def test_wherever_a_kill_cuts_the_file_off_whole_lines_stay(run: Path) -> None:
    ledger = small_ledger()
    after = note(run, ledger, everything)
    file = run / "devices" / JOURNAL
    whole = file.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    for cut in range(0, len(whole), 7):
        file.write_bytes(whole[:cut])
        expected = ledger.position + sum(end <= cut for end in ends)
        assert waiting(run, ledger).position == expected
    file.write_bytes(whole[:-5])
    again = note(run, ledger, lambda before: before.observe(users=["later"]))
    assert again.position == after.position  # one was cut off, one came
    assert waiting(run, ledger) == again


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_full_disk_keeps_what_was_there(run: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = small_ledger()
    note(run, ledger, lambda before: before.observe(users=["first"]))
    whole = (run / "devices" / JOURNAL).read_bytes()
    write = os.write

    def full(handle: int, content: bytes) -> int:
        write(handle, content[: len(content) // 2])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(CannotWrite, match="What was chosen before is kept, this is not"):
        note(run, ledger, lambda before: before.observe(users=["second"]))
    monkeypatch.undo()
    assert (run / "devices" / JOURNAL).read_bytes() == whole


def test_the_journal_of_another_run_is_refused(run: Path) -> None:
    ledger = small_ledger()
    note(run, ledger, everything)
    with pytest.raises(DamagedRun, match="expected event 0"):
        waiting(run, Ledger(ledger.known))


@pytest.mark.parametrize(
    "content", [b"\n", b"00000000 {}\n", b"no checksum\n", b"\xff" * 100 + b"\n", b"{" * 10_000 + b"\n"]
)
def test_what_is_no_journal(run: Path, content: bytes) -> None:
    (run / "devices" / JOURNAL).write_bytes(content)
    with pytest.raises(DamagedRun) as caught:
        waiting(run, small_ledger())
    assert len(str(caught.value)) < 600


def test_it_is_no_way_to_another_file(run: Path, tmp_path: Path) -> None:
    (tmp_path / "else").write_text("x")
    (run / "devices" / JOURNAL).symlink_to(tmp_path / "else")
    with pytest.raises(DamagedRun):
        waiting(run, small_ledger())
    with pytest.raises(CannotWrite):
        Journal(run / "devices" / JOURNAL)
    assert (tmp_path / "else").read_text() == "x"


def test_a_run_that_takes_the_name_may_not_lose_what_waits(run: Path) -> None:
    before = Run.load(run)
    after = note(run, before.ledger, lambda ledger: ledger.observe(users=["waits"]))
    for loses in (before, train(Popularity(), small_ledger(seed=5))):
        with pytest.raises(RunError, match="1 choices wait there that the run taking its name is without"):
            loses.save(run, replace=True)
    assert waiting(run, before.ledger) == after
    refresh(before, after).save(run, replace=True)
    assert Run.load(run).ledger == after
    nothing_waits(run, Run.load(run).ledger)


def test_whoever_waits_for_the_lock_adds_to_the_run_that_has_the_name(run: Path) -> None:
    """Somebody chooses while a run is replaced: the choice is refused or kept, never acknowledged and lost."""
    ledger, told = Run.load(run).ledger, []

    def choose() -> None:
        try:
            note(run, ledger, lambda before: before.observe(users=["meanwhile"]))
            told.append("kept")
        except RunError:
            told.append("refused")

    later = refresh(Run.load(run), ledger.observe(users=["new"]))
    with replacing(run, later.ledger):
        thread = threading.Thread(target=choose)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()  # it waits
        os.rename(run, run.with_name("old"))
        later.save(run)
    thread.join(10)
    assert told == ["refused"]
    assert not (run / "devices" / JOURNAL).exists() or not (run / "devices" / JOURNAL).read_bytes()


def test_a_kill_while_something_is_written_beside_leaves_the_run_readable(run: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from fedshare.files import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as draft: draft.write_bytes(b'x'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(run / "devices" / SUCCESSORS)], check=False)
    assert done.returncode == -9
    assert [each.name for each in (run / "devices").iterdir() if each.is_dir()]
    Run.load(run)
    assert not [each.name for each in (run / "devices").iterdir() if each.is_dir()]
    with draft_beside(run / "devices") as draft:  # of a living process: left alone, and in nobody's way
        Run.load(run)
        assert draft.is_dir()
    (run / "devices" / f".fedshare-draft-{'0' * 16}").mkdir()
    (run / "devices" / f".fedshare-draft-{'0' * 16}" / "stowaway").touch()
    with pytest.raises(DamagedRun, match="no regular file"):
        Run.load(run)
