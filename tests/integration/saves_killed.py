"""Kills a process while it saves a run, at steps spread over the whole of it. Run by ``test_kills.py``.

In a process of its own, which has used no library that keeps threads when it forks.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

import fedshare.simulation.run_folder
from fedshare import durable
from fedshare.algorithms.popularity import Popularity
from fedshare.files import sweep
from fedshare.simulation.run import Run
from fedshare.testing.kills import count_steps, run_killed
from fedshare.testing.synthetic import same_run, small_ledger, train_small

EACH = 5
"Kills with and without a run to replace, and with and without names that can be exchanged."


def main(folder: Path) -> None:
    assert fedshare.simulation.run_folder  # loaded before the first fork
    old, new = (train_small(Popularity(), small_ledger(share_of)) for share_of in (0.3, 0.6))
    count_steps(lambda: old.save(folder / "old"))
    killed = sum(
        kills(folder, old, new, replace=replace, exchanges=exchanges)
        for replace in (False, True)
        for exchanges in (False, True)
    )
    print(f"{killed} kills")


def kills(folder: Path, old: Run, new: Run, *, replace: bool, exchanges: bool) -> int:
    out = folder / "runs" / "run"

    def prepare() -> None:
        shutil.rmtree(out.parent, ignore_errors=True)
        out.parent.mkdir()
        if replace:
            shutil.copytree(folder / "old", out)

    def save() -> None:
        if not exchanges:
            durable._renames = lambda: (None, None)
        new.save(out, replace=replace)

    def look() -> None:
        before = {each.name for each in out.parent.iterdir()}
        assert "run" in before or not (replace and exchanges), "the name was free for a moment"
        sweep(out.parent)
        there = {each.name for each in out.parent.iterdir()}
        assert there == {"run"} if replace else there <= {"run"}, there
        if there:
            found = Run.load(out)
            assert same_run(found, new) or (replace and same_run(found, old))

    prepare()
    steps, killed = count_steps(save), 0
    for kill_at in np.linspace(2, steps, EACH).astype(int).tolist():
        prepare()
        killed += run_killed(save, kill_at)
        count_steps(look)
    return killed


if __name__ == "__main__":
    main(Path(sys.argv[1]))
