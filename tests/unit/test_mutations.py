"""Every bug of the list can be put in: an entry that fits nothing any more would be passed over in silence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from mutations import ENTRIES, Mutation, read_entries  # noqa: E402  # pyright: ignore


@pytest.mark.parametrize("entry", read_entries(ENTRIES), ids=lambda entry: entry.name)
def test_it_applies(entry: Mutation) -> None:
    original = (ROOT / "src" / "fedshare" / entry.file).read_text(encoding="utf-8")
    assert entry.applied(original) != original
    assert all((ROOT / test.split("::")[0]).exists() for test in entry.tests)
