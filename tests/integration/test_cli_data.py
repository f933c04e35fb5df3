"""DATA on the command line: flags, notes, and advice that one can type."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_calls import FEW, Call

ROWS = "".join(f"u{n % 6},i{n * 5 % 7},{1 + n % 5},{1_600_000_000 + n * 9_000}\n" for n in range(42))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "flags", "column"),
    [
        (ROWS, ("--columns", "user,item,rating,timestamp"), "item"),
        (ROWS, ("--no-header", "--user", 1, "--item", 2), "2"),
        ("user,item,rating,t\n" + ROWS, ("--no-rating", "--timestamp", "t"), "item"),
        ("user;item;rating;time\n" + ROWS.replace(",", ";"), ("--sep", ";", "--no-timestamp"), "item"),
        ("user,item,x,y\n" + ROWS, ("--quote", "none", "--encoding", "ascii", "--format", "csv"), "item"),
        ("user,item,x,time\n% note\n" + ROWS, ("--comment", "%", "--time-format", "s"), "item"),
    ],
)
def test_flags_say_how_to_read(
    fedshare: Call, tmp_path: Path, text: str, flags: tuple[object, ...], column: str
) -> None:
    content = fedshare("data", written(tmp_path, text), *flags, "--json").json
    assert (content["n_users"], content["n_items"], content["n_pairs"]) == (6, 7, 42)
    assert content["reading"]["item"] == column
    assert content["has_ratings"] == ("rating" in content["reading"])


def test_advice_can_be_typed(fedshare: Call, tmp_path: Path) -> None:
    path = written(tmp_path, ROWS)
    answer = fedshare("data", path)
    assert answer.status == 2
    assert "such as --columns user,item,rating,timestamp." in answer.stderr
    path = written(tmp_path, "user,item,rating\n" + "a,x,\nb,y,3\na,y,4\n")
    assert "--drop-missing, or all ratings, --no-rating" in fedshare("data", path).stderr
    assert fedshare("data", path, "--no-rating").status == 0
    assert "expected one of the two" in fedshare("data", path, "--no-rating", "--rating", "rating").stderr


def test_data_shows_how_a_file_was_read(fedshare: Call, tmp_path: Path) -> None:
    path = written(tmp_path, "user;item;event\na;x;view\nb;y;purchase\na;y;view\n")
    answer = fedshare("data", path)
    for text in (
        "semicolon",
        "utf-8",
        "column of events",
        "note: column 'event' has events of several kinds",
        "--events purchase",
    ):
        assert text in answer.stdout
    assert answer.stderr == ""
    content = fedshare("data", path, "--events", "view,purchase", "--json").json
    assert content["notes"] == ["read the events view (2), purchase (1)"]
    weighed = fedshare("data", path, "--events", "purchase=3,view=1", "--min-rating", 1, "--json").json
    assert weighed["has_ratings"]


def test_train_says_notes_before_and_in_its_result(fedshare: Call, tmp_path: Path) -> None:
    path = written(tmp_path, "user,item,rating,time\n" + ROWS + "u0,i6,3,\n")
    words = ("train", path, *FEW, "--share", "all", "--algorithm", "popularity", "--out", tmp_path / "run")
    answer = fedshare(*words)
    assert answer.status == 0, answer.stderr
    assert answer.stderr.startswith("note: 1 row of 43 without a time, so all times are left out")
    assert "--drop-missing" in answer.stderr
    content = fedshare(*words, "--force", "--drop-missing", "--json").json
    assert content["notes"][0].startswith("1 row of 43 left out, having no time")
