"""Whoever installs the library gets its types."""

from __future__ import annotations

from importlib.resources import files


def test_the_package_says_that_it_is_typed():
    assert files("fedshare").joinpath("py.typed").is_file()  # hatchling packs every file below src/fedshare
