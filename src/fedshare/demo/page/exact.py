"""When it has to be provable: the exact path beside the audited one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fedshare.demo.page.components import details, section, table
from fedshare.demo.page.formatting import byte_size, figure, seconds
from fedshare.demo.page.markup import Html, tag

if TYPE_CHECKING:
    from fedshare.demo.figures import DemoFigures, ExactFigures, QualityChange, VerificationFigures, WithdrawalFigures

__all__ = ["exact_part"]

_VERDICTS = {True: "audit passed", False: "audit failed", None: "not judged"}


def exact_part(figures: DemoFigures) -> Html:
    """A sentence, a table of both paths, and what was verified."""
    exact = figures["exact"]
    return section(
        "When it has to be provable",
        tag("p", _said(exact)),
        _both(figures["withdrawal"], exact),
        details("What was verified", _checks(exact["verification"])),
    )


def _said(exact: ExactFigures) -> str:
    size, costs = byte_size(exact["n_bytes"]), exact["costs"]
    same = (
        f"all {size} of the model are, byte for byte, those of a model that was trained without them"
        if exact["identical"]
        else f"the {size} of the model are not those of a model that was trained without them"
    )
    holds = "agrees" if exact["verification"]["verified"] else "does not agree"
    return (
        "The second algorithm, SharedEASE, learns by counting: its server counts in how many shared histories two "
        "products stand together, and computes everything else from that. The same people took back the same "
        f"purchases: {same}. Whoever holds what is still shared can compute it again; done here in "
        f"{seconds(costs['verify_cpu_s'])}, it {holds} with the model's certificate."
    )


def _both(part: WithdrawalFigures, exact: ExactFigures) -> Html:
    audited, costs = part["costs"], exact["costs"]
    sent = audited["bytes_up_per_round"] * audited["rounds"]
    rows = [
        ("Recall@20 before", *(_recall(each["quality"], "before") for each in (part, exact))),
        ("Recall@20 after", *(_recall(each["quality"], "after") for each in (part, exact))),
        ("Forgotten", _VERDICTS[part["verdict"]["passed"]], "byte for byte" if exact["identical"] else "not identical"),
        ("Unlearning", seconds(audited["unlearn_cpu_s"]), seconds(costs["factorise_cpu_s"])),
        ("Unlearning by update, to a millionth", "", seconds(costs["update_cpu_s"])),
        ("Training again, options as chosen", seconds(audited["retrain_cpu_s"]), seconds(costs["retrain_cpu_s"])),
        ("Kept on the server to unlearn", byte_size(audited["kept_bytes"]), byte_size(costs["kept_bytes"])),
        ("Sent by a device, in all", byte_size(sent), byte_size(0)),
        ("Downloaded by a device afterwards", "", byte_size(costs["download_bytes"])),
    ]
    return tag("div", table(("", "FedShare, audited", "SharedEASE, exact"), rows), class_="scroll")


def _recall(quality: QualityChange, when: Literal["before", "after"]) -> str:
    return figure(quality[when]["metrics"]["recall@20"], 4)


def _checks(verification: VerificationFigures) -> Html:
    rows = [
        (check["name"], "holds" if check["holds"] else "fails", check["detail"]) for check in verification["checks"]
    ]
    return table(("check", "", "compared"), rows)
