"""A process that is killed at any one of its steps on disk, and what its successor finds.

A parent that has loaded everything, and used no library that keeps threads, forks a child for each kill. In the child
every step on disk counts: what Python opens for writing, renames, makes and removes, each call that brings something to
disk, and the beginning, the middle and the end of what other libraries write. At the step with a given number the child
kills itself, as nobody can catch.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from fedshare import drafts, durable, files
from fedshare.storage import tensor_files

__all__ = ["count_steps", "run_killed"]

_EVENTS = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "os.link", "shutil.rmtree"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class _Steps:
    def __init__(self, kill_at: int | None) -> None:
        self.done = 0
        self._kill_at = kill_at

    def step(self) -> None:
        self.done += 1
        if self.done == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING):
            self.step()


def run_killed(job: Callable[[], object], kill_at: int) -> bool:
    """Run a job in a child that is killed at a step.

    Args:
        job: What to do.
        kill_at: The step, from 1.

    Returns:
        Whether it was killed; False where the job ended before.

    Raises:
        RuntimeError: The job failed on its own; what it raised is on stderr.
    """
    return _in_child(job, kill_at) is None


def count_steps(job: Callable[[], object]) -> int:
    """How many steps a job takes on disk, run to its end in a child."""
    steps = _in_child(job, None)
    assert steps is not None
    return steps


def _in_child(job: Callable[[], object], kill_at: int | None) -> int | None:
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        os.close(reader)
        status = 1
        try:
            steps = _Steps(kill_at)
            _count(steps)
            job()
            os.write(writer, str(steps.done).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    if status:
        raise RuntimeError(f"a job failed on its own, status {status}")
    return int(text)


def _count(steps: _Steps) -> None:
    """Have all that happens on disk in this process counted, for good."""
    sys.addaudithook(steps.hook)
    for module, name in ((durable, "_sync"), (files, "exchange"), (files, "place"), (drafts, "place")):
        setattr(module, name, _before_and_after(getattr(module, name), steps))
    tensor_files.save_file = _writer(tensor_files.save_file, lambda tensors, file: file, steps)
    pl.DataFrame.write_parquet = _writer(pl.DataFrame.write_parquet, lambda table, file: file, steps)  # type: ignore[method-assign]


def _before_and_after(call: Callable[..., Any], steps: _Steps) -> Callable[..., Any]:
    def counted(*given: Any) -> Any:
        steps.step()
        result = call(*given)
        steps.step()
        return result

    return counted


def _writer(write: Callable[..., Any], place: Callable[..., Path], steps: _Steps) -> Callable[..., Any]:
    """A kill before, with half of the file there, and after."""

    def counted(*given: Any) -> Any:
        steps.step()
        result = write(*given)
        file = place(*given)
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
        steps.step()
        file.write_bytes(content)
        steps.step()
        return result

    return counted
