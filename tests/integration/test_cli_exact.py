"""The exact path on the command line: train, unshare, verify, audit; what was altered shows."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_calls import FEW, Call, tensors
from safetensors.torch import load_file, save_file

import fedshare as fs
from fedshare.storage.server_folder import load_server
from fedshare.testing.folders import reseal

TRAINING = ("--share", "0.5", "--algorithm", "shared-ease", *FEW)


@pytest.fixture(scope="module")
def exact_run(fedshare: Call, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of shared-ease in which everybody shares half."""
    out = tmp_path_factory.mktemp("exact") / "run"
    answer = fedshare("train", data, *TRAINING, "--out", out)
    assert answer.status == 0, answer.stderr
    return out


@pytest.fixture(scope="module")
def after(fedshare: Call, exact_run: Path) -> Path:
    """The run after two people took everything back, by factorisation."""
    out = exact_run.with_name("after")
    words = ("--user", "u03", "--user", "u04", "--all", "--option", "refresh=factorise", "--out", out)
    answer = fedshare("unshare", exact_run, *words)
    assert answer.status == 0, answer.stderr
    assert "every byte is that of training without the pairs" in answer.stdout
    return out


def test_a_run_and_what_comes_after_it_are_verified(fedshare: Call, exact_run: Path, after: Path) -> None:
    for run in (exact_run, after):
        answer = fedshare("verify", run)
        assert answer.status == 0
        assert "byte for byte" in answer.stdout
        content = fedshare("verify", run, "--json").json
        assert content["verified"] is True
        assert all(check["holds"] for check in content["checks"])


def test_unshare_by_factorisation_writes_the_files_of_retraining(
    fedshare: Call, exact_run: Path, after: Path, tmp_path: Path
) -> None:
    words = ("--user", "u03", "--user", "u04", "--all", "--method", "retrain", "--out", tmp_path / "again")
    assert fedshare("unshare", exact_run, *words).status == 0
    one, other = tensors(after), tensors(tmp_path / "again")
    for name in ("devices/events.parquet", "devices/manifest.json"):  # two events, with an id and a time each
        del one[name], other[name]
    assert one == other


def test_the_method_is_the_one_that_suits_the_run(fedshare: Call, exact_run: Path, tmp_path: Path) -> None:
    content = fedshare("unshare", exact_run, "--user", "u05", "--to", "0.2", "--out", tmp_path / "b", "--json").json
    assert content["method"] == "exact"
    assert content["certificate"]["how"] in ("updated", "factorised")
    erased = fedshare("erase", tmp_path / "b", "--user", "u06", "--all", "--out", tmp_path / "c", "--json").json
    assert erased["method"] == "exact"
    assert erased["certificate"]["previous"]
    assert fedshare("verify", tmp_path / "c").status == 0
    assert fedshare("recommend", tmp_path / "c", "--user", "u06").status == 0


def test_the_audit_finds_no_distance(fedshare: Call, exact_run: Path, after: Path) -> None:
    answer = fedshare("audit", exact_run, after, "--max-forget-gap", 0, "--max-utility-drop", 0, "--json")
    assert answer.status == 0
    assert answer.json["forget"]["gap"] == 0.0
    assert answer.json["forget"]["distances"]["after"]["score_difference"] == 0.0


def test_a_changed_file_fails(fedshare: Call, exact_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exact_run, copy)
    (copy / "server" / "state.safetensors").write_bytes(b"something else")
    answer = fedshare("verify", copy)
    assert answer.status == 1
    assert "FAIL  files" in answer.stdout
    assert answer.stderr.startswith("VerificationFailed")
    assert fedshare("verify", copy, "--json").json["verified"] is False


def test_a_change_that_hides_its_traces_fails_as_well(fedshare: Call, exact_run: Path, tmp_path: Path) -> None:
    """Somebody puts a weight back and the checksum of the file with it: computing the model again finds out."""
    copy = tmp_path / "copy"
    shutil.copytree(exact_run, copy)
    file = copy / "server" / "state.safetensors"
    held = load_file(file)
    held["array.weights.values"][0] += 0.25
    save_file(held, file)
    reseal(copy)
    answer = fedshare("verify", copy, "--json")
    assert answer.status == 1
    failed = {check["name"] for check in answer.json["checks"] if not check["holds"]}
    assert failed == {"weights", "weights computed again"}


def test_a_server_verifies_its_own_folder_alone(exact_run: Path, after: Path, tmp_path: Path) -> None:
    for run in (exact_run, after):
        shutil.copytree(run / "server", tmp_path / run.name)
        server = load_server(tmp_path / run.name)
        assert not fs.verify(server).failed
        shared = server.view.select(np.arange(len(server.view)) > 0)
        assert fs.verify(replace(server, view=shared)).failed


def test_people_get_recommendations_when_the_server_is_gone(fedshare: Call, exact_run: Path, tmp_path: Path) -> None:
    shutil.copytree(exact_run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "server")
    answers = [fedshare("recommend", run, "--user", "u03", "-k", 5) for run in (exact_run, tmp_path / "run")]
    assert [each.status for each in answers] == [0, 0]
    assert answers[0].stdout == answers[1].stdout


def test_what_cannot_be_verified_is_wrong_use_and_no_failed_check(fedshare: Call, run: Path, tmp_path: Path) -> None:
    for words, name in (((run,), "BadOption"), ((tmp_path / "nowhere",), "MissingFile")):
        answer = fedshare("verify", *words)
        assert answer.status == 2
        assert answer.stderr.startswith(name)


def test_options_of_the_algorithm(fedshare: Call, data: Path, tmp_path: Path) -> None:
    options = ("--option", "regs=3", "--option", "popularity_penalties=0.1,0.2", "--option", "neighbours=5")
    answer = fedshare("train", data, *TRAINING, *options, "--out", tmp_path / "run")
    assert answer.status == 0, answer.stderr
    manifest = json.loads((tmp_path / "run" / "server" / "manifest.json").read_text())
    assert manifest["chosen"]["reg"] == 3.0
    assert manifest["chosen"]["neighbours"] == 5
    assert manifest["chosen"]["popularity_penalty"] in (0.1, 0.2)
    assert manifest["certificate"]["options"] == manifest["chosen"]


def test_with_private_contributions_nothing_has_to_be_shared(fedshare: Call, data: Path, tmp_path: Path) -> None:
    words = ("train", data, "--share", "none", "--algorithm", "shared-ease", *FEW, "--out", tmp_path / "run", "--json")
    silent = fedshare(*words).json
    summed = fedshare(*words, "--option", "private_contributions=true", "--force").json
    assert summed["metrics"]["ndcg@20"] > silent["metrics"]["ndcg@20"]
    assert fedshare("verify", tmp_path / "run").status == 0


def test_it_is_compared_like_the_others(fedshare: Call, many_people: Path, tmp_path: Path) -> None:
    words = ("compare", many_people, "--algorithms", "shared-ease,popularity", "--share", "0.5,1")
    words = (*words, "--out", tmp_path / "table")
    rows = fedshare(*words, "--json").json["rows"]
    assert [(row["algorithm"], row["share"]) for row in rows[:2]] == [("shared-ease", "0.5"), ("shared-ease", "1")]


def test_the_same_command_writes_the_same_bytes(fedshare: Call, exact_run: Path, data: Path, tmp_path: Path) -> None:
    assert fedshare("train", data, *TRAINING, "--out", tmp_path / "again").status == 0
    assert tensors(tmp_path / "again") == tensors(exact_run)
