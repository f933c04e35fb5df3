"""What it costs: processor time, bytes moved, bytes kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fedshare.demo.page.charts import Bar, Dot, bar_chart, log_chart
from fedshare.demo.page.components import box, read_out, section, sized
from fedshare.demo.page.formatting import by_factor, byte_size, ratio, seconds
from fedshare.demo.page.markup import Html, tag

if TYPE_CHECKING:
    from fedshare.demo.figures import DemoFigures, WithdrawalCosts

__all__ = ["costs_part"]

_HALF = 400
"Width of a chart beside another one."


def costs_part(figures: DemoFigures) -> Html:
    """A sentence and three charts."""
    costs = figures["withdrawal"]["costs"]
    return section(
        "What it costs",
        tag("p", _spent(costs)),
        tag("div", _time(costs), _moved(costs), class_="two"),
        _kept(costs),
    )


def _spent(costs: WithdrawalCosts) -> str:
    cheaper = ratio(costs["retrain_cpu_s"], costs["unlearn_cpu_s"])
    weight = ratio(costs["kept_bytes"], costs["model_bytes"])
    said: list[str] = []
    if cheaper is not None:
        said.append(f"Retraining takes {by_factor(cheaper)} the processor time of unlearning.")
    if weight:
        said.append(
            f"To be able to unlearn, the server keeps {byte_size(costs['kept_bytes'])}. That is {weight:.1f} times the "
            "size of the model itself. Devices keep nothing for it."
        )
    return " ".join(said)


def _time(costs: WithdrawalCosts) -> Html:
    bars = [
        Bar("Unlearning", costs["unlearn_cpu_s"], seconds(costs["unlearn_cpu_s"]), "ink-1"),
        Bar("Retraining", costs["retrain_cpu_s"], seconds(costs["retrain_cpu_s"]), "ink-3"),
    ]
    return box(
        "Processor time for the whole request",
        "CPU seconds, summed over all threads.",
        _half_bars("CPU seconds", bars),
    )


def _moved(costs: WithdrawalCosts) -> Html:
    bars = [
        Bar("Server to device", costs["bytes_down_per_round"], byte_size(costs["bytes_down_per_round"]), "ink-1"),
        Bar("Device to server", costs["bytes_up_per_round"], byte_size(costs["bytes_up_per_round"]), "ink-2"),
    ]
    return box(
        "Sent per device and round",
        f"Mean over all devices and {costs['rounds']} rounds. This includes the item-item weights, "
        "which are downloaded once.",
        _half_bars("Bytes moved", bars),
    )


def _half_bars(what: str, bars: Sequence[Bar]) -> Html:
    return sized(lambda width: bar_chart(bars, width=width, label=read_out(what, bars)), wide=_HALF)


def _kept(costs: WithdrawalCosts) -> Html | None:
    rows = (
        ("FedShare keeps, on the server", costs["kept_bytes"], "ink-1"),
        ("FRU would keep, on all devices together", costs["fru_bytes"], "ink-grey"),
        ("FedEraser would keep, on the server", costs["federaser_bytes"], "ink-grey"),
    )
    dots = [Dot(label, size, byte_size(size), ink) for label, size, ink in rows if size > 0]
    if not dots:
        return None
    return box(
        "Kept, so that requests can be carried out later",
        "Each line of the axis is ten times the one before. Grey: what two published methods would have kept for the "
        "same training, computed with the formulas of their papers.",
        sized(lambda width: log_chart(dots, width=width, label=read_out("Bytes kept", dots), x_text=byte_size)),
    )
