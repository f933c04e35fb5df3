"""Puts known bugs into a copy of the code, one at a time, and runs the tests that should notice.

    python scripts/mutations.py --list
    python scripts/mutations.py --only noise-without-bound --only stopping-test-never-stops

The bugs stand in tests/mutations/mutations.toml. Each of its tests has to pass on the code as it is: tests that are red
anyway notice nothing. Exit status 1 if a bug survives, does not apply, or has tests that are red without it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ENTRIES = HERE / "tests" / "mutations" / "mutations.toml"
COPIED = ("src", "tests", "pyproject.toml")
LIMIT_S = 600
"Of one run of tests; a bug that makes them hang is noticed too."


@dataclass(frozen=True)
class Mutation:
    """One bug: ``old`` becomes ``new`` in one file, and ``tests`` should notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The file's text with the bug in it.

        Raises:
            ValueError: ``old`` is not there exactly once, or nothing changes.
        """
        found = text.count(self.old)
        if found != 1 or self.old == self.new:
            raise ValueError(f"{self.name}: `old` is {found} times in {self.file}, expected once, and another `new`.")
        return text.replace(self.old, self.new)


def read_entries(file: Path) -> list[Mutation]:
    """The entries of the list, names distinct.

    Raises:
        ValueError: An entry lacks something, has too much or bears the name of another.
    """
    entries: list[Mutation] = []
    for values in tomllib.loads(file.read_text(encoding="utf-8"))["mutation"]:
        try:
            entries.append(Mutation(**{**values, "tests": tuple(values["tests"])}))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{values.get('name', 'an entry without a name')}: cannot be read ({error}).") from error
    names = [each.name for each in entries]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{', '.join(sorted(twice))}: named twice, expected distinct names.")
    return entries


def verdict(mutation: Mutation) -> str:
    """``killed``, ``SURVIVED``, or why it cannot be told."""
    original = HERE / "src" / "fedshare" / mutation.file
    try:
        text = mutation.applied(original.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        return f"DOES NOT APPLY ({error})"
    if why := red_without(mutation.tests):
        return f"CANNOT BE TOLD ({why})"
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = copied_into(Path(folder))
        (copy / "src" / "fedshare" / mutation.file).write_text(text, encoding="utf-8")
        status, said = run_tests(copy, mutation.tests)
    if status is None:
        return "killed (the tests hang)"
    if status == 1:
        return "killed"
    return "SURVIVED" if status == 0 else f"CANNOT BE TOLD (pytest: status {status}, {said})"


@cache
def red_without(tests: tuple[str, ...]) -> str:
    """Why these tests say nothing: empty if they pass on a copy of the code as it is."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        status, said = run_tests(copied_into(Path(folder)), tests)
    return "" if status == 0 else f"the tests are red without it: {said}"


def copied_into(folder: Path) -> Path:
    """The folder, with sources and tests in it."""
    for name in COPIED:
        if (HERE / name).is_dir():
            shutil.copytree(HERE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(HERE / name, folder / name)
    return folder


def run_tests(folder: Path, tests: tuple[str, ...]) -> tuple[int | None, str]:
    """Exit status of pytest, None where it ran out of time, and its last line."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"no end after {LIMIT_S} s"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode, lines[-1] if lines else "nothing said"


def main() -> int:
    parser = argparse.ArgumentParser(description="Known bugs, put in one at a time; the named tests should notice.")
    parser.add_argument("--only", action="append", metavar="NAME", help="this entry alone; may be given again")
    parser.add_argument("--list", action="store_true", help="the names, and nothing is run")
    options = parser.parse_args()
    entries = read_entries(ENTRIES)
    if unknown := set(options.only or ()) - {each.name for each in entries}:
        parser.error(f"--only: no entry named {', '.join(sorted(unknown))}. See --list.")
    chosen = [each for each in entries if not options.only or each.name in options.only]
    if options.list:
        print("\n".join(f"{each.name:40} {each.file}" for each in chosen))
        return 0
    failed = 0
    for each in chosen:
        said = verdict(each)
        failed += not said.startswith("killed")
        print(f"{each.name:40} {said}", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} killed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
