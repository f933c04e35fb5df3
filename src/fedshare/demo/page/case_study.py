"""One person's story, as three lists side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedshare.demo.page.components import section
from fedshare.demo.page.formatting import readable
from fedshare.demo.page.markup import Html, tag

__all__ = ["case_study_part"]


def case_study_part(figures: Mapping[str, Any]) -> Html:
    """Who it is, what changed, and the lists."""
    story = figures["story"]
    lists = story["lists"]
    items = {name: {each["item"] for each in listed} for name, listed in lists.items()}
    columns = (
        ("before", "Before sharing", "Nothing of theirs is on the server.", "sharing", "not while sharing"),
        ("sharing", "While sharing", f"The server sees {story['n_withdrawn']} purchases.", "before", "new by sharing"),
        ("after", "After taking it back", "Everything is unlearned.", "before", "not as before sharing"),
    )
    return section(
        "One person's story",
        tag(
            "p",
            f"Customer {story['user']} has bought {story['n_known']} different products so far. The newest of them:",
        ),
        tag("ul", *(tag("li", readable(each["title"])) for each in story["history"]), class_="chips"),
        tag("blockquote", _what_changed(story)),
        tag(
            "div",
            *(
                _list(title, text, lists[name], items[name] - items[other], note)
                for name, title, text, other, note in columns
            ),
            class_="lists",
        ),
        tag("p", _notes(story, _agreement(figures)), class_="quiet small after"),
    )


def _list(title: str, text: str, listed: Sequence[Mapping[str, Any]], marked: set[str], note: str) -> Html:
    rows = [
        tag(
            "li",
            tag("i", place),
            tag(
                "span",
                readable(each["title"]),
                tag("em", note) if each["item"] in marked else None,
                tag("em", "\N{CHECK MARK} bought next", class_="later") if each["chosen_later"] else None,
            ),
            class_="new" if each["item"] in marked else None,
        )
        for place, each in enumerate(listed, 1)
    ]
    return tag("div", tag("h3", title), tag("p", text, class_="quiet small"), tag("ol", *rows), class_="list")


def _what_changed(story: Mapping[str, Any]) -> str:
    """The story in a few plain words."""
    length, sharing, apart = len(story["lists"]["sharing"]), story["changed_by_sharing"], story["apart_in_the_end"]
    orders = {name: [each["item"] for each in listed] for name, listed in story["lists"].items()}
    if sharing:
        said = f"Sharing changed {sharing} of this customer's {length} recommendations."
    elif orders["sharing"] != orders["before"]:
        said = f"Sharing changed the order of this customer's {length} recommendations."
    else:
        said = f"Sharing changed none of this customer's {length} recommendations."
    if apart:
        came = set(orders["sharing"]) - set(orders["before"])
        stays = len(came & set(orders["after"]))
        rest = f", and {stays} that came with sharing {'is' if stays == 1 else 'are'} still there" if stays else ""
        return (
            f"{said} After taking it back, {length - apart} of {length} are those of a shop that never saw them{rest}."
        )
    order = ", in the same order" if orders["after"] == orders["before"] else ""
    return f"{said} After taking it back, all {length} are those of a shop that never saw them{order}."


def _agreement(figures: Mapping[str, Any]) -> float | None:
    """How much of the first 20 recommendations two trainings agree on that differ in nothing but the seed."""
    noise = figures["withdrawal"]["audit"]["forget"]["distances"]["noise"]
    return noise["top20_overlap_bystanders"] if noise else None


def _notes(story: Mapping[str, Any], agreement: float | None) -> str:
    hits = [sum(each["chosen_later"] for each in story["lists"][name]) for name in ("before", "sharing", "after")]
    named = f"the lists name {hits[0]}, {hits[1]} and {hits[2]}" if any(hits) else "the lists name none"
    found = f"Of the {story['n_chosen_later']} products that the customer really bought next, {named}."
    chance = (
        ""
        if agreement is None
        else f", but for chance: trainings that differ in nothing but the seed agree on {agreement:.0%} of their lists"
    )
    return (
        f"{found} The left list comes from a model that was trained without anything of theirs on the server, all else "
        f"alike; it is what the right one should look like{chance}. In all three cases the customer's own device ranks "
        "the products, by all that its owner bought, shared or not. Who the story is about: "
        f"{story['rule']} ({story['n_eligible']:,} people were eligible)."
    )
