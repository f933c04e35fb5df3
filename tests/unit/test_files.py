"""Whole or not there, whatever goes wrong on the way."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fedshare import durable, files
from fedshare.errors import CannotWrite, OutputExists
from fedshare.files import atomic_directory, atomic_file, remove_directory, sweep


def left_over(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_file_takes_its_place_at_the_end(tmp_path: Path):
    target = tmp_path / "deep" / "a.txt"
    with atomic_file(target) as draft:
        draft.write_text("new")
        assert not target.exists()
        assert draft.parent.parent == target.parent
        assert draft.suffix == ".txt"
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
@pytest.mark.parametrize("in_one_step", [True, False])
def test_the_old_folder_is_there_when_the_exchange_itself_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], in_one_step: bool
):
    target = tmp_path / "run"
    target.mkdir()
    (target / "part").write_text("old")

    def fails(*_: object) -> bool:
        raise error

    if in_one_step:
        monkeypatch.setattr(files, "exchange", fails)
    else:
        monkeypatch.setattr(files, "exchange", lambda *_: False)
        real, calls = files.place, []

        def fails_the_second_time(new: Path, path: Path) -> None:
            calls.append(new)
            if len(calls) == 2:
                raise error
            real(new, path)

        monkeypatch.setattr(files, "place", fails_the_second_time)
    with pytest.raises(error), atomic_directory(target, replace=True) as draft:
        (draft / "part").write_text("new")
    assert (target / "part").read_text() == "old"
    assert left_over(tmp_path) == ["run"]


@pytest.mark.parametrize("renames", [None, (None, None)], ids=["as the system can", "in two steps"])
def test_folders_are_replaced_where_names_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: tuple[None, None] | None
):
    if renames is not None:
        monkeypatch.setattr(durable, "_renames", lambda: renames)
    target = tmp_path / "run"
    for text in ("one", "two", "three"):
        with atomic_directory(target, replace=True) as draft:
            (draft / "part").write_text(text)
        assert (target / "part").read_text() == text
        assert left_over(tmp_path) == ["run"]
    with pytest.raises(OutputExists), atomic_directory(target):
        pytest.fail("the block must not run")


# -- races -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("renames", [None, (None, None)], ids=["as the system can", "in two steps"])
def test_a_name_that_is_taken_meanwhile_stays_with_who_took_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: tuple[None, None] | None
):
    if renames is not None:
        monkeypatch.setattr(durable, "_renames", lambda: renames)
    target = tmp_path / "run"
    with pytest.raises(OutputExists, match="run' is there already"), atomic_directory(target) as late:  # noqa: PT012
        (late / "part").write_text("late")
        with atomic_directory(target) as early:
            (early / "part").write_text("early")
    assert (target / "part").read_text() == "early"
    assert left_over(tmp_path) == ["run"]


def test_many_that_want_one_name(tmp_path: Path):
    target, outcomes = tmp_path / "run", []
    together = threading.Barrier(8)

    def write(number: int) -> None:
        try:
            with atomic_directory(target) as draft:
                (draft / "part").write_text(str(number))
                together.wait(10)
            outcomes.append(number)
        except OutputExists:
            outcomes.append(None)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    (winner,) = [each for each in outcomes if each is not None]
    assert len(outcomes) == 8
    assert (target / "part").read_text() == str(winner)
    assert left_over(tmp_path) == ["run"]


def test_a_free_name_beside_one_that_is_taken(tmp_path: Path):
    assert files.free_name(tmp_path / "run") == tmp_path / "run"
    for name in ("run", "run-2"):
        (tmp_path / name).mkdir()
    (tmp_path / "run-3").symlink_to("nowhere")
    assert files.free_name(tmp_path / "run") == tmp_path / "run-4"


# -- what the dead leave -----------------------------------------------------------------------------------------------


def dead_draft(folder: Path, *, locked: bool = False) -> tuple[Path, int | None]:
    """A draft as a process leaves it that was killed, or one that lives."""
    draft = folder / ".fedshare-draft-00112233445566aa"
    draft.mkdir(mode=0o700)
    (draft / "new").mkdir()
    (draft / "new" / "private").write_text("pairs")
    handle = os.open(draft / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    if locked:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return draft, handle
    os.close(handle)
    return draft, None


def use_file(folder: Path) -> None:
    with atomic_file(folder / "a.txt") as draft:
        draft.write_text("new")


def use_directory(folder: Path) -> None:
    with atomic_directory(folder / "run") as draft:
        (draft / "part").write_text("new")


@pytest.mark.parametrize("use", [use_file, use_directory, sweep])
def test_what_the_dead_left_is_swept(tmp_path: Path, use: Callable[[Path], None]):
    draft, _ = dead_draft(tmp_path)
    use(tmp_path)
    assert not draft.exists()


@pytest.mark.parametrize("use", [use_file, use_directory, sweep])
def test_what_the_living_write_is_left_alone(tmp_path: Path, use: Callable[[Path], None]):
    draft, handle = dead_draft(tmp_path, locked=True)
    use(tmp_path)
    assert (draft / "new" / "private").read_text() == "pairs"
    assert handle is not None
    os.close(handle)  # as when its process ends
    sweep(tmp_path)
    assert not draft.exists()


def test_a_draft_that_is_written_in_this_process_is_alive(tmp_path: Path):
    with atomic_directory(tmp_path / "run") as draft:
        sweep(tmp_path)
        use_file(tmp_path)
        (draft / "part").write_text("new")
    assert left_over(tmp_path) == ["a.txt", "run"]


@pytest.mark.parametrize("parts", [(), ("lock",), ("lock", "old"), ("lock", "new.txt"), ("lock", "new.retired")])
def test_half_a_draft_is_swept(tmp_path: Path, parts: tuple[str, ...]):
    draft = tmp_path / ".fedshare-draft-00112233445566aa"
    draft.mkdir()
    for part in parts:
        (draft / part).mkdir() if part == "old" else (draft / part).write_text("x")
    sweep(tmp_path)
    assert left_over(tmp_path) == []


def stranger_named_otherwise(folder: Path) -> Path:
    (folder / ".fedshare-draft-mine").mkdir()
    return folder / ".fedshare-draft-mine"


def stranger_with_photos(folder: Path) -> Path:
    draft, _ = dead_draft(folder)
    (draft / "me.png").write_bytes(b"x")
    return draft / "me.png"


def stranger_without_a_lock(folder: Path) -> Path:
    draft, _ = dead_draft(folder)
    (draft / "lock").unlink()
    return draft / "new"


def stranger_by_a_link(folder: Path) -> Path:
    draft, _ = dead_draft(folder)
    draft.rename(folder / "elsewhere")
    draft.symlink_to("elsewhere")
    return folder / "elsewhere" / "new" / "private"


def stranger_that_is_a_file(folder: Path) -> Path:
    (folder / ".fedshare-draft-00112233445566aa").write_text("x")
    return folder / ".fedshare-draft-00112233445566aa"


@pytest.mark.parametrize(
    "make",
    [
        stranger_named_otherwise,
        stranger_with_photos,
        stranger_without_a_lock,
        stranger_by_a_link,
        stranger_that_is_a_file,
    ],
)
def test_what_only_looks_like_a_draft_is_left_alone(tmp_path: Path, make: Callable[[Path], Path]):
    stranger = make(tmp_path)
    sweep(tmp_path)
    assert stranger.exists()


def test_a_folder_on_its_way_out_comes_back_if_nothing_took_its_place(tmp_path: Path):
    for taken in (False, True):
        draft, _ = dead_draft(tmp_path)
        (draft / "old" / "run").mkdir(parents=True)
        (draft / "old" / "run" / "part").write_text("old")
        if taken:
            (tmp_path / "run" / "part").write_text("newer")
        sweep(tmp_path)
        assert left_over(tmp_path) == ["run"]
        assert (tmp_path / "run" / "part").read_text() == ("newer" if taken else "old")


def test_a_folder_is_removed_in_one_step(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "part").write_text("x")
    remove_directory(tmp_path / "run")
    assert left_over(tmp_path) == []


# -- who may read ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_nobody_else_sees_a_draft(tmp_path: Path, umask: int):
    before = os.umask(umask)
    try:
        for make in (atomic_file(tmp_path / "a.txt"), atomic_directory(tmp_path / "run")):
            with make as draft:
                assert stat.S_IMODE(draft.parent.stat().st_mode) == 0o700
                if draft.suffix:
                    draft.write_text("x")
    finally:
        os.umask(before)


def test_a_file_and_a_folder_keep_the_rights_that_they_had(tmp_path: Path):
    use_file(tmp_path)
    use_directory(tmp_path)
    for path in (tmp_path / "a.txt", tmp_path / "run"):
        path.chmod(0o700)
    use_file(tmp_path)
    with atomic_directory(tmp_path / "run", replace=True):
        pass
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.txt", "run")} == {0o700}


def test_links_are_followed_and_devices_written_to(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "a.txt").symlink_to("disk/b.txt")
    use_file(tmp_path)
    assert (tmp_path / "disk" / "b.txt").read_text() == "new"
    assert (tmp_path / "a.txt").is_symlink()
    with atomic_file(Path(os.devnull)) as draft:
        draft.write_text("x")
    assert Path(os.devnull).is_char_device()


# -- order on disk -----------------------------------------------------------------------------------------------------


def test_everything_is_on_disk_before_it_has_its_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls: list[str] = []

    def told(module: object, name: str, describe: Callable[..., str]) -> None:
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: (calls.append(describe(*given)), real(*given))[1])

    told(durable, "_sync", lambda path: f"sync {path.name if path != tmp_path else 'parent'}")
    told(files, "place", lambda new, path: f"place {path.name}")
    told(files, "exchange", lambda new, path: f"exchange {path.name}")
    for replace in (False, True):
        calls.clear()
        with atomic_directory(tmp_path / "run", replace=replace) as draft:
            (draft / "inner").mkdir()
            (draft / "inner" / "part").write_text("x")
        name = ["place run", "exchange run"] if replace else ["place run"]
        drafts = [each for each in calls if ".fedshare-draft" in each]
        assert len(drafts) == 2  # before and after
        rest = [each for each in calls if each not in drafts]
        assert rest == ["sync part", "sync inner", "sync new", *name, "sync parent"]


# -- what the system refuses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "full"), "No space left.*Make room"),
        (OSError(errno.EDQUOT, "full"), "quota"),
        (OSError(errno.EIO, "broken"), "reports an error"),
        (OSError(errno.EROFS, "read-only"), "read-only"),
        (ValueError('I/O error: Os { code: 28, kind: StorageFull, message: "x" }'), "No space left"),
        (RuntimeError("No space left on device (os error 28)"), "No space left"),
    ],
)
def test_what_the_system_refuses_is_named(tmp_path: Path, there: bool, error: Exception, said: str):
    target = tmp_path / "run"
    if there:
        target.mkdir()
    kept = "What was there is as it was" if there else "Nothing is there"
    with pytest.raises(CannotWrite, match=f"run'.*{said}") as failure, atomic_directory(target, replace=True):
        raise error
    assert kept in str(failure.value)
    assert isinstance(failure.value, OSError)
    assert left_over(tmp_path) == (["run"] if there else [])


def test_a_file_that_is_too_large_in_earnest(tmp_path: Path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(CannotWrite, match="larger than") as failure, atomic_file(tmp_path / "a.bin") as draft:
            draft.write_bytes(b"x" * 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert failure.value.errno == errno.EFBIG
    assert left_over(tmp_path) == []


def test_a_bug_in_the_block_stays_what_it_is(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), atomic_directory(tmp_path / "run"):
        raise ZeroDivisionError
