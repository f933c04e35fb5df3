"""Ctrl-C leaves the last complete checkpoint, and ``--resume`` ends where training without a break would have ended."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_calls import FEW, Call, tensors

from fedshare import files
from fedshare.cli.console import Interrupted, Stopped, ends_by_signal, stop_between_rounds
from fedshare.simulation.run import Run

ROUNDS = 8
TRAINING = ("--share", "0.5", "--option", "pseudo_items=5", "--rounds", str(ROUNDS), "--checkpoint-every", "2", *FEW)


@pytest.fixture
def interrupted(fedshare: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a run whose training was interrupted after round 5, with a checkpoint after round 4."""
    rounds = iter(range(1, ROUNDS + 1))

    @contextmanager
    def press_ctrl_c() -> Iterator[Callable[[], None]]:
        def check() -> None:
            if next(rounds) == 5:
                raise KeyboardInterrupt

        yield check

    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr("fedshare.cli.train.stop_between_rounds", press_ctrl_c)
        answer = fedshare("train", data, *TRAINING, "--out", out, "--json")
    assert answer.status == 130
    assert answer.json["error"]["type"] == "Interrupted"
    assert f"'{out}.checkpoint', after round 4 of {ROUNDS}" in answer.stderr
    assert "--resume" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run.checkpoint"]
    return out


def test_resume_ends_in_the_same_bytes(fedshare: Call, data: Path, interrupted: Path) -> None:
    answer = fedshare("train", "--resume", "--out", interrupted, "--json")
    assert answer.status == 0, answer.stderr
    assert [path.name for path in interrupted.parent.iterdir()] == ["run"]
    whole = interrupted.with_name("whole")
    direct = fedshare("train", data, *TRAINING, "--out", whole, "--json").json
    assert tensors(interrupted) == tensors(whole)
    assert (answer.json["min_cohort"], answer.json["kept_bytes"]) == (2, direct["kept_bytes"])
    assert answer.json["metrics"] == direct["metrics"]


def test_resume_with_the_same_command(fedshare: Call, data: Path, interrupted: Path) -> None:
    assert fedshare("train", data, *TRAINING, "--out", interrupted, "--resume").status == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rounds", "9"), "--rounds"),
        (("--seed", "3"), "--seed"),
        (("--min-cohort", "3"), "--min-cohort (the checkpoint has 2)"),
        (("--keep", "nothing"), "--keep (the checkpoint has Snapshots(count=4))"),
        (("--share", "0.7"), "--share"),
        (("--algorithm", "fedmf"), "--algorithm"),
        (("--option", "layers=1"), "--algorithm or its options"),
        (("DATA", "--split", "random"), "other pairs"),
    ],
)
def test_resume_refuses_another_training(
    fedshare: Call, data: Path, interrupted: Path, words: tuple[str, ...], said: str
) -> None:
    given = [data if word == "DATA" else word for word in words]
    answer = fedshare("train", *given, "--resume", "--out", interrupted)
    assert answer.status == 2
    assert answer.stderr.startswith("BadOption: ")
    assert said in answer.stderr
    assert interrupted.with_name("run.checkpoint").is_dir()


def test_a_new_training_does_not_run_over_a_checkpoint(fedshare: Call, data: Path, interrupted: Path) -> None:
    answer = fedshare("train", data, *TRAINING, "--out", interrupted)
    assert answer.status == 2
    assert answer.stderr.startswith("OutputExists: ")
    assert fedshare("train", data, *TRAINING, "--out", interrupted, "--force").status == 0


def test_a_checkpoint_is_no_run(fedshare: Call, interrupted: Path) -> None:
    answer = fedshare("recommend", f"{interrupted}.checkpoint", "--user", "u03")
    assert answer.status == 2
    assert answer.stderr.startswith("RunError: ")
    assert f"--resume --out {interrupted}" in answer.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_earnest(
    fedshare: Call, data: Path, tmp_path: Path, program_environment: dict[str, str], number: int, status: int
) -> None:
    out = tmp_path / "run"
    checkpoint = tmp_path / "run.checkpoint" / "run.json"
    words = ("--share", "0.5", "--option", "pseudo_items=5", "--rounds", "100000", "--checkpoint-every", "1", *FEW)
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from fedshare.cli.main import run; run()",
            "train",
            str(data),
            *words,
            "--out",
            str(out),
        ],
        env=program_environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell in the back ignores it
    )
    try:
        for _ in range(600):
            if checkpoint.exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == status, stderr
    assert "the last complete checkpoint is" in stderr
    assert "Traceback" not in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run.checkpoint"]  # whole, and no draft beside it
    assert "is a checkpoint after round" in fedshare("shares", tmp_path / "run.checkpoint").stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_that_ask_a_program_to_end_wait_for_a_round_as_ctrl_c_does(
    number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with ends_by_signal():
        with pytest.raises(Stopped) as stopped, stop_between_rounds() as check:  # noqa: PT012
            check()
            os.kill(os.getpid(), number)
            check()
        with pytest.raises(Stopped):
            os.kill(os.getpid(), number)  # outside of training there is nothing to wait for
    assert stopped.value.number == number
    assert Interrupted("x", stopped.value).status == 128 + number
    assert signal.Signals(number).name in capfd.readouterr().err
    assert signal.getsignal(number) == before


def test_a_second_signal_does_not_wait() -> None:
    with ends_by_signal(), pytest.raises(Stopped), stop_between_rounds():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("the block must not go on")


def test_what_is_ignored_on_purpose_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ends_by_signal(), stop_between_rounds() as check:
            os.kill(os.getpid(), signal.SIGHUP)
            check()
    finally:
        signal.signal(signal.SIGHUP, before)


# -- full disks and names that are taken -------------------------------------------------------------------------------


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_file_that_the_system_refuses_while_training(fedshare: Call, data: Path, tmp_path: Path) -> None:
    with largest_file(4000):
        answer = fedshare("train", data, *TRAINING, "--out", tmp_path / "run")
    assert answer.status == 2
    assert answer.stderr.startswith("CannotWrite: ")
    assert "There was no checkpoint yet" in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_the_last_checkpoint(
    fedshare: Call, data: Path, interrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tensors(interrupted.with_name("run.checkpoint"))
    real = files.sync_tree

    def full(folder: Path) -> None:
        if (folder / "run.json").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(folder)

    with monkeypatch.context() as patched:
        patched.setattr(files, "sync_tree", full)
        answer = fedshare("train", "--resume", "--out", interrupted)
    assert answer.status == 2
    assert answer.stderr.startswith("CannotWrite: ")
    assert "No space left on device" in answer.stderr
    assert f"The last complete checkpoint is '{interrupted}.checkpoint', after round 4 of {ROUNDS}" in answer.stderr
    assert tensors(interrupted.with_name("run.checkpoint")) == before
    assert fedshare("train", "--resume", "--out", interrupted).status == 0


def test_a_result_whose_name_was_taken_is_kept_beside_it(
    fedshare: Call, run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two trainings to one name: the slower one does not lose its work, nor does the faster one."""
    out = tmp_path / "run"
    real = Run.save

    def save(self: Run, path: Path, **options: bool) -> None:
        if path == out:
            shutil.copytree(run, out)
        real(self, path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "save", save)
        answer = fedshare("train", data, *TRAINING, "--out", out)
    assert answer.status == 2
    assert answer.stderr.startswith("OutputExists: ")
    assert f"the result is '{out}-2'" in answer.stderr
    assert tensors(out) == tensors(run)
    assert fedshare("shares", f"{out}-2").status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run-2"]


def test_a_checkpoint_that_a_kill_left_beside_its_finished_run_is_swept(
    fedshare: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(files, "remove_directory", lambda path: None)
        assert fedshare("train", data, *TRAINING, "--out", out).status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.checkpoint"]
    assert fedshare("shares", out).status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_checkpoint_of_another_training_is_not_swept(fedshare: Call, run: Path, interrupted: Path) -> None:
    shutil.copytree(run, interrupted)
    assert fedshare("shares", interrupted).status == 0
    assert interrupted.with_name("run.checkpoint").is_dir()
