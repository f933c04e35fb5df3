"""An audit in words: the summary, and the notes that say how far its figures carry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedshare.evaluation.forgetting import Compared, Forgetting

if TYPE_CHECKING:
    from fedshare.evaluation.report import AuditReport

__all__ = ["audit_notes", "audit_summary"]


def audit_summary(report: AuditReport) -> str:
    """The figures of a report as a few lines of text."""
    erased = f", {report.n_erased} of them erased" if report.n_erased else ""
    lines = [f"{_count(report.n_pairs, 'pair')} of {_count(report.n_users, 'user')} withdrawn{erased}"]
    for place, side in report.sides():
        lines += _side_lines(place, side)
    if report.noise_floor_ratio is not None:
        lines.append(f"distance to the reference: {report.noise_floor_ratio:.2f} x that between retrainings")
    drops = report.utility_drops
    for name, figure in report.utility.items():
        if figure.after is not None:
            drop = f" (drop {drops[name]:+.1%})" if name in drops else ""
            lines.append(f"{name}: {_three(figure, 4)}{drop}")
    lines.append(_cost_line(report))
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def audit_notes(
    server: Forgetting | None, device: Forgetting | None, *, has_reference: bool, has_noise: bool, has_test: bool
) -> Iterator[str]:
    """What a reader of the figures should know, one sentence each."""
    if server is None:
        yield "The server never had these pairs; there is nothing to forget there."
    else:
        yield from _side_notes("server", server, "never-shared")
    if device is not None:
        yield from _side_notes("device", device, "remaining")
    if not has_reference:
        yield "No reference: nothing can be judged."
    elif not has_noise:
        yield "No noise runs: how far apart two retrainings are is not known."
    if not has_test:
        yield "No test pairs: utility is fit_ndcg@20 only."


def _side_notes(place: str, side: Forgetting, others: str) -> Iterator[str]:
    if side.judged_on == "score_shift":
        yield (
            f"On the {place}, no user has a {others} pair to compare with, so there is no membership AUC; judged "
            "on the shift of the withdrawn pairs' scores."
        )
    elif side.n_users_left_out:
        yield f"On the {place}, {_count(side.n_users_left_out, 'user')} without a {others} pair left out."
    if side.gap_before is not None and not side.gap_before.beyond(0.0, side.noise_floor):
        yield (
            f"On the {place}, not even the model before unlearning can be told from the reference (gap "
            f"{side.gap_before.value:+.3f}, chance explains {side.gap_before.resolution:.3f}): this request says "
            "little about forgetting."
        )


def _side_lines(place: str, side: Forgetting) -> Iterator[str]:
    if side.judged_on == "membership_auc":
        yield (
            f"{place} membership AUC: {_three(side.auc, 3)} ({_count(side.n_pairs_compared, 'withdrawn pair')} against "
            f"{side.n_others} others of {_count(side.n_users_compared, 'user')})"
        )
    else:
        yield f"{place} membership AUC: not measured"
    if side.gap is not None:
        floor = "" if side.noise_floor is None else f", {side.noise_floor:.3f} between retrainings"
        yield f"{place} gap: {side.gap.value:+.3f} (chance explains {side.gap.resolution:.3f}{floor})"


def _cost_line(report: AuditReport) -> str:
    ratio = "" if report.cost_ratio is None else f", {report.cost_ratio:.3f} of retraining"
    return (
        f"cost: {report.unlearn_cpu_s:.2f} CPU s{ratio}; kept {report.kept_bytes_server:,} bytes on the server, "
        f"{report.kept_bytes_per_device:,} per device"
    )


def _three(figure: Compared, digits: int) -> str:
    def word(value: float | None) -> str:
        return "none" if value is None else f"{value:.{digits}f}"

    return f"{word(figure.before)} before, {word(figure.after)} after, {word(figure.reference)} reference"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
