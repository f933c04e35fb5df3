"""The command line: lists of many, what is left out, files of requests, second withdrawals, harmless output."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from cli_calls import FEW, TRAINING, Call


def items(answer: object) -> list[str]:
    return [each["item"] for each in answer.json["recommendations"]]  # type: ignore[attr-defined]


def test_recommend_leaves_out_what_it_is_told_to(fedshare: Call, run: Path, tmp_path: Path) -> None:
    words = ("recommend", run, "--user", "u03", "-k", 99, "--json")
    whole = items(fedshare(*words))
    some = whole[1:6:2]
    stock = tmp_path / "stock.txt"
    stock.write_text("\ufeff" + "\r\n".join(some) + "\r\n\r\n", encoding="utf-8")
    assert items(fedshare(*words, "--among", f"@{stock}")) == some
    assert items(fedshare(*words, "--among", ",".join(some[:2]), "--among", some[2])) == some
    assert items(fedshare(*words, "--exclude", f"@{stock}")) == [item for item in whole if item not in some]
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    assert fedshare(*words[:-1], "--among", f"@{empty}").stdout == "note: nothing is left to recommend\n"
    answer = fedshare(*words, "--among", "no\x1bne")
    assert (answer.status, answer.json["error"]["type"]) == (2, "UnknownItem")
    assert fedshare(*words[:-1], "--among", f"@{tmp_path}").stderr.startswith("MissingFile: file '")


def test_erased_items_come_again_when_asked_for(fedshare: Call, run: Path, tmp_path: Path) -> None:
    known = fedshare("shares", run, "--user", "u03", "--json").json["private"]
    gone = [each["item"] for each in known[:2]]
    fedshare("erase", run, "--user", "u03", "--items", ",".join(gone), "--out", tmp_path / "after")
    words = ("recommend", tmp_path / "after", "--user", "u03", "-k", 99, "--json")
    assert not set(gone) & set(items(fedshare(*words)))
    assert set(gone) < set(items(fedshare(*words, "--again")))


def test_recommend_writes_the_lists_of_many(fedshare: Call, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "lists.parquet"
    answer = fedshare("recommend", run, "--all", "-k", 3, "--out", out)
    assert answer.stdout == f"90 rows for 30 users\nwrote {out}\n"
    table = pl.read_parquet(out)
    one = items(fedshare("recommend", run, "--user", "u03", "-k", 3, "--json"))
    assert table.filter(pl.col("user") == "u03")["item"].to_list() == one
    people = tmp_path / "people.txt"
    people.write_text("u07\nu03\n")
    words = ("recommend", run, "--users-file", people, "-k", 2, "--out", tmp_path / "few.csv", "--json")
    assert fedshare(*words).json["n_users"] == 2
    assert pl.read_csv(tmp_path / "few.csv")["user"].to_list() == ["u03", "u03", "u07", "u07"]
    assert fedshare(*words).json["error"]["type"] == "OutputExists"
    assert fedshare(*words, "--force").status == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "got none of them; expected exactly one of --user, --all, --users-file"),
        (("--user", "u03", "--all"), "got --user and --all"),
        (("--all",), "got no --out"),
        (("--user", "u03", "--out", "x.csv"), "got --out together with --user"),
        (("--all", "--out", "x.xlsx"), "suffix '.xlsx'"),
    ],
)
def test_whose_lists_is_said_once(fedshare: Call, run: Path, words: tuple[str, ...], said: str) -> None:
    answer = fedshare("recommend", run, *words)
    assert (answer.status, answer.stdout) == (2, "")
    assert said in answer.stderr


def test_withdraw_carries_a_file_out_or_nothing_of_it(fedshare: Call, run: Path, tmp_path: Path) -> None:
    shared = fedshare("shares", run, "--user", "u03", "--json").json["shared"][0]["item"]
    file = tmp_path / "requests.csv"
    file.write_text(f"user,item,action,to\nu03,{shared},unshare,\nu04,,erase,\nu05,,unshare,0.2\n")
    out = tmp_path / "after"
    content = fedshare("withdraw", run, "--requests", file, "--out", out, "--json").json["request"]
    assert content["users"] == ["u03", "u04", "u05"]
    assert content["n_erased"] == 7
    assert fedshare("audit", run, out, "--reference", "none").status == 0
    file.write_text(file.read_text() + "u06,nothing-like-it,erase,\n")
    answer = fedshare("withdraw", run, "--requests", file, "--out", tmp_path / "other")
    assert answer.status == 2
    assert answer.stderr.startswith(f"BadRequest: requests '{file}', line 5: UnknownItem")
    assert "u04" not in answer.stderr
    assert not (tmp_path / "other").exists()


def test_a_second_withdrawal_is_warned_of(fedshare: Call, data: Path, tmp_path: Path) -> None:
    run, first, second, third = (tmp_path / name for name in ("a", "first", "second", "third"))
    fedshare("train", data, *TRAINING, "--out", run)
    assert fedshare("unshare", run, "--user", "u03", "--all", "--out", first).stderr == ""
    same = fedshare("unshare", run, "--user", "u03", "--all", "--method", "retrain", "--out", second)
    assert (same.status, same.stderr) == (0, "")
    answer = fedshare("unshare", run, "--user", "u04", "--all", "--out", third)
    assert answer.status == 0
    assert answer.stderr.startswith(f"warning: '{run}': this run has a successor already, 'first'")
    words = ("unshare", run, "--user", "u05", "--all", "--out", third, "--force", "--json")
    assert len(fedshare(*words).json["warnings"]) == 1
    assert fedshare("unshare", first, "--user", "u04", "--all", "--out", tmp_path / "next").stderr == ""
    outside = [path for path in run.rglob("*") if path.is_file() and path.parent.name != "devices"]
    assert not any("successor" in path.name or b"successor" in path.read_bytes() for path in outside)


def test_ids_of_strangers_do_nothing_to_a_terminal(fedshare: Call, tmp_path: Path) -> None:
    table = tmp_path / "odd.csv"
    odd = ["\x1b[31mred", "\u202edetaerc", "[bold]b[/bold]", "bell\x07", "\x9bC1", "plain"]
    rows = [f"{user}{n},{item},{n}" for n in range(6) for user in odd[:3] for item in odd if (n + odd.index(item)) % 3]
    table.write_text("\n".join(["user,item,time", *rows]) + "\n", encoding="utf-8")
    run = tmp_path / "run"
    answers = [fedshare("train", table, *TRAINING, "--split", "none", "--out", run)]
    user = f"{odd[0]}1"
    answers += [
        fedshare("recommend", run, "--user", user),
        fedshare("shares", run),
        fedshare("shares", run, "-u", user),
    ]
    answers += [fedshare("unshare", run, "--user", user, "--all", "--out", tmp_path / "after")]
    answers += [fedshare("recommend", run, "--user", odd[1]), fedshare("recommend", run, "-u", user, "--among", odd[3])]
    answers += [fedshare("recommend", run, "-u", user, "--exclude", odd[1] * 100_000)]
    assert [answer.status for answer in answers[:5]] == [0] * 5, answers
    for answer in answers:
        text = answer.stdout + answer.stderr
        assert all(line.isprintable() for line in text.splitlines()), text
        assert len(answer.stderr) < 3000
    assert "[bold]b[/bold]" in answers[1].stdout
    assert "\\x1b[31mred1" in answers[2].stdout


def test_a_split_by_one_cut_and_its_fraction(fedshare: Call, data: Path, tmp_path: Path) -> None:
    half = fedshare("data", data, "--split", "at", "--test-fraction", 0.5, "--json").json["split"]
    assert half["kind"] == "at"
    assert abs(half["n_test"] - 135) <= 10
    assert fedshare("data", data, "--test-fraction", 0.4, "--json").json["split"]["n_test"] > 60
    first = fedshare("data", data, "--json").json["time_range"]["last"]
    assert fedshare("data", data, "--split", f"at:{first}", "--json").json["split"]["n_test"] >= 1
    for words, said in (
        (("--split", "last", "--test-fraction", 0.5), "--split time, at or random"),
        (("--split", "at:soon"), "time: got 'soon'"),
        (("--split", "time:2020-01-01"), "or at:TIME"),
        (("--split", "at", "--test-fraction", 2), "test_fraction: got 2"),
    ):
        assert said in fedshare("data", data, *words).stderr
    timeless = tmp_path / "timeless.csv"
    timeless.write_text("".join(f"{line.rpartition(',')[0]}\n" for line in data.read_text().splitlines()))
    for kind in ("at", "time", "last"):
        answer = fedshare("data", timeless, "--split", kind)
        assert answer.status == 2
        assert "--timestamp" in answer.stderr
        assert "load(" not in answer.stderr


def test_tables_show_the_figures_that_are_asked_for(fedshare: Call, data: Path, tmp_path: Path) -> None:
    words = ("train", data, *TRAINING, "--out", tmp_path / "run", "--metrics", "map@10,coverage@20")
    head = fedshare(*words).stdout.splitlines()[3]
    assert head.split() == ["people", "map@10", "coverage@20"]
    assert "precision@10" in fedshare(*words, "--force", "--json").json["metrics"]
    assert "expected some of recall" in fedshare(*words, "--metrics", "auc@20").stderr
    words = ("compare", data, "--algorithms", "popularity", "--share", "1", *FEW, "--out", tmp_path / "results")
    text = fedshare(*words, "--metrics", "novelty@20").stdout
    assert "novelty@20" in text
    assert "+-" not in text  # one seed has no deviation
    assert "+-" in fedshare(*words, "--seeds", 2).stdout
    rows = json.loads((tmp_path / "results" / "comparison.json").read_text())["rows"]
    assert {"precision@20", "map@20", "coverage@20", "novelty@20"} <= set(rows[0]["metrics"])


def test_vectors_that_cannot_fit_are_refused_with_an_estimate(fedshare: Call, data: Path, tmp_path: Path) -> None:
    words = ("train", data, "--share", "all", *FEW, "--out", tmp_path / "run", "--embedding-size", 1_000_000)
    answer = fedshare(*words)
    assert answer.status == 2
    assert answer.stderr.startswith("BadOption: embedding_size: got 1,000,000, which takes about ")
    assert not list(tmp_path.iterdir())


def test_a_run_is_not_its_own_reference(fedshare: Call, run: Path, retrained: Path) -> None:
    answer = fedshare("audit", run, retrained, "--reference", retrained / ".")
    assert answer.status == 2
    assert "is the audited run itself" in answer.stderr
