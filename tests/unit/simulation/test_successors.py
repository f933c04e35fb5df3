"""Two withdrawals from one run: each of the new runs would hold what the other is without."""

from __future__ import annotations

import stat
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from fedshare.errors import SecondWithdrawal
from fedshare.sharing.request import Request
from fedshare.simulation.run import Run
from fedshare.simulation.run_folder import load_device_run
from fedshare.simulation.successors import SUCCESSORS
from fedshare.simulation.unlearn import unlearn
from fedshare.unlearning.drop_only import DropOnly

LOST = r"^this run has a successor already, {}: what was withdrawn there is not withdrawn in the new run\. Make "


def request(run: Run, *wishes: tuple[str, str]) -> Request:
    """What people withdraw: each their first shared item."""
    ledger = run.ledger
    for user, kind in wishes:
        ledger, _ = getattr(ledger, kind)(user, run.ledger.shared_items(user)[:1])
    return Request(run.ledger, ledger)


def silent(run: Run, wanted: Request) -> Run:
    """The run after a request, about which nothing is to be warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return unlearn(run, wanted, method=DropOnly())


def warned(run: Run, wanted: Request, successor: str = "made in this process") -> Run:
    with pytest.warns(SecondWithdrawal, match=LOST.format(successor)):
        return unlearn(run, wanted, method=DropOnly())


@pytest.fixture
def run(small_run: Run) -> Run:
    """A run from which nothing was withdrawn yet."""
    return replace(small_run)


def test_another_request_from_the_same_run_is_warned_of(run: Run):
    silent(run, request(run, ("u00", "unshare")))
    warned(run, request(run, ("u01", "unshare")))


def test_the_same_request_again_or_one_that_includes_it_is_not(run: Run):
    silent(run, request(run, ("u00", "unshare")))
    silent(run, request(run, ("u00", "unshare")))
    silent(run, request(run, ("u00", "unshare"), ("u01", "unshare")))
    silent(run, request(run, ("u00", "erase"), ("u01", "unshare")))  # erasing is more
    warned(run, request(run, ("u00", "unshare"), ("u01", "unshare")))  # now an erasure would be lost


def test_one_after_the_other_is_as_it_should_be(run: Run):
    after = silent(run, request(run, ("u00", "unshare")))
    silent(after, request(after, ("u01", "unshare")))


def test_a_request_of_nothing_leaves_no_trace(run: Run):
    silent(run, Request(run.ledger, run.ledger))
    silent(run, request(run, ("u01", "unshare")))
    silent(run, Request(run.ledger, run.ledger))


def test_a_saved_run_remembers_in_the_devices_folder_alone(run: Run, tmp_path: Path):
    run.save(tmp_path / "a")
    before = {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}
    silent(run, request(run, ("u00", "unshare"))).save(tmp_path / "b")
    mark = tmp_path / "a" / "devices" / SUCCESSORS
    assert stat.S_IMODE(mark.stat().st_mode) == 0o600
    assert {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()} == {
        **before,
        mark: mark.read_bytes(),
    }
    assert not (tmp_path / "b" / "devices" / SUCCESSORS).exists()
    again = Run.load(tmp_path / "a")
    silent(again, request(again, ("u00", "unshare")))
    again = Run.load(tmp_path / "a")
    warned(again, request(again, ("u01", "unshare")), "'b'").save(tmp_path / "c")
    third = Run.load(tmp_path / "a")
    silent(third, request(third, ("u01", "unshare"), ("u00", "unshare")))  # covers both
    third = Run.load(tmp_path / "a")
    warned(third, request(third, ("u00", "unshare")), "'c'")
    load_device_run(tmp_path / "a")


def test_replacing_the_successor_is_warned_of_too(run: Run, tmp_path: Path):
    run.save(tmp_path / "a")
    silent(run, request(run, ("u00", "unshare"))).save(tmp_path / "b")
    again = Run.load(tmp_path / "a")
    warned(again, request(again, ("u01", "unshare")), "'b'").save(tmp_path / "b", replace=True)


def test_a_run_that_replaces_its_own_origin_has_none(run: Run, tmp_path: Path):
    run.save(tmp_path / "a")
    silent(run, request(run, ("u00", "unshare"))).save(tmp_path / "a", replace=True)
    after = Run.load(tmp_path / "a")
    assert not (tmp_path / "a" / "devices" / SUCCESSORS).exists()
    silent(after, request(after, ("u01", "unshare")))


@pytest.mark.parametrize("content", [b"", b"no parquet at all", b"PAR1" * 100])
def test_a_memory_that_cannot_be_read_is_none(run: Run, tmp_path: Path, content: bytes):
    run.save(tmp_path / "a")
    (tmp_path / "a" / "devices" / SUCCESSORS).write_bytes(content)
    again = Run.load(tmp_path / "a")
    silent(again, request(again, ("u01", "unshare"))).save(tmp_path / "b")
    again = Run.load(tmp_path / "a")
    warned(again, request(again, ("u00", "unshare")), "'b'")


def test_an_origin_that_is_gone_or_closed_does_not_stop_anybody(run: Run, tmp_path: Path, monkeypatch):
    run.save(tmp_path / "a")
    after = silent(run, request(run, ("u00", "unshare")))

    def closed(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("fedshare.simulation.successors._write", closed)
    with pytest.warns(SecondWithdrawal, match="could not be marked"):
        after.save(tmp_path / "b")
    (tmp_path / "a").rename(tmp_path / "elsewhere")
    after.save(tmp_path / "c")
    assert Run.load(tmp_path / "c").ledger == after.ledger
