"""Ranking and contrastive losses on ragged scores, with their gradients.

Known pairs of an owner are ranked above the owner's pseudo-items. All scores are cosines divided by a temperature, so
at most ``1 / temperature``; that value is subtracted before any exponential. Each loss is a sum over
pairs, weighted, and comes with its derivative with respect to the cosines: devices send gradients, and a bounded
upload needs the coefficients of every device apart, which a summed backward pass does not give. In the softmax losses
the derivative by a pseudo-item's cosine is its exponential times one number per owner; only that number is returned,
so that several losses share the exponentials, which are most of the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from fedshare.models.ragged import Ragged

__all__ = ["Contrast", "Negatives", "Ranking", "bpr", "info_nce", "sampled_softmax", "user_contrast"]


@dataclass(frozen=True)
class Negatives:
    """Exponentials of the pseudo-items' scores and their sum per owner."""

    pattern: Ragged
    exponentials: Float[Tensor, " pseudo_slots"]
    total: Float[Tensor, " owners"]

    @classmethod
    def of(cls, pattern: Ragged, cosine: Float[Tensor, " pseudo_slots"], temperature: float) -> Negatives:
        """From cosines."""
        exponentials = torch.exp((cosine - 1) / temperature)
        return cls(pattern, exponentials, pattern.sum(exponentials))


@dataclass(frozen=True)
class Ranking:
    """A loss per owner, its derivative by the known cosines, and the owner's factor on its negatives' exponentials."""

    loss: Float[Tensor, " owners"]
    known: Float[Tensor, " known_slots"]
    factor: Float[Tensor, " owners"]


@dataclass(frozen=True)
class Contrast:
    """A loss per owner, its derivative by the own cosine, and the owner's factor on its negatives' exponentials."""

    loss: Float[Tensor, " owners"]
    own: Float[Tensor, " owners"]
    factor: Float[Tensor, " owners"]


def sampled_softmax(
    known: Ragged,
    negatives: Negatives,
    cosine: Float[Tensor, " known_slots"],
    weight: Float[Tensor, " owners"],
    temperature: float,
) -> Ranking:
    """Cross entropy of each known item against all pseudo-items of its owner.

    Sampled softmax with a uniform proposal and no correction term (Wu et al., TOIS 2024, "On the effectiveness of
    sampled softmax loss for item recommendation"), cosine scores.

    Args:
        known: Pattern of known pairs.
        negatives: Of the same owners.
        cosine: Cosines of the known pairs.
        weight: Weight of each of an owner's pairs.
        temperature: Softmax temperature, above 0.
    """
    good = torch.exp((cosine - 1) / temperature)
    bad = known.spread(negatives.total)
    total = good + bad
    pair_weight = known.spread(weight)
    pull = pair_weight / total
    return Ranking(
        loss=known.sum(-pair_weight * torch.log(good / total)),
        known=-bad * pull / temperature,  # good / total - 1 would cancel: with no negatives this is 0 and not noise
        factor=known.sum(pull) / temperature,
    )


def user_contrast(
    negatives: Negatives, cosine: Float[Tensor, " owners"], weight: Float[Tensor, " owners"], temperature: float
) -> Contrast:
    """InfoNCE (Oord et al., 2018, eq. 4) of a user's local view: the own global view against the own pseudo-items.

    No other user's vector is among the negatives: a device never receives one.

    Args:
        negatives: Pseudo-items under the local view.
        cosine: Cosine of local and global view of each owner.
        weight: Weight of each owner; 0 for those without a global view.
        temperature: Softmax temperature, above 0.
    """
    own = torch.exp((cosine - 1) / temperature)
    total = own + negatives.total
    return Contrast(
        loss=-weight * torch.log(own / total),
        own=-weight * negatives.total / total / temperature,
        factor=weight / total / temperature,
    )


def bpr(
    known: Ragged,
    pseudo: Ragged,
    known_cosine: Float[Tensor, " known_slots"],
    pseudo_cosine: Float[Tensor, " pseudo_slots"],
    weight: Float[Tensor, " owners"],
    temperature: float,
) -> tuple[Float[Tensor, " owners"], Float[Tensor, " known_slots"], Float[Tensor, " pseudo_slots"]]:
    """BPR-OPT without its regulariser (Rendle et al., UAI 2009), each known item against one pseudo-item of its owner.

    The ``t``-th known item meets the ``t``-th pseudo-item, cyclically. Owners without a pseudo-item have no loss.

    Args:
        known: Pattern of known pairs.
        pseudo: Pattern of pseudo-items, same owners.
        known_cosine: Cosines of the known pairs.
        pseudo_cosine: Cosines of the pseudo pairs.
        weight: Weight of each of an owner's pairs.
        temperature: What cosines are divided by, above 0.

    Returns:
        Loss per owner, and its derivative by the known and by the pseudo cosines.
    """
    if pseudo.n_slots == 0:
        return torch.zeros_like(weight), torch.zeros_like(known_cosine), torch.zeros_like(pseudo_cosine)
    place = torch.arange(known.n_slots, device=known.columns.device) - known.spread(known.offsets[:-1])
    available = known.spread(pseudo.counts)
    partner = (known.spread(pseudo.offsets[:-1]) + place % available.clamp(min=1)).clamp(max=pseudo.n_slots - 1)
    pair_weight = known.spread(weight) * (available > 0)
    difference = (pseudo_cosine[partner] - known_cosine) / temperature
    slope = pair_weight * torch.sigmoid(difference) / temperature
    loss = known.sum(pair_weight * F.softplus(difference))  # softplus(-x) is -log(sigmoid(x)) without overflow
    return loss, -slope, torch.zeros_like(pseudo_cosine).index_add_(0, partner, slope)


def info_nce(
    anchors: Float[Tensor, "nodes dim"], positives: Float[Tensor, "nodes dim"], temperature: float
) -> Float[Tensor, " nodes"]:
    """InfoNCE (Oord et al., 2018, eq. 4) of the same nodes in two views, the other nodes being the negatives.

    Args:
        anchors: Unit vectors of one view.
        positives: Unit vectors of the other view, same order.
        temperature: Softmax temperature, above 0.
    """
    logits = anchors @ positives.t() / temperature
    return F.cross_entropy(logits, torch.arange(len(anchors), device=anchors.device), reduction="none")
