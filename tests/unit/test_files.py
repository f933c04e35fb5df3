"""Whole or not there, whatever goes wrong on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedshare.errors import OutputExists
from fedshare.files import atomic_directory, atomic_file


def left_over(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_file_takes_its_place_at_the_end(tmp_path: Path):
    target = tmp_path / "deep" / "a.txt"
    with atomic_file(target) as draft:
        draft.write_text("new")
        assert not target.exists()
        assert draft.parent == target.parent
    assert target.read_text() == "new"
    assert left_over(target.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_file_that_fails_leaves_the_old_one(tmp_path: Path, error: type[BaseException]):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(error), atomic_file(target) as draft:  # noqa: PT012
        draft.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert left_over(tmp_path) == ["a.txt"]


def test_a_folder_takes_its_name_at_the_end(tmp_path: Path):
    target = tmp_path / "deep" / "run"
    with atomic_directory(target) as draft:
        (draft / "part").write_text("new")
        assert not target.exists()
    assert (target / "part").read_text() == "new"
    assert left_over(target.parent) == ["run"]


def test_a_folder_that_is_there_is_not_replaced_by_accident(tmp_path: Path):
    target = tmp_path / "run"
    target.mkdir()
    with pytest.raises(OutputExists, match="run' is there already"), atomic_directory(target):
        pytest.fail("the block must not run")
    assert left_over(tmp_path) == ["run"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path):
    target = tmp_path / "run"
    target.mkdir()
    (target / "old part").write_text("old")
    with atomic_directory(target, replace=True) as draft:
        (draft / "part").write_text("new")
        assert (target / "old part").read_text() == "old"
    assert left_over(target) == ["part"]
    assert left_over(tmp_path) == ["run"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("there", [True, False])
def test_a_folder_that_fails_leaves_what_was(tmp_path: Path, error: type[BaseException], there: bool):
    target = tmp_path / "run"
    if there:
        target.mkdir()
        (target / "part").write_text("old")
    with pytest.raises(error), atomic_directory(target, replace=True) as draft:  # noqa: PT012
        (draft / "part").write_text("half")
        raise error
    assert left_over(tmp_path) == (["run"] if there else [])
    assert not there or (target / "part").read_text() == "old"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_the_old_folder_comes_back_when_the_exchange_itself_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
):
    target = tmp_path / "run"
    target.mkdir()
    (target / "part").write_text("old")
    rename, calls = Path.rename, []

    def fails_the_second_time(self: Path, other: Path) -> Path:
        calls.append(self)
        if len(calls) == 2:
            raise error
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", fails_the_second_time)
    with pytest.raises(error), atomic_directory(target, replace=True) as draft:
        (draft / "part").write_text("new")
    assert (target / "part").read_text() == "old"
    assert left_over(tmp_path) == ["run"]
