"""A file of withdrawals: what its lines mean, and all or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedshare.data.interactions import Interactions
from fedshare.errors import BadOption, BadRequest, EmptyRequest, MissingFile
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import ShareEverything
from fedshare.sharing.request_file import read_requests

WHO = {"ann": "abcd", "bob": "abcd", "eve": "ab", "7": "a"}


@pytest.fixture
def ledger() -> Ledger:
    pairs = [(user, item) for user, items in WHO.items() for item in items]
    return share(Interactions.from_arrays([u for u, _ in pairs], [i for _, i in pairs]), ShareEverything())


def written(tmp_path: Path, text: str, name: str = "requests.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def states(ledger: Ledger) -> dict[str, tuple[str, str]]:
    """What people keep private and what they have erased."""
    return {user: ("".join(ledger.private_items(user)), "".join(ledger.erased_items(user))) for user in sorted(WHO)}


CSV = """user,item,action,to
ann,a,unshare,
bob,,unshare,0.5
ann,b,unshare,
eve,everything,erase,
ann,a,erase,
7,,unshare,
"""
JSON_LINES = "\n".join(
    json.dumps(each)
    for each in (
        {"user": "ann", "item": "a", "action": "unshare"},
        {"user": "bob", "item": None, "action": "Unshare", "to": 0.5},
        {"action": "unshare", "item": "b", "user": "ann"},
        {"user": "eve", "item": "Everything", "action": "erase"},
        {"user": "ann", "item": "a", "action": "erase"},
        {"user": 7, "action": "unshare"},
    )
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (CSV, "requests.csv"),
        ("\ufeff" + CSV.replace("\n", "\r\n"), "requests.csv"),
        (CSV.replace(",", ";"), "requests.txt"),
        (CSV.replace(",", "\t").upper().replace("ANN", "ann").replace("BOB", "bob").replace("EVE\t", "eve\t"), "r.tsv"),
        (JSON_LINES, "requests.jsonl"),
        ("\n" + JSON_LINES.replace("\n", "\n\n"), "requests.ndjson"),
    ],
    ids=["csv", "bom", "semicolons", "tabs", "jsonl", "blank lines"],
)
def test_lines_are_carried_out_in_their_order(ledger: Ledger, tmp_path: Path, text: str, name: str):
    if name == "r.tsv":
        text = text.replace("\tA\t", "\ta\t").replace("\tB\t", "\tb\t")
    after, request = read_requests(ledger, written(tmp_path, text, name))
    by_hand, _ = ledger.unshare("ann", ["a", "b"])
    by_hand, _ = by_hand.erase("ann", ["a"])
    by_hand, _ = by_hand.unshare("bob", to=0.5)
    by_hand, _ = by_hand.erase("eve", everything=True)
    by_hand, _ = by_hand.unshare("7", everything=True)
    assert states(after) == states(by_hand)
    assert after.held_back_items("ann") == ["b"]
    assert (request.before, request.after) == (ledger, after)
    assert len(request) == 2 + 2 + 2 + 1
    assert after.position == ledger.position + 5  # a and b of ann are one event


def test_an_item_of_that_name_is_an_item(tmp_path: Path):
    known = Interactions.from_arrays(["ann", "ann", "bob"], ["everything", "tea", "tea"])
    ledger = share(known, ShareEverything())
    after, _ = read_requests(ledger, written(tmp_path, "user,item,action\nann,everything,erase\n"))
    assert after.erased_items("ann") == ["everything"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ann,zzz,unshare,", "UnknownItem, item 'zzz'"),
        ("nobody,a,unshare,", "UnknownUser, user 'nobody'"),
        ("eve,c,unshare,", "NotKnown"),
        ("ann,a,forget,", "got action 'forget', expected unshare or erase"),
        ("ann,a,,", "got action ''"),
        (",a,erase,", "got no user"),
        ("ann,a,unshare,0.5", "got 'to' beside an item"),
        ("ann,,erase,0.5", "beside erase"),
        ("ann,,unshare,half", "got to 'half', expected a number"),
        ("ann,,unshare,2", "BadShare"),
        ("ann,,unshare,nan", "BadShare"),
        ("ann,a,unshare,,more", "got 5 values for 4 columns"),
        ('ann,"a" b,unshare,', "not CSV"),
        ("ann," + "x" * 100_000 + ",unshare,", "longer than 65,536 characters"),
        ("ann,\0,unshare,", "not text"),
    ],
)
def test_one_bad_line_is_named_and_nothing_is_carried_out(ledger: Ledger, tmp_path: Path, line: str, said: str):
    text = f"user,item,action,to\nbob,a,unshare,\nann,b,unshare,\n{line}\nann,c,unshare,\n"
    with pytest.raises(BadRequest, match=r"line 4: ") as error:
        read_requests(ledger, written(tmp_path, text))
    assert said in str(error.value)
    assert "Nothing of the file was carried out" in str(error.value)
    assert len(str(error.value)) < 800
    assert "bob" not in str(error.value)
    assert states(ledger)["bob"] == ("", "")


@pytest.mark.parametrize(
    "line", ["{", "[]", "7", '{"user": "ann"}', '{"user": "ann", "action": ["erase"]}', "[" * 60_000]
)
def test_a_bad_line_of_json_is_named(ledger: Ledger, tmp_path: Path, line: str):
    good = '{"user": "bob", "item": "a", "action": "unshare"}'
    with pytest.raises(BadRequest, match=r"line 2: "):
        read_requests(ledger, written(tmp_path, f"{good}\n{line}\n", "requests.jsonl"))


def test_the_line_of_a_group_is_found(ledger: Ledger, tmp_path: Path):
    """Two lines are one event; the second of them is wrong."""
    with pytest.raises(BadRequest, match=r"line 3: NotKnown"):
        read_requests(ledger, written(tmp_path, "user,item,action\neve,a,unshare\neve,d,unshare\n"))


@pytest.mark.parametrize("head", ["user,item", "who,item,action", "user,item,action,when", "user,user,action"])
def test_other_columns_are_refused(ledger: Ledger, tmp_path: Path, head: str):
    with pytest.raises(BadRequest, match=r"line 1: got .* expected user, item, action and maybe to"):
        read_requests(ledger, written(tmp_path, f"{head}\nann,a,unshare\n"))


def test_no_file_no_line_no_text_no_ledger(ledger: Ledger, tmp_path: Path):
    with pytest.raises(MissingFile, match="no such file"):
        read_requests(ledger, tmp_path / "nowhere.csv")
    with pytest.raises(MissingFile, match="no such file"):
        read_requests(ledger, tmp_path)
    with pytest.raises(EmptyRequest, match="got no line"):
        read_requests(ledger, written(tmp_path, "user,item,action\n"))
    with pytest.raises(EmptyRequest, match="got no line"):
        read_requests(ledger, written(tmp_path, "\n", "requests.jsonl"))
    (tmp_path / "latin.csv").write_bytes(b"user,item,action\nann,\xe9,erase\n")
    with pytest.raises(BadRequest, match="UTF-8"):
        read_requests(ledger, tmp_path / "latin.csv")
    with pytest.raises(BadOption, match=r"^ledger: got an Interactions, expected a ledger"):
        read_requests(ledger.known, tmp_path / "requests.csv")  # pyright: ignore[reportArgumentType] on purpose
