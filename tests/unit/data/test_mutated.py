"""A hundred files with something wrong in them: a table or one of our errors, whatever it is.

``benchmarks/mutated_files.py`` makes them, and tries a thousand with limits of time and memory.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
from mutated_files import answer, clean_files, mutated  # pyright: ignore[reportMissingImports]


def test_clean_files_are_read(tmp_path: Path) -> None:
    for name, content in clean_files().items():
        (tmp_path / name).write_bytes(content)
        assert answer(tmp_path / name) == "read", name


def test_mutated_files_get_a_named_answer(tmp_path: Path) -> None:
    for number, (name, kinds, content) in enumerate(mutated(100, seed=7, without=("bomb",))):
        path = tmp_path / f"{number}-{name}"
        path.write_bytes(content)
        began = time.perf_counter()
        said = answer(path)
        assert not said.startswith("!"), f"{number} {name} ({kinds}): {said}"
        assert time.perf_counter() - began < 10
