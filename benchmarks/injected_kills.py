"""Kills at every step on disk, over the commands that write runs: is anything lost, or left behind?

Each command runs in a child that is killed at one step (see ``fedshare.testing.kills``): opening, writing, renaming,
bringing to disk, removing. Afterwards the run that was there before, or the new one, has to load under its name; the
next start has to leave nothing but runs; and carrying the command out again, or going on from the checkpoint, has to
end in the bytes of a command that nobody killed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fedshare.testing.kills import count_steps, run_killed
from fedshare.testing.synthetic import FEW

TINY = ("--rounds", "4", "--checkpoint-every", "2", "--option", "pseudo_items=5", "--embedding-size", "4", "--quiet")


class Command(NamedTuple):
    """A command line that is killed; ``OUT`` is where it writes."""

    name: str
    words: tuple[str, ...]
    needs: str | None = None
    "What has to be there: a checkpoint, or a run."
    again: tuple[str, ...] | None = None
    "What goes on after a kill, where that is another command line."


TRAIN = ("train", "DATA", "--share", "0.5", "--min-cohort", str(FEW), *TINY, "--out", "OUT")
RESUME = ("train", "--resume", "--checkpoint-every", "2", "--quiet", "--out", "OUT")
COMMANDS = (
    Command("train", TRAIN, again=RESUME),
    Command("resume", RESUME, needs="checkpoint", again=RESUME),
    Command("unshare", ("unshare", "RUN", "--user", "u03", "--all", "--quiet", "--out", "OUT"), needs="run"),
    Command("refresh", ("refresh", "RUN", "--data", "DATA", "--quiet", "--out", "OUT"), needs="run"),
    Command("erase", ("erase", "RUN", "--user", "u04", "--all", "--quiet", "--out", "OUT"), needs="run"),
)


class World(NamedTuple):
    """What all kills start from; made once, each in a child of its own."""

    data: Path
    run: Path
    old: Path
    checkpoint: Path


def call(*words: object) -> int:
    """The program, in this process, told to nobody."""
    from fedshare.cli.main import app

    try:
        app([str(word) for word in words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def quiet(*words: object) -> None:
    """The program with nothing on stdout; it has to end well."""
    import contextlib
    import io

    told = io.StringIO()
    _tell_time_and_ids_alike()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        status = call(*words)
    if status:
        raise RuntimeError(f"{words}: status {status}, {told.getvalue()[-500:]}")


def _tell_time_and_ids_alike() -> None:
    """Events get the ids and the time that they get in every other process: only so can their bytes be compared."""
    from itertools import count
    from types import SimpleNamespace

    from fedshare.sharing import ledger, moments

    number = count()
    ledger.new_id = lambda: f"{next(number):032x}"
    moments.time = SimpleNamespace(time=lambda: 1_320_000_000.0)  # pyright: ignore[reportAttributeAccessIssue]


def make_world(folder: Path) -> World:
    """Data, a run, another run to be replaced, and a checkpoint."""
    data = folder / "data.csv"
    draw = np.random.default_rng(0)
    rows = [
        f"u{user:02},i{item:02},{1000 + place}"
        for user in range(12)
        for place, item in enumerate(draw.permutation(16)[:7])
    ]
    data.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    world = World(data, folder / "run", folder / "old", folder / "half.checkpoint")
    train = ("train", data, "--share", "0.5", "--min-cohort", FEW, *TINY)
    count_steps(lambda: quiet(*train, "--out", world.run))
    count_steps(lambda: quiet(*train, "--seed", 5, "--out", world.old))
    count_steps(lambda: _half(train, folder / "half"))
    return world


def _half(train: tuple[object, ...], out: Path) -> None:
    """Training that ends after its first checkpoint."""
    from fedshare.simulation.run import Run

    real, saved = Run.save, []

    def save(self: Run, path: Path, **options: bool) -> None:
        real(self, path, **options)
        saved.append(path)
        raise KeyboardInterrupt

    Run.save = save  # type: ignore[method-assign]
    assert call(*train, "--out", out) == 130
    assert saved


def kill_once(
    world: World, command: Command, replace: bool, kill_at: int, folder: Path, expected: dict[str, bytes]
) -> str:
    """Kill a command at a step and look at what is there.

    Returns:
        ``ended`` where the command was over before that step, else ``old`` or ``new``: what has the name.

    Raises:
        AssertionError: Something is lost or left behind.
    """
    out, checkpoint = folder / "out", folder / "out.checkpoint"
    if replace:
        shutil.copytree(world.old, out)
    if command.needs == "checkpoint":
        shutil.copytree(world.checkpoint, checkpoint)
    words = _words(command.words, world, out, replace)
    killed = run_killed(lambda: quiet(*words), kill_at)
    old = files_of(world.old) if replace else {}

    def look() -> None:
        """In a child, as all that uses libraries with threads."""
        from fedshare.files import sweep
        from fedshare.simulation.run import Run
        from fedshare.simulation.run_folder import clear_away

        sweep(folder)  # the next start of anything
        clear_away(out)
        assert {each.name for each in folder.iterdir()} <= {"out", "out.checkpoint"}, sorted(folder.iterdir())
        if out.exists():
            Run.load(out)
        if checkpoint.exists():
            Run.load(checkpoint)

    count_steps(look)
    if replace or not killed:
        assert out.is_dir(), "the run under the name is lost"
    there = files_of(out) if out.is_dir() else {}
    assert there in ({}, old, expected), "neither the old run nor the new one"
    state = "ended" if not killed else "new" if there == expected else "old" if there else "nothing"
    if command.needs == "checkpoint" and state in ("old", "nothing"):
        assert checkpoint.is_dir(), "the checkpoint is lost"
    if state in ("old", "nothing"):
        going_on = command.again if command.again and checkpoint.is_dir() else command.words
        again = _words(going_on, world, out, replace)
        count_steps(lambda: quiet(*again))
        assert files_of(out) == expected, "going on ends in other bytes"
        assert {each.name for each in folder.iterdir()} == {"out"}, sorted(folder.iterdir())
    return state


def _words(words: tuple[str, ...], world: World, out: Path, replace: bool) -> list[object]:
    places: dict[str, object] = {"DATA": world.data, "RUN": world.run, "OUT": out}
    return [places.get(word, word) for word in words] + (["--force"] if replace else [])


def files_of(run: Path) -> dict[str, bytes]:
    """Every file of a run, but for what it cost and what is drawn anew each time."""
    files = {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    del files["run.json"]
    manifest = json.loads(files["devices/manifest.json"])
    del manifest["salt"], manifest["digest"]
    return files | {"devices/manifest.json": json.dumps(manifest).encode()}


def kills(
    world: World, commands: tuple[Command, ...], count: int, seed: int, folder: Path, told: Callable[..., None]
) -> dict[str, dict[str, int]]:
    """So many kills, spread evenly over commands, with and without a run to replace, and steps.

    Returns:
        For each of them how often each outcome came, and how many steps there were.
    """
    cases = [(command, replace) for command in commands for replace in (False, True)]
    draw, found = np.random.default_rng(seed), {}
    for number, (command, replace) in enumerate(cases):
        place = folder / "whole"
        place.mkdir()
        if replace:
            shutil.copytree(world.old, place / "out")
        if command.needs == "checkpoint":
            shutil.copytree(world.checkpoint, place / "out.checkpoint")
        words = _words(command.words, world, place / "out", replace)
        steps = count_steps(lambda words=words: quiet(*words))
        expected = files_of(place / "out")
        shutil.rmtree(place)
        mine = count // len(cases) + (number < count % len(cases))
        edges = np.linspace(1, steps + 1, mine + 1)
        outcomes: Counter[str] = Counter()
        for low, high in pairwise(edges.astype(int).tolist()):
            kill_at = int(draw.integers(low, max(low + 1, high)))
            (folder / "kill").mkdir()
            try:
                outcomes[kill_once(world, command, replace, kill_at, folder / "kill", expected)] += 1
            except (AssertionError, RuntimeError) as error:
                raise AssertionError(f"{command.name}, replace={replace}, step {kill_at}: {error}") from error
            shutil.rmtree(folder / "kill")
        name = f"{command.name}{' over a run' if replace else ''}"
        found[name] = {"steps": steps, **outcomes}
        told(name, found[name])
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=200, help="kills")
    options.add_argument("--seed", type=int, default=0, help="which steps")
    options.add_argument("--no-result", action="store_true", help="write no result file")
    given = options.parse_args()

    with tempfile.TemporaryDirectory() as name:
        world = make_world(Path(name))
        found = kills(world, COMMANDS, given.count, given.seed, Path(name), print)
    if not given.no_result:
        from common import write

        write("injected_kills", {"kills": given.count, "commands": found, "lost": 0, "left_behind": 0})
    sys.exit(0)


if __name__ == "__main__":
    main()
