"""The page's beginning, which answers what was done, whether it worked and what it cost, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedshare.demo.page.components import section
from fedshare.demo.page.formatting import NOTHING, by_factor, figure, of_100, ratio, seconds, source
from fedshare.demo.page.markup import Child, Html, tag

__all__ = ["done_part", "footer", "header", "limits_part"]


def header(figures: Mapping[str, Any]) -> Html:
    """Question, verdict and four figures."""
    part = figures["withdrawal"]
    n_users = part["request"]["n_users"]
    people = "1 person" if n_users == 1 else f"{n_users:,} people"
    return tag(
        "header",
        tag(
            "div",
            tag("p", "FedShare · ", source(figures), class_="eyebrow"),
            tag("h1", f"{people} took back what they had shared. Does the model still know?"),
            tag(
                "p",
                "A shop recommends products. Every customer decides which of their purchases the shop's server may "
                "see; the others never leave their own device. People who share help everybody's recommendations, and "
                "anybody can take back what they shared. This page shows what sharing is worth, and whether taking it "
                "back works.",
                class_="lead",
            ),
            _verdict(part),
            tag("ul", *(tag("li", tag("b", big), tag("span", small)) for big, small in _tiles(part)), class_="tiles"),
            class_="inside",
        ),
    )


def _tiles(part: Mapping[str, Any]) -> list[tuple[str, str]]:
    request, costs = part["request"], part["costs"]
    auc, utility = part["audit"]["forget"]["membership_auc"], part["audit"]["utility"].get("ndcg@20", {})
    kept = ratio(utility.get("after"), utility.get("reference"))
    cheaper = ratio(costs["retrain_cpu_s"], costs["unlearn_cpu_s"])
    return [
        (
            f"{request['n_pairs']:,}",
            f"purchases taken back by {request['n_users']:,} people, of the {request['n_shared']:,} they had shared",
        ),
        (
            f"{of_100(auc['before'])} \N{RIGHTWARDS ARROW} {of_100(auc['after'])}",
            "of 100 comparisons still point to the purchase that was taken back; 50 is guessing, trained again it is "
            f"{of_100(auc['reference'])}",
        ),
        (
            NOTHING if kept is None else f"{kept:.1%}",
            "of the quality of a model that was trained again without those purchases",
        ),
        (
            NOTHING if cheaper is None else f"{by_factor(max(cheaper, 1 / cheaper), sign=True)}",
            f"{'cheaper' if cheaper is None or cheaper >= 1 else 'dearer'} than training again: "
            f"{seconds(costs['unlearn_cpu_s'])} of processor time against {seconds(costs['retrain_cpu_s'])}",
        ),
    ]


def _verdict(part: Mapping[str, Any]) -> Html:
    passed, policy, broken = part["verdict"]["passed"], part["policy"], part["verdict"]["broken"]
    auc = part["audit"]["forget"]["membership_auc"]
    bounds = (
        f"Allowed is a gap of {policy['max_forget_gap']:g} to a model that was trained again, in either direction, and "
        f"{policy['max_utility_drop']:.0%} less quality."
    )
    text: Child = bounds
    if passed:
        name, sign = "passed", "\N{CHECK MARK}"
        title = "Audit passed: as far as it can tell, the model knows no more than one that never saw these purchases."
        text = (
            f"The attack on the server's model reaches {figure(auc['after'])}; on the model that was trained again, "
            f"{figure(auc['reference'])}; before, it reached {figure(auc['before'])}. {bounds}"
        )
    elif passed is None:
        name, sign, title = "open", "?", "Not judged: something could not be measured."
    else:
        name, sign, title = "failed", "\N{BALLOT X}", "Audit failed: the model does not look like one trained again."
    reasons = tag("ul", *(tag("li", each) for each in broken)) if broken else None
    words = tag("div", tag("strong", title), tag("p", text), reasons)
    return tag("div", tag("div", sign, class_="sign", aria_hidden="true"), words, class_=f"verdict {name}")


def done_part(figures: Mapping[str, Any]) -> Html:
    """What was done, in three steps."""
    data, request = figures["data"], figures["withdrawal"]["request"]
    steps = [
        (
            "Share",
            f"{data['n_users']:,} customers, {data['n_items']:,} products, {data['n_known']:,} purchases. Models are "
            f"trained in {figures['rounds']} rounds between devices and a server that sees shared purchases only.",
        ),
        (
            "Take back",
            f"Everybody shares half of their purchases. Then {request['n_users']:,} of them, drawn at random, take "
            "half of that back. Their own devices keep it; the server has to forget it.",
        ),
        (
            "Check",
            "The model unlearns without being trained again. Only to compare, another one is trained from nothing "
            "without those purchases: that is what unlearning has to look like.",
        ),
    ]
    return section(
        "What was done", tag("ol", *(tag("li", tag("b", name), text) for name, text in steps), class_="steps")
    )


def limits_part(figures: Mapping[str, Any]) -> Html:
    """What must not be read into the page."""
    return section(
        "What this does not say",
        tag(
            "p",
            "The audit attacks the server's model with one attack, on many purchases at once. It shows how this attack "
            "fares against a model that was trained again; it cannot show that no other attack would fare better. "
            "Devices are simulated on one computer, figures are of one data set and one seed, and quality is measured "
            "on purchases that were kept aside from the start. Times depend on the computer and on what else it is "
            "doing.",
        ),
    )


def footer(figures: Mapping[str, Any]) -> Html:
    """Method, data, and how the page was made."""
    demo, versions = figures["demo"], figures["versions"]
    listed = ", ".join(f"{name} {number}" for name, number in versions.items() if name != "system")
    memory = "" if demo["peak_mib"] is None else f", with at most {demo['peak_mib']:,.0f} MiB of memory"
    data = (
        "Data: Online Retail, Daqing Chen (2015), UCI Machine Learning Repository, doi.org/10.24432/C5BW33, CC BY 4.0 "
        "(creativecommons.org/licenses/by/4.0). Changed: filtered to positive purchases of catalogue items and "
        "aggregated per customer and item; product titles are shown in small letters."
        if figures["data"]["embedded"]
        else f"Data: {source(figures)}."
    )
    method = (
        "The method is this project's own realisation of Qu et al., Federated Learning and Unlearning for "
        "Recommendation with Personalized Data Sharing, arXiv 2603.11610; no number on this page is the paper's."
    )
    made = (
        f"Made by fedshare demo with seed {figures['seed']} and {figures['rounds']} rounds for every model, in "
        f"{demo['wall_s']:,.0f} s ({demo['cpu_s']:,.0f} CPU seconds){memory}. {listed}; "
        f"{versions.get('system', '')}. Every figure stands in report.json beside this page."
    )
    paragraphs = [tag("p", text) for text in (method, data, made)]
    return tag("footer", tag("div", *paragraphs, class_="inside quiet small"))
