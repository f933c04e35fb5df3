"""A small data set, and what the command line makes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_calls import TRAINING, Call, call

from fedshare.data.interactions import Interactions
from fedshare.data.synthetic import two_taste_world


@pytest.fixture(scope="session")
def fedshare() -> Call:
    """The program, called in this process: ``fedshare("recommend", run, "--user", "u03")``."""
    return call


@pytest.fixture(scope="session")
def world() -> Interactions:
    """30 people, 24 items, 270 pairs."""
    return two_taste_world(30, 24, liked_share=0.7, noise=0.1)


@pytest.fixture(scope="session")
def data(world: Interactions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file, as people have it: a table of text."""
    return written(world, tmp_path_factory.mktemp("data") / "tiny.csv")


@pytest.fixture(scope="session")
def many_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 120 people, so that every cohort is large enough as it is."""
    world = two_taste_world(120, 24, liked_share=0.7, noise=0.1)
    return written(world, tmp_path_factory.mktemp("data") / "many.csv")


def written(world: Interactions, path: Path) -> Path:
    assert world.timestamp is not None
    rows = zip(world.user.tolist(), world.item.tolist(), world.timestamp.tolist(), strict=True)
    lines = [f"{world.users.id(user)},{world.items.id(item)},{second}" for user, item, second in rows]
    path.write_text("\n".join(["user_id,item_id,timestamp", *lines]) + "\n")
    return path


@pytest.fixture(scope="session")
def run(fedshare: Call, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two rounds in which everybody shares half."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert fedshare("train", data, *TRAINING, "--out", out).status == 0
    return out


@pytest.fixture(scope="session")
def unshared(fedshare: Call, run: Path) -> Path:
    """The run after two people took everything back."""
    out = run.with_name("unshared")
    answer = fedshare("unshare", run, "--user", "u03", "--user", "u04", "--all", "--out", out)
    assert answer.status == 0, answer.stderr
    return out


@pytest.fixture(scope="session")
def retrained(fedshare: Call, run: Path) -> Path:
    """The same request, retrained."""
    out = run.with_name("retrained")
    request = ("--user", "u03", "--user", "u04", "--all", "--method", "retrain")
    assert fedshare("unshare", run, *request, "--out", out).status == 0
    return out


@pytest.fixture(scope="session")
def program_environment() -> dict[str, str]:
    """For calls in a process of their own: few threads, so that neighbours are left alone."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}
