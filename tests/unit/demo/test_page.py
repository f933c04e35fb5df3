"""The page is made from the figures alone, loads nothing, and shows no text as markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from fedshare.demo.figures import DemoFigures
from fedshare.demo.page import page
from fedshare.demo.page.formatting import by_factor, byte_size, readable
from fedshare.evaluation.figures import ComparedFigures

VOID = {"meta", "br", "hr", "link"}


class Reader(HTMLParser):
    """Collects tags and text, and notices what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += f" {data}"


def read(figures: DemoFigures) -> Reader:
    reader = Reader()
    reader.feed(page(figures))
    reader.close()
    assert reader.open == []
    reader.text = re.sub(r"\s+", " ", reader.text)
    return reader


def test_it_loads_nothing(figures: DemoFigures):
    reader = read(figures)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in reader.tags}
    assert not [attrs for _, attrs in reader.tags if {"src", "srcset", "href", "xlink:href", "action"} & attrs.keys()]
    assert not re.search(r"@import|url\(|https?:", page(figures))


def test_text_stays_text(figures: DemoFigures, hostile):
    reader = read(figures)
    assert "<script" not in page(figures)
    assert reader.text.count(hostile) >= 8  # titles, the person, the data's name, a note
    assert not [name for _, attrs in reader.tags for name in attrs if name.startswith("on")]


def test_every_chart_says_what_it_shows(figures: DemoFigures):
    charts = [attrs for tag, attrs in read(figures).tags if tag == "svg" and "aria-hidden" not in attrs]
    assert len(charts) >= 10
    assert all(attrs.get("role") == "img" and len(attrs.get("aria-label") or "") > 20 for attrs in charts)


def test_a_chart_holds_no_number_that_is_none(figures: DemoFigures):
    for _, attrs in read(figures).tags:
        assert not [value for value in attrs.values() if value and re.search(r"\bnan\b|\binf\b|None", value)]


def test_a_pass_is_called_so(figures: DemoFigures):
    text = read(figures).text
    assert "Audit passed" in text
    assert "the same audit fails it" in text  # the control
    assert "14 \N{MULTIPLICATION SIGN} cheaper than retraining" in text


def test_unlearning_that_costs_more_is_called_dearer(figures: DemoFigures):
    figures["withdrawal"]["costs"]["unlearn_cpu_s"] = 84.0
    assert "4.0 \N{MULTIPLICATION SIGN} dearer than retraining" in read(figures).text


def test_a_failure_is_called_so_with_its_reasons(figures: DemoFigures):
    figures["withdrawal"]["verdict"] = {"passed": False, "broken": ["max_forget_gap: gap +0.200 <b>"]}
    text = read(figures).text
    assert "Audit failed" in text
    assert "Audit passed" not in text
    assert "max_forget_gap: gap +0.200 <b>" in text


def test_what_was_not_measured_is_not_made_up(figures: DemoFigures):
    part = figures["withdrawal"]
    part["verdict"] = {"passed": None, "broken": ["no reference"]}
    nothing: ComparedFigures = {"before": None, "after": None, "reference": None}
    for audit in (part["audit"], part["control"]):
        audit["forget"]["membership_auc"] = nothing
        audit["forget"]["distances"] = {"before": None, "after": None, "noise": None}
        audit["forget"]["noise_floor_ratio"] = audit["forget"]["gap"] = audit["forget"]["resolution"] = None
        audit["utility"] = {"ndcg@20": nothing, "recall@20": nothing, "fit_ndcg@20": nothing}
        audit["utility_by_group"] = {"affected": audit["utility"], "bystanders": audit["utility"]}
        audit["evidence"]["server"] = None
    part["costs"]["kept_bytes"], part["costs"]["unlearn_cpu_s"] = 0, 0.0
    figures["demo"]["peak_mib"] = None
    assert "Not judged" in read(figures).text


@pytest.mark.parametrize(("identical", "verified"), [(True, True), (False, True), (True, False)])
def test_the_exact_path_is_told_as_it_came_out(figures: DemoFigures, identical, verified):
    figures["exact"]["identical"] = identical
    figures["exact"]["verification"]["verified"] = verified
    text = read(figures).text
    assert ("All 161 MB of the unlearned model are equal, byte for byte," in text) == identical
    assert ("the result agrees with the model's certificate" in text) == verified
    assert ("not identical" in text) != identical


def test_a_fall_in_quality_is_told(figures: DemoFigures):
    figures["curve"]["points"][1]["metrics"]["recall@20"] = 0.15
    assert "quality falls by more than 1% at 50%" in read(figures).text


@pytest.mark.parametrize(
    ("apart", "sentence"),
    [
        (0, "all 2 are as if the customer had never shared, in the same order."),
        (1, "1 of 2 are as if the customer had never shared, and 1 that came with sharing is still there."),
    ],
)
def test_the_case_study_says_what_changed(figures: DemoFigures, apart, sentence):
    figures["story"]["apart_in_the_end"] = apart
    if apart:
        figures["story"]["lists"]["after"] = figures["story"]["lists"]["sharing"]
    text = read(figures).text
    assert "Sharing changed 1 of this customer's 2 recommendations." in text
    assert sentence in text


def test_the_footer_gives_credit(figures: DemoFigures):
    figures["data"]["embedded"] = True
    text = read(figures).text
    assert "Daqing Chen (2015), UCI Machine Learning Repository" in text
    assert "CC BY 4.0" in text
    assert "own realisation of Qu et al." in text
    assert "No number on this page is the paper's" in text
    assert "seed 0 and 3 rounds" in text


def test_numbers_as_words():
    assert [byte_size(size) for size in (999, 1_000, 999_600, 70_200_000_000, 274_400)] == [
        "999 bytes",
        "1 kB",
        "1 MB",
        "70.2 GB",
        "274 kB",
    ]
    assert (by_factor(9.6), by_factor(1.04)) == ("10 times", "1.0 times")
    assert readable("SET OF4 'T-LIGHT'") == "Set Of4 't-light'"


def test_a_small_cohort_is_named_and_a_large_one_told(figures):
    assert "min_cohort: 2, below the default of 100" in page(figures)
    figures["min_cohort"] = 100
    assert "At least 100 people stand behind every sum" in page(figures)
