import pytest

from fedshare.data.filters import at_least_rated, k_core
from fedshare.data.interactions import Interactions
from fedshare.data.synthetic import random_world
from fedshare.errors import BadOption, EmptyData, MissingColumn


def chain() -> Interactions:
    """A square (a, b with x, y) and a tail that falls off link by link: b-z, c-z, c-w."""
    return Interactions.from_arrays(list("aabbbcc"), list("xyxyzzw"), rating=[1, 2, 3, 4, 5, 1, 2], name="chain")


def pairs(table: Interactions) -> set[tuple[str, str]]:
    return {(table.users.id(u), table.items.id(i)) for u, i in zip(table.user, table.item, strict=True)}


def test_two_core_is_the_square():
    core = k_core(chain(), 2)
    assert pairs(core) == {("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")}
    assert core.users.ids == ("a", "b")
    assert core.items.ids == ("x", "y")
    assert core.rating is not None
    assert core.rating.tolist() == [1, 2, 3, 4]


def test_one_core_is_everything():
    assert pairs(k_core(chain(), 1)) == pairs(chain())


def naive_k_core(table: Interactions, k: int) -> set[tuple[str, str]]:
    left = pairs(table)
    while True:
        thin = {
            (user, item)
            for user, item in left
            if sum(u == user for u, _ in left) < k or sum(i == item for _, i in left) < k
        }
        if not thin:
            return left
        left -= thin


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_against_the_slow_way(k):
    world = random_world(3, n_users=20, n_items=25, n_pairs=130)
    expected = naive_k_core(world, k)
    if expected:
        assert pairs(k_core(world, k)) == expected
    else:
        with pytest.raises(EmptyData):
            k_core(world, k)


def test_nothing_left_says_which_k_would_work():
    with pytest.raises(EmptyData, match=r"no interaction is left at k = 40, expected a k of at most 2"):
        k_core(chain(), 40)


@pytest.mark.parametrize("k", [0, -3, 2.0, True])
def test_k_below_one(k):
    with pytest.raises(BadOption, match=f"k: got {k}, expected a whole number of 1 or more"):
        k_core(chain(), k)


def test_nothing_to_filter():
    with pytest.raises(EmptyData, match="got no interaction"):
        k_core(chain().select([False] * 7), 2)


def test_at_least_rated():
    good = at_least_rated(chain(), 3)
    assert pairs(good) == {("b", "x"), ("b", "y"), ("b", "z")}
    assert good.users.ids == ("b",)


def test_rating_bounds_are_compared_as_stored():
    table = Interactions.from_arrays(["a", "b"], ["x", "y"], rating=[0.1, 0.2])
    assert len(at_least_rated(table, 0.1)) == 2


def test_nobody_rated_so_high():
    with pytest.raises(EmptyData, match="expected at most 5, the highest rating of 'chain'"):
        at_least_rated(chain(), 6)


def test_no_ratings():
    with pytest.raises(MissingColumn, match="has no ratings"):
        at_least_rated(random_world(0), 3)
