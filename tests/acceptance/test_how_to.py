"""The how-to pages run from top to bottom, and say what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"


def script_of(page: str) -> str:
    """All its Python, as one script."""
    return "\n".join(re.findall(r"```python\n(.*?)```", (HOW_TO / page).read_text(encoding="utf-8"), re.DOTALL))


def test_a_shop_that_grows(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(script_of("a-shop-that-grows.md"), "a-shop-that-grows.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1.0 0.5"  # proposed, and not yet accepted
    assert lines[1] == "['vase'] set()"  # a newcomer's is private; a gift and a category stay so
    assert lines[2].startswith("5 ")
    assert lines[2].endswith("what most people share")
    assert lines[3] == "5 unsold"
    assert lines[4:6] == ["0 True", "[]"]
    assert lines[6].startswith("Run(fedshare, rounds=")
    assert lines[7:] == ["[] False"]


def test_commands_of_the_pages_exist() -> None:
    from typer.main import get_command

    from fedshare.cli.main import app

    commands = set(getattr(get_command(app), "commands"))  # noqa: B009
    for page in HOW_TO.glob("*.md"):
        named = set(re.findall(r"^fedshare (\S+)", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= commands, page.name
