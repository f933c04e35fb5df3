"""What the README says holds: its script runs as it stands there, and its figures are those of the benchmarks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import fedshare
from fedshare.evaluation.audit import AuditReport
from fedshare.simulation.run import Run

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_script_runs_as_it_stands(capsys):
    (script,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(script, "README.md", "exec"), names)  # ends with report.check, which raises when the audit fails
    run, after, report = names["run"], names["after"], names["report"]
    assert isinstance(run, Run)
    assert isinstance(after, Run)
    assert isinstance(report, AuditReport)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:10]] == [str(place) for place in range(1, 11)]
    assert lines[10].startswith("NDCG@20 0.1")
    assert lines[11].startswith("note: 27 cold test items")
    assert lines[12].endswith("of 1 user withdrawn")
    assert any(line.startswith("ndcg@20: 0.1") for line in lines[12:])
    assert run.ledger.shared_items("17850")
    assert not after.ledger.shared_items("17850")


def test_the_exact_script_runs_as_it_stands(capsys):
    text = (ROOT / "docs" / "concepts" / "which-algorithm.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(script, "which-algorithm.md", "exec"), {})
    assert capsys.readouterr().out == "factorised\n"


def test_figures_come_from_the_benchmarks():
    done = subprocess.run([sys.executable, ROOT / "scripts" / "readme_figures.py", "--check"], check=False)
    assert done.returncode == 0, "run scripts/readme_figures.py"


def test_every_public_name_is_there():
    for name in fedshare.__all__:
        assert getattr(fedshare, name) is not None


def test_commands_of_the_readme_exist():
    from typer.main import get_command

    from fedshare.cli.main import app

    commands = set(getattr(get_command(app), "commands"))  # noqa: B009
    named = set(re.findall(r"^fedshare (\w+)", README, re.MULTILINE))
    assert named
    assert named <= commands


def test_links_lead_somewhere():
    for file in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#]+?)\)", file.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (file.parent / target).exists(), f"{file.name}: {target}"
