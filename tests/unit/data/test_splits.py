import time
from datetime import UTC, date, datetime

import numpy as np
import pytest

from fedshare.data.interactions import Interactions
from fedshare.data.splits import (
    canonical_split,
    default_split,
    holdout_validation,
    leave_last_out,
    random_split,
    split_at_time,
    split_by_time,
)
from fedshare.data.synthetic import random_world
from fedshare.errors import BadData, BadOption, MissingColumn


def diary(**counts: int) -> Interactions:
    """Users with as many items as said, one a second, the first item first: "0000" at second 0."""
    rows = [(user, f"{n:04}", n) for user, count in counts.items() for n in range(count)]
    users, items, times = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, timestamp=times, name="diary")


def items_of(part: Interactions, user: str) -> list[str]:
    return [part.items.id(item) for item in part.items_of(part.users.index(user))]


@pytest.mark.parametrize(
    ("n_pairs", "n_test"),
    [(1, 0), (4, 0), (5, 1), (7, 1), (8, 2), (10, 2), (12, 2), (13, 3), (100, 20)],
)
def test_by_time_takes_the_latest_fifth(n_pairs, n_test):
    known, test = split_by_time(diary(ann=n_pairs, bob=20), test_fraction=0.2)
    expected = [f"{n:04}" for n in range(n_pairs)]
    assert items_of(test, "ann") == expected[n_pairs - n_test :]
    assert items_of(known, "ann") == expected[: n_pairs - n_test]


def test_by_time_takes_at_least_one_and_never_all():
    assert len(split_by_time(diary(ann=9), test_fraction=0.01).test) == 1
    assert len(split_by_time(diary(ann=9), test_fraction=0.99).known) == 1


def test_ties_are_drawn_and_the_later_pairs_are_not():
    times = [0] * 3 + [1] * 6 + [2]
    table = Interactions.from_arrays(["ann"] * 10, list("abcdefghij"), timestamp=times)
    drawn = {tuple(items_of(split_by_time(table, 0.2, seed=seed).test, "ann")) for seed in range(40)}
    assert {second for _, second in drawn} == {"j"}
    assert {first for first, _ in drawn} == set("defghi"), "each item of the basket is drawn by some seed"


def test_leave_last_out():
    known, test = leave_last_out(diary(ann=1, bob=2, cy=6))
    assert [items_of(test, user) for user in ("ann", "bob", "cy")] == [[], ["0001"], ["0005"]]
    assert len(known) == 7


def test_random_split_draws_from_all_pairs():
    world = random_world(1, n_pairs=500)
    known, test = random_split(world, test_fraction=0.1)
    assert (len(known), len(test)) == (450, 50)
    assert (known.user_degree() >= 1).sum() == (world.user_degree() >= 1).sum()
    known, validation = holdout_validation(known, fraction=1 / 9)
    assert (len(known), len(validation), len(test)) == (400, 50, 50)


def test_random_draws_are_fair():
    world = random_world(1, n_users=20, n_items=20, n_pairs=200)
    taken = sum(
        world.positions(t.user, t.item).size for t in (random_split(world, 0.25, seed=s).test for s in range(4))
    )
    assert taken == 4 * 50
    counts = np.zeros(len(world))
    for seed in range(200):
        test = random_split(world, 0.25, seed=seed).test
        counts[world.positions(test.user, test.item)] += 1
    assert counts.mean() == 50
    assert counts.min() > 15  # a pair never drawn would show; 5 standard deviations are 31
    assert counts.max() < 85


def test_a_users_only_pair_stays():
    known, test = random_split(diary(ann=1, bob=1, cy=2), test_fraction=0.9)
    assert known.user_degree().tolist() == [1, 1, 1]
    assert len(test) == 1


def test_validation_is_another_draw_than_test():
    world = random_world(1)
    assert random_split(world, 0.1).test.fingerprint() != holdout_validation(world, 0.1).test.fingerprint()


def test_canonical_split():
    table = Interactions.from_arrays(["a", "a", "b"], ["x", "y", "x"], split=[0, 1, 0])
    known, test = canonical_split(table)
    assert (len(known), items_of(test, "a")) == (2, ["y"])
    assert known.split is None, "a part has no canonical split of its own"


def test_default_split_takes_what_there_is():
    times, stars = np.arange(10), [0] * 9 + [1]
    items = [str(n) for n in range(10)]
    with_split = Interactions.from_arrays(["a"] * 10, items, times, split=stars)
    assert items_of(default_split(with_split).test, "a") == ["9"]
    with_time = with_split.without_split()
    assert items_of(default_split(with_time).test, "a") == ["8", "9"]
    assert len(default_split(Interactions.from_arrays(["a"] * 10, items)).test) == 1


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
@pytest.mark.parametrize("split", [split_by_time, random_split, holdout_validation])
def test_fraction_outside(split, fraction):
    with pytest.raises(BadOption, match=r"fraction: got .*, expected a number above 0 and below 1"):
        split(random_world(0), fraction)


@pytest.mark.parametrize("split", [split_by_time, leave_last_out])
def test_no_times(split):
    with pytest.raises(MissingColumn, match="'timeless' has no times"):
        split(Interactions.from_arrays(["a", "b"], ["x", "y"], name="timeless"))


def test_no_canonical_split():
    with pytest.raises(MissingColumn, match="without a split of its own"):
        canonical_split(random_world(0))


def test_same_vocabularies_on_both_sides():
    world = random_world(2)
    known, test = split_by_time(world)
    assert known.users is world.users is test.users
    assert known.items is world.items is test.items


def test_a_loop_over_users_would_be_too_slow():
    """2,000 users and 200,000 pairs; vectorised this takes a few hundredths of a second of CPU time."""
    world = random_world(0, n_users=2_000, n_items=2_000, n_pairs=200_000)
    started = time.process_time()
    split_by_time(world)
    assert time.process_time() - started < 2


# -- one cut for everybody --------------------------------------------------------------------------------------------


def at_times(*times: int) -> Interactions:
    """One person after the other, each with one pair."""
    return Interactions.from_arrays([f"u{n}" for n in range(len(times))], ["tea"] * len(times), timestamp=list(times))


@pytest.mark.parametrize(
    ("times", "fraction", "n_test"),
    [
        ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 0.2, 2),
        ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 0.01, 1),  # never none
        ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 0.99, 9),  # never all
        ((1, 1, 1, 1, 5, 5, 5, 9, 9, 9), 0.2, 3),  # pairs of one time stay together: 3 is nearer to 2 than 6
        ((1, 1, 1, 1, 5, 5, 5, 9, 9, 9), 0.45, 3),  # 3 and 6 are as near: the later cut
        ((1, 1, 1, 1, 5, 5, 5, 9, 9, 9), 0.5, 6),
        ((1, 2), 0.5, 1),
    ],
)
def test_a_cut_in_time_takes_the_fraction_that_is_nearest(times, fraction, n_test):
    known, test = split_at_time(at_times(*times), test_fraction=fraction)
    assert known.timestamp is not None
    assert test.timestamp is not None
    assert (len(known), len(test)) == (len(times) - n_test, n_test)
    assert known.timestamp.max() < test.timestamp.min()


@pytest.mark.parametrize(
    "cut",
    [
        86_400,
        np.int64(86_400),
        "1970-01-02",
        " 1970-01-02T00:00 ",
        "1970-01-02T01:00:00+01:00",
        datetime(1970, 1, 2),
        datetime(1970, 1, 2, tzinfo=UTC),
        datetime(1970, 1, 1, 23, 59, 59, 500_000),
        date(1970, 1, 2),
    ],
)
def test_a_cut_has_a_time_and_what_happened_then_is_test(cut):
    known, test = split_at_time(at_times(0, 86_399, 86_400, 90_000), cut)
    assert known.timestamp is not None
    assert test.timestamp is not None
    assert (known.timestamp.tolist(), test.timestamp.tolist()) == ([0, 86_399], [86_400, 90_000])


def test_a_cut_in_time_makes_newcomers_of_who_comes_later():
    table = Interactions.from_arrays(["ann", "bob", "bob"], ["tea", "tea", "milk"], timestamp=[1, 8, 9])
    known, test = split_at_time(table, 5)
    assert known.user_degree().tolist() == [1, 0]
    assert test.users is table.users
    assert len(split_at_time(table).test) == 1  # 0.2 without a word


def test_a_cut_that_cannot_be_is_refused():
    table = at_times(10, 20, 30)
    with pytest.raises(BadData, match=r"all 2 times of '' are equal \(1970-01-01T00:00:07Z\).*random_split"):
        split_at_time(at_times(7, 7))
    for cut in (10, 31, 0, "2011-11-01", 10**30):
        with pytest.raises(BadOption, match=r"after 1970-01-01T00:00:10Z and no later than 1970-01-01T00:00:30Z"):
            split_at_time(table, cut)
    for cut in ("soon", "", 2.5, True, "\x1b[31m", object()):
        with pytest.raises(BadOption, match=r"^time: got "):
            split_at_time(table, cut)  # pyright: ignore[reportArgumentType] on purpose
    with pytest.raises(BadOption, match=r"time and test_fraction"):
        split_at_time(table, 20, test_fraction=0.2)
    with pytest.raises(BadOption, match=r"test_fraction: got 1"):
        split_at_time(table, test_fraction=1)
    with pytest.raises(MissingColumn, match=r"split_at_time"):
        split_at_time(Interactions.from_arrays(["ann"], ["tea"]))


@pytest.mark.parametrize(
    "split",
    [split_by_time, split_at_time, leave_last_out, random_split, canonical_split, default_split, holdout_validation],
)
def test_what_is_no_table_cannot_be_split(split):
    for wrong in (None, "data.csv", [("ann", "tea")], Interactions):
        with pytest.raises(BadOption, match=r"^interactions: got .*, expected interactions\. Read them with fs\.load"):
            split(wrong)


@pytest.mark.parametrize("split", [split_by_time, leave_last_out, random_split, default_split, holdout_validation])
@pytest.mark.parametrize("seed", [-1, 1.0, "7", None, True])
def test_the_seed_of_a_split_is_a_whole_number(split, seed):
    with pytest.raises(BadOption, match=r"^seed: got "):
        split(random_world(0, n_pairs=300), seed=seed)
