from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedshare.data.interactions import Interactions
from fedshare.data.synthetic import random_world
from fedshare.errors import BadShare, MissingColumn, MissingFile, NotKnown, UnknownItem, UnknownUser
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import (
    Group,
    ShareEverything,
    ShareFraction,
    ShareItems,
    ShareMixture,
    ShareNewest,
    ShareNothing,
    ShareOldest,
    SharePolicy,
    ShareUsers,
    parse_share,
)


def shared(known: Interactions, policy: SharePolicy, seed: int = 7) -> dict[str, str]:
    """The letters that each user shares."""
    ledger = share(known, policy, seed=seed)
    return {user: "".join(ledger.shared_items(user)) for user in ledger.sharers()}


class TestChoices:
    def test_nothing_and_everything(self, known: Interactions) -> None:
        assert shared(known, ShareNothing()) == {}
        assert shared(known, ShareEverything()) == {"ann": "abcdefghij", "bob": "abc", "cy": "z"}

    def test_a_fraction_of_each_person(self) -> None:
        known = random_world(1, n_users=20, n_items=50, n_pairs=600)
        for fraction in (0.0, 0.1, 0.5, 0.77, 1.0):
            chosen = ShareFraction(fraction).choose(known, 3)
            counts = np.bincount(known.user, weights=chosen, minlength=20)
            assert counts.tolist() == [round(fraction * n) for n in known.user_degree().tolist()]

    def test_fractions_are_nested(self) -> None:
        known = random_world(1)
        for policy in (ShareFraction, ShareUsers, ShareNewest, ShareOldest):
            before = policy(0.0).choose(known, 3)
            for fraction in np.linspace(0, 1, 21):
                now = policy(float(fraction)).choose(known, 3)
                assert (now >= before).all()
                before = now
            assert before.all()

    def test_no_item_is_favoured(self) -> None:
        """Each of 10 items is among the shared fifth of 4,000 people about 800 times (standard deviation 25)."""
        user, item = np.divmod(np.arange(40_000), 10)
        known = Interactions.from_arrays(user.tolist(), item.tolist())
        counts = np.bincount(known.item[ShareFraction(0.2).choose(known, 0)], minlength=10)
        assert np.abs(counts - 800).max() < 125

    def test_newest_and_oldest(self, known: Interactions) -> None:
        assert shared(known, ShareNewest(0.3)) == {"ann": "hij", "bob": "c"}
        assert shared(known, ShareOldest(0.3)) == {"ann": "abc", "bob": "a"}
        assert shared(known, ShareNewest(count=2)) == {"ann": "ij", "bob": "bc", "cy": "z"}
        assert shared(known, ShareOldest(count=1)) == {"ann": "a", "bob": "a", "cy": "z"}
        assert shared(known, ShareOldest(count=0)) == {}

    def test_a_basket_comes_in_the_sliders_order(self) -> None:
        known = Interactions.from_arrays(["ann"] * 10, [*"abcdefghij"], timestamp=[5] * 10)
        assert shared(known, ShareNewest(0.4)) == shared(known, ShareOldest(0.4)) == shared(known, ShareFraction(0.4))

    @pytest.mark.parametrize("policy", [ShareNewest(0.3), ShareOldest(count=2)])
    def test_without_times(self, policy: SharePolicy) -> None:
        with pytest.raises(MissingColumn, match="expected a timestamp per pair"):
            policy.choose(Interactions.from_arrays(["ann"], ["a"]), 0)

    def test_named_items(self, known: Interactions) -> None:
        assert shared(known, ShareItems({"bob": ["c", "a", "c"], "cy": []})) == {"bob": "ac"}
        for items, error in (({"eve": ["a"]}, UnknownUser), ({"bob": ["q"]}, UnknownItem), ({"bob": ["d"]}, NotKnown)):
            with pytest.raises(error):
                share(known, ShareItems(items))

    def test_named_items_do_not_change_with_what_they_were_made_of(self, known: Interactions) -> None:
        items = {"bob": ["a"]}
        policy = ShareItems(items)
        items["bob"].append("b")
        items["cy"] = ["z"]
        assert shared(known, policy) == {"bob": "a"}

    def test_users_share_all_or_nothing(self) -> None:
        known = random_world(1, n_users=20, n_items=30, n_pairs=300)
        ledger = share(known, ShareUsers(0.3), seed=3)
        assert len(ledger.sharers()) == 6
        assert all(ledger.share_of(user) == 1.0 for user in ledger.sharers())

    def test_the_rest_may_be_nobody(self, known: Interactions) -> None:
        mixture = ShareMixture((Group(0.34, 1.0), Group(0.33, 1.0), Group(0.33, 1.0)))
        assert shared(known, mixture) == shared(known, ShareEverything())


class TestMixture:
    """10 % of the most active share everything, 40 % share half, the rest nothing."""

    mixture = ShareMixture((Group(0.1, share=1.0, who="most_active"), Group(0.4, share=0.5)))

    @pytest.fixture
    def world(self) -> Interactions:
        """Twenty users; u20 has 22 items, u19 has 21, and so on to u01 with 3, who is followed by nobody."""
        users = [f"u{n:02}" for n in range(1, 21) for _ in range(n + 2)]
        return Interactions.from_arrays(users, [f"i{i}" for n in range(1, 21) for i in range(n + 2)])

    def test_groups_have_their_sizes(self, world: Interactions) -> None:
        ledger = share(world, self.mixture, seed=1)
        full = [user for user in ledger.sharers() if ledger.share_of(user) == 1]
        half = [user for user in ledger.sharers() if ledger.share_of(user) < 1]
        assert full == ["u19", "u20"]
        assert len(half) == 8
        for user in half:
            n = len(world.items_of(world.users.index(user)))
            assert len(ledger.shared_items(user)) == round(0.5 * n)

    def test_the_random_group_follows_the_seed(self, world: Interactions) -> None:
        sharers = [set(share(world, self.mixture, seed=seed).sharers()) for seed in range(200)]
        assert all({"u19", "u20"} < each for each in sharers)
        drawn = [sum(f"u{n:02}" in each for each in sharers) for n in range(1, 19)]  # 200 * 8 / 18 = 89 times, sd 7
        assert 60 < min(drawn) <= max(drawn) < 118

    def test_least_active(self, world: Interactions) -> None:
        assert share(world, ShareMixture((Group(0.15, 1.0, "least_active"),))).sharers() == ["u01", "u02", "u03"]

    def test_nobody_is_in_two_groups(self, world: Interactions) -> None:
        both = ShareMixture((Group(0.5, 1.0, "most_active"), Group(0.5, 0.0, "most_active")))
        assert share(world, both).sharers() == [f"u{n}" for n in range(11, 21)]

    def test_a_group_that_shares_half_shares_what_its_sliders_would(self, world: Interactions) -> None:
        ledger = share(world, ShareMixture((Group(1.0, 0.5),)), seed=4)
        assert ledger.version == share(world, ShareFraction(0.5), seed=4).version

    def test_groups_that_are_none(self) -> None:
        with pytest.raises(BadShare, match=r"add up to 1\.1 of the users"):
            ShareMixture((Group(0.6, 1.0), Group(0.5, 1.0)))
        with pytest.raises(BadShare, match="got no group"):
            ShareMixture(())
        with pytest.raises(BadShare, match="expected groups"):
            ShareMixture(({"fraction": 0.1},))  # type: ignore[arg-type]
        with pytest.raises(BadShare, match=r"who: got 'tall', expected one of random, most_active, least_active"):
            Group(0.1, 1.0, "tall")  # type: ignore[arg-type]
        with pytest.raises(BadShare, match=r"Group: share: got 2\.0"):
            Group(0.1, 2)
        assert ShareMixture(tuple(Group(0.1, 1.0) for _ in range(10)))  # ten tenths are not above 1


SPECS = {
    "none": ShareNothing(),
    "all": ShareEverything(),
    "0.4": ShareFraction(0.4),
    "0": ShareFraction(0.0),
    "1": ShareFraction(1.0),
    "users:0.3": ShareUsers(0.3),
    "newest:0.3": ShareNewest(0.3),
    "newest:1": ShareNewest(1.0),
    "newest:count=20": ShareNewest(count=20),
    "oldest:0.25": ShareOldest(0.25),
    "oldest:count=1": ShareOldest(count=1),
}


class TestParse:
    @pytest.mark.parametrize(("spec", "policy"), SPECS.items())
    def test_there_and_back(self, spec: str, policy: SharePolicy) -> None:
        assert parse_share(spec) == policy
        assert policy.describe() == spec
        assert parse_share(f" {spec} ") == policy

    def test_every_float_survives(self) -> None:
        for fraction in (0.1 + 0.2, 1 / 3, 1e-9):
            assert parse_share(ShareFraction(fraction).describe()) == ShareFraction(fraction)

    @pytest.mark.parametrize(
        "spec", ["", "half", "users", "users:", "0,5", "50%", "everybody:0.5", "0.5:users", "a.yaml"]
    )
    def test_what_stands_for_nothing(self, spec: str) -> None:
        with pytest.raises(BadShare, match=r"expected .*(0\.4|0 to 1)"):
            parse_share(spec)

    @pytest.mark.parametrize("number", ["nan", "-0.1", "1.5", "inf", "40"])
    @pytest.mark.parametrize("prefix", ["", "users:", "newest:", "oldest:"])
    def test_out_of_range(self, prefix: str, number: str) -> None:
        with pytest.raises(BadShare, match="expected a number from 0 to 1"):
            parse_share(prefix + number)

    def test_percent(self) -> None:
        with pytest.raises(BadShare, match=r"share '40': got 40.0, .* For 40 percent write 0.4\."):
            parse_share("40")

    @pytest.mark.parametrize("spec", ["newest:count=", "newest:count=-1", "newest:count=2.5", "newest:n=3"])
    def test_bad_counts(self, spec: str) -> None:
        with pytest.raises(BadShare, match="a number such as count=20"):
            parse_share(spec)

    @pytest.mark.parametrize("make", [ShareNewest, ShareOldest])
    def test_an_amount_is_a_fraction_or_a_count(self, make: Callable[..., SharePolicy]) -> None:
        for arguments in ({}, {"fraction": 0.1, "count": 1}):
            with pytest.raises(BadShare, match="expected exactly one of them"):
                make(**arguments)
        for count in (-1, 1.5, True, "3"):
            with pytest.raises(BadShare, match="whole number, 0 or above"):
                make(count=count)

    @pytest.mark.parametrize("share", [None, "0.5", True, float("nan"), -1, 1.01, [0.5]])
    @pytest.mark.parametrize("make", [ShareFraction, ShareUsers, ShareNewest])
    def test_a_share_is_a_number(self, make: Callable[[Any], SharePolicy], share: object) -> None:
        with pytest.raises(BadShare):
            make(share)

    def test_what_has_no_spec_still_has_a_description(self) -> None:
        assert ShareItems({"ann": ["a"], "bob": ["a", "b"]}).describe() == "3 items of 2 users, by name"
        assert TestMixture.mixture.describe() == "mixture of 0.1 most_active sharing 1, 0.4 random sharing 0.5"
        with pytest.raises(BadShare, match=r"Write \['a'\]"):
            ShareItems({"ann": "a"})


TOML = """
[[groups]]
fraction = 0.1
share = 1
who = "most_active"

[[groups]]
fraction = 0.4
share = 0.5
"""
JSON = {"groups": [{"fraction": 0.1, "share": 1, "who": "most_active"}, {"fraction": 0.4, "share": 0.5}]}

BAD_FILES: dict[str, tuple[str, str]] = {
    "not JSON": ("{", "is not JSON"),
    "no table": ("[1]", "expected a table with groups"),
    "unknown key": ('{"groups": [], "rest": 1}', "unknown key 'rest'; expected groups"),
    "no groups": ("{}", "no key 'groups'"),
    "empty groups": ('{"groups": []}', "expected a list of at least one group"),
    "groups of another kind": ('{"groups": {"fraction": 1}}', "expected a list"),
    "group of another kind": ('{"groups": [0.1]}', "group 1: got 0.1, expected a table"),
    "unknown key in a group": (
        '{"groups": [{"fraction": 0.1, "share": 1}, {"fraction": 0.1, "shared": 1}]}',
        "group 2: unknown key 'shared'; expected fraction, share, who",
    ),
    "missing key in a group": ('{"groups": [{"fraction": 0.1}]}', "group 1: no key 'share'"),
    "share out of range": ('{"groups": [{"fraction": 0.1, "share": 50}]}', "group 1: share: got 50.0, .* write 0.5"),
    "share is NaN": ('{"groups": [{"fraction": 0.1, "share": NaN}]}', "group 1: share: got nan"),
    "share is text": ('{"groups": [{"fraction": 0.1, "share": "1"}]}', "group 1: share: got '1'"),
    "who is nobody": ('{"groups": [{"fraction": 0.1, "share": 1, "who": "me"}]}', "group 1: who: got 'me'"),
    "too many": (
        '{"groups": [{"fraction": 0.6, "share": 1}, {"fraction": 0.6, "share": 1}]}',
        r"m\.json'.*add up to 1.2",
    ),
}


class TestMixtureFile:
    def test_toml_and_json(self, tmp_path: Path) -> None:
        (tmp_path / "m.toml").write_text(TOML)
        (tmp_path / "m.JSON").write_text(json.dumps(JSON))
        assert parse_share(str(tmp_path / "m.toml")) == parse_share(str(tmp_path / "m.JSON")) == TestMixture.mixture

    @pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES)
    def test_bad_files(self, tmp_path: Path, content: str, message: str) -> None:
        (tmp_path / "m.json").write_text(content)
        with pytest.raises(BadShare, match=message):
            parse_share(str(tmp_path / "m.json"))

    def test_not_text(self, tmp_path: Path) -> None:
        (tmp_path / "m.toml").write_bytes(b"\xff\xfe")
        with pytest.raises(BadShare, match="is not TOML"):
            parse_share(str(tmp_path / "m.toml"))

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "m.toml").mkdir()
        with pytest.raises(BadShare, match="cannot be read"):
            parse_share(str(tmp_path / "m.toml"))

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFile, match="no such file; expected a mixture file"):
            parse_share(str(tmp_path / "m.toml"))


def test_the_seed_of_the_ledger_is_the_policys(known: Interactions) -> None:
    ledger = share(known, ShareFraction(0.5), seed=9)
    assert ledger.seed == 9
    assert ledger.share("ann", fraction=0.5) is ledger
    assert isinstance(ledger, Ledger)
