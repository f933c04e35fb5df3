"""Every example in a docstring is run, and none is passed over.

A test of its own rather than pytest's ``--doctest-modules``: that one takes every ``conftest.py`` for a module of the
name ``conftest``, and fails as soon as two folders of tests are named on the command line.
"""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import fedshare

ROOT = Path(fedshare.__file__).parent


def n_examples(file: Path) -> int:
    return sum(line.lstrip().startswith(">>> ") for line in file.read_text(encoding="utf-8").splitlines())


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("file", [file for file in sorted(ROOT.rglob("*.py")) if n_examples(file)], ids=module_name)
def test_examples_hold(file: Path):
    found = doctest.testmod(import_module(module_name(file)))  # prints what an example said instead
    assert found.failed == 0
    assert found.attempted == n_examples(file)
