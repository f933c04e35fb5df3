"""Ctrl-C leaves the last complete checkpoint, and ``--resume`` ends where training without a break would have ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_calls import FEW, Call, tensors

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
def test_ctrl_c_in_earnest(fedshare: Call, data: Path, tmp_path: Path, program_environment: dict[str, str]) -> None:
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
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130, stderr
    assert "the last complete checkpoint is" in stderr
    assert "Traceback" not in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run.checkpoint"]  # whole, and no draft beside it
    assert "is a checkpoint after round" in fedshare("shares", tmp_path / "run.checkpoint").stderr
