"""What holds for every table of interactions."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fedshare.data.filters import k_core
from fedshare.data.interactions import Interactions
from fedshare.data.load import load
from fedshare.data.splits import canonical_split, holdout_validation, leave_last_out, random_split, split_by_time
from fedshare.data.vocabulary import MISSING
from fedshare.errors import EmptyData

# readers take "1.0" for a 1 that became a float once, so no id here ends in a zero
ids = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=6).filter(
    lambda id: id.strip() == id and id.lower() not in MISSING and not id.endswith("0")
)
row = st.tuples(
    st.sampled_from("abcdef"), st.sampled_from("uvwxyz"), st.integers(0, 3), st.integers(1, 5), st.booleans()
)
tables = st.lists(row, min_size=1, max_size=60)
seeds = st.integers(0, 5)
fractions = st.floats(0.01, 0.99)


def table_of(rows: list) -> Interactions:
    users, items, times, ratings, in_test = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, times, ratings, np.array(in_test, dtype=np.int8))


def pairs(table: Interactions) -> list[tuple[str, str]]:
    return [(table.users.id(u), table.items.id(i)) for u, i in zip(table.user, table.item, strict=True)]


@given(tables, st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(rows, random):
    table = table_of(rows)
    random.shuffle(rows)
    other = table_of(rows)
    assert other.fingerprint() == table.fingerprint()
    for column in ("timestamp", "rating", "split"):
        np.testing.assert_array_equal(getattr(other, column), getattr(table, column))
    for split in (split_by_time, leave_last_out, random_split, holdout_validation):
        assert split(other).test.fingerprint() == split(table).test.fingerprint()


@given(tables)
def test_every_row_is_kept_or_counted(rows):
    table = table_of(rows)
    assert set(pairs(table)) == {(user, item) for user, item, *_ in rows}
    assert len(table) + table.n_merged == len(rows)
    assert table.timestamp is not None
    first = {pair: min(time for u, i, time, *_ in rows if (u, i) == pair) for pair in pairs(table)}
    assert table.timestamp.tolist() == list(first.values())


@given(tables)
def test_offsets_agree_with_degrees(rows):
    table = table_of(rows)
    assert [table.items_of(user).tolist() for user in range(table.n_users)] == [
        table.item[table.user == user].tolist() for user in range(table.n_users)
    ]
    assert table.user_degree().sum() == table.item_degree().sum() == len(table)
    assert table.positions(table.user, table.item).tolist() == list(range(len(table)))


@given(tables, fractions, seeds)
def test_splits_partition_and_leave_everybody_a_pair(rows, fraction, seed):
    table = table_of(rows)
    for known, test in (
        split_by_time(table, fraction, seed=seed),
        leave_last_out(table, seed=seed),
        random_split(table, fraction, seed=seed),
        holdout_validation(table, fraction, seed=seed),
    ):
        assert not set(pairs(known)) & set(pairs(test))
        assert sorted(pairs(known) + pairs(test)) == pairs(table)
        assert (known.user_degree() >= 1).all()
        assert known.users is test.users is table.users
        assert known.items is test.items is table.items


@given(tables)
def test_canonical_split_partitions(rows):
    table = table_of(rows)
    known, test = canonical_split(table)
    assert sorted(pairs(known) + pairs(test)) == pairs(table)


@given(tables, fractions, seeds)
def test_no_known_pair_is_later_than_a_test_pair_of_the_same_user(rows, fraction, seed):
    table = table_of(rows)
    for known, test in (split_by_time(table, fraction, seed=seed), leave_last_out(table, seed=seed)):
        assert known.timestamp is not None
        assert test.timestamp is not None
        for user in range(table.n_users):
            before, after = known.timestamp[known.user == user], test.timestamp[test.user == user]
            assert not len(after) or before.max() <= after.min()


@given(tables, st.integers(1, 4))
def test_k_core_has_no_thin_user_or_item(rows, k):
    table = table_of(rows)
    try:
        core = k_core(table, k)
    except EmptyData:
        assume(False)
        raise
    assert core.user_degree().min() >= k
    assert core.item_degree().min() >= k
    assert set(pairs(core)) <= set(pairs(table))
    assert pairs(k_core(core, k)) == pairs(core)


@given(tables)
def test_k_core_names_the_largest_k_that_works(rows):
    table = table_of(rows)
    with pytest.raises(EmptyData) as caught:
        k_core(table, 100)
    largest = int(str(caught.value).split("at most ")[1].split()[0])
    assert len(k_core(table, largest)) >= 1
    with pytest.raises(EmptyData):
        k_core(table, largest + 1)


@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=20))
def test_ids_come_back_as_they_went_in(rows):
    users, items = zip(*rows, strict=True)
    table = Interactions.from_arrays(users, items)
    assert set(pairs(table)) == set(rows)
    assert table.users.ids == tuple(sorted(set(users)))
    for index, id in enumerate(table.users):
        assert table.users.index(id) == index
    assert [table.items.id(int(i)) for i in table.items.indices(items)] == list(items)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # a file is written anew for each example
@given(st.lists(st.tuples(ids, ids), min_size=2, max_size=20, unique=True))
def test_ids_come_back_from_files(tmp_path: Path, rows):
    users, items = zip(*rows, strict=True)
    assume(len(set(users)) > 1 and len(set(items)) > 1)
    frame = pl.DataFrame({"user_id": users, "item_id": items})
    frame.write_parquet(tmp_path / "log.parquet")
    frame.write_csv(tmp_path / "log.csv", quote_style="always")
    assert set(pairs(load(tmp_path / "log.parquet"))) == set(rows)
    assert set(pairs(load(tmp_path / "log.csv"))) == set(rows)


@given(tables)
def test_compact_keeps_pairs_and_drops_the_rest(rows):
    table = table_of(rows)
    part = table.select(table.item % 2 == 0)
    compact = part.compact()
    assert pairs(compact) == pairs(part)
    assert Counter(compact.users.ids) == Counter({user for user, _ in pairs(part)})
    assert compact.item_degree().min(initial=1) >= 1
