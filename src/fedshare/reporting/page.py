"""The demo's page: one file, made from the figures alone, that loads nothing.

A reader without any knowledge of recommenders finds what was done, whether it worked and what it cost at the top; the
figures behind it follow. Sentences are put together from the figures, so they say what was found, not what was hoped.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from fedshare.reporting.charts import (
    Bar,
    Dot,
    Level,
    Series,
    bar_chart,
    density_chart,
    dot_chart,
    line_chart,
    log_chart,
)
from fedshare.reporting.markup import Child, Html, join, tag

__all__ = ["page"]

_WIDE, _NARROW = 890, 330
_RECALL, _NDCG = "recall@20", "ndcg@20"
_MODELS = (
    ("before", "Before", "ink-2"),
    ("dropped", "Deleted, not unlearned", "ink-4"),
    ("after", "Unlearned", "ink-1"),
    ("reference", "Trained again without it", "ink-3"),
)


def page(figures: Mapping[str, Any]) -> str:
    """The page as text.

    Args:
        figures: What :meth:`fedshare.reporting.demo.DemoResult.to_dict` gives.
    """
    style = (files("fedshare.reporting") / "page.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"FedShare on {_source(figures)}: sharing, taking it back, and the audit"),
        tag("style", Html(style)),
    )
    parts = (_done, _sharing, _forgetting, _costs, _story, _audit, _reading)
    body = tag("body", _header(figures), tag("main", *(part(figures) for part in parts)), _footer(figures))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


# -- the parts, from top to bottom ------------------------------------------------------------------------------------


def _header(figures: Mapping[str, Any]) -> Html:
    part = figures["withdrawal"]
    request, costs = part["request"], part["costs"]
    auc, utility = part["audit"]["forget"]["membership_auc"], part["audit"]["utility"].get(_NDCG, {})
    kept = _ratio(utility.get("after"), utility.get("reference"))
    cheaper = _ratio(costs["retrain_cpu_s"], costs["unlearn_cpu_s"])
    tiles = [
        (
            f"{request['n_users']:,}",
            f"people took back {request['n_pairs']:,} of the {request['n_shared']:,} purchases they had shared",
        ),
        (
            f"{_of_100(auc['before'])} → {_of_100(auc['after'])}",
            "of 100 withdrawn purchases still stand out from what the same people never shared; trained again without "
            f"them: {_of_100(auc['reference'])}",
        ),
        ("–" if kept is None else f"{kept:.1%}", "of the quality of a model that was trained again from nothing"),
        (
            "–" if cheaper is None else f"{_times(cheaper)} faster",
            f"{_seconds(costs['unlearn_cpu_s'])} of processor time, training again {_seconds(costs['retrain_cpu_s'])}",
        ),
    ]
    return tag(
        "header",
        tag(
            "div",
            tag("p", "FedShare · ", _source(figures), class_="eyebrow"),
            tag("h1", f"{request['n_users']:,} people took back what they had shared. Does the model still know?"),
            tag(
                "p",
                "A shop recommends products. Every customer decides which of their purchases the shop's server may see; "
                "the others never leave their own device. Sharing makes recommendations better for everybody, and "
                "anybody can take it back. This page shows what sharing is worth, and whether taking it back works.",
                class_="lead",
            ),
            _verdict(part),
            tag("ul", *(tag("li", tag("b", big), tag("span", small)) for big, small in tiles), class_="tiles"),
            class_="inside",
        ),
    )


def _verdict(part: Mapping[str, Any]) -> Html:
    passed, policy = part["verdict"]["passed"], part["policy"]
    auc = part["audit"]["forget"]["membership_auc"]
    bounds = (
        f"Allowed were a gap of {policy['max_forget_gap']:g} to a model that was trained again, in either direction, and "
        f"{policy['max_utility_drop']:.0%} less quality."
    )
    if passed:
        name, sign = "passed", "✓"
        title = "Audit passed: it knows no more than a model that never saw it, as far as this audit can tell."
        text: Child = (
            f"The attack on the server's model reaches {_figure(auc['after'])}; on the model that was trained again, "
            f"{_figure(auc['reference'])}; before, it reached {_figure(auc['before'])}. {bounds}"
        )
    elif passed is None:
        name, sign, title, text = "open", "?", "Not judged: something could not be measured.", bounds
    else:
        name, sign, title, text = "failed", "✗", "Audit failed: what was found is outside the bounds.", bounds
    broken = [tag("ul", *(tag("li", each) for each in part["verdict"]["broken"]))] if part["verdict"]["broken"] else []
    words = tag("div", tag("strong", title), tag("p", text), *broken)
    return tag(
        "div", tag("div", sign, class_="sign", aria_hidden="true"), words, class_=f"verdict {name}", role="status"
    )


def _done(figures: Mapping[str, Any]) -> Html:
    data, part = figures["data"], figures["withdrawal"]
    steps = [
        (
            "Share",
            f"{data['n_users']:,} customers, {data['n_items']:,} products, {data['n_known']:,} purchases. Models are "
            f"trained in {figures['rounds']} rounds between devices and a server that sees shared purchases only.",
        ),
        (
            "Take back",
            f"Everybody shares half of their purchases. {part['request']['n_users']:,} people, drawn at random, change "
            "their minds about half of that. Their own devices keep it; the server has to forget it.",
        ),
        (
            "Check",
            "The model unlearns without being trained again. For comparison only, it is also trained again from nothing "
            "without those purchases: that is what unlearning has to look like.",
        ),
    ]
    return _section(
        "What was done",
        tag("ol", *(tag("li", tag("b", name), text) for name, text in steps), class_="steps"),
    )


def _sharing(figures: Mapping[str, Any]) -> Html:
    points, references = figures["curve"]["points"], figures["curve"]["references"]
    lines = [
        _group_line(points, "sharers", "people who share everything", "ink-1", dashed=False),
        _group_line(points, "non_sharers", "people who share nothing", "ink-2", dashed=True),
    ]
    lines = [line for line in lines if line.points]
    values = [y for line in lines for _, y in line.points]
    near = min(values) - 0.5 * max(max(values) - min(values), 0.02)
    levels = [
        Level(f"{each['label']} (sees everything): {each['metrics'][_RECALL]:.3f}", each["metrics"][_RECALL])
        for each in references
        if near <= each["metrics"][_RECALL] <= max(values) * 1.05
    ]
    label = "Recall at 20 by the fraction of the people who share. " + ". ".join(
        f"{line.label}: " + ", ".join(f"{y:.3f} at {x:.0%}" for x, y in line.points) for line in lines
    )
    curve = _both(
        lambda width: line_chart(
            lines,
            levels,
            width=width,
            label=label,
            x_label="people who share all their purchases",
            y_label="Recall@20",
            x_text=lambda x: f"{x:.0%}",
            y_text=lambda y: f"{y:.3f}".rstrip("0"),
        )
    )
    bars = [
        *(
            Bar(each["label"], each["metrics"][_RECALL], f"{each['metrics'][_RECALL]:.3f}", "ink-grey")
            for each in references
        ),
        *(
            Bar(_share_label(point["share"]), point["metrics"][_RECALL], f"{point['metrics'][_RECALL]:.3f}", "ink-1")
            for point in points
        ),
    ]
    scale = _both(
        lambda width: bar_chart(
            bars, width=width, label="Recall at 20: " + ", ".join(f"{bar.label} {bar.text}" for bar in bars)
        )
    )
    rows = [
        (
            f"{point['share']:.0%}",
            *(
                _figure((point[group] or {}).get(name), 4)
                for group in ("metrics", "sharers", "non_sharers")
                for name in (_RECALL, _NDCG)
            ),
        )
        for point in points
    ]
    rows += [
        (each["label"], _figure(each["metrics"][_RECALL], 4), _figure(each["metrics"][_NDCG], 4), *["–"] * 4)
        for each in references
    ]
    titles = (
        "people who share",
        "Recall@20",
        "NDCG@20",
        "Recall@20, sharers",
        "NDCG@20, sharers",
        "Recall@20, others",
        "NDCG@20, others",
    )
    return _section(
        "What sharing is worth",
        tag("p", _worth(points)),
        _figure_box(
            "Quality of recommendations by how many people share",
            "Recall@20: of what people bought next, the part that stood among their first 20 recommendations. The axis "
            "does not begin at 0; the bars below do.",
            _keys([(line.label, line.ink, line.dashed) for line in lines]),
            curve,
            _details("The figures", _table(titles, rows)),
        ),
        _figure_box(
            "The same on a scale from 0, with models to compare with",
            "Grey: models that see everybody's purchases, whatever people chose. Nobody sharing is plain federated "
            "matrix factorisation (FedMF).",
            scale,
        ),
    )


def _forgetting(figures: Mapping[str, Any]) -> Html:
    part = figures["withdrawal"]
    aucs = _aucs(part)
    policy, control = part["policy"], part["control_verdict"]["passed"]
    reference = aucs["reference"]
    dots = [Dot(name, aucs[key], f"{aucs[key]:.3f}", ink) for key, name, ink in _MODELS if aucs[key] is not None]
    boxes: list[Html] = []
    if dots:
        gap = policy["max_forget_gap"]
        band = None if reference is None else (reference - gap, reference + gap)
        text = "Membership AUC: " + ", ".join(f"{dot.label} {dot.text}" for dot in dots)
        chart = _both(
            lambda width: dot_chart(
                dots,
                width=width,
                label=text,
                x_label="membership AUC (0.5: withdrawn purchases cannot be told apart)",
                x_text=lambda x: f"{x:.2f}",
                band=band,
                band_label="where the audit passes",
                low=0.5,
            )
        )
        boxes.append(
            _figure_box(
                "Can the server tell what was withdrawn?",
                "How often the server's model scores a withdrawn purchase above one that the same person never shared. "
                "Too low fails as well: it would show that something was removed.",
                chart,
            )
        )
    boxes.append(_score_panels(part["scores"], aucs))
    told = {
        True: "Merely deleting the purchases from the server passes the same audit here, too.",
        False: "Merely deleting the purchases from the server is not enough: the same audit fails it, since the model "
        "has learned from them.",
        None: "Merely deleting the purchases could not be judged.",
    }[control]
    return _section(
        "Has it been forgotten?",
        tag(
            "p",
            "An attacker who holds the server's model and a person's purchases tries to tell which of them were once "
            "shared: those that the model scores higher than the person's other purchases. ",
            told,
        ),
        *boxes,
    )


def _score_panels(scores: Mapping[str, Any], aucs: Mapping[str, float | None]) -> Html:
    models = scores["models"]
    top = max(max(values) for model in models.values() for values in model.values())
    panels = []
    for key, name, ink in _MODELS:
        auc = _figure(aucs[key])
        chart = density_chart(
            scores["grid"],
            models[key]["never_shared"],
            models[key]["withdrawn"],
            width=205,
            top=top * 1.04,
            label=f"{name}: scores of withdrawn and of never-shared purchases, membership AUC {auc}",
            ink=ink,
        )
        panels.append(tag("div", tag("b", name), tag("span", f"AUC {auc}"), chart))
    return _figure_box(
        "Scores of withdrawn purchases, and of what was never shared",
        "Standardised within each person. Forgotten is what lies on its grey background as it does at the right.",
        _keys([("never shared", "ink-grey", None), ("withdrawn (each model in its colour)", "ink-2", None)]),
        tag("div", *panels, class_="panels"),
    )


def _costs(figures: Mapping[str, Any]) -> Html:
    costs = figures["withdrawal"]["costs"]
    times = [
        Bar("Unlearning", costs["unlearn_cpu_s"], _seconds(costs["unlearn_cpu_s"]), "ink-1"),
        Bar("Training again", costs["retrain_cpu_s"], _seconds(costs["retrain_cpu_s"]), "ink-3"),
    ]
    kept = [
        Dot("FedShare: snapshots on the server", costs["kept_bytes"], _bytes(costs["kept_bytes"]), "ink-1"),
        Dot("FRU would keep, on all devices together", costs["fru_bytes"], _bytes(costs["fru_bytes"]), "ink-grey"),
        Dot(
            "FedEraser would keep, on the server",
            costs["federaser_bytes"],
            _bytes(costs["federaser_bytes"]),
            "ink-grey",
        ),
    ]
    kept = [dot for dot in kept if dot.value > 0]
    moved = [
        Bar("Sent to a device", costs["bytes_down_per_round"], _bytes(costs["bytes_down_per_round"]), "ink-1"),
        Bar("Sent by a device", costs["bytes_up_per_round"], _bytes(costs["bytes_up_per_round"]), "ink-2"),
    ]
    cheaper, weight = (
        _ratio(costs["retrain_cpu_s"], costs["unlearn_cpu_s"]),
        _ratio(costs["kept_bytes"], costs["model_bytes"]),
    )
    text = [
        "" if cheaper is None else f"Unlearning took a {_ordinal(cheaper)} of the processor time of training again. ",
        ""
        if weight is None
        else f"To be able to do so, the server keeps {_bytes(costs['kept_bytes'])}, {weight:.1f} times the size of the "
        "model's own tables; devices keep nothing for it.",
    ]
    return _section(
        "What it costs",
        tag("p", *text),
        tag(
            "div",
            _figure_box(
                "Processor time of one request",
                "CPU seconds, all threads together.",
                _both(lambda width: bar_chart(times, width=width, label=_read_out("CPU seconds", times)), wide=400),
            ),
            _figure_box(
                "Moved per device and round",
                f"Mean over the devices; training takes {costs['rounds']} rounds.",
                _both(lambda width: bar_chart(moved, width=width, label=_read_out("Bytes moved", moved)), wide=400),
            ),
            class_="two",
        ),
        _figure_box(
            "Kept, so that requests can be carried out later",
            "Logarithmic: each line is ten times the one before. The grey figures are what two published methods would "
            "have kept for the very same training, by the formulas of their papers.",
            _both(
                lambda width: log_chart(kept, width=width, label=_read_out("Bytes kept", kept), x_text=_bytes),
            ),
        )
        if kept
        else None,
    )


def _story(figures: Mapping[str, Any]) -> Html:
    story = figures["story"]
    lists = story["lists"]
    items = {name: {each["item"] for each in listed} for name, listed in lists.items()}
    columns = [
        ("before", "Before sharing", "Nothing of theirs is on the server.", "sharing", "not while sharing"),
        ("sharing", "While sharing", f"All {story['n_withdrawn']} purchases are shared.", "before", "new by sharing"),
        ("after", "After taking it back", "Everything unshared and unlearned.", "before", "not as before sharing"),
    ]
    return _section(
        "One person's story",
        tag(
            "p",
            f"Customer {story['user']} knows {story['n_known']} products ({story['rule']}; {story['n_eligible']:,} "
            "could have been drawn). The newest of them:",
        ),
        tag("ul", *(tag("li", _readable(each["title"])) for each in story["history"]), class_="chips"),
        tag("blockquote", _what_changed(story)),
        tag(
            "div",
            *(
                _list(title, text, lists[name], items[name] - items[other], note)
                for name, title, text, other, note in columns
            ),
            class_="lists",
        ),
        tag(
            "p",
            f"Marked in green: what the customer really bought next ({story['n_chosen_later']} products were kept aside to "
            "check that). The left list comes from a model trained without anything of theirs on the server and is what "
            "the right one should look like. Recommendations are made on the device, from all that its owner bought, "
            "shared or not: one person's sharing changes little for that person, and many people's together a lot.",
            class_="quiet small",
            style="margin-top:16px",
        ),
    )


def _list(title: str, text: str, listed: Sequence[Mapping[str, Any]], marked: set[str], note: str) -> Html:
    rows = [
        tag(
            "li",
            tag("i", place),
            tag(
                "span",
                _readable(each["title"]),
                tag("em", note) if each["item"] in marked else None,
                tag("em", "✓ bought next", class_="later") if each["chosen_later"] else None,
            ),
            class_="new" if each["item"] in marked else None,
        )
        for place, each in enumerate(listed, 1)
    ]
    return tag("div", tag("h3", title), tag("p", text, class_="quiet small"), tag("ol", *rows), class_="list")


def _audit(figures: Mapping[str, Any]) -> Html:
    part = figures["withdrawal"]
    report, control = part["audit"], part["control"]
    forget, dropped = report["forget"], control["forget"]

    def three(name: str, help: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], digits: int = 3) -> list[Child]:
        figures = (ours.get("before"), theirs.get("after"), ours.get("after"), ours.get("reference"))
        return [join(name, tag("small", help)), *(_figure(value, digits) for value in figures)]

    rows: list[list[Child] | str] = ["Forgetting"]
    rows.append(three("Membership AUC", "0.5 is guessing", forget["membership_auc"], dropped["membership_auc"]))
    rows.append(
        three(
            "Its standard error", "", forget["membership_auc_standard_error"], dropped["membership_auc_standard_error"]
        )
    )
    rows.append(
        three(
            "True positives at 1 % false ones",
            "the attack when it has to be sure; 0.01 is guessing",
            forget["membership_tpr_at_1pct_fpr"],
            dropped["membership_tpr_at_1pct_fpr"],
        )
    )
    distances, theirs = forget["distances"], dropped["distances"]
    for name, text, help in (
        ("auc_gap", "AUC less that of training again", "0 is as if trained again"),
        ("score_ks", "Distance of the score distributions", "Kolmogorov-Smirnov, 0 to 1"),
        ("score_difference", "Mean difference of scores", "in standard deviations"),
        ("top20_overlap_affected", "Same recommendations, people who withdrew", "part of the first 20"),
        ("top20_overlap_bystanders", "Same recommendations, everybody else", "part of the first 20"),
    ):
        before, after, noise = (distances[key] or {} for key in ("before", "after", "noise"))
        other = (theirs["after"] or {}).get(name)
        values = (before.get(name), other, after.get(name))
        sign = "+.3f" if name == "auc_gap" else ".3f"
        floor = noise.get(name)
        rows.append(
            [
                join(text, tag("small", help)),
                *("–" if value is None else format(value, sign) for value in values),
                "–" if floor is None else join(f"{floor:.3f}", tag("small", "another seed")),
            ]
        )
    rows.append("Quality, everybody")
    for name, help in (
        (_NDCG, "of what people bought next"),
        (_RECALL, "of what people bought next"),
        ("fit_ndcg@20", "of what people had bought"),
    ):
        if name in report["utility"]:
            rows.append(three(_metric(name), help, report["utility"][name], control["utility"][name], 4))
    for group, title in (("affected", "Quality, people who withdrew"), ("bystanders", "Quality, everybody else")):
        utility, others = report["utility_by_group"].get(group, {}), control["utility_by_group"].get(group, {})
        if _NDCG in utility:
            rows.append(title)
            rows.append(three(_metric(_NDCG), "of what people bought next", utility[_NDCG], others[_NDCG], 4))
    rows.append("Cost")
    costs = part["costs"]
    rows.append(
        [
            join("CPU seconds", tag("small", "of making the model")),
            *(f"{value:.2f}" for value in (costs["train_cpu_s"], control["cost"]["unlearn_cpu_s"])),
            *(f"{value:.2f}" for value in (costs["unlearn_cpu_s"], costs["retrain_cpu_s"])),
        ]
    )
    head = ("", "before", "deleted only", "unlearned", "trained again")
    floor = forget["noise_floor_ratio"]
    evidence = report["evidence"]["server"] or {}
    notes: list[str] = []
    if floor is not None:
        notes.append(
            f"The unlearned model's scores of withdrawn purchases are {floor:.2f} times as far from training again as "
            "two trainings with different seeds are from each other."
        )
    if forget.get("resolution") is not None:
        notes.append(
            f"The gap to training again is {forget['gap']:+.3f}; gaps up to {forget['resolution']:.3f} can be chance, with "
            f"{evidence.get('n_pairs_compared', 0):,} withdrawn purchases of {evidence.get('n_users_compared', 0):,} people "
            f"held against {evidence.get('n_compared_with', 0):,} that they never shared."
        )
    notes += report["evidence"]["notes"]
    return _section(
        "The audit in figures",
        tag("div", _table(head, rows), class_="scroll"),
        tag("div", *(tag("p", note, class_="quiet small") for note in notes), style="margin-top:14px"),
    )


def _reading(figures: Mapping[str, Any]) -> Html:
    return _section(
        "What this does not say",
        tag(
            "p",
            "The audit attacks the server's model with one attack on many purchases at once. It shows that this attack "
            "finds no more than it would in a model trained again; it is no proof that no other attack could. The devices "
            "are simulated on one computer, figures are of one data set and one seed, and the test purchases are the "
            "newest fifth of each customer's. Times depend on the computer and on what else it is doing.",
        ),
    )


def _footer(figures: Mapping[str, Any]) -> Html:
    demo, versions = figures["demo"], figures["versions"]
    listed = ", ".join(f"{name} {number}" for name, number in versions.items() if name != "system")
    memory = "" if demo["peak_mib"] is None else f", at most {demo['peak_mib']:,.0f} MiB of memory"
    attribution = (
        tag(
            "p",
            "Data: Online Retail, Daqing Chen (2015), UCI Machine Learning Repository, doi.org/10.24432/C5BW33, CC BY 4.0 "
            "(creativecommons.org/licenses/by/4.0). Changed: filtered to positive purchases of catalogue items and "
            "aggregated per customer and item.",
        )
        if figures["data"]["embedded"]
        else tag("p", f"Data: {figures['data']['name'] or 'unnamed'}.")
    )
    return tag(
        "footer",
        tag(
            "div",
            tag(
                "p",
                "The method is this project's own realisation of Qu et al., Federated Learning and Unlearning for "
                "Recommendation with Personalized Data Sharing, arXiv 2603.11610; no number on this page is the paper's.",
            ),
            attribution,
            tag(
                "p",
                f"Made by fedshare demo with seed {figures['seed']} and {figures['rounds']} rounds for every model, in "
                f"{demo['wall_s']:,.0f} s ({demo['cpu_s']:,.0f} CPU s){memory}. {listed}; {versions.get('system', '')}. "
                "Every figure stands in report.json beside this page.",
            ),
            class_="inside quiet small",
        ),
    )


# -- sentences --------------------------------------------------------------------------------------------------------


def _worth(points: Sequence[Mapping[str, Any]]) -> str:
    """What sharing gains, in a sentence or two."""
    none, most = points[0]["metrics"][_RECALL], points[-1]["metrics"][_RECALL]
    said = [
        f"When nobody shares, {none:.1%} of what people buy next stands among their first 20 recommendations; when "
        f"everybody does, {most:.1%}"
    ]
    if none:
        said[0] += f" ({most / none - 1:+.0%})"
    mixed = [point for point in points if point["sharers"] and point["non_sharers"]]
    if mixed:
        point = mixed[-1]
        quiet = point["non_sharers"][_RECALL]
        better = "gain as well" if quiet > none * 1.01 else "lose nothing" if quiet >= none * 0.99 else "lose by it"
        said.append(
            f"People who share nothing {better}: when {point['share']:.0%} of the others share, {quiet:.1%} of what "
            "they buy next is found"
        )
    pairs = zip(points, points[1:], strict=False)
    falls = [b["share"] for a, b in pairs if b["metrics"][_RECALL] < a["metrics"][_RECALL] * 0.99]
    if falls:
        said.append(
            f"From one point to the next, quality falls by more than 1 % at {', '.join(f'{x:.0%}' for x in falls)}"
        )
    return ". ".join(said) + "."


def _what_changed(story: Mapping[str, Any]) -> str:
    """The story in a few plain words."""
    length = len(story["lists"]["sharing"])
    sharing, apart = story["changed_by_sharing"], story["apart_in_the_end"]
    if sharing:
        said = f"Sharing changed {sharing} of this customer's {length} recommendations."
    else:
        said = f"Sharing changed none of this customer's {length} recommendations, at most their order."
    same = [each["item"] for each in story["lists"]["before"]] == [each["item"] for each in story["lists"]["after"]]
    if apart == 0:
        order = ", in the same order" if same else ""
        return f"{said} After taking it back, all {length} are those of a shop that never saw them{order}."
    return f"{said} After taking it back, {length - apart} of {length} are those of a shop that never saw anything of theirs."


def _share_label(share: float) -> str:
    if share == 0:
        return "FedShare, nobody shares (FedMF)"
    return "FedShare, everybody shares" if share == 1 else f"FedShare, {share:.0%} of the people share"


# -- building blocks --------------------------------------------------------------------------------------------------


def _section(title: str, *children: Child) -> Html:
    return tag("section", tag("div", tag("h2", title), *children, class_="inside"))


def _figure_box(title: str, text: str, *children: Child) -> Html:
    return tag("figure", tag("figcaption", title, tag("span", text)), *children)


def _both(draw: Callable[[int], Html], wide: int = _WIDE) -> Html:
    """A chart for wide screens and one for narrow ones; the style shows one of them."""
    return join(tag("div", draw(wide), class_="wide"), tag("div", draw(_NARROW), class_="narrow"))


def _keys(entries: Sequence[tuple[str, str, bool | None]]) -> Html:
    """A legend: (label, colour, dashed); None for an area."""

    def sample(ink: str, dashed: bool | None) -> Html:
        if dashed is None:
            return tag("rect", x=0, y=0, width=28, height=12, rx=2, class_=f"area {ink}")
        return tag("line", x1=1, x2=27, y1=6, y2=6, class_=f"line {ink}", stroke_dasharray="6 5" if dashed else None)

    return tag(
        "ul",
        *(
            tag("li", tag("svg", sample(ink, dashed), view_box="0 0 28 12", aria_hidden="true"), label)
            for label, ink, dashed in entries
        ),
        class_="keys",
    )


def _details(title: str, inside: Html) -> Html:
    return tag("details", tag("summary", title), tag("div", inside, class_="scroll"))


def _table(head: Sequence[str], rows: Sequence[Sequence[Child] | str]) -> Html:
    """A table whose first column names the row; a row that is a text is a heading over the rows below it."""
    written = []
    for row in rows:
        if isinstance(row, str):
            written.append(tag("tr", tag("th", row, colspan=len(head), scope="rowgroup"), class_="group"))
            continue
        cells = [tag("td", cell, class_="n") for cell in row[1:]]
        written.append(tag("tr", tag("th", row[0], scope="row"), *cells))
    titles = [tag("th", name, scope="col", class_="n" if index else None) for index, name in enumerate(head)]
    return tag("table", tag("thead", tag("tr", *titles)), tag("tbody", *written))


def _group_line(points: Sequence[Mapping[str, Any]], group: str, label: str, ink: str, *, dashed: bool) -> Series:
    found = [(point["share"], point[group][_RECALL]) for point in points if point[group]]
    return Series(label, ink, found, dashed)


def _aucs(part: Mapping[str, Any]) -> dict[str, float | None]:
    auc = part["audit"]["forget"]["membership_auc"]
    return {**auc, "dropped": part["control"]["forget"]["membership_auc"]["after"]}


def _read_out(what: str, marks: Sequence[Bar] | Sequence[Dot]) -> str:
    return f"{what}: " + ", ".join(f"{mark.label} {mark.text}" for mark in marks)


# -- numbers as words -------------------------------------------------------------------------------------------------


def _figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _of_100(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f}"


def _ratio(value: float | None, to: float | None) -> float | None:
    return value / to if value is not None and to else None


def _times(ratio: float) -> str:
    return f"{ratio:.0f} ×" if ratio >= 10 else f"{ratio:.1f} ×"


def _ordinal(ratio: float) -> str:
    return f"{ratio:.0f}th" if ratio >= 3.5 else f"part of {1 / ratio:.0%}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds:.2f} s"


def _bytes(size: float) -> str:
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= step * 0.9995:
            return f"{size / step:.3g} {unit}"
    return f"{size:.0f} bytes"


def _metric(name: str) -> str:
    kind, _, k = name.rpartition("@")
    return f"{'Fit ' if kind.startswith('fit_') else ''}{kind.removeprefix('fit_').replace('ndcg', 'NDCG').replace('recall', 'Recall')}@{k}"


def _source(figures: Mapping[str, Any]) -> str:
    data = figures["data"]
    return "UCI Online Retail" if data["embedded"] else (data["name"] or "unnamed data")


def _readable(title: str) -> str:
    """A title in capitals, written as people read."""
    return string.capwords(title) if title.isupper() else title
