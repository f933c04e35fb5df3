"""Run folders as somebody would change them who knows how digests are made: for tests of what loading refuses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedshare.simulation.successors import SUCCESSORS
from fedshare.simulation.waiting import JOURNAL
from fedshare.storage.json_files import sealed

__all__ = ["edit", "reseal"]

_UNLISTED = {"manifest.json", SUCCESSORS, JOURNAL}


def edit(file: Path, change: Mapping[str, Any], *, without: str | None = None) -> None:
    """Change some values of a JSON file, and leave its digest as it was.

    Args:
        file: A manifest or ``run.json``.
        change: New values by name.
        without: A name that goes.
    """
    content = {**json.loads(file.read_text(encoding="utf-8")), **change}
    content.pop(without, None)
    file.write_text(json.dumps(content), encoding="utf-8")


def reseal(run: Path) -> None:
    """Make all digests of a run folder fit what lies there, where manifests can still be read."""
    found: dict[str, str] = {}
    for side in ("server", "published", "devices"):
        manifest = _read(run / side / "manifest.json")
        if manifest is None:
            continue
        if isinstance(manifest.get("files"), dict):
            manifest["files"] = {
                each.name: {"bytes": each.stat().st_size, "sha256": hashlib.sha256(each.read_bytes()).hexdigest()}
                for each in sorted((run / side).iterdir())
                if each.name not in _UNLISTED and each.is_file() and not each.is_symlink()
            }
        found[side] = _seal(run / side / "manifest.json", manifest)
    about = _read(run / "run.json")
    if about is not None:
        if isinstance(about.get("manifests"), dict):
            about["manifests"] |= found
        _seal(run / "run.json", about)


def _read(file: Path) -> dict[str, Any] | None:
    if not file.is_file() or file.is_symlink():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _seal(file: Path, content: dict[str, Any]) -> str:
    content.pop("digest", None)
    try:
        text = sealed(content)
    except (ValueError, RecursionError):
        return ""
    file.write_text(text, encoding="utf-8")
    return str(json.loads(text)["digest"])
