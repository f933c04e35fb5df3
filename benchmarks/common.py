"""What the benchmarks share: options, the machine they ran on, the file they write."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import torch

from fedshare.files import atomic_file

RESULTS = Path(__file__).parent / "results"


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--threads", type=int, default=1, help="torch threads")
    options.add_argument("--seed", type=int, default=0)
    return options


def machine() -> dict[str, Any]:
    """Where figures come from."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": _processor(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def write(name: str, result: dict[str, Any]) -> None:
    """Write ``results/<name>.json`` and say so."""
    with atomic_file(RESULTS / f"{name}.json") as draft:
        draft.write_text(json.dumps(result | {"machine": machine()}, indent=2) + "\n", encoding="utf-8")
    print(f"wrote results/{name}.json")
