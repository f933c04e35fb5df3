import numpy as np
import pytest

from fedshare.data.interactions import TEST, TRAIN, Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.errors import BadData, EmptyData, UnknownUser


def basket() -> Interactions:
    """Ann has tea (at 30) and milk (10), Bob has tea (20); nobody has jam any more."""
    whole = Interactions.from_arrays(
        ["ann", "bob", "ann", "cy"],
        ["tea", "tea", "milk", "jam"],
        timestamp=[30, 20, 10, 40],
        rating=[3.0, 4.0, 5.0, 1.0],
        split=[TEST, TRAIN, TRAIN, TRAIN],
        titles={"tea": "Green tea", "jam": "Plum jam", "ink": "Blue ink"},
        name="basket",
    )
    return whole.select(whole.user != whole.users.index("cy"))


def test_sorted_by_user_then_item():
    table = basket()
    assert table.users.ids == ("ann", "bob", "cy")
    assert table.items.ids == ("jam", "milk", "tea")
    assert table.user.tolist() == [0, 0, 1]
    assert table.item.tolist() == [1, 2, 2]
    assert table.timestamp is not None
    assert table.timestamp.tolist() == [10, 30, 20]
    assert table.rating is not None
    assert table.rating.tolist() == [5, 3, 4]
    assert table.split is not None
    assert table.split.tolist() == [TRAIN, TEST, TRAIN]


def test_types_are_those_promised():
    table = basket()
    columns = {name: getattr(table, name).dtype for name in ("user", "item", "timestamp", "rating", "split", "offsets")}
    assert columns == {
        "user": np.int32,
        "item": np.int32,
        "timestamp": np.int64,
        "rating": np.float32,
        "split": np.int8,
        "offsets": np.int64,
    }


def test_sizes():
    table = basket()
    assert (table.n_users, table.n_items, table.n_pairs, len(table)) == (3, 3, 3, 3)
    assert table.density == 3 / 9
    assert table.user_degree().tolist() == [2, 1, 0]
    assert table.item_degree().tolist() == [0, 1, 2]
    assert table.offsets.tolist() == [0, 2, 3, 3]
    assert repr(table) == "Interactions(basket: 3 users, 3 items, 3 pairs)"


def test_items_of():
    table = basket()
    assert [table.items_of(user).tolist() for user in range(3)] == [[1, 2], [2], []]
    with pytest.raises(UnknownUser, match="expected 0 to 2"):
        table.items_of(-1)


def test_positions():
    table = basket()
    assert table.positions([0, 1, 1, 2], [2, 2, 1, 0]).tolist() == [1, 2, -1, -1]
    assert table.positions(0, [1, 5, -1]).tolist() == [0, -1, -1], "an item outside is not the next user's item"
    empty = table.select(np.zeros(3, dtype=bool))
    assert empty.positions([0, 1], [0, 0]).tolist() == [-1, -1]


def test_title_falls_back_to_the_id():
    table = basket()
    assert table.title("tea") == "Green tea"
    assert table.title("milk") == "milk"
    assert "ink" not in table.titles, "titles of items without a row are left out"


def test_compact_drops_what_no_pair_is_left_of():
    compact = basket().compact()
    assert compact.users.ids == ("ann", "bob")
    assert compact.items.ids == ("milk", "tea")
    assert compact.item.tolist() == [0, 1, 1]
    assert compact.titles == {"tea": "Green tea"}


def test_arrays_cannot_be_written_and_the_callers_can():
    user = np.array([0, 1], dtype=np.int32)
    users, items = Vocabulary("user", ("ann", "bob")), Vocabulary("item", ("tea",))
    table = Interactions(users, items, user=user, item=np.zeros(2, dtype=np.int32))
    with pytest.raises(ValueError, match="read-only"):
        table.user[0] = 1
    user[1] = 1


def test_select_wants_one_bool_a_pair():
    table = basket()
    for mask in ([True], [0, 1, 2]):
        with pytest.raises(BadData, match="expected bool of shape"):
            table.select(mask)


def test_without_split():
    table = basket()
    assert table.without_split().split is None
    assert table.split is not None


@pytest.mark.parametrize(
    ("user", "item", "message"),
    [([1, 0], [0, 0], "unsorted or repeated"), ([0, 0], [0, 0], "repeated"), ([0, 2], [0, 0], "expected 0 to 1")],
)
def test_constructor_checks_its_promise(user, item, message):
    users, items = Vocabulary("user", ("ann", "bob")), Vocabulary("item", ("tea",))
    with pytest.raises(BadData, match=message):
        Interactions(users, items, user=np.array(user), item=np.array(item))


def test_constructor_checks_lengths():
    users, items = Vocabulary("user", ("ann", "bob")), Vocabulary("item", ("tea",))
    with pytest.raises(BadData, match="timestamp: got shape"):
        Interactions(users, items, user=np.array([0]), item=np.array([0]), timestamp=np.array([1, 2]))


# -- from_arrays ---------------------------------------------------------------------------------------------------


def test_repeated_pairs_have_the_earliest_time_and_the_latest_rating():
    table = Interactions.from_arrays(["a", "a", "a", "b"], ["x", "x", "x", "x"], [30, 10, 20, 5], [1, 2, 3, 4])
    assert (len(table), table.n_merged) == (2, 2)
    assert table.timestamp is not None
    assert table.timestamp.tolist() == [10, 5]
    assert table.rating is not None
    assert table.rating.tolist() == [1, 4]


def test_repeated_pairs_of_one_time_stay_in_train_with_the_highest_rating():
    table = Interactions.from_arrays(["a"] * 4, ["x"] * 4, [7] * 4, [2, 1, 5, 4], [TRAIN, TEST, TEST, TRAIN])
    assert table.split is not None
    assert table.split.tolist() == [TRAIN]
    assert table.rating is not None
    assert table.rating.tolist() == [4]


@pytest.mark.parametrize(
    "ids", [[1, 20, 3], np.array([1, 20, 3]), np.array([1.0, 20.0, 3.0]), ["1", "20", "3"], [1, "20", 3.0]]
)
def test_whole_numbers_become_plain_strings(ids):
    table = Interactions.from_arrays(ids, ["x", "y", "z"])
    assert table.users.ids == ("1", "20", "3")


def test_times_may_be_dates_or_fractions():
    dates = np.array(["2010-12-01T08:26:00", "1970-01-01"], dtype="datetime64[s]")
    table = Interactions.from_arrays(["a", "b"], ["x", "x"], timestamp=dates)
    assert table.timestamp is not None
    assert table.timestamp.tolist() == [1291191960, 0]
    table = Interactions.from_arrays(["a", "b"], ["x", "x"], timestamp=[1.9, 2.0])
    assert table.timestamp is not None
    assert table.timestamp.tolist() == [1, 2]


@pytest.mark.parametrize("bad", [None, float("nan"), "", "  ", "nan", "NaN"])
def test_missing_ids(bad):
    with pytest.raises(BadData, match=r"'t': user ids: got none .* in 2 of 3 rows \(first: row 2\)"):
        Interactions.from_arrays(["a", bad, bad], ["x", "y", "z"], name="t")
    with pytest.raises(BadData, match="item ids: got none"):
        Interactions.from_arrays(["a", "b"], ["x", bad])


@pytest.mark.parametrize("bad", [1.5, float("inf")])
def test_fractions_are_no_ids(bad):
    with pytest.raises(BadData, match="expected strings or whole numbers"):
        Interactions.from_arrays([bad, 2.0], ["x", "y"])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_bad_ratings(bad):
    with pytest.raises(BadData, match=r"rating: got (nan|inf) in 1 of 2 rows \(first: row 2\)"):
        Interactions.from_arrays(["a", "b"], ["x", "y"], rating=[1.0, bad])


def test_ratings_that_are_words():
    with pytest.raises(BadData, match="rating: got values that are no numbers"):
        Interactions.from_arrays(["a", "b"], ["x", "y"], rating=["good", "bad"])


def test_negative_times():
    with pytest.raises(BadData, match=r"timestamp: got -5 in 1 of 2 rows \(first: row 1\)"):
        Interactions.from_arrays(["a", "b"], ["x", "y"], timestamp=[-5, 5])


@pytest.mark.parametrize("bad", [[1.0, float("nan")], ["1", "2"], [1, None]])
def test_times_with_gaps_or_text(bad):
    with pytest.raises(BadData, match="expected seconds since 1970"):
        Interactions.from_arrays(["a", "b"], ["x", "y"], timestamp=bad)


def test_split_is_zero_or_one():
    with pytest.raises(BadData, match=r"split: got \[0, 2\]"):
        Interactions.from_arrays(["a", "b"], ["x", "y"], split=[0, 2])


def test_lengths_agree():
    with pytest.raises(BadData, match=r"item_ids: got shape \(1,\), expected \(2,\)"):
        Interactions.from_arrays(["a", "b"], ["x"])
    with pytest.raises(BadData, match="rating: got shape"):
        Interactions.from_arrays(["a", "b"], ["x", "y"], rating=[1])


def test_no_row():
    with pytest.raises(EmptyData, match="no interaction"):
        Interactions.from_arrays([], [])


# -- fingerprint ---------------------------------------------------------------------------------------------------


def test_fingerprint_tells_ids_apart_that_join_to_the_same_text():
    one = Interactions.from_arrays(["ab", "c"], ["x", "y"])
    other = Interactions.from_arrays(["a", "bc"], ["x", "y"])
    assert len(one.fingerprint()) == 64
    assert one.fingerprint() != other.fingerprint()


def test_fingerprint_sees_a_missing_pair_and_no_rating():
    table = basket()
    assert table.select([True, True, False]).fingerprint() != table.fingerprint()
    assert table.fingerprint() == table.without_split().fingerprint()


def test_a_pair_is_a_gift_if_any_of_its_rows_is() -> None:
    table = Interactions.from_arrays(
        ["ann", "ann", "bob", "ann"],
        ["tea", "tea", "tea", "milk"],
        timestamp=[1, 2, 3, 4],
        gift=[False, True, False, 0],
    )
    assert [(table.users.id(u), table.items.id(i)) for u, i in zip(table.user, table.item, strict=True)] == [
        ("ann", "milk"),
        ("ann", "tea"),
        ("bob", "tea"),
    ]
    assert table.gift is not None
    assert table.gift.tolist() == [False, True, False]
    assert table.select(table.gift).gift.tolist() == [True]  # pyright: ignore[reportOptionalMemberAccess]
    with pytest.raises(BadData, match="gift"):
        Interactions.from_arrays(["ann"], ["tea"], gift=["yes"])


def test_categories_go_where_their_items_go() -> None:
    table = Interactions.from_arrays(["ann", "bob"], ["tea", "milk"], categories={"tea": "drinks", "rice": "food"})
    assert table.categories == {"tea": "drinks"}
    assert table.select(table.item == table.items.index("milk")).compact().categories == {}
