import numpy as np
import pytest

from fedshare.data.vocabulary import Vocabulary
from fedshare.errors import BadData, UnknownItem, UnknownUser

USERS = Vocabulary("user", ("ann", "bob", "cy"))


def test_position_is_index():
    assert len(USERS) == 3
    assert USERS.index("bob") == 1
    assert USERS.id(1) == "bob"
    assert list(USERS) == ["ann", "bob", "cy"]
    assert "cy" in USERS
    assert "dee" not in USERS


def test_indices_keep_the_order_asked_for():
    indices = USERS.indices(["cy", "ann", "cy"])
    assert indices.tolist() == [2, 0, 2]
    assert indices.dtype == np.intp
    assert USERS.indices([]).shape == (0,)


def test_unknown_id_is_named_by_its_kind():
    with pytest.raises(UnknownUser, match=r"user 'dee' is not in the data; expected one of 3 users\. Check"):
        USERS.index("dee")
    with pytest.raises(UnknownItem, match=r"item 'tea'"):
        Vocabulary("item", ("milk",)).indices(["milk", "tea"])


def test_a_number_instead_of_an_id_is_told_apart():
    with pytest.raises(UnknownUser, match="Ids are strings"):
        USERS.index(17850)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("index", [-1, 3])
def test_index_outside(index):
    with pytest.raises(UnknownUser, match="expected 0 to 2"):
        USERS.id(index)


def test_several_ids_at_once():
    assert USERS.ids_at(np.array([2, 0, 2], dtype=np.int32)) == ["cy", "ann", "cy"]
    assert USERS.ids_at(np.empty(0, dtype=np.intp)) == []
    for outside in ([0, 3], [-1, 1]):
        with pytest.raises(UnknownUser, match="expected 0 to 2"):
            USERS.ids_at(np.array(outside))


def test_repeated_id():
    with pytest.raises(BadData, match="got 'ann' twice"):
        Vocabulary("user", ("ann", "bob", "ann"))


def test_one_string_is_not_several_ids():
    with pytest.raises(TypeError, match=r"Write \['ann'\]"):
        USERS.indices("ann")


def test_equal_when_ids_and_kind_are():
    assert Vocabulary("user", ("ann", "bob", "cy")) == USERS
    assert Vocabulary("item", ("ann", "bob", "cy")) != USERS
    assert repr(USERS) == "Vocabulary(3 users)"
