"""The examples in docstrings run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import fedshare

MODULES = ["fedshare", *(each.name for each in pkgutil.walk_packages(fedshare.__path__, "fedshare."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name: str):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_there_are_examples_to_run():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [each for name in MODULES for each in finder.find(importlib.import_module(name)) if each.examples]
    assert len(found) > 20
