"""What a device computes in a round: see docs/concepts/method.md, "On the device".

With unit item rows ``z`` and the private vector ``p`` of a device that knows the items ``L``:

    h = unit(p + ego_weight / sqrt(|L|) * sum of z_i over L)           local view: the ego graph, one LightGCN hop
    loss = |L|^-activity * sum over L of ranking(h . z_i; pseudo-items)
         + contrast * |L|^(1 - activity) * InfoNCE(h, own global view; pseudo-items)

The device descends on ``p`` and uploads the derivative with respect to ``z``. Of one device that derivative is made of
two vectors: ``c_i h`` for each row that was scored and, for known rows, a share of the derivative that came through
the ego hop. That gives its norm in closed form, so clipping costs nothing and whole cohorts need no upload built.
A gradient of a row reveals the direction of ``h`` to whoever sees it alone; only sums should be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from fedshare.federation.cohorts import Cohort, CohortUpdate
from fedshare.federation.privacy import clip_factors
from fedshare.models.losses import Negatives, bpr, sampled_softmax, user_contrast
from fedshare.models.ragged import Ragged
from fedshare.models.table import Table

__all__ = ["DeviceTask", "fit_private", "local_view", "unit"]


def unit(vectors: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
    """Rows at length one; a zero row stays zero."""
    return vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-8)


def local_view(
    private: Float[Tensor, "clients dim"], items: Float[Tensor, "rows dim"], known: Ragged, ego_weight: float
) -> Float[Tensor, "clients dim"]:
    """The unit local view of each device's owner.

    Args:
        private: Private vectors.
        items: Unit item rows.
        known: Known pairs.
        ego_weight: Weight of the ego graph's hop.
    """
    return unit(private + ego_weight * known.gather(_hop_weights(known), items))


def _hop_weights(known: Ragged) -> Float[Tensor, " slots"]:
    return known.spread(known.counts.clamp(min=1).to(torch.float32).rsqrt())


@dataclass(frozen=True, kw_only=True)
class DeviceTask:
    """The work of one round on a device; a :class:`fedshare.federation.cohorts.ClientTask`."""

    learning_rate: float
    temperature: float
    ego_weight: float
    contrast: float
    activity: float
    local_epochs: int
    clip_norm: float | None
    ranking: Literal["softmax", "bpr"]

    def __call__(self, cohort: Cohort) -> CohortUpdate:
        """Descend ``local_epochs`` times on the private vectors; the last pass also gives the rows' gradient."""
        private = cohort.private
        for _ in range(self.local_epochs - 1):
            private = private.descend(self._pass(cohort, private.values).private, self.learning_rate)
        last = self._pass(cohort, private.values)
        factors = clip_factors(last.norms(cohort), self.clip_norm)
        return CohortUpdate(
            private=private.descend(last.private, self.learning_rate),
            gradient=last.rows(cohort, factors),
            loss=last.loss,
        )

    def _pass(self, cohort: Cohort, private: Float[Tensor, "clients dim"]) -> _Pass:
        known, pseudo, items = cohort.known, cohort.pseudo, cohort.items
        hop = _hop_weights(known) * self.ego_weight
        raw = private + known.gather(hop, items)
        length = raw.norm(dim=1, keepdim=True).clamp(min=1e-8)
        view = raw / length

        pair_weight = known.counts.clamp(min=1).to(view.dtype) ** -self.activity
        known_cosine, pseudo_cosine = known.dot(view, items), pseudo.dot(view, items)
        negatives = Negatives.of(pseudo, pseudo_cosine, self.temperature)
        factor, on_pseudo = torch.zeros_like(pair_weight), torch.zeros(())
        if self.ranking == "softmax":
            ranking = sampled_softmax(known, negatives, known_cosine, pair_weight, self.temperature)
            loss, on_known, factor = ranking.loss, ranking.known, ranking.factor
        else:
            loss, on_known, on_pseudo = bpr(known, pseudo, known_cosine, pseudo_cosine, pair_weight, self.temperature)
        on_view = known.gather(on_known, items)
        if self.contrast > 0 and bool(cohort.has_view.any()):
            weight = self.contrast * cohort.has_view * known.counts * pair_weight
            contrast = user_contrast(negatives, (view * cohort.global_views).sum(1), weight, self.temperature)
            loss, factor = loss + contrast.loss, factor + contrast.factor
            on_view = on_view + contrast.own.unsqueeze(1) * cohort.global_views
        on_pseudo = on_pseudo + negatives.exponentials * pseudo.spread(factor)
        on_view = on_view + pseudo.gather(on_pseudo, items)
        on_raw = (on_view - view * (on_view * view).sum(1, keepdim=True)) / length
        return _Pass(view=view, private=on_raw, known=on_known, pseudo=on_pseudo, hop=hop, loss=loss)


def fit_private(
    task: DeviceTask, known: Ragged, pseudo: Ragged, items: Float[Tensor, "rows dim"], start: Table, steps: int
) -> Table:
    """Private vectors fitted on their devices with the items held fixed; nothing is uploaded.

    Args:
        task: What devices run.
        known: Known pairs of these devices.
        pseudo: Their pseudo-items.
        items: Unit item vectors.
        start: Vectors to start from.
        steps: Steps on the vectors.
    """
    no_view = torch.zeros_like(start.values), start.values.new_zeros(len(start))
    for _ in range(steps):
        start = task(Cohort(known, pseudo, items, start, *no_view)).private
    return start


@dataclass(frozen=True)
class _Pass:
    """Derivatives of one pass: known row ``i`` gets ``known_i view + hop_i private``, pseudo row ``pseudo_j view``."""

    view: Float[Tensor, "clients dim"]
    private: Float[Tensor, "clients dim"]
    known: Float[Tensor, " known_slots"]
    pseudo: Float[Tensor, " pseudo_slots"]
    hop: Float[Tensor, " known_slots"]
    loss: Float[Tensor, " clients"]

    def norms(self, cohort: Cohort) -> Float[Tensor, " clients"]:
        """Norm of each device's upload. The cross term is gone: the derivative by ``private`` is normal to the view."""
        on_view = cohort.known.sum(self.known**2) + cohort.pseudo.sum(self.pseudo**2)
        return (on_view + cohort.known.sum(self.hop**2) * (self.private**2).sum(1)).sqrt()

    def rows(self, cohort: Cohort, factors: Float[Tensor, " clients"]) -> Float[Tensor, "rows dim"]:
        """The uploads' sum, each device scaled by its factor."""
        view, through_hop = self.view * factors.unsqueeze(1), self.private * factors.unsqueeze(1)
        return (
            cohort.known.scatter(self.known, view)
            + cohort.known.scatter(self.hop, through_hop)
            + cohort.pseudo.scatter(self.pseudo, view)
        )
