"""``import fedshare`` is instant: nothing heavy comes with it, and every name is found when asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fedshare as fs

HEAVY = ("torch", "numpy", "polars", "scipy", "safetensors", "matplotlib", "typer", "rich")


def test_the_import_loads_nothing_heavy():
    code = f"import sys, fedshare; print([each for each in {HEAVY!r} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", fs.__all__)
def test_every_name_is_found(name: str):
    assert getattr(fs, name).__name__ == name
    assert name in dir(fs)


def test_names_that_are_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'shere'"):
        fs.shere  # type: ignore[attr-defined]


def test_all_names_resolve_in_a_fresh_process():
    code = "import fedshare; [getattr(fedshare, name) for name in fedshare.__all__]; from fedshare import *"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
