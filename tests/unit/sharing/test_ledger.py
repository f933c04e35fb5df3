from __future__ import annotations

import numpy as np
import pytest

from fedshare.data.interactions import Interactions
from fedshare.data.synthetic import random_world
from fedshare.errors import BadOption, BadShare, UnknownUser
from fedshare.sharing.ledger import Event, Ledger, State, share
from fedshare.sharing.policy import ShareEverything, ShareFraction, ShareNothing

LETTERS = list("abcdefghij")


class TestFold:
    def test_everything_is_private_at_first(self, private: Ledger) -> None:
        assert private.private_items("ann") == LETTERS
        assert private.shared_items("ann") == private.erased_items("ann") == private.sharers() == []
        assert private.position == 0

    def test_share_unshare_erase_by_name(self, private: Ledger) -> None:
        ledger = private.share("ann", ["a", "b", "c"])
        ledger, _ = ledger.unshare("ann", ["b"])
        ledger, _ = ledger.erase("ann", ["c", "d"])
        assert ledger.shared_items("ann") == ["a"]
        assert ledger.private_items("ann") == ["b", *"efghij"]
        assert ledger.erased_items("ann") == ["c", "d"]
        assert ledger.sharers() == ["ann"]
        assert ledger.users() == ["ann", "bob", "cy"]
        assert ledger.private_items("bob") == ["a", "b", "c"]  # of another person: untouched

    def test_a_ledger_is_a_value(self, half: Ledger) -> None:
        before = half.state.copy(), half.position, half.version
        half.unshare("ann", everything=True)
        half.erase("bob", everything=True)
        assert (half.state == before[0]).all()
        assert (half.position, half.version) == before[1:]
        with pytest.raises(AttributeError):
            half.events = ()  # type: ignore[misc, assignment]
        with pytest.raises(ValueError, match="read-only"):
            half.state[0] = State.SHARED
        with pytest.raises(ValueError, match="read-only"):
            half.held_back[0] = True

    def test_events_have_string_ids_in_canonical_order(self, private: Ledger) -> None:
        ledger = private.share("bob", ["c", "a", "c"])
        assert ledger.events == (Event(0, "share", "bob", ("a", "c"), "hand"),)
        assert ledger.at(ledger.events[0].position) == private

    def test_at_folds_a_prefix(self, private: Ledger) -> None:
        one = private.share("ann", ["a"])
        two, _ = one.unshare("ann", ["a"])
        three, _ = two.erase("ann", ["a"])
        assert [three.at(position) == ledger for position, ledger in enumerate((private, one, two, three))] == [
            True
        ] * 4
        assert (three.at(1).state == one.state).all()
        assert (three.at(2).held_back == two.held_back).all()
        for position in (-1, 4):
            with pytest.raises(BadOption, match="expected 0 to 3"):
                three.at(position)

    @pytest.mark.parametrize("seed", [-1, 1.5, True, "7", None])
    def test_a_seed_is_a_whole_number(self, known: Interactions, seed: object) -> None:
        with pytest.raises(BadOption, match="seed"):
            Ledger(known, seed=seed)  # type: ignore[arg-type]

    def test_repr_has_the_counts(self, half: Ledger) -> None:
        assert repr(half) == "Ledger(letters: 5 shared, 9 private, 0 erased pairs of 3 users, 1 events)"


class TestEquality:
    def test_same_data_seed_and_events(self, known: Interactions, half: Ledger) -> None:
        again = Ledger(known.select(np.ones(len(known), dtype=bool)), seed=7).share("ann", fraction=0.5)
        assert again == half
        assert hash(again) == hash(half)
        assert half != half.at(0)
        assert half != Ledger(known, seed=8, events=half.events)
        assert half != "half"

    def test_goes_on_from(self, half: Ledger) -> None:
        later, _ = half.unshare("ann", to=0.1)
        assert later.extends(half)
        assert half.extends(half)
        assert not half.extends(later)


class TestVersion:
    def test_equal_share_sets_have_equal_versions(self, private: Ledger) -> None:
        one = private.share("ann", ["a"]).share("bob", ["b"])
        other, _ = private.share("bob", ["a", "b"]).share("ann", ["a"]).unshare("bob", ["a"])
        assert one.version == other.version
        assert one.version != private.version

    def test_erasing_a_private_pair_leaves_it(self, half: Ledger) -> None:
        after, _ = half.erase("bob", ["a"])
        assert after.version == half.version

    def test_ids_cannot_run_together(self) -> None:
        one = share(Interactions.from_arrays(["a", "a"], ["b", "c"]), ShareEverything())
        other = share(Interactions.from_arrays(["a"], ['b","c']), ShareEverything())
        assert one.version != other.version

    def test_it_does_not_depend_on_numbering_or_on_what_is_private(self) -> None:
        small = Interactions.from_arrays(["ann", "bob"], ["x", "y"])
        large = Interactions.from_arrays(["aaa", "ann", "ann", "bob"], ["a", "b", "x", "y"])
        assert share(small, ShareEverything()).version == Ledger(large).share("bob", ["y"]).share("ann", ["x"]).version


class TestShare:
    def test_one_event_for_each_user_with_a_choice(self, known: Interactions) -> None:
        ledger = share(known, ShareFraction(0.5), seed=7)
        assert [(event.position, event.kind, event.user) for event in ledger.events] == [
            (0, "share", "ann"),
            (1, "share", "bob"),  # 1.5 of 3 is rounded to 2
            (2, "share", "cy"),  # 0.5 of one item to 0: only the slider moves
        ]
        assert [len(event.items) for event in ledger.events] == [5, 2, 0]
        assert Ledger(known, seed=7, events=ledger.events) == ledger
        assert (Ledger(known, seed=7, events=ledger.events).state == ledger.state).all()

    def test_a_policy_and_sliders_share_the_same(self) -> None:
        known = random_world(3)
        ledger = Ledger(known, seed=5)
        for user in known.users:
            ledger = ledger.share(user, fraction=0.4)
        assert ledger.version == share(known, ShareFraction(0.4), seed=5).version

    def test_nothing_is_no_event(self, known: Interactions) -> None:
        assert share(known, ShareNothing()).events == ()

    def test_another_seed_shares_other_pairs(self) -> None:
        known = random_world(3)
        assert share(known, ShareFraction(0.4), seed=0).version != share(known, ShareFraction(0.4), seed=1).version

    @pytest.mark.parametrize("policy", [0.4, "0.4", None])
    def test_what_is_no_policy(self, known: Interactions, policy: object) -> None:
        with pytest.raises(BadShare, match=r"expected a share policy. Write ShareFraction\(0.4\)"):
            share(known, policy)  # type: ignore[arg-type]

    def test_a_policy_that_answers_wrongly(self, known: Interactions) -> None:
        class Broken:
            def choose(self, known: Interactions, seed: int) -> np.ndarray:
                return np.zeros(3, dtype=bool)

            def describe(self) -> str:
                return "broken"

        with pytest.raises(
            BadShare, match=r"policy Broken: chose bool of shape \(3,\), expected bool of shape \(14,\)"
        ):
            share(known, Broken())


class TestReading:
    def test_share_of(self, half: Ledger) -> None:
        assert half.share_of("ann") == 5 / 10
        assert half.share_of("bob") == 0.0
        after, _ = half.erase("ann", half.private_items("ann"))
        assert after.share_of("ann") == 5 / 5
        gone, _ = after.erase("ann", everything=True)
        assert gone.share_of("ann") == 0.0

    def test_device_pairs_leave_out_what_is_erased(self, half: Ledger) -> None:
        ledger, _ = half.erase("ann", ["a"])
        ledger, _ = ledger.erase("bob", everything=True)
        offsets, items = ledger.device_pairs()
        assert offsets.tolist() == [0, 9, 9, 10]
        assert [ledger.known.items.id(item) for item in items] == [*"bcdefghij", "z"]

    @pytest.mark.parametrize("read", ["shared_items", "private_items", "erased_items", "held_back_items", "share_of"])
    def test_unknown_user(self, half: Ledger, read: str) -> None:
        with pytest.raises(UnknownUser, match="user 'eve' is not in the data"):
            getattr(half, read)("eve")
