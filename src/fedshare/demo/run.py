"""The demo: the main job on real purchases, from sharing to the audit, written up as one page.

1. Recommendations by how many people share, with references (`curve`).
2. One person's recommendations before, while and after sharing (`case_study`).
3. Everybody shares half, some take half of that back, the model unlearns it and is audited (`withdrawal`).
4. The same request to a model that can be computed again, and the verification (`exact`).

``report.json`` holds every figure, ``report.html`` shows them; the page is made from the figures alone.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from fedshare.cost import CpuClock, peak_mib
from fedshare.data.load import load
from fedshare.data.splits import default_split
from fedshare.demo.case_study import study_case
from fedshare.demo.context import DemoContext
from fedshare.demo.curve import FRACTIONS, REFERENCES, quality_by_share
from fedshare.demo.exact import unlearn_and_verify
from fedshare.demo.result import DemoResult
from fedshare.demo.withdrawal import withdraw_and_audit
from fedshare.errors import BadOption
from fedshare.federation.orders import MIN_COHORT
from fedshare.progress import Meter, Progress

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions
    from fedshare.demo.figures import CaseStudyFigures, CurveFigures, DataFigures, DemoFigures
    from fedshare.simulation.run import Run

__all__ = ["run_demo"]

_CASE_STUDY_SHARE = 0.5
"The run of the curve that the case study looks at: whoever shares there shares everything."


def run_demo(
    out: Path | str,
    *,
    seed: int = 0,
    rounds: int = 60,
    min_cohort: int = MIN_COHORT,
    progress: Progress | None = None,
    interactions: Interactions | None = None,
) -> DemoResult:
    """Run the main job and write ``report.html`` and ``report.json``.

    Args:
        out: The folder to write to. It is made if it is not there; an earlier report in it is replaced.
        seed: Names every random number.
        rounds: Of each training.
        min_cohort: People who stand behind every sum that leaves devices; lower it by name for small data.
        progress: Called with the units done, the units in all, and what is being done.
        interactions: Other data than the embedded purchases.

    Raises:
        BadOption: ``rounds`` or ``seed`` out of range.
    """
    for name, value, least in (("rounds", rounds, 1), ("seed", seed, 0)):
        if value < least:
            raise BadOption(f"{name}: got {value}, expected {least} or more.")
    with CpuClock() as clock:
        data = load("online-retail") if interactions is None else interactions
        context = _context(data, seed, rounds, progress, min_cohort)
        curve, case_study = _curve_and_case_study(context)
        withdrawal = withdraw_and_audit(context)
        exact = unlearn_and_verify(context)
    figures: DemoFigures = {
        "format": 1,
        "data": _data(context, data.name, embedded=interactions is None),
        "seed": seed,
        "rounds": rounds,
        "min_cohort": min_cohort,
        "curve": curve,
        "withdrawal": withdrawal,
        "exact": exact,
        "story": case_study,
        "demo": {"wall_s": clock.wall_s, "cpu_s": clock.cpu_s, "peak_mib": peak_mib()},
        "versions": _versions(),
    }
    result = DemoResult(Path(out), figures)
    result.write()
    context.meter.end()
    return result


def _context(data: Interactions, seed: int, rounds: int, progress: Progress | None, min_cohort: int) -> DemoContext:
    known, test = default_split(data, seed=seed)
    n_trainings = len(FRACTIONS) + len(REFERENCES) + 2 + 3  # curve, references, both paths, three retrainings
    meter = Meter(n_trainings * rounds + 8 * max(1, rounds // 10), progress)
    return DemoContext(known, test, seed, rounds, meter, min_cohort)


def _curve_and_case_study(context: DemoContext) -> tuple[CurveFigures, CaseStudyFigures]:
    """Both, so that one run at a time is in memory: the case study takes its run when the curve has it."""
    found: list[CaseStudyFigures] = []

    def on_run(fraction: float, run: Run) -> None:
        if fraction == _CASE_STUDY_SHARE:
            found.append(study_case(context, run))

    curve = quality_by_share(context, on_run)
    (case_study,) = found
    return curve, case_study


def _data(context: DemoContext, name: str, *, embedded: bool) -> DataFigures:
    known = context.known
    return {
        "name": name,
        "embedded": embedded,
        "n_users": known.n_users,
        "n_items": known.n_items,
        "n_known": known.n_pairs,
        "n_test": context.test.n_pairs,
    }


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("fedshare", "torch", "numpy", "scipy", "polars")}
    return {**packages, "python": platform.python_version(), "system": platform.platform(terse=True)}
