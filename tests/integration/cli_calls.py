"""Calling the program from tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from fedshare.cli.main import app

FEW = ("--min-cohort", "2")
"What data sets of few people have to say."

TRAINING = ("--share", "0.5", "--rounds", "2", "--option", "pseudo_items=5", "--embedding-size", "8", *FEW)
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
    """All files of a run, but for what training cost, what later runs were made for, and what is drawn anew each time.

    That is the salt of a certificate, that of the devices' manifest, and the digests of the two.
    """
    files = {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    del files["run.json"]
    files.pop("devices/successors.parquet", None)  # what later runs were made for is no part of what was saved
    manifest = json.loads(files["server/manifest.json"])
    certificate, _ = manifest.pop("certificate"), manifest.pop("digest")
    digests = [certificate[name] for name in ("share_set", "gram", "weights")] if certificate else []
    devices = json.loads(files["devices/manifest.json"])
    del devices["salt"], devices["digest"]
    return files | {
        "server/manifest.json": json.dumps([manifest, digests]).encode(),
        "devices/manifest.json": json.dumps(devices).encode(),
    }
