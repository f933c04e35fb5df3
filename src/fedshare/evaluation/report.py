"""What an audit found: plain figures, none of the models. The verdict on them is ``policy``'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from fedshare.errors import AuditFailed
from fedshare.evaluation.distances import Distances, noise_floor_ratios
from fedshare.evaluation.figures import AuditFigures
from fedshare.evaluation.forgetting import NOT_MEASURED, Compared, Forgetting
from fedshare.evaluation.policy import AuditPolicy, Breach, find_breaches
from fedshare.evaluation.serialise import audit_figures
from fedshare.evaluation.text import audit_summary

__all__ = ["AuditReport"]


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class AuditReport:
    """What was measured, and the verdict by `check`."""

    n_pairs: int
    n_users: int
    n_erased: int
    server: Forgetting | None
    "None if the server never had any of the pairs."
    device: Forgetting | None
    "Of erased pairs; None if the request erases nothing."
    distances: Mapping[str, Distances | None]
    'To the reference, under "before", "after" and "noise"; on the server, or on the device if the server had nothing.'
    utility: Mapping[str, Compared]
    'Under "ndcg@20", "recall@20" and "fit_ndcg@20", over all users.'
    utility_by_group: Mapping[str, Mapping[str, Compared]]
    'Likewise for "affected" (the users of the request) and "bystanders" (everybody else).'
    unlearn_cpu_s: float
    retrain_cpu_s: float | None
    kept_bytes_server: int
    kept_bytes_per_device: int
    notes: tuple[str, ...]
    "What a reader of the figures should know, one sentence each."

    def sides(self) -> tuple[tuple[str, Forgetting], ...]:
        """The sides that had some of the pairs, each with its name: "server", "device"."""
        return tuple((name, side) for name, side in (("server", self.server), ("device", self.device)) if side)

    @property
    def membership_auc(self) -> Compared:
        """AUC of the attack on the server; None where it has no pair to compare with."""
        return self.server.auc if self.server else NOT_MEASURED

    @property
    def noise_floor_ratio(self) -> float | None:
        """Mean score difference to the reference over that between retrainings; None without noise runs."""
        return self.noise_floor_ratios.get("score_difference")

    @property
    def noise_floor_ratios(self) -> dict[str, float | None]:
        """Each distance after-to-reference over the same between retrainings; {} without noise runs."""
        after, noise = self.distances["after"], self.distances["noise"]
        return noise_floor_ratios(after, noise) if after and noise else {}

    @property
    def withdrawn_scores(self) -> dict[str, NDArray[np.float64]]:
        """Standardised scores of the withdrawn pairs under "before", "after", "reference", for plots."""
        side = self.server or self.device
        return side.withdrawn_scores if side else {}

    @property
    def never_shared_scores(self) -> dict[str, NDArray[np.float64]]:
        """Likewise of the same users' never-shared pairs; empty if the server never had any of the pairs."""
        return self.server.other_scores if self.server else {}

    @property
    def cost_ratio(self) -> float | None:
        """CPU time of unlearning over that of retraining; None without a reference that cost anything."""
        return self.unlearn_cpu_s / self.retrain_cpu_s if self.retrain_cpu_s else None

    @property
    def utility_drops(self) -> dict[str, float]:
        """(reference - after) / reference of every utility figure that has both; below 0 where after is better."""
        return {
            name: (figure.reference - figure.after) / figure.reference if figure.reference else 0.0
            for name, figure in self.utility.items()
            if figure.reference is not None and figure.after is not None
        }

    def check(self, policy: AuditPolicy) -> None:
        """Nothing if every bound is kept.

        Raises:
            AuditFailed: A bound is broken; the message lists all of them.
            NotMeasured: There is no figure for a bound, because there was no reference.
        """
        breaches = self.breaches(policy)
        if breaches:
            count = "1 bound is" if len(breaches) == 1 else f"{len(breaches)} bounds are"
            raise AuditFailed("\n".join([f"audit: {count} broken.", *(f"  - {breach.text}" for breach in breaches)]))

    def breaches(self, policy: AuditPolicy) -> tuple[Breach, ...]:
        """The broken bounds; empty if all are kept.

        Raises:
            NotMeasured: There is no figure for a bound, because there was no reference.
        """
        return tuple(find_breaches(self, policy))

    def to_dict(self) -> AuditFigures:
        """The figures as JSON takes them; None is "not measured", and an infinite ratio is None too."""
        return audit_figures(self)

    def summary(self) -> str:
        """The figures as a few lines of text."""
        return audit_summary(self)
