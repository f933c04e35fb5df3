"""``load``: which reader a path goes to, and every way in which input can be wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from fedshare.data.load import load
from fedshare.errors import BadData, BadOption, EmptyData, MissingColumn, MissingFile, TooSmall, UnknownDataset

CSV = "user_id,item_id,timestamp,rating\na,x,10,5\na,y,20,4\nb,x,30,1\n"


def write(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


# -- the embedded set ----------------------------------------------------------------------------------------------


def test_online_retail():
    interactions = load("online-retail")
    assert (interactions.n_users, interactions.n_items, len(interactions)) == (4_334, 3_659, 266_221)
    assert interactions.name == "online-retail"
    assert interactions.n_merged == 0
    assert interactions.timestamp is not None
    assert interactions.rating is None
    assert interactions.split is None
    assert len(interactions.titles) == 3_659
    assert interactions.title("10002") == "INFLATABLE POLITICAL GLOBE"
    assert interactions.items_of(interactions.users.index("12346")).tolist() == [interactions.items.index("23166")]


def test_online_retail_comes_with_its_licence():
    from importlib.resources import files

    embedded = files("fedshare.data.embedded")
    notice = (embedded / "LICENCE.md").read_text(encoding="utf-8")
    for part in ("Daqing Chen (2015)", "https://doi.org/10.24432/C5BW33", "CC BY 4.0", "Changed:"):
        assert part in notice
    tables = [file for file in embedded.iterdir() if file.name.endswith(".parquet")]
    assert sum(len(table.read_bytes()) for table in tables) <= 1_500_000


def test_a_column_that_the_embedded_set_does_not_have():
    with pytest.raises(MissingColumn, match="user='customer' is not a column; expected one of 'user_id', 'item_id'"):
        load("online-retail", user="customer")


def test_polars_is_imported_when_a_file_is_read_and_not_before():
    code = "import sys, fedshare.data.load, fedshare.data.splits; print({'polars', 'torch'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


# -- names and paths -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["online-retial", "no/such/file.csv", ""])
def test_neither_name_nor_path(name):
    with pytest.raises(UnknownDataset, match=r"is not there; expected 'online-retail'"):
        load(name)


def test_a_name_goes_before_a_path(tmp_path, monkeypatch):
    folder = tmp_path / "online-retail"
    folder.mkdir()
    write(folder, "user_id:token\titem_id:token\na\tx\nb\ty\n", "online-retail.inter")
    monkeypatch.chdir(tmp_path)
    assert len(load("online-retail")) == 266_221
    assert len(load("./online-retail")) == 2
    assert len(load(Path("online-retail"))) == 2


def test_folder_without_anything_known(tmp_path):
    write(tmp_path, "hello", "notes.md")
    with pytest.raises(MissingFile, match=r"holds 'notes\.md'; expected a table with a column of users"):
        load(tmp_path)


def test_the_content_says_what_the_ending_does_not(tmp_path):
    path = write(tmp_path, CSV, "log.bin")
    assert len(load(path)) == len(load(path, format="csv")) == 3


def test_format_that_does_not_exist(tmp_path):
    with pytest.raises(BadOption, match="format: got 'xlsx', expected one of folder, csv"):
        load(write(tmp_path, CSV), format="xlsx")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("format", ["csv", "tsv", "parquet"])
def test_a_folder_without_a_file(tmp_path, format):
    with pytest.raises(MissingFile, match="got a folder without a file"):
        load(tmp_path, format=format)


@pytest.mark.parametrize("name", ["a.inter", "a.parquet", "a.zip", "a.csv"])
def test_damaged_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x00\xff\xfe\x80 not a table \xff\n\xff\n")
    with pytest.raises(BadData):
        load(path)


# -- what stands in the table --------------------------------------------------------------------------------------


def test_missing_column_says_which_are_there_and_what_to_give(tmp_path):
    path = write(tmp_path, "who,what\na,x\nb,y\n")
    with pytest.raises(MissingColumn, match=r"no column of users among 'who', 'what'; .*`user='NAME'`"):
        load(path)
    with pytest.raises(MissingColumn, match="no column of items"):
        load(path, user="who")
    assert len(load(path, user="who", item="what")) == 2


def test_named_column_that_is_not_there(tmp_path):
    with pytest.raises(MissingColumn, match="timestamp='when' is not a column; expected one of 'user_id'"):
        load(write(tmp_path, CSV), timestamp="when")


def test_missing_header(tmp_path):
    with pytest.raises(MissingColumn, match="is the header missing"):
        load(write(tmp_path, "196,242,3,881250949\n186,302,3,891717742\n"))


def test_one_column_for_two_things(tmp_path):
    with pytest.raises(BadOption, match="one column was taken twice"):
        load(write(tmp_path, CSV), user="item_id")


@pytest.mark.parametrize("text", ["", "user_id,item_id\n"])
def test_empty_file(tmp_path, text):
    with pytest.raises(EmptyData):
        load(write(tmp_path, text))


@pytest.mark.parametrize("bad", ["", "nan", "inf"])
def test_bad_rating(tmp_path, bad):
    path = write(tmp_path, f"user,item,rating\na,x,4\nb,y,{bad}\n")
    with pytest.raises(BadData, match=r"log\.csv': rating: got (nan|inf) in 1 of 2 rows \(first: row 2\)"):
        load(path)


def test_rating_that_is_a_word(tmp_path):
    with pytest.raises(BadData, match="column 'rating' holds 'good'"):
        load(write(tmp_path, "user,item,rating\na,x,4\nb,y,good\n"))


def test_negative_time(tmp_path):
    with pytest.raises(BadData, match="timestamp: got -1 in 1 of 2 rows"):
        load(write(tmp_path, "user,item,time\na,x,-1\nb,y,5\n"))


@pytest.mark.parametrize("when", ["12/1/2010 8:26", "yesterday", "20:15"])
def test_time_that_is_no_date(tmp_path, when):
    with pytest.raises(BadData, match="expected seconds or milliseconds since 1970, or an ISO date"):
        load(write(tmp_path, f"user,item,time\na,x,2010-12-01\nb,y,{when}\n"))


def test_time_that_is_no_number(tmp_path):
    with pytest.raises(BadData, match=r"column 'time' holds 'soon' \(1 rows like it\)"):
        load(write(tmp_path, "user,item,time\na,x,5\nb,y,soon\n"))


def test_time_without_end(tmp_path):
    with pytest.raises(BadData, match="holds infinity"):
        load(write(tmp_path, "user,item,time\na,x,5\nb,y,inf\n"))


@pytest.mark.parametrize("bad", ["", "  ", "NaN"])
def test_missing_id(tmp_path, bad):
    with pytest.raises(BadData, match="user ids: got none"):
        load(write(tmp_path, f"user,item\na,x\n{bad},y\n"))
    with pytest.raises(BadData, match="item ids: got none"):
        load(write(tmp_path, f"user,item,n\na,x,1\nb,{bad},1\n"))


def test_one_user(tmp_path):
    with pytest.raises(TooSmall, match="got one user, expected two or more"):
        load(write(tmp_path, "user,item\na,x\na,y\n"))


def test_one_item(tmp_path):
    with pytest.raises(TooSmall, match="got one item, expected two or more"):
        load(write(tmp_path, "user,item\na,x\nb,x\n"))


def test_min_rating(tmp_path):
    path = write(tmp_path, CSV + "b,y,40,5\n")
    assert len(load(path)) == 4
    assert len(load(path, min_rating=4)) == 3
    with pytest.raises(EmptyData, match="expected at most 5, the highest rating"):
        load(path, min_rating=6)
    with pytest.raises(MissingColumn, match="has no ratings"):
        load(write(tmp_path, "user,item\na,x\nb,y\n"), min_rating=4)
