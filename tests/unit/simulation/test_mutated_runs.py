"""A hundred run folders that something happened to: a named error, or they work; see ``benchmarks/mutated_runs.py``."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fedshare.errors import FedShareError
from fedshare.testing.mutated_runs import make_runs, mutate, outcome_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_runs(tmp_path_factory.mktemp("mutated"))


def test_untouched_runs_work(runs: list[Path], tmp_path: Path):
    for run in runs:
        assert outcome_of(run, tmp_path / "elsewhere") == "works"


@pytest.mark.parametrize("ten", range(10))
def test_what_happened_to_a_folder_is_told_by_name(runs: list[Path], tmp_path: Path, ten: int):
    for seed in range(10 * ten, 10 * ten + 10):
        draw = np.random.default_rng([9, seed])
        base, other = (runs[int(index)] for index in draw.integers(len(runs), size=2))
        shutil.copytree(base, tmp_path / "mutated")
        done = mutate(tmp_path / "mutated", other, draw)
        try:
            outcome_of(tmp_path / "mutated", tmp_path / "elsewhere")
        except Exception as error:
            assert isinstance(error, FedShareError), (seed, base.name, done)  # noqa: PT017
        shutil.rmtree(tmp_path / "mutated")
