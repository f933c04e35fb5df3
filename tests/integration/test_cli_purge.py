"""``fedshare purge``: what was erased is nowhere in the run, in no encoding."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import stat
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from byte_search import Pair, found
from cli_calls import TRAINING, Call

from fedshare.errors import RunError
from fedshare.simulation.purge import purge
from fedshare.simulation.run import Run
from fedshare.simulation.waiting import JOURNAL, Journal, note
from fedshare.storage.json_files import sealed

ITEM, SECOND, USER = "sentinel-0417", 1_287_431_659, "u29"


@pytest.fixture(scope="module")
def trained(fedshare: Call, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which one person has an item that nobody else has."""
    place = tmp_path_factory.mktemp("purge")
    file = place / "data.csv"
    file.write_text(data.read_text() + f"{USER},{ITEM},{SECOND}\n")
    assert fedshare("train", file, *TRAINING, "--split", "none", "--out", place / "first").status == 0
    return place / "first"


@pytest.fixture(scope="module")
def erased(fedshare: Call, trained: Path) -> Path:
    """It was shared with a reason, learned, unshared, and erased at last; and a later run was made from that."""
    first = trained.with_name("shared")
    ledger = Run.load(trained).ledger
    if ITEM in ledger.private_items(USER):
        said = ("--reason", f"I bought {ITEM}")
        assert fedshare("share", trained, "--user", USER, "--items", ITEM, *said).status == 0
    assert fedshare("rule", trained, "--user", USER, "--add", f"until:2090-01-01:{ITEM},i03").status == 0
    assert fedshare("refresh", trained, "--out", first).status == 0
    out = trained.with_name("erased")
    assert fedshare("erase", first, "--user", USER, "--items", ITEM, "--out", out).status == 0
    assert fedshare("erase", out, "--user", "u04", "--all", "--out", trained.with_name("later")).status == 0
    return out


@pytest.fixture
def shop(erased: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(erased, tmp_path / "shop"))


@pytest.fixture
def purged(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / "shop"))


@pytest.fixture(scope="module")
def clean(fedshare: Call, erased: Path) -> Path:
    """A purged run, to copy."""
    out = Path(shutil.copytree(erased, erased.with_name("clean")))
    assert fedshare("purge", out).status == 0
    return out


@pytest.fixture(scope="module")
def pair(erased: Path) -> Pair:
    known = Run.load(erased).known
    user, item = known.users.index(USER), known.items.index(ITEM)
    assert user > known.n_items  # a column of items cannot hold the person's number by chance
    return Pair(USER, ITEM, user, item, known.n_items, SECOND)


def test_the_pair_is_nowhere(fedshare: Call, shop: Path, pair: Pair) -> None:
    assert len({line.split(":")[0] for line in found(shop, pair)}) >= 2  # interactions and events
    before = Run.load(shop)
    answer = fedshare("purge", shop, "--json")
    assert answer.status == 0, answer.stderr
    assert answer.json == {"run": str(shop), "n_pairs": 1, "n_users": 1, "old": [], "left": []}
    assert found(shop, pair) == []
    after = Run.load(shop)
    assert after.ledger.ids == before.ledger.ids
    assert after.server.view.n_users == before.server.view.n_users
    assert after.ledger.version == before.ledger.version
    assert after.ledger.has_forgotten(USER, ITEM)
    assert not (shop / "devices" / "successors.parquet").exists()
    assert stat.S_IMODE((shop / "devices" / "forgotten.parquet").stat().st_mode) == 0o600


def rows(file: Path, **changed: object) -> None:
    """Write a value into the first row of a table."""
    table = pl.read_parquet(file)
    first = table.head(1).with_columns(**{name: pl.lit(value) for name, value in changed.items()}).cast(table.schema)
    pl.concat([first, table.tail(-1)]).write_parquet(file)


def appended(file: Path, content: bytes) -> None:
    file.write_bytes(file.read_bytes() + content if file.exists() else content)


LEAKS: dict[str, Callable[[Path, Pair], None]] = {
    "the journal": lambda run, pair: appended(run / "devices" / JOURNAL, b'{"user":"u29","items":["sentinel-0417"]}\n'),
    "a reason": lambda run, pair: rows(run / "devices" / "events.parquet", reason=f"I bought {pair.item}"),
    "a rule": lambda run, pair: rows(run / "devices" / "events.parquet", rule=json.dumps({"items": [pair.item]})),
    "an event's items": lambda run, pair: rows(
        run / "devices" / "events.parquet", user=pair.user_index, items=[pair.item_index]
    ),
    "an event's time": lambda run, pair: rows(run / "devices" / "events.parquet", time=pair.second),
    "a pair": lambda run, pair: rows(
        run / "devices" / "interactions.parquet", user=pair.user_index, item=pair.item_index
    ),
    "a pair's time": lambda run, pair: rows(run / "devices" / "interactions.parquet", timestamp=pair.second),
    "32-bit indices": lambda run, pair: appended(
        run / "server" / "state.safetensors", struct.pack("<2i", pair.user_index, pair.item_index)
    ),
    "64-bit indices": lambda run, pair: appended(
        run / "devices" / "private.safetensors", struct.pack("<2q", pair.user_index, pair.item_index)
    ),
    "hex": lambda run, pair: appended(run / "run.json", pair.item.encode().hex().encode()),
    "base64": lambda run, pair: appended(run / "run.json", base64.b64encode(b"u29:" + pair.item.encode() + b";")),
    "a draft beside": lambda run, pair: (
        (run.parent / ".fedshare-draft-x").mkdir(),
        appended(run.parent / ".fedshare-draft-x" / "new", pair.item.encode()),
    )[0],
    "a title of a person": lambda run, pair: rows(
        run / "published" / "catalogue.parquet", item_id=pair.item, title=pair.user
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_the_search_finds_what_is_left(purged: Path, pair: Pair, leak: str) -> None:
    LEAKS[leak](purged, pair)
    assert found(purged, pair)


def test_a_purged_run_lives_on(fedshare: Call, purged: Path, tmp_path: Path) -> None:
    everything = ("--user", USER, "--k", 100, "--json")
    assert ITEM not in fedshare("recommend", purged, *everything).stdout
    assert ITEM in fedshare("recommend", purged, *everything, "--again").stdout
    assert ITEM in fedshare("recommend", purged, "--user", "u03", "--k", 100).stdout
    again = tmp_path / "again.csv"
    again.write_text(
        f"user_id,item_id,timestamp\n{USER},{ITEM},1320000000\n{USER},novel,1320000000\nu03,novel,1320000000\n"
    )
    out = tmp_path / "grown"
    answer = fedshare("refresh", purged, "--data", again, "--out", out, "--json")
    assert answer.status == 0, answer.stderr
    assert answer.json["n_new_pairs"] == 2
    assert fedshare("erase", out, "--user", USER, "--items", "novel", "--out", out, "--force").status == 0
    assert fedshare("purge", out, "--json").json["n_pairs"] == 1
    run = Run.load(out)
    assert run.ledger.has_forgotten(USER, ITEM)
    assert run.ledger.has_forgotten(USER, "novel")
    assert ITEM not in fedshare("recommend", out, *everything).stdout
    following = run.following(run.ledger.observe([("eve", "i03")]))
    assert ITEM not in {each.item for each in following.recommend(USER, 100)}


def test_older_runs_go_if_they_are_runs(fedshare: Call, shop: Path, trained: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(trained, tmp_path / "old"))
    stranger = Path(shutil.copytree(trained, tmp_path / "stranger"))
    (stranger / "thesis.txt").write_text("mine")
    before = (shop / "run.json").read_bytes()
    for wrong in (stranger, shop, tmp_path, tmp_path / "nothing", shop / "devices"):
        answer = fedshare("purge", shop, "--old", old, "--old", wrong)
        assert answer.status == 2
        assert "--old" in answer.stderr
    assert old.is_dir()
    assert (stranger / "thesis.txt").is_file()
    assert (shop / "run.json").read_bytes() == before
    assert fedshare("purge", shop, "--old", old, "--json").json["old"] == [str(old)]
    assert not old.exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["shop", "stranger"]


def test_choices_that_wait_are_not_lost(fedshare: Call, shop: Path, pair: Pair) -> None:
    assert fedshare("share", shop, "--user", "u03", "--to", 1).status == 0
    answer = fedshare("purge", shop)
    assert answer.status == 2
    assert "fedshare refresh" in answer.stderr
    assert found(shop, pair)
    assert len((shop / "devices" / JOURNAL).read_bytes().splitlines()) == 1


def test_a_choice_never_goes_with_the_old_folder(fedshare: Call, shop: Path) -> None:
    ledger = Run.load(shop).ledger  # somebody reads the run, and it is purged before they choose
    assert fedshare("purge", shop).status == 0
    with pytest.raises(RunError, match="choose again"):
        note(shop, ledger, lambda before: before.share("u03", fraction=1.0))
    assert fedshare("share", shop, "--user", "u03", "--to", 1).status == 0
    with Journal(shop / "devices" / JOURNAL) as journal:  # likewise, while they wait for the lock
        assert journal.is_in_place()
        shutil.copytree(shop / "devices", shop / "copy")
        shutil.rmtree(shop / "devices")
        assert not journal.is_in_place()
        (shop / "copy").rename(shop / "devices")
        assert not journal.is_in_place()


def test_test_pairs_go_too(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = Run.load(run)
    test = before.test
    assert test is not None
    user, item = test.users.id(int(test.user[0])), test.items.id(int(test.item[0]))
    bought = before.following(before.ledger.observe([(user, item)]).erase(user, [item])[0])
    replace(before, devices=bought).save(out)
    assert purge(out).n_pairs == 1
    left = Run.load(out).test
    assert left is not None
    assert left.n_pairs == test.n_pairs - 1
    assert (user, item) not in set(zip(left.users.ids_at(left.user), left.items.ids_at(left.item), strict=True))


@pytest.mark.parametrize(
    ("column", "value"), [("user", 10_000), ("user", -1), ("secret", b"short"), ("mark", b"short"), ("mark", None)]
)
def test_damaged_marks_are_named(fedshare: Call, purged: Path, column: str, value: object) -> None:
    rows(purged / "devices" / "forgotten.parquet", **{column: value})
    reseal(purged)
    answer = fedshare("log", purged, "--user", USER)
    assert answer.status == 2
    assert "DamagedRun" in answer.stderr
    assert "forgotten.parquet" in answer.stderr


def reseal(run: Path) -> None:
    """Make the devices' manifest fit, as somebody could who may write there."""
    file = run / "devices" / "manifest.json"
    manifest = json.loads(file.read_text())
    for name in manifest["files"]:
        content = (run / "devices" / name).read_bytes()
        manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    del manifest["digest"]
    file.write_text(sealed(manifest))
