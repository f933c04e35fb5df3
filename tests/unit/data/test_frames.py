"""``load`` of frames and rows in Python, and of things that are neither."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from fedshare.data.load import load
from fedshare.errors import BadData, BadOption, DataWarning, EmptyData, FedShareError, MissingColumn

COLUMNS: dict[str, list[Any]] = {
    "user": ["ann", "bob", "ann"],
    "item": ["tea", "tea", "milk"],
    "timestamp": [10, 20, 30],
    "rating": [4.0, 5.0, 3.5],
    "gift": [True, False, False],
}
ROWS = list(zip(*COLUMNS.values(), strict=True))


@dataclasses.dataclass
class Order:
    user: str
    item: str
    timestamp: int
    rating: float
    gift: bool


Named = namedtuple("Named", list(COLUMNS))


@pytest.mark.parametrize(
    "thing",
    [
        pl.DataFrame(COLUMNS),
        pl.DataFrame(COLUMNS).lazy(),
        COLUMNS,
        {name: np.array(values) for name, values in COLUMNS.items()},
        [dict(zip(COLUMNS, row, strict=True)) for row in ROWS],
        [Order(*row) for row in ROWS],
        [Named(*row) for row in ROWS],
        (dict(zip(COLUMNS, row, strict=True)) for row in ROWS),
        [list(COLUMNS), *ROWS],
    ],
    ids=["polars", "lazy", "columns", "arrays", "dicts", "dataclasses", "named tuples", "generator", "header"],
)
def test_frames_and_rows(thing: Any) -> None:
    table = load(thing)
    assert [(table.users.id(int(u)), table.items.id(int(i))) for u, i in zip(table.user, table.item, strict=True)] == [
        ("ann", "milk"),
        ("ann", "tea"),
        ("bob", "tea"),
    ]
    assert table.timestamp is not None
    assert table.timestamp.tolist() == [30, 10, 20]
    assert table.rating is not None
    assert table.rating.tolist() == [3.5, 4, 5]
    assert table.gift is not None
    assert table.gift.tolist() == [False, True, False]


def test_tuples() -> None:
    assert load([("ann", "tea"), ("bob", "milk")]).n_pairs == 2
    with pytest.raises(MissingColumn, match=r"rows have 5 values.*`columns="):
        load(ROWS)
    assert load(ROWS, columns=list(COLUMNS)).gift is not None
    assert load(ROWS, user=1, item=2, timestamp=3).timestamp is not None
    with pytest.raises(BadData, match="row 2 has 3 values, expected 2"):
        load([("a", "b"), ("a", "b", "c")])


class _Column:
    """A column of a frame as pandas has them."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.dtype, self.ndim = values, values.dtype, 1

    def to_numpy(self) -> np.ndarray:
        return self.values

    def __iter__(self) -> Any:
        return iter(self.values)


class _Frame:
    """As much of a pandas frame as is used, for machines without pandas."""

    def __init__(self, columns: dict[str, np.ndarray]) -> None:
        self._columns = columns
        self.columns = list(columns)
        self.index = type("Index", (), {"names": [None]})

    @property
    def iloc(self) -> Any:
        return self

    def __getitem__(self, where: tuple[slice, int]) -> _Column:
        return _Column(self._columns[self.columns[where[1]]])


def test_a_frame_like_that_of_pandas() -> None:
    frame = _Frame(
        {
            "user": np.array([1.0, 2.0, np.nan]),
            "item": np.array(["tea", None, "milk"], object),
            "time": np.array(["2020-04-13", "2020-04-14", "NaT"], "datetime64[ns]"),
        }
    )
    with pytest.raises(BadData, match="user ids: got none"):
        load(frame)
    frame = _Frame(
        {
            "user": np.array([1.0, 2.0]),
            "item": np.array(["tea", 7], object),
            "time": np.array([0, 86_400 * 10**9], "M8[ns]"),
        }
    )
    table = load(frame)
    assert (table.users.ids, table.items.ids) == (("1", "2"), ("7", "tea"))
    assert table.timestamp is not None
    assert table.timestamp.tolist() == [0, 86_400]


def test_real_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    assert load(pandas.DataFrame(COLUMNS)).n_pairs == 3
    assert load(pandas.DataFrame(COLUMNS).set_index("user")).n_pairs == 3


def test_values_of_several_types() -> None:
    table = load([("ann", 7), ("bob", "seven"), ("cy", 2**70)])
    assert table.items.ids == (str(2**70), "7", "seven")
    moments = {
        "user": ["a", "b"],
        "item": ["x", "y"],
        "time": [datetime(1970, 1, 2, tzinfo=UTC), datetime(1970, 1, 3, tzinfo=UTC)],
    }
    table = load(moments)
    assert table.timestamp is not None
    assert table.timestamp.tolist() == [86_400, 172_800]
    with pytest.warns(DataWarning, match="having no user id"):
        assert load([("ann", 7), (None, 8), ("bob", 9)], drop_missing=True).n_pairs == 2


@pytest.mark.parametrize("thing", [None, 5, 2.5, b"log.csv", object(), True, print, [1, 2], ["ann", "bob"], [None]])
def test_what_is_neither(thing: Any) -> None:
    with pytest.raises(FedShareError) as caught:
        load(thing)
    assert "expected" in str(caught.value)


@pytest.mark.parametrize("thing", [[], {}, pl.DataFrame(), pl.DataFrame({"user": [], "item": []}), iter(())])
def test_nothing(thing: Any) -> None:
    with pytest.raises((EmptyData, MissingColumn)):
        load(thing)


def test_columns_that_do_not_fit() -> None:
    with pytest.raises(BadData, match="columns differ in length"):
        load({"user": ["a", "b"], "item": ["x"]})
    with pytest.raises(BadData, match="column 'user' is 'ann'"):
        load({"user": "ann", "item": ["x"]})
    with pytest.raises(BadData, match="got 1 names of columns, expected 5"):
        load(pl.DataFrame(COLUMNS), columns=["user"])


@pytest.mark.parametrize(
    "options",
    [
        {"user": False}, {"user": 0}, {"rating": True}, {"item": 2.5}, {"separator": ""}, {"separator": 5},
        {"quote": "ab"},
        {"encoding": "hex"}, {"header": "yes"}, {"columns": ["a", "a"]}, {"columns": 5}, {"comment": ""},
        {"time_format": 5},
        {"drop_missing": "yes"}, {"min_rating": "4"}, {"min_rating": float("nan")}, {"max_unpacked_mib": 0},
        {"events": {}},
        {"format": "xls"},
    ],
)  # fmt: skip
def test_options_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(BadOption, match=f"{next(iter(options))}: got"):
        load(COLUMNS, **options)
