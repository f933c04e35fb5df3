"""The privacy boundary: whatever can be reached from a view, by any way, is of what that side may read."""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.errors import BadData, UnknownUser
from fedshare.sharing.device_view import DeviceView
from fedshare.sharing.events import Event
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.request import Request
from fedshare.sharing.views import ServerView

# what belongs to the program and not to the data; from a class everything that is loaded can be reached
_PROGRAM = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType)


def reachable(start: object) -> Iterator[Any]:
    """Every object that can be reached from one: by the garbage collector, by attributes, by an array's base."""
    waiting, seen = [start], set()
    kept = []  # so that no id is used again
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, _PROGRAM):
            continue
        seen.add(id(each))
        kept.append(each)
        yield each
        waiting += gc.get_referents(each)
        if not isinstance(each, int | float | str | bytes | type(None)):
            names = [name for name in dir(each) if not name.startswith("__")]
            if not isinstance(each, np.ndarray):
                waiting += [getattr(each, name, None) for name in names if not callable(getattr(each, name, None))]
        if isinstance(each, np.ndarray):
            waiting.append(each.base)


@pytest.fixture
def ledger(private: Ledger) -> Ledger:
    """ann shares a and c, took b back and erased d; bob shares c. Indices: a 0, b 1, c 2, d 3; ann 0, bob 1, cy 2."""
    ledger = private.share("ann", ["a", "b", "c", "d"]).share("bob", ["c"])
    ledger, _ = ledger.unshare("ann", ["b"])
    return ledger.erase("ann", ["d"])[0]


class TestServerView:
    def test_shared_pairs_only(self, ledger: Ledger) -> None:
        view = ledger.server_view()
        assert (view.n_users, view.n_items, len(view)) == (3, 11, 3)
        assert list(zip(view.user.tolist(), view.item.tolist(), strict=True)) == [(0, 0), (0, 2), (1, 2)]
        assert view.offsets.tolist() == [0, 2, 3, 3]
        assert view.items_of(0).tolist() == [0, 2]
        assert view.sharers.tolist() == [0, 1]
        assert view.user_ids == ("ann", "bob")
        assert view.timestamp is not None
        assert view.timestamp.tolist() == [0, 2, 12]
        assert view.keys.tolist() == [0, 2, 11 + 2]
        assert view.version(ledger.known.items.ids) == ledger.version
        assert (view.user.dtype, view.item.dtype, view.offsets.dtype) == (np.int32, np.int32, np.int64)
        assert repr(view) == "ServerView(3 pairs of 2 sharers)"

    def test_nothing_shared(self, private: Ledger) -> None:
        view = private.server_view()
        assert (len(view), len(view.sharers), view.user_ids) == (0, 0, ())
        assert view.offsets.tolist() == [0, 0, 0, 0]

    def test_no_way_to_a_private_pair(self, ledger: Ledger) -> None:
        everything = list(reachable(ledger.server_view()))
        assert not [
            each for each in everything if isinstance(each, Ledger | Interactions | Vocabulary | Event | Request)
        ]
        arrays = [each for each in everything if isinstance(each, np.ndarray)]
        assert {each.tobytes() for each in arrays} == {
            np.array([0, 0, 1], np.int32).tobytes(),  # users
            np.array([0, 2, 2], np.int32).tobytes(),  # items
            np.array([0, 2, 3, 3], np.int64).tobytes(),  # offsets
            np.array([0, 1], np.int32).tobytes(),  # sharers
            np.array([0, 2, 12], np.int64).tobytes(),  # when
            np.array([0, 2, 13], np.int64).tobytes(),  # keys
        }
        assert all(each.base is None for each in arrays)
        assert {each for each in everything if isinstance(each, str)} == {"ann", "bob"}  # not cy, who shares nothing

    def test_the_walk_finds_what_is_there(self, ledger: Ledger) -> None:
        """Or the test above would prove nothing."""
        found = list(reachable([ledger]))
        for kind in (Ledger, Interactions, Vocabulary, Event):
            assert any(isinstance(each, kind) for each in found)
        arrays = [each for each in reachable(ledger.known.item[2:4]) if isinstance(each, np.ndarray)]
        assert max(map(len, arrays)) == len(ledger.known)  # from a cut of an array to the whole

    def test_equal_share_sets_make_equal_views(self, private: Ledger, ledger: Ledger) -> None:
        """What was withdrawn leaves no trace, not even that there was something."""
        clean = private.share("ann", ["a", "c"]).share("bob", ["c"]).server_view()
        view = ledger.server_view()
        for name in ServerView.__slots__:
            assert np.array_equal(getattr(view, name), getattr(clean, name))

    def test_it_cannot_be_changed_or_added_to(self, ledger: Ledger) -> None:
        view = ledger.server_view()
        with pytest.raises(FrozenInstanceError):
            view.n_users = 4  # type: ignore[misc]
        with pytest.raises((AttributeError, TypeError)):
            view.ledger = ledger  # type: ignore[attr-defined]
        assert view.timestamp is not None
        for column in (view.user, view.item, view.offsets, view.timestamp):
            with pytest.raises(ValueError, match="read-only"):
                column[0] = 1

    def test_it_copies_what_it_is_made_of(self) -> None:
        item, when = np.array([1, 2], dtype=np.int32), np.array([7, 8])
        user = np.zeros(2, np.int32)
        view = ServerView(n_users=1, n_items=3, user=user, item=item, user_ids=("ann",), timestamp=when)
        item[0], when[0] = 0, 0
        assert view.item.tolist() == [1, 2]
        assert view.timestamp is not None
        assert view.timestamp.tolist() == [7, 8]

    @pytest.mark.parametrize(
        ("user", "item", "message"),
        [
            ([0], [0, 1], "expected one item for each user"),
            ([0, 3], [0, 1], "user indices 0 to 3, expected 0 to 2"),
            ([0, 1], [-1, 1], "item indices -1 to 1, expected 0 to 4"),
            ([1, 0], [0, 0], "unsorted or repeated"),
            ([1, 1], [0, 0], "unsorted or repeated"),
        ],
    )
    def test_pairs_that_are_none(self, user: list[int], item: list[int], message: str) -> None:
        with pytest.raises(BadData, match=message):
            ServerView(n_users=3, n_items=5, user=user, item=item, user_ids=("a", "b"))  # type: ignore[arg-type]

    @pytest.mark.parametrize("ids", [(), ("ann",), ("ann", "bob", "cy")])
    def test_every_sharer_has_one_pseudonym(self, ids: tuple[str, ...]) -> None:
        with pytest.raises(BadData, match=f"got {len(ids)} pseudonyms, expected 2"):
            ServerView(n_users=3, n_items=5, user=[0, 1], item=[1, 1], user_ids=ids)  # type: ignore[arg-type]

    def test_every_pair_has_one_time(self) -> None:
        with pytest.raises(BadData, match="times of shape"):
            ServerView(n_users=1, n_items=5, user=[0], item=[1], user_ids=("ann",), timestamp=[1, 2])  # type: ignore[arg-type]

    def test_without_times_there_are_none(self, known: Interactions) -> None:
        timeless = Interactions(users=known.users, items=known.items, user=known.user, item=known.item)
        assert Ledger(timeless).share("ann", ["a"]).server_view().timestamp is None

    def test_some_of_the_pairs_are_a_view_of_their_own(self, ledger: Ledger) -> None:
        """Who has no pair left in it is not named any more."""
        view = ledger.server_view()
        some = view.select(np.array([False, True, False]))
        assert (some.user.tolist(), some.item.tolist(), some.user_ids) == ([0], [2], ("ann",))
        assert (some.n_users, some.n_items) == (view.n_users, view.n_items)
        assert some.timestamp is not None
        assert some.timestamp.tolist() == [2]
        assert not np.shares_memory(some.item, view.item)
        assert len(view) == 3

    def test_a_central_reference_is_given_all_that_is_not_erased(self, ledger: Ledger) -> None:
        view = ledger.central_view()
        assert len(view) == 13  # of 14
        assert view.user_ids == ("ann", "bob", "cy")
        assert 3 not in view.items_of(0)

    def test_the_version_names_pairs_and_no_order_of_people(self) -> None:
        item = np.array([1, 0], np.int32)
        one = ServerView(n_users=2, n_items=2, user=np.array([0, 1], np.int32), item=item, user_ids=("ann", "bob"))
        other = ServerView(n_users=3, n_items=2, user=np.array([0, 2], np.int32), item=item, user_ids=("bob", "ann"))
        assert one.version(["a", "b"]) == other.version(["b", "a"])
        assert one.version(["a", "b"]) != other.version(["a", "b"])

    def test_its_version_is_that_of_the_ledger(self, private: Ledger, ledger: Ledger) -> None:
        """Whatever happened before: the same shared pairs have the same version, others another one."""
        items = ledger.known.items.ids
        assert ledger.server_view().version(items) == ledger.version
        again = private.share("ann", ["a", "c"]).share("bob", ["c"])
        assert again.server_view().version(items) == ledger.version
        assert private.server_view().version(items) == private.version != ledger.version

    def test_a_part_has_the_version_of_who_shares_no_more(self, private: Ledger, ledger: Ledger) -> None:
        view, items = ledger.server_view(), ledger.known.items.ids
        for kept, fewer in (
            ([True, True, False], private.share("ann", ["a", "c"])),
            ([True, False, True], private.share("ann", ["a"]).share("bob", ["c"])),
            ([False, False, False], private),
        ):
            part = view.select(np.array(kept))
            assert part.version(items) == fewer.version
            assert part.keys.tolist() == view.keys[kept].tolist() == fewer.server_view().keys.tolist()
            assert part.user_ids == fewer.server_view().user_ids

    @pytest.mark.parametrize("user", [-1, 3])
    def test_no_such_user(self, ledger: Ledger, user: int) -> None:
        with pytest.raises(IndexError, match="expected 0 to 2"):
            ledger.server_view().items_of(user)


class TestDeviceView:
    def test_own_pairs_that_are_not_erased(self, ledger: Ledger) -> None:
        view = ledger.device_view("ann")
        assert (view.user, view.n_items, len(view)) == (0, 11, 9)
        assert view.items.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]  # not 3, which is erased
        assert view.items[view.shared].tolist() == [0, 2]
        assert repr(view) == "DeviceView(user 0: 9 pairs, 2 of them shared)"

    @pytest.mark.parametrize("user", ["bob", 1, np.int32(1)])
    def test_by_id_or_index(self, ledger: Ledger, user: str | int) -> None:
        assert ledger.device_view(user).items.tolist() == [0, 1, 2]

    @pytest.mark.parametrize("user", ["eve", -1, 3])
    def test_no_such_user(self, ledger: Ledger, user: str | int) -> None:
        with pytest.raises(UnknownUser):
            ledger.device_view(user)

    def test_no_way_to_other_people(self, ledger: Ledger) -> None:
        everything = list(reachable(ledger.device_view("bob")))
        assert not [
            each for each in everything if isinstance(each, Ledger | Interactions | Vocabulary | Event | Request)
        ]
        arrays = [each for each in everything if isinstance(each, np.ndarray)]
        assert {each.tobytes() for each in arrays} == {
            np.array([0, 1, 2], np.int32).tobytes(),
            np.array([False, False, True]).tobytes(),
        }
        assert all(each.base is None for each in arrays)

    def test_read_only(self, ledger: Ledger) -> None:
        view = ledger.device_view("ann")
        with pytest.raises(ValueError, match="read-only"):
            view.items[0] = 3
        with pytest.raises(ValueError, match="read-only"):
            view.shared[0] = False

    def test_parts_that_do_not_fit(self) -> None:
        with pytest.raises(BadData, match="expected one flag an item"):
            DeviceView(user=0, n_items=3, items=[1, 2], shared=[True])  # type: ignore[arg-type]
        with pytest.raises(BadData, match="item indices 1 to 3"):
            DeviceView(user=0, n_items=3, items=[1, 3], shared=[True, True])  # type: ignore[arg-type]
