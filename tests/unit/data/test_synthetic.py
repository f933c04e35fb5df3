import numpy as np
import pytest

from fedshare.data.synthetic import random_world, two_taste_world
from fedshare.errors import BadOption


def test_even_users_like_even_items():
    world = two_taste_world(10, 20, liked_share=0.6)
    assert (world.user % 2 == world.item % 2).all()
    assert world.user_degree().tolist() == [6] * 10
    assert world.users.id(3) == "u3"
    assert world.items.id(3) == "i03"
    assert world.title("i03") == "Item 3"


def test_everything_liked():
    world = two_taste_world(5, 7, liked_share=1.0)
    assert world.user_degree().tolist() == [4, 3, 4, 3, 4]


def test_noise_is_of_the_other_taste():
    world = two_taste_world(10, 20, liked_share=0.6, noise=0.2)
    other = world.user % 2 != world.item % 2
    assert np.bincount(world.user[other]).tolist() == [2] * 10
    assert len(two_taste_world(4, 4, liked_share=1, noise=1)) == 16


def test_a_user_likes_something():
    assert (two_taste_world(4, 4, liked_share=0.0).user_degree() == 1).all()


def test_random_world_has_as_many_pairs_as_asked_for():
    world = random_world(0, n_users=7, n_items=9, n_pairs=63)
    assert len(world) == 63
    assert world.density == 1
    assert world.timestamp is not None
    assert len(np.unique(world.timestamp)) == 63


def test_same_seed_same_world():
    assert random_world(4).fingerprint() == random_world(4).fingerprint() != random_world(5).fingerprint()
    assert two_taste_world(seed=4).fingerprint() == two_taste_world(seed=4).fingerprint()
    assert two_taste_world(seed=4).fingerprint() != two_taste_world(seed=5).fingerprint()


@pytest.mark.parametrize(
    "options",
    [{"n_users": 1}, {"n_items": 1}, {"liked_share": 1.1}, {"noise": -0.1}, {"noise": float("nan")}, {"n_users": 4.0}],
)
def test_two_taste_options(options):
    with pytest.raises(BadOption, match=next(iter(options))):
        two_taste_world(**options)


@pytest.mark.parametrize(
    "options", [{"n_users": 0}, {"n_items": 0}, {"n_pairs": 0}, {"n_pairs": 1201}, {"n_pairs": 12.0}]
)
def test_random_options(options):
    with pytest.raises(BadOption, match=next(iter(options))):
        random_world(0, **options)
