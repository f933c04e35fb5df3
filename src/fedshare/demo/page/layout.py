"""The page's beginning and its end. The beginning says what was done, whether it worked and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedshare.cohort import small_cohort_note
from fedshare.demo.page.components import section
from fedshare.demo.page.formatting import NOTHING, by_factor, figure, of_100, ratio, seconds, source
from fedshare.demo.page.markup import Html, tag

if TYPE_CHECKING:
    from fedshare.demo.figures import DataFigures, DemoFigures, PolicyFigures, WithdrawalFigures

__all__ = ["done_part", "footer", "header", "limits_part"]

_VERDICTS = {
    True: (
        "passed",
        "\N{CHECK MARK}",
        "Audit passed: as far as it can tell, the model knows no more about these purchases than one "
        "that never saw them.",
    ),
    False: ("failed", "\N{BALLOT X}", "Audit failed: the model differs from a retrained one."),
    None: ("open", "?", "Not judged: something could not be measured."),
}
"CSS class, sign and title by whether the audit passed."


def header(figures: DemoFigures) -> Html:
    """Question, verdict and four figures."""
    part = figures["withdrawal"]
    n_users = part["request"]["n_users"]
    people = "1 person" if n_users == 1 else f"{n_users:,} people"
    return tag(
        "header",
        tag(
            "div",
            tag("p", "FedShare · ", source(figures["data"]), class_="eyebrow"),
            tag("h1", f"{people} took back what they had shared. Does the model still know?"),
            tag(
                "p",
                "A shop recommends products. Every customer decides which of their purchases the shop's server may "
                "see. The others never leave the customer's own device. Shared purchases are used to improve "
                "recommendations for everybody, and anybody can take theirs back. This page shows what sharing is "
                "worth, and whether taking it back works.",
                class_="lead",
            ),
            _verdict(part),
            tag("ul", *(tag("li", tag("b", big), tag("span", small)) for big, small in _tiles(part)), class_="tiles"),
            class_="inside",
        ),
    )


def _tiles(part: WithdrawalFigures) -> list[tuple[str, str]]:
    request, costs = part["request"], part["costs"]
    auc, ndcg = part["audit"]["forget"]["membership_auc"], part["audit"]["utility"]["ndcg@20"]
    kept = ratio(ndcg["after"], ndcg["reference"])
    cheaper = ratio(costs["retrain_cpu_s"], costs["unlearn_cpu_s"])
    return [
        (
            f"{request['n_pairs']:,}",
            f"purchases taken back by {request['n_users']:,} people, of the {request['n_shared']:,} they had shared",
        ),
        (
            f"{of_100(auc['before'])} \N{RIGHTWARDS ARROW} {of_100(auc['after'])}",
            "of 100 comparisons still point to the purchase that was taken back. 50 is guessing; a retrained model "
            f"gives {of_100(auc['reference'])}",
        ),
        (
            NOTHING if kept is None else f"{kept:.1%}",
            "of the quality of a model that was retrained without those purchases",
        ),
        (
            NOTHING if cheaper is None else f"{by_factor(max(cheaper, 1 / cheaper), sign=True)}",
            f"{'cheaper' if cheaper is None or cheaper >= 1 else 'dearer'} than retraining: "
            f"{seconds(costs['unlearn_cpu_s'])} of processor time against {seconds(costs['retrain_cpu_s'])}",
        ),
    ]


def _verdict(part: WithdrawalFigures) -> Html:
    """The verdict in a sentence, the bounds that it was made by, and the broken ones."""
    passed, broken = part["verdict"]["passed"], part["verdict"]["broken"]
    name, sign, title = _VERDICTS[passed]
    text = f"{_reached(part)} {_bounds(part['policy'])}" if passed else _bounds(part["policy"])
    reasons = tag("ul", *(tag("li", each) for each in broken)) if broken else None
    words = tag("div", tag("strong", title), tag("p", text), reasons)
    return tag("div", tag("div", sign, class_="sign", aria_hidden="true"), words, class_=f"verdict {name}")


def _bounds(policy: PolicyFigures) -> str:
    return (
        f"The audit allows a gap of {policy['max_forget_gap']:g} to the retrained model, in either direction, and a "
        f"loss of quality of {policy['max_utility_drop']:.0%}."
    )


def _reached(part: WithdrawalFigures) -> str:
    auc = part["audit"]["forget"]["membership_auc"]
    return (
        f"The attack on the server's model reached an AUC of {figure(auc['before'])} before unlearning and reaches "
        f"{figure(auc['after'])} after it. On a retrained model it reaches {figure(auc['reference'])}."
    )


def done_part(figures: DemoFigures) -> Html:
    """What was done, in three steps."""
    data, request = figures["data"], figures["withdrawal"]["request"]
    steps = [
        (
            "Share",
            f"There are {data['n_users']:,} customers, {data['n_items']:,} products and {data['n_known']:,} purchases. "
            f"Models are trained in {figures['rounds']} rounds between the devices and a server, which sees shared "
            "purchases only.",
        ),
        (
            "Take back",
            f"Everybody shares half of their purchases. Then {request['n_users']:,} of them, drawn at random, take "
            "half of that back. Their own devices keep it. The server has to forget it.",
        ),
        (
            "Check",
            "The model unlearns without being retrained. For comparison only, another model is trained from scratch "
            "without those purchases. The unlearned model should be like that one.",
        ),
    ]
    return section(
        "What was done", tag("ol", *(tag("li", tag("b", name), text) for name, text in steps), class_="steps")
    )


def limits_part(figures: DemoFigures) -> Html:
    """What must not be read into the page."""
    return section(
        "What this does not say",
        tag(
            "p",
            "The audit uses one attack on the server's model, on many purchases at once. It compares the attack's "
            "success with its success on a retrained model. It cannot show that no other attack would do better. "
            "Devices are simulated on one computer. The figures are of one data set and one seed. Quality is measured "
            "on purchases that were held out from the start. Times depend on the computer and on what else it "
            "is doing.",
        ),
    )


def footer(figures: DemoFigures) -> Html:
    """Method, data, and how the page was made."""
    texts = (_METHOD, _data_source(figures["data"]), _cohort(figures), _made(figures))
    paragraphs = [tag("p", text) for text in texts]
    return tag("footer", tag("div", *paragraphs, class_="inside quiet small"))


_METHOD = (
    "The method is this project's own realisation of Qu et al., Federated Learning and Unlearning for "
    "Recommendation with Personalized Data Sharing, arXiv 2603.11610. No number on this page is the paper's."
)


def _data_source(data: DataFigures) -> str:
    if not data["embedded"]:
        return f"Data: {source(data)}."
    return (
        "Data: Online Retail, Daqing Chen (2015), UCI Machine Learning Repository, doi.org/10.24432/C5BW33, CC BY 4.0 "
        "(creativecommons.org/licenses/by/4.0). Changed: filtered to positive purchases of catalogue items and "
        "aggregated per customer and item. Titles in capitals are shown in small letters."
    )


def _cohort(figures: DemoFigures) -> str:
    """How many people stand behind every number that left devices."""
    least = figures["min_cohort"]
    note = small_cohort_note(least)
    return f"At least {least} people stand behind every sum that left devices." if note is None else note


def _made(figures: DemoFigures) -> str:
    demo, versions = figures["demo"], figures["versions"]
    listed = ", ".join(f"{name} {number}" for name, number in versions.items() if name != "system")
    memory = "" if demo["peak_mib"] is None else f", with at most {demo['peak_mib']:,.0f} MiB of memory"
    return (
        f"Made by fedshare demo with seed {figures['seed']} and {figures['rounds']} rounds for every model, in "
        f"{demo['wall_s']:,.0f} s ({demo['cpu_s']:,.0f} CPU seconds){memory}. {listed}; "
        f"{versions.get('system', '')}. Every figure is in report.json beside this page."
    )
