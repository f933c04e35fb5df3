"""Each reader on a small file of its form."""

import gzip
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from fedshare.data.interactions import Interactions
from fedshare.data.load import load
from fedshare.errors import BadData, DataWarning, EmptyData, MissingColumn, MissingFile


def rows(table: Interactions) -> list[tuple[str, str]]:
    return [(table.users.id(u), table.items.id(i)) for u, i in zip(table.user, table.item, strict=True)]


def times(table: Interactions) -> list[int] | None:
    return None if table.timestamp is None else table.timestamp.tolist()


def ratings(table: Interactions) -> list[float] | None:
    return None if table.rating is None else table.rating.tolist()


# -- CSV, TSV, Parquet ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "user_id,item_id,timestamp,rating",
        "userId,movieId,timestamp,rating",
        "UID,IID,Time,Score",
        "Customer ID,StockCode,InvoiceDate,stars",
        "\ufeffreviewerID,asin,unixReviewTime,overall",
    ],
)
def test_common_column_names(tmp_path, header):
    path = tmp_path / "log.csv"
    path.write_text(f"{header}\nb,x,30,1\na,y,20,4.5\na,x,10,5\n", encoding="utf-8")
    table = load(path)
    assert rows(table) == [("a", "x"), ("a", "y"), ("b", "x")]
    assert times(table) == [10, 20, 30]
    assert ratings(table) == [5, 4.5, 1]
    assert table.name == "log"


def test_of_several_names_the_plainest(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("customer,user_id,product,item,date\nc,a,p,x,1\nc,b,p,y,2\n")
    assert rows(load(path)) == [("a", "x"), ("b", "y")]
    assert load(path, user="item", item="user_id").users.ids == ("x", "y")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators(tmp_path, separator):
    path = tmp_path / "log.txt"
    path.write_text("user item\na x\nb y\n".replace(" ", separator))
    assert rows(load(path)) == [("a", "x"), ("b", "y")]


def test_tsv_and_gzip(tmp_path):
    (tmp_path / "log.tsv").write_text("user\titem\na\tx, or so\nb\ty\n")
    assert load(tmp_path / "log.tsv").items.ids == ("x, or so", "y")
    with gzip.open(tmp_path / "log.csv.gz", "wt") as file:
        file.write("user,item\na,x\nb,y\n")
    assert rows(load(tmp_path / "log.csv.gz")) == [("a", "x"), ("b", "y")]


def test_quotes(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text('user,item\na,"x, the ""great"""\nb,y\n')
    assert load(path).items.ids == ('x, the "great"', "y")


def test_ids_stay_as_they_are_written(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item\n007,1\n 7 ,1e3\n7.0,2\n")
    with pytest.warns(DataWarning, match=r"1 user id written with and without '\.0'"):
        table = load(path)
    assert table.users.ids == ("007", "7", "7.0")
    assert table.items.ids == ("1", "1e3", "2")


def test_whole_numbers_that_became_floats(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item\n17850.0,1\n12346.0,2\n")
    assert load(path).users.ids == ("12346", "17850")
    pl.DataFrame({"user": [17850.0, 12346.0], "item": [1, 2]}).write_parquet(tmp_path / "log.parquet")
    assert load(tmp_path / "log.parquet").users.ids == ("12346", "17850")


def test_rows_of_one_pair_are_merged(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,time\na,x,20\na,x,10\nb,y,30\n")
    table = load(path)
    assert (len(table), table.n_merged, times(table)) == (2, 1, [10, 30])


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1291191960", 1291191960),
        ("1291191960.75", 1291191960),
        ("1291191960750", 1291191960),
        ("1291191960750000", 1291191960),
        ("1291191960750000000", 1291191960),
        ("2010-12-01 08:26:00", 1291191960),
        ("2010-12-01T08:26:00.750", 1291191960),
        ("2010-12-01T08:26:00Z", 1291191960),
        ("2010-12-01T09:26:00+01:00", 1291191960),
        ("2010-12-01", 1291161600),
    ],
)
def test_times_as_text(tmp_path, written, seconds):
    path = tmp_path / "log.csv"
    path.write_text(f"user,item,time\na,x,{written}\nb,y,{written}\n")
    with pytest.warns(DataWarning, match="all times are equal"):
        assert times(load(path)) == [seconds, seconds]


@pytest.mark.parametrize(
    ("column", "seconds"),
    [
        ([1291191960, 1291191961], [1291191960, 1291191961]),
        ([1291191960.9, 1291191961.0], [1291191960, 1291191961]),
        ([1291191960750, 1291191961750], [1291191960, 1291191961]),
        ([datetime(2010, 12, 1, 8, 26), datetime(1970, 1, 1)], [1291191960, 0]),
        ([datetime(2010, 12, 1, 8, 26, n, tzinfo=UTC) for n in (0, 1)], [1291191960, 1291191961]),
        ([datetime(2010, 12, n).date() for n in (1, 2)], [1291161600, 1291248000]),
    ],
)
def test_times_in_parquet(tmp_path, column, seconds):
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "time": column}, strict=False).write_parquet(path)
    assert times(load(path)) == seconds


@pytest.mark.parametrize("column", [[5, None], [5.0, float("nan")]])
def test_some_times_in_parquet_are_no_times(tmp_path, column):
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "time": column}, strict=False).write_parquet(path)
    with pytest.warns(DataWarning, match="1 row of 2 without a time"):
        assert times(load(path)) is None
    assert len(load(path, timestamp=False)) == 2


def test_some_times_are_no_times(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,time,rating\na,x,5,\nb,y,,\n")
    with pytest.warns(DataWarning, match="1 row of 2 without a time, so all times are left out"):
        table = load(path)
    assert table.timestamp is None
    assert table.rating is None, "a column without any rating is no column"


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ([1.5, 2.0], "holds fractions"),
        ([None, 2], "got none"),
        ([float("nan"), 1.0], "got none"),
        ([True, False], "Bo"),
    ],
)
def test_bad_ids_in_parquet(tmp_path, user, message):
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": user, "item": ["x", "y"]}).write_parquet(path)
    with pytest.raises(BadData, match=message):
        load(path)


@pytest.mark.parametrize(("column", "message"), [("time", "expected times"), ("rating", "expected numbers as ratings")])
def test_columns_of_a_type_that_cannot_be(tmp_path, column, message):
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"], column: [[1], [2]]}).write_parquet(path)
    with pytest.raises(BadData, match=message):
        load(path)


def test_categories_are_ids(tmp_path):
    path = tmp_path / "log.parquet"
    frame = pl.DataFrame({"user": ["b", "a"], "item": ["x", "y"]}).cast(pl.Categorical)
    frame.write_parquet(path)
    assert rows(load(path)) == [("a", "y"), ("b", "x")]


# -- the folder form -----------------------------------------------------------------------------------------------


def folder_form(folder: Path, **columns: list) -> Path:
    folder.mkdir()
    frame = pl.DataFrame({"extra": [1, 2, 3], "user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], **columns})
    frame.write_parquet(folder / "interactions.parquet")
    return folder


def test_folder_form(tmp_path):
    folder = folder_form(
        tmp_path / "shop", timestamp=[1, 2, 3], rating=[4.0, 5.0, 3.0], split=["train", "test", "train"]
    )
    pl.DataFrame({"item_id": ["x", "y", "z"], "title": ["Ex", None, "Zed"]}).write_parquet(folder / "items.parquet")
    table = load(folder)
    assert table.name == "shop"
    assert rows(table) == [("a", "x"), ("a", "y"), ("b", "x")]
    assert (times(table), ratings(table)) == ([1, 2, 3], [4, 5, 3])
    assert table.split is not None
    assert table.split.tolist() == [0, 1, 0]
    assert table.titles == {"x": "Ex"}


def test_columns_full_of_nulls_are_no_columns(tmp_path):
    table = load(folder_form(tmp_path / "shop", timestamp=[None] * 3, rating=[None] * 3, split=[None] * 3))
    assert (table.timestamp, table.rating, table.split, table.titles) == (None, None, None, {})


def test_times_of_test_rows_only_leave_the_canonical_split(tmp_path):
    with pytest.warns(DataWarning, match="2 rows of 3 without a time"):
        table = load(folder_form(tmp_path / "shop", timestamp=[None, 7, None], split=["train", "test", "train"]))
    assert table.timestamp is None
    assert table.split is not None
    assert table.split.tolist() == [0, 1, 0]


@pytest.mark.parametrize("split", [["train", None, "test"], ["train", "valid", "test"]])
def test_split_is_train_or_test(tmp_path, split):
    with pytest.raises(BadData, match="expected 'train' or 'test' in every row"):
        load(folder_form(tmp_path / "shop", split=split))


def test_folder_form_without_its_table(tmp_path):
    with pytest.raises(MissingFile, match=r"no interactions\.parquet in this folder"):
        load(tmp_path, format="folder")


# -- RecBole -------------------------------------------------------------------------------------------------------

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\na\tx\t4\t10.0\nb\ty\t5\t20.0\n"


def test_recbole_file(tmp_path):
    path = tmp_path / "ml.inter"
    path.write_text(INTER)
    table = load(path)
    assert (table.name, rows(table)) == ("ml", [("a", "x"), ("b", "y")])
    assert (times(table), ratings(table), table.titles) == ([10, 20], [4, 5], {})
    assert load(path, user="item_id", item="user_id").users.ids == ("x", "y")


def test_recbole_folder_with_titles(tmp_path):
    folder = tmp_path / "ml"
    folder.mkdir()
    (folder / "ml.inter").write_text(INTER)
    (folder / "ml.item").write_text('item_id:token\tmovie_title:token_seq\tclass:token_seq\nx\t7" record\tA\ny\t\tB\n')
    table = load(folder)
    assert table.titles == {"x": '7" record'}


def test_recbole_folder_with_several(tmp_path):
    folder = tmp_path / "ml"
    folder.mkdir()
    for name in ("one.inter", "two.inter"):
        (folder / name).write_text(INTER)
    with pytest.raises(BadData, match=r"got 'one\.inter', 'two\.inter'; expected one"):
        load(folder)
    (folder / "ml.inter").write_text(INTER)
    assert load(folder).name == "ml"


def test_recbole_without_types(tmp_path):
    path = tmp_path / "ml.inter"
    path.write_text("user_id\titem_id\na\tx\nb\ty\n")
    with pytest.raises(BadData, match="the header has no types"):
        load(path)
    assert len(load(path, format="tsv")) == 2


def test_recbole_folder_without_a_file(tmp_path):
    with pytest.raises(MissingFile, match=r"no \.inter file"):
        load(tmp_path, format="recbole")


# -- MovieLens -----------------------------------------------------------------------------------------------------

HUNDRED_K = {
    "u.data": b"196\t242\t3\t881250949\n186\t302\t4\t891717742\n196\t302\t1\t881250950\n",
    "u.item": "242|Kolya (1996)|24-Jan-1997||x|0\n302|Caf\xe9 (1997)|01-Jan-1997||x|1\n".encode("latin-1"),
}
ONE_M = {
    "ratings.dat": b"196::242::3::881250949\n186::302::4::891717742\n196::302::1::881250950\n",
    "movies.dat": "242::Kolya (1996)::Comedy\n302::Caf\xe9 (1997)::Drama\n".encode("latin-1"),
}
LATEST = {
    "ratings.csv": b"userId,movieId,rating,timestamp\r\n196,242,3.0,881250949\r\n186,302,4,891717742\r\n"
    b"196,302,1,881250950\r\n",
    "movies.csv": 'movieId,title,genres\n242,Kolya (1996),Comedy\n302,"Caf\xe9 (1997)",Drama\n'.encode(),
}
FORMS = pytest.mark.parametrize("files", [HUNDRED_K, ONE_M, LATEST], ids=["100k", "1m", "latest"])


def check_movielens(table: Interactions) -> None:
    assert rows(table) == [("186", "302"), ("196", "242"), ("196", "302")]
    assert times(table) == [891717742, 881250949, 881250950]
    assert ratings(table) == [4, 3, 1]
    assert table.titles == {"242": "Kolya (1996)", "302": "Caf\xe9 (1997)"}


@FORMS
def test_movielens_zip(tmp_path, files):
    path = tmp_path / "ml-small.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"ml-small/{name}", content)
            archive.writestr(f"__MACOSX/ml-small/{name}", b"not this one")
        archive.writestr("ml-small/README", b"read me")
    table = load(path)
    check_movielens(table)
    assert table.name == "ml-small"


@FORMS
def test_movielens_folder_and_file(tmp_path, files):
    folder = tmp_path / "ml-small"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    check_movielens(load(folder))
    check_movielens(load(folder / next(iter(files)), format="movielens"))
    assert load(folder).name == "ml-small"


def test_movielens_file_without_titles(tmp_path):
    path = tmp_path / "u1.base"
    path.write_bytes(HUNDRED_K["u.data"])
    assert load(path, format="movielens").titles == {}


def test_movielens_with_columns_missing(tmp_path):
    path = tmp_path / "u.data"
    path.write_text("196\t242\t3\n")
    with pytest.raises(BadData, match="got 3 columns, expected 4"):
        load(path)


def test_movielens_empty(tmp_path):
    (tmp_path / "ratings.dat").write_text("")
    with pytest.raises(EmptyData, match="the file is empty"):
        load(tmp_path)


def test_movielens_header_without_users(tmp_path):
    (tmp_path / "ratings.csv").write_text("person,movieId\n1,2\n")
    with pytest.raises(MissingColumn, match="no column of users"):
        load(tmp_path)


def test_zip_with_something_else(tmp_path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("beach.jpg", b"")
    with pytest.raises(MissingFile, match=r"holds 'beach\.jpg'; expected a table"):
        load(path)
    with pytest.raises(MissingFile, match=r"got 'beach\.jpg'; expected one of ratings\.csv"):
        load(path, format="movielens")


def test_zip_cut_short(tmp_path):
    path = tmp_path / "ml.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("u.data", HUNDRED_K["u.data"])
    content = bytearray(path.read_bytes())
    content[40] ^= 0xFF  # in the middle of the ratings
    path.write_bytes(content)
    with pytest.raises(BadData, match="not a whole zip file"):
        load(path)
