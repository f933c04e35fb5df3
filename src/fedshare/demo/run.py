"""The demo: the main job on real purchases, from sharing to the audit, written up as one page.

1. Recommendations by how many people share (`curve`), with references.
2. Everybody shares half; some take half of that back; the model unlearns it and is audited (`withdrawal`).
3. The same request to a model that can be computed again, and the verification (`exact`).
4. One person's recommendations before, while and after sharing (`story`).

``report.json`` holds every figure, ``report.html`` shows them; the page is made from the figures alone.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedshare.data.load import load
from fedshare.data.splits import default_split
from fedshare.demo.case_study import study_case
from fedshare.demo.context import DemoContext
from fedshare.demo.curve import FRACTIONS, REFERENCES, quality_by_share
from fedshare.demo.exact import unlearn_and_verify
from fedshare.demo.page import page
from fedshare.demo.withdrawal import withdraw_and_audit
from fedshare.errors import BadOption
from fedshare.evaluation.cost import CpuClock, peak_mib
from fedshare.files import atomic_file
from fedshare.progress import Meter, Progress

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions
    from fedshare.learning.run import Run

__all__ = ["DemoResult", "run_demo"]

_STORY_SHARE = 0.5
"The run of the curve in which the story takes place: who shares there shares everything."


@dataclass(frozen=True)
class DemoResult:
    """What the demo found, and where it is written."""

    out: Path
    figures: Mapping[str, Any] = field(repr=False)

    @property
    def report_path(self) -> Path:
        """The page."""
        return self.out / "report.html"

    @property
    def passed(self) -> bool:
        """Whether the audit's policy is met, and the exact path exact."""
        exact = self.figures["exact"]
        proven = exact["identical"] and exact["verification"]["verified"]
        return self.figures["withdrawal"]["verdict"]["passed"] is True and proven

    def to_dict(self) -> dict[str, Any]:
        """Every figure, as ``report.json`` has them."""
        return dict(self.figures)

    def summary(self) -> str:
        """The figures in a few lines of text."""
        figures, part = self.figures, self.figures["withdrawal"]
        request, costs, forget = part["request"], part["costs"], part["audit"]["forget"]
        control, verdict = part["control"]["forget"]["membership_auc"], part["verdict"]
        utility = part["audit"]["utility"].get("ndcg@20", {})
        lines = [f"{'people who share':<28}{'recall@20':>10}{'ndcg@20':>10}"]
        lines += [
            f"{label:<28}{metrics['recall@20']:>10.4f}{metrics['ndcg@20']:>10.4f}"
            for label, metrics in [
                *((f"{point['share']:.0%}", point["metrics"]) for point in figures["curve"]["points"]),
                *((each["label"], each["metrics"]) for each in figures["curve"]["references"]),
            ]
        ]
        auc = forget["membership_auc"]
        lines += [
            "",
            f"{request['n_users']} people took back {request['n_pairs']} of {request['n_shared']} shared interactions",
            f"membership AUC: {_number(auc['before'])} before, {_number(control['after'])} edges dropped only, "
            f"{_number(auc['after'])} unlearned, {_number(auc['reference'])} retrained",
            f"ndcg@20: {_number(utility.get('after'), 4)} unlearned, {_number(utility.get('reference'), 4)} retrained",
            f"CPU seconds: {costs['unlearn_cpu_s']:.2f} unlearning, {costs['retrain_cpu_s']:.2f} retraining",
            f"kept for unlearning: {costs['kept_bytes']:,} bytes",
            f"audit: {_VERDICTS[verdict['passed']]}",
            *(f"  - {text}" for text in verdict["broken"]),
            _exact_line(figures["exact"]),
            f"{figures['demo']['wall_s']:.0f} s, {_number(figures['demo']['peak_mib'], 0)} MiB",
            f"report: {self.report_path}",
        ]
        return "\n".join(lines)


_VERDICTS = {True: "passed", False: "failed", None: "not judged"}


def run_demo(
    out: Path | str,
    *,
    seed: int = 0,
    rounds: int = 60,
    progress: Progress | None = None,
    interactions: Interactions | None = None,
) -> DemoResult:
    """Run the main job and write ``report.html`` and ``report.json``.

    Args:
        out: The folder to write to; made if it is not there, and an earlier report in it is replaced.
        seed: Names every random number.
        rounds: Of each training.
        progress: Called with the units done, all units, and what is being done.
        interactions: Other data than the embedded purchases.

    Raises:
        BadOption: ``rounds`` or ``seed`` out of range.
    """
    for name, value, least in (("rounds", rounds, 1), ("seed", seed, 0)):
        if value < least:
            raise BadOption(f"{name}: got {value}, expected {least} or more.")
    out, embedded = Path(out), interactions is None
    with CpuClock() as clock:
        data = load("online-retail") if interactions is None else interactions
        known, test = default_split(data, seed=seed)
        small_step = max(1, rounds // 10)
        n_trainings = len(FRACTIONS) + len(REFERENCES) + 2 + 3  # curve, references, both paths, three retrainings
        meter = Meter(n_trainings * rounds + 8 * small_step, progress)
        context = DemoContext(known, test, seed, rounds, meter)
        story: dict[str, Any] = {}

        def on_run(fraction: float, run: Run) -> None:
            if fraction == _STORY_SHARE:
                story.update(study_case(context, run))

        curve = quality_by_share(context, on_run)
        withdrawal = withdraw_and_audit(context)
        exact = unlearn_and_verify(context)
    figures = {
        "format": 1,
        "data": {
            "name": data.name,
            "embedded": embedded,
            "n_users": known.n_users,
            "n_items": known.n_items,
            "n_known": known.n_pairs,
            "n_test": test.n_pairs,
        },
        "seed": seed,
        "rounds": rounds,
        "curve": curve,
        "withdrawal": withdrawal,
        "exact": exact,
        "story": story,
        "demo": {"wall_s": clock.wall_s, "cpu_s": clock.cpu_s, "peak_mib": peak_mib()},
        "versions": _versions(),
    }
    with atomic_file(out / "report.json") as draft:
        draft.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    result = DemoResult(out, figures)
    with atomic_file(result.report_path) as draft:
        draft.write_text(page(figures), encoding="utf-8")
    meter.end()
    return result


def _exact_line(exact: Mapping[str, Any]) -> str:
    same = "byte for byte" if exact["identical"] else "NOT in every byte"
    verified = "verified" if exact["verification"]["verified"] else "NOT verified"
    return f"exact path: unlearned {same} in {exact['costs']['factorise_cpu_s']:.2f} CPU s, {verified}"


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("fedshare", "torch", "numpy", "scipy", "polars")}
    return {**packages, "python": platform.python_version(), "system": platform.platform(terse=True)}


def _number(value: float | None, digits: int = 3) -> str:
    return "none" if value is None else f"{value:.{digits}f}"
