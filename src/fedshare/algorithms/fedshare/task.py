"""What a device computes in a round: see docs/concepts/method.md, "On the device".

With unit item rows ``z`` and the private vector ``p`` of a device that knows the items ``L``:

    h = unit(p + ego_weight / sqrt(|L|) * sum of z_i over L)           local view: the ego graph, one LightGCN hop
    loss = |L|^-activity * sum over L of ranking(h . z_i; pseudo-items)
         + contrast * |L|^(1 - activity) * InfoNCE(h, own global view; pseudo-items)

The device descends on ``p`` and uploads the derivative with respect to ``z``. Of one device that derivative is made of
two vectors: ``c_i h`` for each row that was scored and, for known rows, a share of the derivative that came through
the ego hop. That gives its norm and a cohort's sum in closed form: no upload has to be built (:class:`HopGradient`).
A gradient of a row reveals the direction of ``h`` to whoever sees it alone; only sums should be seen.

A person's score of an item is the cosine of local view and item, plus the weighed sum of item-item weights over the
person's whole history, where the server publishes such weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from fedshare.algorithms.published_weights import unpacked
from fedshare.algorithms.scorers import LocalScorer, history_scores
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import Cohort, CohortUpdate, DeviceCode, RankingTask, TrainingTask
from fedshare.federation.uploads import Rows, Uploads
from fedshare.models.losses import Negatives, bpr, sampled_softmax, user_contrast
from fedshare.models.ragged import Ragged
from fedshare.models.table import Table
from fedshare.models.vectors import unit

if TYPE_CHECKING:
    from fedshare.models.scorer import Scorer

__all__ = ["FedShareTask", "HopGradient", "local_view"]

VECTOR = "vector"
"Name of a device's private vector, with its moments, among its private arrays."


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
class FedShareTask(TrainingTask, RankingTask):
    """What a device runs for FedShare and FedMF."""

    name: ClassVar[str] = "fedshare"

    embedding_size: int
    learning_rate: float
    temperature: float
    ego_weight: float
    contrast: float
    activity: float
    local_epochs: int
    ranking: Literal["softmax", "bpr"]
    pseudo_items: int
    pseudo_ratio: float

    def start(self, n_clients: int, payload: Payload, seed: int) -> dict[str, Tensor]:
        """Random private vectors."""
        device = str(payload.tables["items"].device)
        table = Table.random(n_clients, self.embedding_size, seed, "private-vectors", device=device)
        return table.tensors(VECTOR)

    def train(self, cohort: Cohort) -> CohortUpdate:
        """Descend ``local_epochs`` times on the private vectors; the last pass also gives the rows' gradient."""
        private = Table.from_tensors(cohort.private, VECTOR)
        for _ in range(self.local_epochs - 1):
            private = private.descend(self._pass(cohort, private.values).private, self.learning_rate)
        last = self._pass(cohort, private.values)
        return CohortUpdate(
            private=private.descend(last.private, self.learning_rate).tensors(VECTOR),
            uploads=Uploads.of(tables={"items": last.gradient(cohort)}),
            loss=last.loss,
        )

    def scorer(self, released: Payload, private: Mapping[str, Tensor], known: Ragged) -> Scorer:
        """Local views against published items, plus the weighed item-item part applied to each whole history."""
        items = released.tables["items"]
        users = local_view(Table.from_tensors(private, VECTOR).values, items, known, self.ego_weight)
        weight = released.numbers.get("item_item_weight", 0.0)
        part = (unpacked(released.arrays, "item_item", len(items)).to(items.device), weight) if weight else None
        return LocalScorer(users, items, known, part)

    def candidate_scores(
        self, cohort: Cohort, candidates: Sequence[Mapping[str, float]], numbers: Mapping[str, float]
    ) -> Iterator[Float[Tensor, "clients items"]]:
        """Pseudo-items, scored by vectors and item-item sums of each weight; what was held out is among them."""
        items = cohort.tables["items"]
        views = local_view(Table.from_tensors(cohort.private, VECTOR).values, items, cohort.known, self.ego_weight)
        sums = history_scores(cohort.known, unpacked(cohort.arrays, "item_item", len(items)).to(items.device))
        vectors = torch.full_like(sums, -torch.inf)
        vectors[cohort.pseudo.owners, cohort.pseudo.columns] = cohort.pseudo.dot(views, items)
        scores = torch.empty_like(sums)
        for candidate in candidates:
            yield torch.add(vectors, sums, alpha=candidate["item_item_weight"], out=scores)

    def refit(self, cohort: Cohort, steps: int) -> dict[str, Tensor]:
        """Private vectors fitted on their devices with the items held fixed, without a global view."""
        alone = {name: torch.zeros_like(rows) for name, rows in cohort.personal.items()}
        cohort = replace(cohort, personal=alone, received=torch.zeros_like(cohort.received))
        return dict(super().refit(cohort, steps))

    def _pass(self, cohort: Cohort, private: Float[Tensor, "clients dim"]) -> _Pass:
        known, pseudo, items = cohort.known, cohort.pseudo, cohort.tables["items"]
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
        if self.contrast > 0 and bool(cohort.received.any()):
            own_view = cohort.personal["view"]
            weight = self.contrast * cohort.received * known.counts * pair_weight
            contrast = user_contrast(negatives, (view * own_view).sum(1), weight, self.temperature)
            loss, factor = loss + contrast.loss, factor + contrast.factor
            on_view = on_view + contrast.own.unsqueeze(1) * own_view
        on_pseudo = on_pseudo + negatives.exponentials * pseudo.spread(factor)
        on_view = on_view + pseudo.gather(on_pseudo, items)
        on_raw = (on_view - view * (on_view * view).sum(1, keepdim=True)) / length
        return _Pass(view=view, private=on_raw, known=on_known, pseudo=on_pseudo, hop=hop, loss=loss)


@dataclass(frozen=True)
class _Pass(DeviceCode):
    """Derivatives of one pass: known row ``i`` gets ``known_i view + hop_i private``, pseudo row ``pseudo_j view``."""

    view: Float[Tensor, "clients dim"]
    private: Float[Tensor, "clients dim"]
    known: Float[Tensor, " known_slots"]
    pseudo: Float[Tensor, " pseudo_slots"]
    hop: Float[Tensor, " known_slots"]
    loss: Float[Tensor, " clients"]

    def gradient(self, cohort: Cohort) -> HopGradient:
        """The uploads."""
        return HopGradient(
            known=cohort.known,
            pseudo=cohort.pseudo,
            view=self.view,
            through_hop=self.private,
            on_known=self.known,
            on_pseudo=self.pseudo,
            hop=self.hop,
            factor=torch.ones_like(self.loss),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class HopGradient(DeviceCode):
    """Every device's gradient of item rows, as two vectors a device; a :class:`fedshare.federation.uploads.Part`.

    Known row ``i`` gets ``on_known_i view + hop_i through_hop``, pseudo row ``j`` gets ``on_pseudo_j view``, all times
    the device's ``factor``.
    """

    known: Ragged
    pseudo: Ragged
    view: Float[Tensor, "clients dim"]
    "Of unit length."
    through_hop: Float[Tensor, "clients dim"]
    "Normal to the view."
    on_known: Float[Tensor, " known_slots"]
    on_pseudo: Float[Tensor, " pseudo_slots"]
    hop: Float[Tensor, " known_slots"]
    factor: Float[Tensor, " clients"]

    @property
    def pattern(self) -> Ragged:
        """The rows that each device uploads, ascending."""
        return self.known.union(self.pseudo)

    def squared_norms(self) -> Float[Tensor, " clients"]:
        """The cross term is gone: the derivative by the private vector is normal to the unit view."""
        on_view = self.known.sum(self.on_known**2) + self.pseudo.sum(self.on_pseudo**2)
        return (on_view + self.known.sum(self.hop**2) * (self.through_hop**2).sum(1)) * self.factor**2

    def scaled(self, factors: Float[Tensor, " clients"]) -> HopGradient:
        """Each device's gradient multiplied by its factor."""
        return replace(self, factor=self.factor * factors)

    def total(self) -> Float[Tensor, "rows dim"]:
        """The sum over the devices."""
        view, through_hop = self._scaled_vectors()
        return (
            self.known.scatter(self.on_known, view)
            + self.known.scatter(self.hop, through_hop)
            + self.pseudo.scatter(self.on_pseudo, view)
        )

    def written_out(self) -> Rows:
        """Every number of every device."""
        view, through_hop = self._scaled_vectors()
        on_known = self.on_known.unsqueeze(1) * self.known.spread(view)
        on_known = on_known + self.hop.unsqueeze(1) * self.known.spread(through_hop)
        on_pseudo = self.on_pseudo.unsqueeze(1) * self.pseudo.spread(view)
        owners = torch.cat([self.known.owners, self.pseudo.owners]).long()
        order = torch.argsort(owners * self.known.n_columns + torch.cat([self.known.columns, self.pseudo.columns]))
        return Rows(self.pattern, torch.cat([on_known, on_pseudo])[order])

    def _scaled_vectors(self) -> tuple[Float[Tensor, "clients dim"], Float[Tensor, "clients dim"]]:
        by = self.factor.unsqueeze(1)
        return self.view * by, self.through_hop * by
