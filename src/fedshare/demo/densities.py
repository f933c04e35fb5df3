"""Smooth densities of the scores that an audit looked at, for a plot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fedshare.demo.figures import ModelName, ScoreDensities, ScoreFigures
    from fedshare.evaluation.audit import AuditReport

__all__ = ["density", "score_densities"]

_Scores = NDArray[np.float64]


def score_densities(report: AuditReport, control: AuditReport) -> ScoreFigures:
    """Densities of the withdrawn and the never-shared pairs' scores, under four models.

    Args:
        report: The audit of the unlearned model.
        control: The audit of the model whose pairs were dropped only.
    """
    scores: dict[ModelName, tuple[_Scores, _Scores]] = {
        "before": _scores(report, "before"),
        "dropped": _scores(control, "after"),
        "after": _scores(report, "after"),
        "reference": _scores(report, "reference"),
    }
    grid = _grid(np.concatenate([values for both in scores.values() for values in both]))
    return {
        "grid": _rounded(grid),
        "models": {
            "before": _both(*scores["before"], grid),
            "dropped": _both(*scores["dropped"], grid),
            "after": _both(*scores["after"], grid),
            "reference": _both(*scores["reference"], grid),
        },
    }


def density(values: NDArray[np.floating], grid: NDArray[np.floating]) -> NDArray[np.float64]:
    """A smooth histogram: Gaussian kernels of Silverman's width.

    Silverman, Density Estimation for Statistics and Data Analysis, 1986, eq. 3.31. Values that do not spread at all
    get kernels as wide as for a spread of 1.

    Args:
        values: ``(n,)``; of none the density is 0 everywhere.
        grid: ``(n_points,)`` where the density is wanted.

    Returns:
        ``(n_points,)``, with an area of 1 over the whole line.
    """
    if not len(values):
        return np.zeros(len(grid))
    width = 0.9 * _spread(values) * len(values) ** -0.2
    summed = np.zeros(len(grid))
    for part in np.array_split(values, 1 + len(values) // 4096):  # not all of grid times values at once
        summed += np.exp(-0.5 * ((grid[:, None] - part[None, :]) / width) ** 2).sum(1)
    return summed / (len(values) * width * np.sqrt(2 * np.pi))


def _spread(values: NDArray[np.floating]) -> float:
    """Standard deviation, or the quartile range in its units, whichever is smaller; 1 where that is 0."""
    return min(float(values.std()), float(np.subtract(*np.percentile(values, [75, 25]))) / 1.349) or 1.0


def _scores(report: AuditReport, model: str) -> tuple[_Scores, _Scores]:
    """A model's scores of withdrawn and of never-shared pairs; empty where there is no such pair."""
    nothing = np.empty(0)
    return report.withdrawn_scores.get(model, nothing), report.never_shared_scores.get(model, nothing)


def _grid(pooled: _Scores) -> _Scores:
    """97 places that cover all but the most extreme scores."""
    low, high = np.percentile(pooled, [0.5, 99.0]) if len(pooled) else (-1.0, 1.0)
    return np.linspace(low - 0.5, high + 0.5, 97)


def _both(withdrawn: _Scores, never_shared: _Scores, grid: _Scores) -> ScoreDensities:
    return {"withdrawn": _rounded(density(withdrawn, grid)), "never_shared": _rounded(density(never_shared, grid))}


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(value), 5) for value in values]
