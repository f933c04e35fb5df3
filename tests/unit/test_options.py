"""The checks of options, each with hand-made cases on both sides of every bound."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np
import pytest

from fedshare.errors import BadOption
from fedshare.options import above, at_least, between, instance, not_empty, one_of, shown, texts, whole, within

NO_NUMBERS = [math.nan, math.inf, -math.inf, np.float32("nan"), True, False, None, "1", [1], 1j]


@pytest.mark.parametrize("value", [1, 2, 10**20, np.int8(1), np.uint64(7)])
def test_whole_numbers_are_taken_from_the_least_on(value: object):
    whole("rounds", value, 1)


@pytest.mark.parametrize("value", [0, -1, 1.0, 2.5, np.float64(3.0), Fraction(2), np.bool_(True), *NO_NUMBERS])
def test_whole_refuses_what_is_smaller_and_what_is_not_whole(value: object):
    with pytest.raises(BadOption, match=r"^rounds: got .*, expected a whole number of 1 or more\.$"):
        whole("rounds", value, 1)


def test_whole_has_no_end_unless_one_is_named():
    whole("layers", 8, 0, most=8)
    with pytest.raises(BadOption, match=r"^layers: got 9, expected a whole number from 0 to 8\.$"):
        whole("layers", 9, 0, most=8)


@pytest.mark.parametrize("value", [0, 0.0, 1e-300, 3, np.float32(0.5), np.int64(2), Fraction(1, 3)])
def test_at_least_includes_the_bound(value: object):
    at_least("reg", value, 0)


@pytest.mark.parametrize("value", [-1, -1e-300, *NO_NUMBERS])
def test_at_least_refuses_what_is_below(value: object):
    with pytest.raises(BadOption, match=r"^reg: got .*, expected a number of 0 or more\.$"):
        at_least("reg", value, 0)


@pytest.mark.parametrize("value", [1e-300, 1, np.float32(0.5)])
def test_above_takes_what_is_larger(value: object):
    above("temperature", value, 0)


@pytest.mark.parametrize("value", [0, 0.0, -0.0, -1, *NO_NUMBERS])
def test_above_leaves_the_bound_out(value: object):
    with pytest.raises(BadOption, match=r"^temperature: got .*, expected a number above 0\.$"):
        above("temperature", value, 0)


def test_above_can_have_an_end_that_belongs_to_it():
    above("held_out", 0.5, 0, at_most=0.5)
    for value in (0, 0.50001, 1, math.nan):
        with pytest.raises(BadOption, match=r"expected a number above 0 and at most 0\.5\.$"):
            above("held_out", value, 0, at_most=0.5)


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(1.0)])
def test_within_includes_both_ends(value: object):
    within("activity", value, 0, 1)


@pytest.mark.parametrize("value", [-0.001, 1.001, 2, *NO_NUMBERS])
def test_within_refuses_what_is_outside(value: object):
    with pytest.raises(BadOption, match=r"^activity: got .*, expected a number from 0 to 1\.$"):
        within("activity", value, 0, 1)


@pytest.mark.parametrize("value", [0, 1, -0.001, 1.001, *NO_NUMBERS])
def test_between_leaves_both_ends_out(value: object):
    between("fraction", 0.5, 0, 1)
    with pytest.raises(BadOption, match=r"^fraction: got .*, expected a number above 0 and below 1\.$"):
        between("fraction", value, 0, 1)


def test_one_of_the_names():
    one_of("ranking", "bpr", ("softmax", "bpr"))
    for value in ("hinge", "", "softmax,bpr", 1, None, ["bpr"]):
        with pytest.raises(BadOption, match=r"^ranking: got .*, expected one of softmax, bpr\.$"):
            one_of("ranking", value, ("softmax", "bpr"))


def test_choices_may_come_from_anything_that_yields_names():
    one_of("format", "csv", (name for name in ("tsv", "csv")))
    one_of("algorithm", "fedmf", {"fedmf": 1, "fedshare": 2})


def test_not_empty():
    not_empty("ks", [0])
    not_empty("ks", np.zeros(1))
    for nothing in ((), [], {}, np.empty(0)):
        with pytest.raises(BadOption, match=r"^ks: got none, expected at least one\.$"):
            not_empty("ks", nothing)


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "got 0,"), (np.float64(-0.5), "got -0.5,"), ("0", "got '0',"), (None, "got None,")]
)
def test_the_message_shows_the_value_as_it_came(value: object, shown: str):
    with pytest.raises(BadOption, match=shown):
        above("k", value, 0)


def test_the_hint_comes_last():
    with pytest.raises(BadOption, match=r"^k: got 0, expected a whole number of 1 or more\. A 5-core is usual\.$"):
        whole("k", 0, 1, hint="A 5-core is usual.")


# -- kinds of values, and how values are shown -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (None, "None"),
        ("run.csv", "'run.csv'"),
        (2.5, "2.5"),
        ({"a": "ann"}, "a dict"),
        (np.zeros(3), "a numpy.ndarray"),
        (Fraction, "the class Fraction, which still has to be called"),
    ],
)
def test_a_value_of_another_kind_is_named_by_its_type_and_not_by_what_it_holds(value, got):
    with pytest.raises(BadOption, match=rf"^ledger: got {re.escape(got)}, expected a ledger\. Use fs\.share\.$"):
        instance("ledger", value, list, "a ledger", hint="Use fs.share.")


def test_the_right_kind_is_let_through():
    instance("ledger", [], list, "a ledger")
    assert texts("among", (each for each in ("tea", "milk", "tea"))) == ("tea", "milk")
    assert texts("among", np.array(["tea"])) == ("tea",)


@pytest.mark.parametrize("values", ["tea", None, 3, ["tea", 7], [None]])
def test_ids_are_strings_and_several(values):
    with pytest.raises(BadOption, match=r"^among: got .*, expected (several )?ids, which are strings"):
        texts("among", values)


@pytest.mark.parametrize(
    "value", ["x" * 10_000, list(range(10_000)), 10**5000, 10**1000, "\x1b[31m" * 1000], ids=range(5)
)
def test_messages_stay_short_and_harmless(value):
    text = shown(value)
    assert len(text) <= 400
    assert text.isprintable()
    with pytest.raises(BadOption):
        above("reg", value, math.inf)


def test_marks_that_turn_text_around_are_escaped():
    assert shown("a\u202eb\x1b[2J") == "'a\\u202eb\\x1b[2J'"
