"""``import fedshare`` is instant: nothing heavy comes with it, and every name is found when asked for."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import fedshare as fs
from fedshare.algorithms.registry import ALGORITHMS
from fedshare.unlearning.registry import METHODS

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


@pytest.fixture
def public_names() -> ModuleType:
    """``scripts/public_names.py``, which writes the list of names."""
    path = Path(__file__).parents[2] / "scripts" / "public_names.py"
    spec = importlib.util.spec_from_file_location("public_names", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_list_of_names_is_what_its_script_writes(public_names: ModuleType):
    assert public_names.STUB.read_text(encoding="utf-8") == public_names.text(), "run scripts/public_names.py"


@pytest.mark.parametrize("row", [*ALGORITHMS.values(), *METHODS.values()], ids=lambda row: row.name)
def test_every_algorithm_and_every_method_is_a_public_name(row):
    assert getattr(fs, row.cls.__name__) is row.cls
    assert row.cls.__name__ in fs.__all__
