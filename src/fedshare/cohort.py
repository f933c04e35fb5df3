"""How many people stand behind a number, at least."""

from __future__ import annotations

__all__ = ["MIN_COHORT", "small_cohort_note"]

MIN_COHORT = 100
"People who stand behind every answer of devices, unless somebody sets it lower by name."


def small_cohort_note(min_cohort: int) -> str | None:
    """A sentence that names a cohort below the default; None for one that is not."""
    if min_cohort >= MIN_COHORT:
        return None
    return (
        f"min_cohort: {min_cohort}, below the default of {MIN_COHORT}. Sums of so few people say more of each of them."
    )
