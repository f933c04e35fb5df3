"""A kill at any step of saving leaves the old run or the new one, and nothing else after the next start.

Whole commands are killed by ``benchmarks/injected_kills.py``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="children are forked")
def test_kills_while_saving(tmp_path: Path, program_environment: dict[str, str]) -> None:
    script = Path(__file__).with_name("saves_killed.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        env=program_environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "20 kills\n"
