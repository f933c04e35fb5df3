"""Calling the program from tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from fedshare.cli.main import app

TRAINING = ("--share", "0.5", "--rounds", "2", "--option", "pseudo_items=5", "--embedding-size", "8")
"Options of a training that takes a fraction of a second."


class Answer(NamedTuple):
    """What one call of the program left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.stdout)


Call = Callable[..., Answer]


def call(*words: object) -> Answer:
    """The program, in this process."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    return Answer(result.exit_code, result.stdout, result.stderr)


def tensors(run: Path) -> dict[str, bytes]:
    """All files of a run but for the manifest, which holds what training cost."""
    files = (path for path in sorted(run.rglob("*")) if path.is_file() and path.name != "manifest.json")
    return {str(path.relative_to(run)): path.read_bytes() for path in files}
