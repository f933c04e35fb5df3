"""One person's recommendations, as three lists side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fedshare.demo.page.components import section
from fedshare.demo.page.formatting import readable
from fedshare.demo.page.markup import Html, tag

if TYPE_CHECKING:
    from fedshare.demo.figures import CaseStudyFigures, DemoFigures, ListName, RecommendedItem

__all__ = ["case_study_part"]

_NAMES: tuple[ListName, ...] = ("before", "sharing", "after")


class _Column(NamedTuple):
    """One list, the list that it is compared with, and what is said of an item that is not in that one."""

    name: ListName
    title: str
    text: str
    other: ListName
    note: str


def case_study_part(figures: DemoFigures) -> Html:
    """Who it is, what changed, and the lists."""
    study = figures["story"]
    columns = (
        _Column("before", "Before sharing", "The server has none of their purchases.", "sharing", "gone while sharing"),
        _Column(
            "sharing",
            "While sharing",
            f"The server sees {study['n_withdrawn']} purchases.",
            "before",
            "new through sharing",
        ),
        _Column(
            "after",
            "After taking it back",
            "The model has unlearned all of them.",
            "before",
            "not there before sharing",
        ),
    )
    return section(
        "One person's recommendations",
        tag(
            "p",
            f"Customer {study['user']} has bought {study['n_known']} different products so far. The newest of them:",
        ),
        tag("ul", *(tag("li", readable(each["title"])) for each in study["history"]), class_="chips"),
        tag("blockquote", _what_changed(study)),
        tag("div", *(_list(study, column) for column in columns), class_="lists"),
        tag("p", _notes(study, _agreement(figures)), class_="quiet small after"),
    )


def _list(study: CaseStudyFigures, column: _Column) -> Html:
    listed, compared = study["lists"][column.name], set(_items(study, column.other))
    rows = [
        _entry(place, each, None if each["item"] in compared else column.note) for place, each in enumerate(listed, 1)
    ]
    text = tag("p", column.text, class_="quiet small")
    return tag("div", tag("h3", column.title), text, tag("ol", *rows), class_="list")


def _entry(place: int, entry: RecommendedItem, note: str | None) -> Html:
    said = tag(
        "span",
        readable(entry["title"]),
        tag("em", note) if note else None,
        tag("em", "\N{CHECK MARK} bought next", class_="later") if entry["chosen_later"] else None,
    )
    return tag("li", tag("i", place), said, class_="new" if note else None)


def _items(study: CaseStudyFigures, name: ListName) -> list[str]:
    return [each["item"] for each in study["lists"][name]]


def _what_changed(study: CaseStudyFigures) -> str:
    """The case in two plain sentences."""
    before, sharing, after = (_items(study, name) for name in _NAMES)
    return f"{_by_sharing(study, before, sharing)} {_in_the_end(study, before, sharing, after)}"


def _by_sharing(study: CaseStudyFigures, before: Sequence[str], sharing: Sequence[str]) -> str:
    changed = study["changed_by_sharing"]
    what = f"{changed}" if changed else "the order" if sharing != before else "none"
    return f"Sharing changed {what} of this customer's {len(sharing)} recommendations."


def _in_the_end(study: CaseStudyFigures, before: Sequence[str], sharing: Sequence[str], after: Sequence[str]) -> str:
    length, apart = len(sharing), study["apart_in_the_end"]
    if not apart:
        order = ", in the same order" if after == before else ""
        return f"After taking it back, all {length} are as if the customer had never shared{order}."
    stays = len((set(sharing) - set(before)) & set(after))
    rest = f", and {stays} that came with sharing {'is' if stays == 1 else 'are'} still there" if stays else ""
    return f"After taking it back, {length - apart} of {length} are as if the customer had never shared{rest}."


def _agreement(figures: DemoFigures) -> float | None:
    """How much of the first 20 recommendations two trainings agree on that differ in nothing but the seed."""
    noise = figures["withdrawal"]["audit"]["forget"]["distances"]["noise"]
    return noise["top20_overlap_bystanders"] if noise else None


def _notes(study: CaseStudyFigures, agreement: float | None) -> str:
    return " ".join([_found(study), *_comparison(agreement), _RANKED_ON_THE_DEVICE, _chosen(study)])


def _found(study: CaseStudyFigures) -> str:
    hits = [sum(each["chosen_later"] for each in study["lists"][name]) for name in _NAMES]
    named = f"the lists name {hits[0]}, {hits[1]} and {hits[2]}" if any(hits) else "the lists name none"
    return f"Of the {study['n_chosen_later']} products that the customer really bought next, {named}."


def _comparison(agreement: float | None) -> list[str]:
    """What the list on the right should be like, and how far chance alone would move it."""
    said = [
        "The list on the left comes from a model that was trained without the customer's purchases on the server, and "
        "is otherwise the same. The list on the right should be like it."
    ]
    if agreement is not None:
        said.append(
            f"Chance plays a part: two trainings that differ only in the seed agree on {agreement:.0%} of the first 20 "
            "recommendations."
        )
    return said


_RANKED_ON_THE_DEVICE = (
    "All three lists are made on the customer's own device, from all of the customer's purchases, shared or not."
)


def _chosen(study: CaseStudyFigures) -> str:
    return f"How the customer was chosen: {study['rule']} ({study['n_eligible']:,} people were eligible)."
