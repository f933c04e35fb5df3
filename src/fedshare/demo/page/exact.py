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
    equal = "equal, byte for byte," if exact["identical"] else "not equal"
    holds = "agrees" if exact["verification"]["verified"] else "does not agree"
    return (
        "The second algorithm, SharedEASE, learns by counting. For each pair of products, its server counts the shared "
        "histories that contain both, and computes the model from these counts. Here the same people took back the "
        f"same purchases. {'All' if exact['identical'] else 'The'} {size} of the unlearned model are {equal} to those "
        "of a model that was trained without them. Anybody who has the purchases that are still shared can compute the "
        f"model again and compare. That took {seconds(costs['verify_cpu_s'])} here, and the result {holds} with the "
        "model's certificate."
    )


def _both(part: WithdrawalFigures, exact: ExactFigures) -> Html:
    audited, costs = part["costs"], exact["costs"]
    sent = audited["bytes_up_per_round"] * audited["rounds"]
    rows = [
        ("Recall@20 before", *(_recall(each["quality"], "before") for each in (part, exact))),
        ("Recall@20 after", *(_recall(each["quality"], "after") for each in (part, exact))),
        (
            "Forgotten",
            _VERDICTS[part["verdict"]["passed"]],
            "exactly, byte for byte" if exact["identical"] else "not identical",
        ),
        ("Unlearning", seconds(audited["unlearn_cpu_s"]), seconds(costs["factorise_cpu_s"])),
        ("Unlearning by update, accurate to a millionth", "", seconds(costs["update_cpu_s"])),
        ("Retraining, options already chosen", seconds(audited["retrain_cpu_s"]), seconds(costs["retrain_cpu_s"])),
        ("Kept on the server to unlearn", byte_size(audited["kept_bytes"]), byte_size(costs["kept_bytes"])),
        ("Sent by a device, in total", byte_size(sent), byte_size(0)),
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
