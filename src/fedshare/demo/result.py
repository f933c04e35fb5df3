"""What the demo found: its figures, in a few lines of text and as two files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final

from fedshare.demo.page import page
from fedshare.files import atomic_file

if TYPE_CHECKING:
    from fedshare.demo.figures import CurveFigures, DemoFigures, ExactFigures, WithdrawalFigures

__all__ = ["DemoResult"]

_VERDICTS = {True: "passed", False: "failed", None: "not judged"}


@final
@dataclass(frozen=True)
class DemoResult:
    """The demo's figures, and the folder of its report."""

    out: Path
    figures: DemoFigures = field(repr=False)

    @property
    def report_path(self) -> Path:
        """The page."""
        return self.out / "report.html"

    @property
    def passed(self) -> bool:
        """Whether the audit passed, and the exact path was exact and verified."""
        exact = self.figures["exact"]
        proven = exact["identical"] and exact["verification"]["verified"]
        return self.figures["withdrawal"]["verdict"]["passed"] is True and proven

    def to_dict(self) -> DemoFigures:
        """Every figure, as ``report.json`` has them."""
        return self.figures.copy()

    def write(self) -> None:
        """Write ``report.json`` and ``report.html``, each of them whole or not at all."""
        with atomic_file(self.out / "report.json") as draft:
            draft.write_text(json.dumps(self.figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with atomic_file(self.report_path) as draft:
            draft.write_text(page(self.figures), encoding="utf-8")

    def summary(self) -> str:
        """The figures in a few lines of text."""
        demo = self.figures["demo"]
        lines = [
            *_curve_lines(self.figures["curve"]),
            "",
            *_withdrawal_lines(self.figures["withdrawal"]),
            _exact_line(self.figures["exact"]),
            f"{demo['wall_s']:.0f} s, {_number(demo['peak_mib'], 0)} MiB",
            f"report: {self.report_path}",
        ]
        return "\n".join(lines)


def _curve_lines(curve: CurveFigures) -> Iterator[str]:
    yield f"{'people who share':<28}{'recall@20':>10}{'ndcg@20':>10}"
    models = [(f"{point['share']:.0%}", point["metrics"]) for point in curve["points"]]
    models += [(each["label"], each["metrics"]) for each in curve["references"]]
    for label, metrics in models:
        yield f"{label:<28}{metrics['recall@20']:>10.4f}{metrics['ndcg@20']:>10.4f}"


def _withdrawal_lines(part: WithdrawalFigures) -> Iterator[str]:
    request, costs, verdict = part["request"], part["costs"], part["verdict"]
    auc, dropped = part["audit"]["forget"]["membership_auc"], part["control"]["forget"]["membership_auc"]["after"]
    ndcg = part["audit"]["utility"]["ndcg@20"]
    yield f"{request['n_users']} people took back {request['n_pairs']} of {request['n_shared']} shared interactions"
    yield (
        f"membership AUC: {_number(auc['before'])} before, {_number(dropped)} edges dropped only, "
        f"{_number(auc['after'])} unlearned, {_number(auc['reference'])} retrained"
    )
    yield f"ndcg@20: {_number(ndcg['after'], 4)} unlearned, {_number(ndcg['reference'], 4)} retrained"
    yield f"CPU seconds: {costs['unlearn_cpu_s']:.2f} unlearning, {costs['retrain_cpu_s']:.2f} retraining"
    yield f"kept for unlearning: {costs['kept_bytes']:,} bytes"
    yield f"audit: {_VERDICTS[verdict['passed']]}"
    yield from (f"  - {text}" for text in verdict["broken"])


def _exact_line(exact: ExactFigures) -> str:
    same = "byte for byte" if exact["identical"] else "NOT in every byte"
    verified = "verified" if exact["verification"]["verified"] else "NOT verified"
    return f"exact path: unlearned {same} in {exact['costs']['factorise_cpu_s']:.2f} CPU s, {verified}"


def _number(value: float | None, digits: int = 3) -> str:
    return "none" if value is None else f"{value:.{digits}f}"
