"""Kinds of files that shops and data sets export, each with the answer that a reasonable user expects."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import warnings
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fedshare.data.interactions import Interactions
from fedshare.data.load import load
from fedshare.errors import BadData, BadOption, DataWarning, EmptyData, MissingColumn, MissingFile

File = Callable[..., Path]
ROWS = [(f"u{n % 4}", f"i{n * 3 % 5}", 1 + n % 5, 1_585_759_760 + 90_000 * n) for n in range(20)]
CSV = "user_id,item_id,rating,timestamp\n" + "".join(f"{u},{i},{r},{t}\n" for u, i, r, t in ROWS)


@pytest.fixture
def file(tmp_path: Path) -> File:
    """Writes a small file and says where."""

    def write(content: str | bytes, name: str = "log.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def times(table: Interactions) -> list[int]:
    assert table.timestamp is not None
    return table.timestamp.tolist()


def ratings(table: Interactions) -> list[float]:
    assert table.rating is not None
    return table.rating.tolist()


def same(table: Interactions) -> bool:
    """Whether it is what the rows above say."""
    return (
        table.fingerprint()
        == Interactions.from_arrays([row[0] for row in ROWS], [row[1] for row in ROWS]).fingerprint()
    )


def quietly(path: Any, **options: Any) -> Interactions:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return load(path, **options)


# -- how text is written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "noted"),
    [
        (CSV, ""),
        (CSV.replace("\n", "\r\n"), ""),
        (CSV.replace("\n", "\r"), ""),
        ("\ufeff" + CSV, ""),
        ("sep=,\n" + CSV, ""),
        ("sep=;\r\n" + CSV.replace(",", ";"), ""),
        (CSV.replace("\n", "\n\n", 3), "left out, being blank"),
        (CSV + ",,,\n" * 3, "3 rows left out, being blank"),
        ("# exported today\n#\n" + CSV, "2 lines before the table left out"),
        ("Orders of 2020\n\n" + CSV, "1 line before the header left out"),
        ("#" + CSV, ""),
        (CSV.replace("\n", ",\n"), ""),
        (CSV.replace("\n", ",\n").replace("timestamp,", "timestamp"), ""),
        (CSV.replace(",", " , "), ""),
        (CSV.replace(",", " | "), ""),
        (CSV.replace(",", "\x01"), ""),
        (CSV.replace(",", "::"), ""),
        (CSV.replace(",", "  "), ""),
        (CSV + "\ufeff" + CSV, "1 row left out, being blank or the header again"),
        ("\n".join(",".join(f"'{field}'" for field in line.split(",")) for line in CSV.splitlines()), ""),
        (
            "".join(f"{n}," * (n >= 0) + line + "\n" for n, line in enumerate(CSV.splitlines(), -1)),
            "taken as the name of the",
        ),
    ],
)
def test_ways_to_write_a_table(file: File, content: str, noted: str) -> None:
    table = load(file(content))
    assert same(table)
    assert times(table)[0] == 1_585_759_760
    assert noted in " ".join(table.notes)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_encodings_that_tell(file: File, encoding: str) -> None:
    table = load(file(CSV.replace("u0", "ü0").encode(encoding)))
    assert "ü0" in table.users
    assert "\ufeff" not in "".join(table.users)


def test_an_encoding_that_does_not_tell_is_said(file: File) -> None:
    path = file(CSV.replace("u0", "José €").encode("windows-1252"))
    with pytest.warns(DataWarning, match="read as Windows-1252"):
        assert "José €" in load(path).users
    assert "JosÃ" not in "".join(load(path, encoding="cp1252").users)
    with pytest.raises(BadData, match=r"not whole UTF-8 \(byte 36, line 2\)"):
        load(path, encoding="utf-8")
    with pytest.raises(BadData, match="not whole UTF-8"):
        load(file("user,item\nJosé,a\nMüller,b\n".encode() + b"x\xff,c\n"))
    for wrong in ("base64", "no-such", "rot13"):
        with pytest.raises(BadOption, match="encoding: got"):
            load(path, encoding=wrong)


def test_quotes_that_are_letters(file: File) -> None:
    table = load(file('user,item\n1,6" nail\n2,7" nail\n3,"a"\n'))
    assert table.items.ids == ('"a"', '6" nail', '7" nail')
    assert load(file('user\titem\n1\t"Heroes" 3\n2\t"5\n', "log.tsv")).items.ids == ('"5', '"Heroes" 3')
    assert load(file('user\titem\n1\t"a" b"\n2\t"5"\n', "log.tsv")).items.ids == ("5", 'a" b')
    with pytest.warns(DataWarning, match="quotes do not pair up"):
        table = load(file('user,item,title\n1,a,6" nail\n2,b,"x, y"\n'))
    assert table.titles == {"a": '6" nail', "b": "x, y"}
    assert load(file('user,item\n1,"a"\n2,"b"\n'), quote=False).items.ids == ('"a"', '"b"')


def test_a_line_that_is_too_long_is_named(file: File) -> None:
    for content in ("user,item\n1,a\n2,b,c\n3,d\n", 'user,item\n1,"a"\n2,b,c\n3,d\n'):
        with pytest.raises(BadData, match="line 3 has 3 fields, expected 2 as in the header"):
            load(file(content))


def test_doubled_and_empty_headers(file: File) -> None:
    table = load(file(",user,user,item\n0,a,b,x\n1,c,d,y\n"))
    assert table.users.ids == ("a", "c")
    assert load(file(",user,user,item\n0,a,b,x\n1,c,d,y\n"), user="user (2)").users.ids == ("b", "d")


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("1,2020-04-01T16:49:20.000Z,3,0\n2,2020-04-02T16:49:20.000Z,5,0\n", "user,timestamp,item,rating"),
        ("0 | 7 | 2012-04-03\n1 | 4 | 2012-04-04\n", "user,item,timestamp"),
        ("A1,B1,5.0,1365465600\nA2,B2,4.0,1365465601\n", "user,item,rating,timestamp"),
        ("% sym\n1 1 1 874965758\n2 2 1 874965759\n", "user,item,rating,timestamp"),
        ("1;7;4,5\n2;8;3,5\n", "user,item,rating"),
        ("ann,tea\nbob,milk\nann,milk\n", "user,item"),
    ],
)
def test_without_a_header_columns_are_asked_for(file: File, content: str, columns: str) -> None:
    path = file(content, "log.dat")
    with pytest.raises(MissingColumn, match="is the header missing") as caught:
        load(path)
    assert "ann" not in str(caught.value)
    assert f"`columns={columns.split(',')!r}`" in str(caught.value)
    table = load(path, columns=columns.split(","))
    assert (table.n_users, table.n_items) == (2, 2)
    assert (table.timestamp is not None) == ("timestamp" in columns)


def test_columns_by_position(file: File) -> None:
    path = file("x,1,7\ny,2,8\n")
    assert load(path, user=2, item="3", header=False).users.ids == ("1", "2")
    with pytest.raises(BadOption, match="got 2 names of columns, expected 3"):
        load(path, columns=["user", "item"])


# -- what columns are called ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "user_id,parent_asin,rating,timestamp",
        "user_id,anime_id,rating,time",
        "customer_id,article_id,stars,t_dat",
        "User-ID,ISBN,Book-Rating,date",
        "Email,Lineitem sku,rating,Created at",
        "user.id,business_id,stars,date",
        "visitorid,itemid,score,timestamp",
        "Kundennummer,Artikelnummer,Bewertung,Datum",
        "customer_unique_id,product_id,review_score,order_purchase_timestamp",
    ],
)
def test_columns_are_found(file: File, header: str) -> None:
    table = load(file(CSV.replace("user_id,item_id,rating,timestamp", header)))
    assert same(table)
    assert ratings(table)
    assert times(table)
    assert list(table.reading.values()).count(header.split(",")[1]) == 1


def test_titles_categories_and_gifts(file: File) -> None:
    path = file("user,item,title,category,gift\n1,a,Tea,Drinks,yes\n2,a,Tea,Drinks,no\n2,b,Milk,,\n")
    table = load(path)
    assert table.titles == {"a": "Tea", "b": "Milk"}
    assert table.categories == {"a": "Drinks"}
    assert table.gift is not None
    assert table.gift.tolist() == [True, False, False]
    bare = load(path, title=False, category=False, gift=False)
    assert (bare.titles, bare.categories, bare.gift) == ({}, {}, None)
    with pytest.raises(BadData, match="expected a mark such as true and false"):
        load(path, gift="title")


def test_a_review_has_a_title_of_its_own(file: File) -> None:
    assert load(file("user_id,asin,title,text\n1,a,Great,x\n2,b,Bad,y\n")).titles == {}
    assert load(file("user,item,name\n1,a,#1\n2,a,#2\n3,b,#3\n")).titles == {}


# -- ids ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["", "NULL", "None", "nan", "NA", "n/a", "<NA>", r"\N"])
def test_one_rule_for_missing_ids(file: File, word: str) -> None:
    path = file(f"user,item\n1,a\n{word},b\n2,c\n")
    with pytest.raises(BadData, match=r"user ids: got none .* in 1 of 3 rows \(first: row 2\)"):
        load(path)
    with pytest.warns(DataWarning, match="1 row of 3 left out, having no user id"):
        assert load(path, drop_missing=True).users.ids == ("1", "2")


def test_ids_that_occur_with_and_without_zero(file: File) -> None:
    with pytest.warns(DataWarning, match=r"2 user ids written with and without '\.0'"):
        assert load(file("user,item\n7,a\n7.0,b\n8,a\n8.0,c\n")).n_users == 4


def test_ids_that_a_spreadsheet_has_rounded(file: File) -> None:
    with pytest.warns(DataWarning, match=r"look like '1\.23E\+11'"):
        load(file("user,item\n1.23E+11,a\n1.24E+11,b\n"))


def test_control_characters_in_ids_are_kept_and_noted(file: File) -> None:
    with pytest.warns(DataWarning, match="1 item id with control characters"):
        assert "\x1b[31mred" in load(file("user,item\n1,\x1b[31mred\n2,b\n")).items


@pytest.mark.parametrize("ids", [[2.0**53 + 2, 1.0], [float("inf"), 1.0], [1e20, 1.0]])
def test_floats_that_cannot_be_told_apart(tmp_path: Path, ids: list[float]) -> None:
    pl.DataFrame({"user": ids, "item": ["a", "b"]}).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(BadData, match="cannot"):
        load(tmp_path / "log.parquet")


@pytest.mark.parametrize(
    ("dtype", "good"),
    [
        (pl.Decimal(10, 2), True), (pl.UInt64, True), (pl.Int8, True), (pl.Categorical, True), (pl.Binary, True),
        (pl.Boolean, False), (pl.List(pl.Int64), False), (pl.Date, False), (pl.Struct({"a": pl.Int64}), False),
    ],
)  # fmt: skip
def test_types_of_ids_in_parquet(tmp_path: Path, dtype: Any, good: bool) -> None:
    values: list[Any] = [1, 2]
    if dtype == pl.Binary:
        values = [b"1", b"2"]
    if isinstance(dtype, pl.List | pl.Struct):
        values = [[1], [2]] if isinstance(dtype, pl.List) else [{"a": 1}, {"a": 2}]
    text = [str(value) for value in values] if dtype == pl.Categorical else values
    made = pl.Series(text).cast(dtype) if not isinstance(dtype, pl.Struct) else pl.Series(text)
    pl.DataFrame({"user": made, "item": ["a", "b"]}).write_parquet(tmp_path / "log.parquet")
    if good:
        assert load(tmp_path / "log.parquet").users.ids == ("1", "2")
    else:
        with pytest.raises(BadData, match="expected ids"):
            load(tmp_path / "log.parquet")


# -- times ----------------------------------------------------------------------------------------------------------

NOON = int(datetime(2020, 4, 13, 12, tzinfo=UTC).timestamp())
DAY = 86_400


@pytest.mark.parametrize(
    ("written", "second", "moment"),
    [
        ("2020-04-13T12:00:00.123456789Z", "2020-04-14T12:00:00.123456789Z", NOON),
        ("2020-04-13 14:00:00 +0200", "2020-04-14 12:00:00 UTC", NOON),
        ("2020/04/13 12:00", "2020/04/14 12:00", NOON),
        ("04/13/2020 12:00", "04/14/2020 12:00", NOON),
        ("13/04/2020 12:00:00", "14/04/2020 12:00:00", NOON),
        ("13.04.2020 12:00", "14.04.2020 12:00", NOON),
        ("4/13/20 12:00 PM", "4/14/20 12:00 PM", NOON),
        ("20200413", "20200414", NOON - DAY // 2),
        ("20200413120000", "20200414120000", NOON),
        ("Mon Apr 13 12:00:00 +0000 2020", "Tue Apr 14 12:00:00 +0000 2020", NOON),
        ("13 Apr 2020 12:00", "14 Apr 2020 12:00", NOON),
        ('"04 13, 2020"', '"04 14, 2020"', NOON - DAY // 2),
        ('"1,586,779,200"', '"1,586,865,600"', NOON),
        ("1586779200.0", "1586865600.0", NOON),
        ("1586779200000000000", "1586865600000000000", NOON),
    ],
)
def test_times_as_people_write_them(file: File, written: str, second: str, moment: int) -> None:
    assert times(load(file(f"user,item,time\n1,a,{written}\n2,b,{second}\n"))) == [moment, moment + DAY]


def test_dates_that_can_be_read_in_two_ways(file: File) -> None:
    path = file("user,item,time\n1,a,03/04/2020\n2,b,04/04/2020\n")
    with pytest.raises(BadData, match="either number could be the day"):
        load(path)
    april, march = 1_585_872_000, 1_583_280_000
    assert times(load(path, time_format="%d/%m/%Y"))[0] == april
    assert times(load(path, time_format="%m/%d/%Y"))[0] == march
    assert load(path, timestamp=False).timestamp is None
    with pytest.raises(BadData, match="some rows have the day first and some the month"):
        load(file("user,item,time\n1,a,13/04/2020\n2,b,04/14/2020\n"))


def test_fractions_keep_their_order(file: File) -> None:
    path = file("user,item,time\n1,a,0.25\n1,b,0.125\n2,a,0.5\n")
    with pytest.warns(DataWarning, match="their order is kept"):
        a, b, late = times(load(path))
    assert b < a < late


def test_days_of_a_spreadsheet(file: File) -> None:
    with pytest.warns(DataWarning, match="days as Excel counts them"):
        assert times(load(file("user,item,time\n1,a,43934.5\n2,b,43935.5\n"))) == [NOON, NOON + DAY]
    path = file("user,item,time\n1,a,43934\n2,b,43935\n")
    assert times(load(path)) == [43934, 43935]
    assert times(load(path, time_format="excel"))[0] == NOON - DAY // 2


def test_units_do_not_mix(file: File) -> None:
    rows = "".join(f"{n},a,{1_585_759_760 + n}\n" for n in range(9))
    with pytest.raises(BadData, match=r"another unit in 1 of 10 rows \(first: row 10\)"):
        load(file(f"user,item,time\n{rows}9,b,1585759760000\n"))


def test_times_beyond_the_calendar(file: File) -> None:
    for late in ("1e30", "9e10"):
        with pytest.raises(BadData, match="year 9999"):
            load(file(f"user,item,time\n1,a,{late}\n2,b,7e29\n"), time_format=None if late == "1e30" else "s")
    with pytest.raises(BadData, match="year 9999"):
        load([("a", "x", 10**17), ("b", "y", 10**16)], columns=["user", "item", "time"], time_format="s")


def test_one_time_missing_is_warned_of(file: File) -> None:
    path = file("user,item,time\n1,a,5\n2,b,\n2,c,7\n")
    with pytest.warns(DataWarning, match="1 row of 3 without a time, so all times are left out"):
        assert load(path).timestamp is None
    with pytest.warns(DataWarning, match="having no time"):
        assert times(load(path, drop_missing=True)) == [5, 7]


def test_equal_times_are_warned_of(file: File) -> None:
    with pytest.warns(DataWarning, match="all times are equal"):
        load(file("user,item,time\n1,a,5\n2,b,5\n"))


# -- ratings and events ---------------------------------------------------------------------------------------------


def test_the_latest_rating_counts_and_filtering_comes_first(file: File) -> None:
    path = file("user,item,rating,time\n1,a,2,10\n1,a,5,20\n2,a,5,10\n2,a,2,20\n2,b,4,5\n3,b,5,1\n")
    table = load(path)
    assert ratings(table) == [5, 2, 4, 5]
    assert times(table) == [10, 10, 5, 1]
    kept = load(path, min_rating=4)
    assert [(kept.users.id(int(u)), kept.items.id(int(i))) for u, i in zip(kept.user, kept.item, strict=True)] == [
        ("1", "a"),
        ("2", "b"),
        ("3", "b"),
    ]
    assert times(kept) == [20, 5, 1], "the rows that are left out have no say"


def test_a_missing_rating(file: File) -> None:
    path = file("user,item,rating\n1,a,4\n2,b,\n3,b,5\n")
    with pytest.raises(BadData, match="`drop_missing=True`, or all ratings, `rating=False`"):
        load(path)
    assert load(path, rating=False).rating is None
    assert ratings(quietly(path, drop_missing=True)) == [4, 5]


@pytest.mark.parametrize(
    ("written", "value"), [('"4,5"', 4.5), ("4.5", 4.5), ('"1,234.5"', 1234.5), ('"1.234,5"', 1234.5)]
)
def test_numbers_as_people_write_them(file: File, written: str, value: float) -> None:
    assert ratings(load(file(f"user,item,rating\n1,a,{written}\n2,b,{written}\n"))) == [value, value]


def test_events_are_chosen_or_weighed(file: File) -> None:
    path = file("user,item,event\n1,a,view\n1,a,purchase\n2,b,cart\n2,c,remove_from_cart\n3,a,view\n")
    with pytest.warns(DataWarning, match="count alike"):
        assert len(load(path)) == 3
    chosen = load(path, events=["view", "cart"])
    assert len(chosen) == 3
    weighed = load(path, events={"purchase": 3, "view": 1, "cart": 0.5})
    assert ratings(weighed) == [3, 0.5, 1]
    assert len(load(path, events={"purchase": 3, "view": 1, "cart": 2}, min_rating=1)) == 3
    with pytest.raises(BadOption, match="events: got 'buy', expected kinds of column 'event'"):
        load(path, events="buy")
    with pytest.raises(MissingColumn, match="found no column of events"):
        load(file(CSV), events="buy")
    for wrong in ({"view": -1}, {"view": "much"}, [], 5):
        with pytest.raises(BadOption, match="events: got"):
            load(path, events=wrong)  # pyright: ignore[reportArgumentType]


# -- what is packed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packed", [gzip.compress(CSV.encode()), bz2.compress(CSV.encode()), lzma.compress(CSV.encode()),
               gzip.compress(CSV[:200].encode()) + gzip.compress(CSV[200:].encode()) + b"\0" * 9]
)  # fmt: skip
def test_packed_files_are_told_by_their_content(file: File, packed: bytes) -> None:
    for name in ("log.csv", "log.gz", "log"):
        assert same(load(file(packed, name)))
    for end in (len(packed) // 2, 11):
        with pytest.raises(BadData, match=r"not a whole (gzip|bzip2|xz) file"):
            load(file(packed[:end]))


def test_zstd(file: File, tmp_path: Path) -> None:
    pl.read_csv(CSV.encode(), infer_schema=False).lazy().sink_csv(tmp_path / "log.csv.zst", compression="zstd")
    path = tmp_path / "log.csv.zst"
    assert same(load(path))
    with pytest.raises(BadData, match="not a whole zstd file"):
        load(file(path.read_bytes()[:40]))


def zipped(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_table_in_a_zip(tmp_path: Path) -> None:
    table = load(
        zipped(tmp_path / "kaggle", {"a/ratings_all.csv": CSV, "a/items.csv": "item_id,name\ni0,x\n", "b.md": "hi"})
    )
    assert same(table)
    assert any("the other files have no column" in note for note in table.notes)
    split = zipped(
        tmp_path / "split.zip", {"train.csv": CSV, "test.csv": "user_id,item_id,rating,timestamp\nu9,i0,3,9\n"}
    )
    table = load(split)
    assert table.split is not None
    assert table.split.sum() == 1
    with pytest.raises(MissingFile, match=r"holds 'x\.md'"):
        load(zipped(tmp_path / "other.zip", {"x.md": "hi"}))


def test_what_unpacks_to_too_much_is_refused(file: File, tmp_path: Path) -> None:
    much = CSV.encode() + b"u1,i1,5,1585759760\n" * 1_000_000
    bombs = [
        file(gzip.compress(much), "a.gz"),
        file(bz2.compress(much), "b.bz2"),
        file(lzma.compress(much, preset=0), "c.xz"),
    ]
    bombs.append(zipped(tmp_path / "d.zip", {"log.csv": much}))
    for bomb in bombs:
        with pytest.raises(BadData, match=r"unpacks to more than 16 MiB .* `max_unpacked_mib="):
            load(bomb)
    assert load(bombs[0], max_unpacked_mib=64).n_users == 4


def test_other_kinds_of_files_are_named(file: File, tmp_path: Path) -> None:
    for content, kind in ((b"SQLite format 3\0", "SQLite"), (b"%PDF-1.4", "PDF"), (b"\n<!DOCTYPE html>", "web page")):
        with pytest.raises(BadData, match=kind):
            load(file(content))
    with pytest.raises(BadData, match="Excel workbook"):
        load(zipped(tmp_path / "a.xlsx", {"[Content_Types].xml": "", "xl/sheet.xml": ""}))


# -- folders, lists, JSON -------------------------------------------------------------------------------------------


def test_folders(tmp_path: Path) -> None:
    for year, part in ((2019, ROWS[:9]), (2020, ROWS[9:])):
        folder = tmp_path / "hive" / f"year={year}"
        folder.mkdir(parents=True)
        pl.DataFrame(part, schema=["user_id", "item_id", "rating", "timestamp"], orient="row").write_parquet(
            folder / "part-0.parquet"
        )
    (tmp_path / "hive" / "_SUCCESS").touch()
    assert same(load(tmp_path / "hive"))
    assert load(tmp_path / "hive", category="year").categories["i0"] in ("2019", "2020")
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "a.csv").write_text(CSV)
    (plain / "b.csv").write_text("user,item\n1,x\n")
    with pytest.raises(BadData, match="has other columns than"):
        load(plain)
    (plain / "b.csv").write_text(CSV)
    assert same(load(plain))


def test_lists_of_items(file: File) -> None:
    table = load(file("0 7 9 3\n1 2\n2\n3 9 7\n", "train.txt"))
    assert (table.n_users, table.n_items, len(table)) == (3, 4, 6)
    with pytest.raises(BadData, match="line 2 holds 'x y'; expected whole numbers"):
        load(file("0 1 2\nx y\n"), format="lists")


RECORDS = [{"user": u, "item": i, "rating": r, "timestamp": t} for u, i, r, t in ROWS]


@pytest.mark.parametrize(
    "content",
    [
        "\n\n".join(map(json.dumps, RECORDS)),
        json.dumps(RECORDS),
        json.dumps([{"user": {"id": record["user"]}, "item": {"id": record["item"]}} for record in RECORDS]),
        json.dumps({"data": RECORDS, "n": 20}, indent=1),
        json.dumps([["user", "item", "rating", "timestamp"], *ROWS]),
        json.dumps({"columns": ["user", "item", "rating", "timestamp"], "index": [0], "data": ROWS}),
        json.dumps({key: [row[n] for row in ROWS] for n, key in enumerate(("user", "item", "rating", "timestamp"))}),
        json.dumps({key: {n: row[at] for n, row in enumerate(ROWS)} for at, key in enumerate(("user", "item"))}),
        json.dumps({n: {"user": row[0], "item": row[1]} for n, row in enumerate(ROWS)}),
        "\n".join(json.dumps(row) for row in [("user", "item", "rating", "timestamp"), *ROWS]),
    ],
)
def test_json(file: File, content: str) -> None:
    assert same(load(file(content, "log.json")))


def test_json_that_is_none(file: File) -> None:
    for content, said in (
        ('{"user":1,"item":2}\n{"user":1,', "line 2 is not whole JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"user":1,"item":2}\n5\n', "record 2 is '5'"),
        ('[["a","b"]]', "records are lists"),
        ('[{"user":1}]', "found no column of items"),
        ('{"a": 1}', "found no column of users among 'a'"),
        ('{\n"a": 1}', "got a JSON object with 'a'"),
    ):
        with pytest.raises(BadData, match=said):
            load(file(content, "log.json"))
    with pytest.raises(EmptyData):
        load(file("[]", "log.json"), format="json")


# -- what messages may say ------------------------------------------------------------------------------------------


def test_messages_are_short(file: File) -> None:
    wide = ",".join(f"{'x' * 200}{n}" for n in range(3_000))
    for content in (f"{wide}\n{wide}\n", f"user,item,rating\n1,a,{'z' * 10_000}\n", "{" + '"k": 1,' * 9):
        with pytest.raises(BadData) as caught:
            load(file(content))
        assert len(str(caught.value)) < 800


def test_a_place_that_cannot_be_read(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadData, match="a device"):
        load("/dev/null")
    from threading import Thread

    Thread(target=(tmp_path / "pipe").write_text, args=(CSV,)).start()
    assert same(load(tmp_path / "pipe"))


def test_a_quote_that_is_left_open(file: File) -> None:
    assert load(file('user,item\n1,a\n2,"b\n')).items.ids == ('"b', "a")


def test_what_a_parser_says_becomes_our_error() -> None:
    import csv

    from fedshare.data.readers.guard import reading

    for error in (csv.Error("new-line"), pl.exceptions.PanicException("x" * 9_000), MemoryError(), OverflowError()):
        with pytest.raises(BadData, match="cannot be read as CSV") as caught, reading("log.csv", "CSV"):
            raise error
        assert len(str(caught.value)) < 300
