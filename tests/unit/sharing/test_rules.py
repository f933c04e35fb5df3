from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest

from fedshare.data.interactions import Interactions
from fedshare.errors import BadOption, BadRequest, BadShare, UnknownUser
from fedshare.sharing.ledger import Ledger, due
from fedshare.sharing.moments import date_text, seconds_of
from fedshare.sharing.policy import ShareByTier, ShareFraction, ShareItems
from fedshare.sharing.rules import (
    NeverAfter,
    NeverBefore,
    NeverCategory,
    NeverGifts,
    Rule,
    ShareUntil,
    parse_rule,
    rule_from,
    rule_json,
)

RULES: list[Rule] = [
    NeverCategory("a:b,c"),
    NeverGifts(),
    NeverBefore("2011-12-01"),
    NeverAfter(1_322_727_960),
    ShareUntil("2011-12-01T08:26:00"),
    ShareUntil(date(2011, 12, 1), ("b", "a")),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.describe())
def test_a_rule_reads_back(rule: Rule) -> None:
    assert parse_rule(rule.describe()) == rule
    assert rule_from(rule_json(rule)) == rule


def test_files_keep_ids_that_hold_commas_and_colons() -> None:
    rule = ShareUntil(7, ("a,b", "c:d"))
    assert rule_from(rule_json(rule)) == rule


@pytest.mark.parametrize(
    "text",
    ["", "never", "never-gifts:x", "never-category:", "until:", "until:soon", "never-before:1-2-3", "x" * 10_000],
)
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises((BadShare, BadOption)) as caught:
        parse_rule(text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "never-gifts", "x": 1}', '{"kind": "steal"}', "7", "\x00"])
def test_what_no_file_of_ours_says(text: str) -> None:
    with pytest.raises(BadShare, match="expected one that was written here"):
        rule_from(text)


def test_moments() -> None:
    assert seconds_of("2011-12-01") == seconds_of(date(2011, 12, 1)) == seconds_of(datetime(2011, 12, 1))
    assert seconds_of(datetime(2011, 12, 1, 1, tzinfo=timezone(timedelta(hours=1)))) == seconds_of("2011-12-01")
    assert seconds_of(np.int64(7)) == 7
    assert date_text(seconds_of("2011-12-01")) == "2011-12-01"
    assert abs(seconds_of(None) - datetime.now(UTC).timestamp()) < 5
    for wrong in (True, -1, 1.5, "tomorrow", "1969-01-01", ["2011"], b"2011-12-01"):
        with pytest.raises(BadOption, match="now: got"):
            seconds_of(wrong)


@pytest.fixture
def shop() -> Ledger:
    known = Interactions.from_arrays(
        ["ann"] * 4 + ["bob"],
        ["ring", "vase", "tea", "mug", "tea"],
        timestamp=[10, 20, 30, 40, 50],
        gift=[False, True, False, False, False],
        categories={"ring": "jewellery", "tea": "food"},
    )
    return Ledger(known, seed=1).share("ann", fraction=1.0)


@pytest.mark.parametrize(
    ("rule", "gone"),
    [
        (NeverCategory("jewellery"), ["ring"]),
        (NeverGifts(), ["vase"]),
        (NeverBefore(20), ["ring"]),
        (NeverAfter(30), ["mug", "tea"]),
        (ShareUntil(100), ["mug", "ring", "tea", "vase"]),
        (ShareUntil(100, ("mug", "never bought")), ["mug"]),
        (ShareUntil(101), []),
        (NeverCategory("shoes"), []),
    ],
    ids=str,
)
def test_what_a_rule_forbids_is_due(shop: Ledger, rule: Rule, gone: list[str]) -> None:
    ledger = shop.set_rule("ann", rule)
    assert ledger.version == shop.version  # nothing moves before it is withdrawn
    request = due(ledger, 100)
    assert request.pairs() == [("ann", item) for item in sorted(gone, key=ledger.known.items.index)]
    assert request.after.held_back_items("ann") == []
    again = request.after.lift_rule("ann", rule).share("ann", fraction=1.0, now=100)
    assert again.version == shop.version  # a rule holds nothing back once it is lifted


def test_without_times_nobody_can_say_that_it_was_not_then() -> None:
    known = Interactions.from_arrays(["ann"], ["tea"])
    ledger = Ledger(known).share("ann", fraction=1.0)
    for rule in (NeverBefore(0), NeverAfter(10**9)):
        assert len(due(ledger.set_rule("ann", rule), 5)) == 1


def test_never_is_never(shop: Ledger) -> None:
    ledger, _ = shop.unshare("ann", everything=True)
    ledger = ledger.set_rule("ann", NeverGifts())
    with pytest.raises(BadRequest, match=r"a rule of user 'ann' forbids item 'vase' \(never-gifts\).*lift the rule"):
        ledger.share("ann", ["tea", "vase"])
    assert "vase" not in ledger.share("ann", fraction=1.0).shared_items("ann")
    assert "vase" in ledger.lift_rule("ann", NeverGifts()).share("ann", fraction=1.0).shared_items("ann")


def test_rules_that_cannot_be(shop: Ledger) -> None:
    ledger = shop.set_rule("ann", NeverGifts())
    with pytest.raises(BadRequest, match="already"):
        ledger.set_rule("ann", NeverGifts())
    with pytest.raises(BadRequest, match="has not set 'until:1970-01-01T00:00:07'"):
        ledger.lift_rule("ann", ShareUntil(7))
    with pytest.raises(BadShare, match="expected a rule"):
        ledger.set_rule("ann", "never-gifts")  # type: ignore[arg-type]
    with pytest.raises(UnknownUser):
        ledger.set_rule("eve", NeverGifts())


def test_a_proposal_does_nothing_until_it_is_accepted(shop: Ledger) -> None:
    tiers = ShareByTier({"vic": 1.0}, {"bob": "vic"}, others=0.25)
    ledger = shop.propose(tiers, actor="shop", reason="spring")
    assert ledger.version == shop.version
    assert ledger.choices_of("bob").slider is None
    assert ledger.observe([("bob", "mug", 60)]).shared_items("bob") == []
    assert ledger.accept("bob").shared_items("bob") == ["tea"]
    fewer = ledger.accept("ann")
    assert (len(fewer.shared_items("ann")), fewer.choices_of("ann").slider) == (1, 0.25)
    assert ledger.share("bob", fraction=0.0).shared_items("bob") == []  # one's own choice instead
    with pytest.raises(BadRequest, match="nothing was proposed"):
        shop.accept("bob")
    with pytest.raises(BadShare, match="not about fractions"):
        shop.propose(ShareItems({"ann": ["tea"]}))


def test_the_slider_stands_for_what_is_bought_later() -> None:
    ledger = Ledger(Interactions.from_arrays(["ann", "bob"], ["i0", "i0"]), seed=3)
    ledger = ledger.share("ann", fraction=0.5).share("bob", fraction=1.0)
    for n in range(1, 40):
        before = ledger.shared_items("ann")
        ledger = ledger.observe([("ann", f"i{n}"), ("bob", f"i{n}"), ("eve", f"i{n}")])
        assert set(before) <= set(ledger.shared_items("ann")) <= {*before, f"i{n}"}  # nothing older comes along
        assert abs(len(ledger.shared_items("ann")) - (n + 1) / 2) <= 1
    assert ledger.private_items("bob") == []
    assert ledger.shared_items("eve") == []
    paused, _ = ledger.unshare("bob", everything=True)
    assert paused.observe([("bob", "later")]).shared_items("bob") == []


def test_a_policy_of_fractions_leaves_sliders_where_it_put_them() -> None:
    from fedshare.sharing.ledger import share

    known = Interactions.from_arrays(["ann"] * 10, [f"i{n}" for n in range(10)])
    ledger = share(known, ShareFraction(0.5), seed=1).observe([("ann", f"j{n}") for n in range(10)])
    assert len(ledger.shared_items("ann")) == 10
    by_name = share(known, ShareItems({"ann": ["i0"]})).observe([("ann", "j0")])
    assert by_name.shared_items("ann") == ["i0"]
