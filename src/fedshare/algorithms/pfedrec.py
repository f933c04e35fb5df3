"""PFedRec: a score function of one's own on every device, and item vectors tuned to it.

Zhang et al., "Dual Personalization on Federated Recommendation", IJCAI 2023, arXiv 2301.08143. There is no user vector.
A device scores item ``i`` by ``sigmoid(w . v_i + b)``: the linear score function ``(w, b)`` never leaves it, the item
vectors ``v``, ``(n_items, dim)``, are published. In a round a device goes once through its known items and fresh
negatives in batches; on each batch it takes one step of binary cross-entropy on ``(w, b)`` and then one on the item
vectors that occur. It uploads how those vectors changed, and the server adds the mean of the changes over everybody
in the round. Nothing that people share is read: this is a federation without sharing, like ``FedMF``.

What differs from the authors' code:

- Negatives are items that the device does not know. The authors draw them outside *all* interactions of a person, the
  held-out ones too: what is tested is then the one thing that is never pushed down.
- The score function learns slower by default and item vectors as fast as before: learning rate 0.005 in place of 0.1
  and item scale 6400 in place of 80, chosen on a validation part of MovieLens-100K.
- An item that did not occur on a device counts as unchanged there.
- A device recommends from the vectors published last and its own score function. The authors recommend from the
  vectors as the device tuned them in its last round: ``keep_items`` does that, and keeps ``(n_items, dim)`` numbers on
  every device. With negatives drawn fairly it ranks worse, see ``benchmarks/personal_networks.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional as F

from fedshare.errors import NotMeasured
from fedshare.federation.orders import Aggregate
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import Cohort, CohortUpdate, DeviceCode, TrainingTask
from fedshare.federation.transforms import Clip, Transform
from fedshare.federation.uploads import Rows, Uploads
from fedshare.models.ragged import Ragged
from fedshare.models.scorer import Scorer
from fedshare.models.table import Table
from fedshare.options import above, whole
from fedshare.rng import stream
from fedshare.training.algorithm import Choice, ServerState
from fedshare.training.server_side import ServerSide

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Examples", "LinearScorer", "PFedRec", "PFedRecTask", "Step"]


@dataclass(frozen=True, kw_only=True)
class PFedRec:
    """Hyperparameters of PFedRec; pass it to :func:`fedshare.train`.

    Example:
        >>> PFedRec(embedding_size=16).transforms
        ()
    """

    name: ClassVar[str] = "pfedrec"
    closed_form: ClassVar[bool] = False
    central: ClassVar[bool] = False
    choice: ClassVar[type[Choice] | None] = None

    embedding_size: int = 32
    learning_rate: float = 0.005
    "Step on the score function."
    item_scale: float = 6400.0
    "Item vectors take steps of learning_rate * n_items * item_scale: a mean over everybody moves them little."
    batch_size: int = 256
    "Known items and negatives in a step."
    negatives: int = 4
    "Per known item, drawn anew in every round."
    keep_items: bool = False
    "Whether a device keeps the item vectors as it tuned them, and recommends from those."
    participation: float = 1.0
    "Fraction of the devices in a round."
    clip_norm: float | None = None
    "Bound on the norm of a device's upload; None for no bound."

    def __post_init__(self) -> None:
        for name in ("embedding_size", "batch_size", "negatives"):
            whole(name, getattr(self, name), 1)
        for name in ("learning_rate", "item_scale"):
            above(name, getattr(self, name), 0)
        above("participation", self.participation, 0, at_most=1)
        _ = self.transforms  # checks its option

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """What bounds an upload."""
        return () if self.clip_norm is None else (Clip(self.clip_norm),)

    def task(self) -> PFedRecTask:
        """What devices run."""
        return PFedRecTask(
            embedding_size=self.embedding_size,
            learning_rate=self.learning_rate,
            item_scale=self.item_scale,
            batch_size=self.batch_size,
            negatives=self.negatives,
            keep_items=self.keep_items,
        )

    def start(self, server: ServerSide) -> ServerState:
        """Random item vectors, standard normal."""
        items = Table.random(
            server.n_items, self.embedding_size, server.seed, "pfedrec-items", device=server.device, scale=1.0
        )
        return ServerState(tables={"items": items})

    def publish(self, state: ServerState, server: ServerSide) -> Payload:
        """Item vectors."""
        return Payload(tables={"items": state.tables["items"].values})

    def update(self, state: ServerState, aggregate: Aggregate | None, server: ServerSide, number: int) -> ServerState:
        """Add the mean change over everybody in the round."""
        assert aggregate is not None
        items = state.tables["items"].values + aggregate.tables["items"] / aggregate.n_people
        return state.with_tables(items=Table.of(items))

    def release(self, state: ServerState, server: ServerSide) -> Payload:
        """Item vectors."""
        return self.publish(state, server)

    def server_scorer(self, state: ServerState, released: Payload, server: ServerSide) -> Scorer:
        """There is none: the server has no score function of anybody."""
        raise NotMeasured(
            "pfedrec: the server holds no score functions, so it has no scores. Attack a FedShare run instead."
        )


# -- on devices -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PFedRecTask(TrainingTask):
    """What a device runs. Private arrays: ``weight`` ``(n_clients, dim)``, ``bias`` ``(n_clients, 1)``.

    With ``keep_items`` there is ``items`` ``(n_clients, n_items, dim)`` too.
    """

    name: ClassVar[str] = "pfedrec"
    downloads_everything: ClassVar[bool] = True

    embedding_size: int
    learning_rate: float
    item_scale: float
    batch_size: int
    negatives: int
    keep_items: bool = False

    def start(self, n_clients: int, payload: Payload, seed: int) -> dict[str, Tensor]:
        """One random score function, the same on every device, as in the authors' code."""
        items, bound = payload.tables["items"], self.embedding_size**-0.5
        drawn = stream(seed, self.name, "score").uniform(-bound, bound, (1, self.embedding_size + 1))
        score = torch.from_numpy(drawn.astype(np.float32)).to(items.device).repeat(n_clients, 1)
        mine = {"weight": score[:, :-1].contiguous(), "bias": score[:, -1:].contiguous()}
        return mine | ({"items": items.repeat(n_clients, 1, 1)} if self.keep_items else {})

    def train(self, cohort: Cohort) -> CohortUpdate:
        """One pass over known items and fresh negatives."""
        table = cohort.tables["items"]
        examples = self.examples(cohort)
        rate, item_rate = self.learning_rate, self.learning_rate * len(table) * self.item_scale
        order = examples.order
        weight, bias = cohort.private["weight"][order], cohort.private["bias"][order]
        before = table[examples.pattern.columns]
        rows = torch.cat([before, before.new_zeros(1, table.shape[1])])  # the last one takes the padding
        loss = before.new_zeros(cohort.n_clients)
        for step in examples.steps:
            w, b = weight[: step.n_clients], bias[: step.n_clients]  # views: what is written there stays
            vectors = rows[step.slots]  # (clients, batch, dim)
            slope = _slope(_logits(vectors, w, b), step)
            w -= rate * torch.bmm(slope.unsqueeze(1), vectors).squeeze(1)
            b -= rate * slope.sum(1, keepdim=True)
            logits = _logits(vectors, w, b)
            loss[: step.n_clients] += step.loss(logits)
            change = torch.bmm(_slope(logits, step).unsqueeze(2), w.unsqueeze(1))
            rows.index_add_(0, step.slots.flatten(), change.flatten(0, 1), alpha=-item_rate)
        new = {"weight": examples.in_order(weight), "bias": examples.in_order(bias)}
        if self.keep_items:
            new["items"] = table.repeat(cohort.n_clients, 1, 1)
            new["items"][examples.pattern.owners, examples.pattern.columns] = rows[:-1]
        uploads = Uploads.of(tables={"items": Rows(examples.pattern, rows[:-1] - before)})
        return CohortUpdate(private=new, uploads=uploads, loss=examples.in_order(loss) / examples.n_steps)

    def examples(self, cohort: Cohort) -> Examples:
        """What is trained on in this round."""
        return Examples.of(cohort, self.name, self.negatives, self.batch_size)

    def scorer(self, released: Payload, private: Mapping[str, Tensor], known: Ragged) -> Scorer:
        """Own score functions on published items; on the device's own items with ``keep_items``."""
        items = private["items"] if self.keep_items else released.tables["items"]
        return LinearScorer(private["weight"], private["bias"], items)


def _logits(
    vectors: Float[Tensor, "clients batch dim"], weight: Float[Tensor, "clients dim"], bias: Float[Tensor, "clients 1"]
) -> Float[Tensor, "clients batch"]:
    return torch.bmm(vectors, weight.unsqueeze(2)).squeeze(2) + bias


def _slope(logits: Float[Tensor, "clients batch"], step: Step) -> Float[Tensor, "clients batch"]:
    """Derivative of the loss by the logits. Like that of a sigmoid and then a cross-entropy, zero where saturated."""
    p = logits.sigmoid()
    slack = p * (1 - p)
    return (p - step.targets) / slack.clamp_min(1e-12) * slack * step.weights


@dataclass(frozen=True, eq=False)
class LinearScorer(DeviceCode):
    """Own score functions on items that are the same for all, or on everybody's own."""

    weight: Float[Tensor, "users dim"]
    bias: Float[Tensor, "users 1"]
    items: Tensor
    "``(n_items, dim)``, or ``(n_users, n_items, dim)``."

    @property
    def n_users(self) -> int:
        return len(self.weight)

    @property
    def n_items(self) -> int:
        return self.items.shape[-2]

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        """Logits ``(len(users), n_items)``; see :class:`fedshare.models.scorer.Scorer`."""
        rows = torch.from_numpy(np.asarray(users, dtype=np.int64)).to(self.items.device)
        weight = self.weight[rows]
        if self.items.dim() == 2:
            scores = weight @ self.items.t()
        else:
            scores = torch.bmm(self.items[rows], weight.unsqueeze(2)).squeeze(2)
        return (scores + self.bias[rows]).cpu().numpy()


# -- batches of a round ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Step(DeviceCode):
    """One batch of the first ``n_clients`` devices of :attr:`Examples.order`, padded to the batch size."""

    slots: Integer[Tensor, "clients batch"]
    "Places in the pattern; one past its end for padding."
    targets: Float[Tensor, "clients batch"]
    "1 for a known item, 0 for a negative."
    weights: Float[Tensor, "clients batch"]
    "1 / examples in the device's batch; 0 for padding."

    @property
    def n_clients(self) -> int:
        return len(self.slots)

    def loss(self, logits: Float[Tensor, "clients batch"]) -> Float[Tensor, " clients"]:
        """Mean binary cross-entropy of each device's batch; the steps' sum has this derivative."""
        each = F.binary_cross_entropy_with_logits(logits, self.targets, reduction="none")
        return (each * self.weights).sum(1)


@dataclass(frozen=True, eq=False)
class Examples(DeviceCode):
    """Known items and fresh negatives of a round, in batches. A device's own depend on its name alone."""

    pattern: Ragged
    "``(n_clients, n_rows)`` the items that occur, ascending."
    order: Integer[Tensor, " clients"]
    "Devices, most batches first: so the devices that still have one are always the first ones."
    steps: list[Step]
    n_steps: Float[Tensor, " clients"]
    "Batches of each device, at least 1, to divide by."

    @classmethod
    def of(
        cls, cohort: Cohort, label: str, negatives: int, batch_size: int, *, excluded: Ragged | None = None
    ) -> Examples:
        """Draw negatives, shuffle, cut into batches.

        Args:
            cohort: Devices; negatives of a device are rows that it does not know.
            label: Names the randomness, before device and round.
            negatives: Distinct ones per known item; fewer where fewer are unknown.
            batch_size: Examples in a step.
            excluded: ``(n_clients, n_rows)`` further rows that are no negatives, none of them known. Only for
                comparisons with protocols that spare what they test.
        """
        device, n_rows = cohort.known.columns.device, cohort.known.n_columns
        owner, item, target, key = _drawn(cohort, label, negatives, excluded)
        slots, slot = np.unique(owner * n_rows + item, return_inverse=True)
        offsets = np.searchsorted(slots, np.arange(cohort.n_clients + 1) * n_rows)

        lengths = np.bincount(owner, minlength=cohort.n_clients)
        n_batches = -(-lengths // batch_size)
        order = np.argsort(-n_batches, kind="stable")
        shuffled = np.lexsort((key, owner))
        owner, target, slot = owner[shuffled], target[shuffled], slot[shuffled]
        within = np.arange(len(owner)) - (lengths.cumsum() - lengths)[owner]
        row = np.argsort(order, kind="stable")[owner]
        steps = []
        for number in range(int(n_batches.max(initial=0))):
            size = (int((n_batches > number).sum()), batch_size)
            these = np.flatnonzero(within // batch_size == number)
            where = row[these], within[these] % batch_size
            s, y, w = np.full(size, len(slots)), np.zeros(size, np.float32), np.zeros(size, np.float32)
            s[where], y[where] = slot[these], target[these]
            w[where] = 1 / np.minimum(lengths[owner[these]] - number * batch_size, batch_size)
            steps.append(Step(*(torch.from_numpy(each).to(device) for each in (s, y, w))))
        return cls(
            Ragged.from_numpy(offsets, slots % n_rows, n_rows, str(device)),
            torch.from_numpy(order).to(device),
            steps,
            torch.from_numpy(n_batches.clip(1).astype(np.float32)).to(device),
        )

    def in_order(self, values: Tensor) -> Tensor:
        """What is sorted like :attr:`order`, in the cohort's order."""
        return torch.empty_like(values).index_copy_(0, self.order, values)


def _drawn(
    cohort: Cohort, label: str, negatives: int, excluded: Ragged | None
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Owner, item, target and sorting key of every example of a round, ``(n_examples,)`` each, owners ascending."""
    known = cohort.known
    offsets, items, n_rows = known.offsets.cpu().numpy(), known.columns.cpu().numpy().astype(np.int64), known.n_columns
    counts = np.diff(offsets)
    client = np.repeat(np.arange(cohort.n_clients), counts)  # of each known item
    drawn = [
        stream(cohort.seed, label, name, cohort.round).random((count, 2 * negatives + 1))
        for name, count in zip(cohort.names, counts.tolist(), strict=True)
    ]
    numbers = np.concatenate([*drawn, np.empty((0, 2 * negatives + 1))])
    # Floyd's draw of distinct numbers below the count of unknown rows, for all known items at once
    barred = known if excluded is None else known.union(excluded)
    starts, columns = barred.offsets.tolist(), barred.columns.cpu().numpy()
    unknown = (n_rows - barred.counts.cpu().numpy())[client]
    wanted = np.minimum(negatives, unknown)
    pick = np.full((len(client), negatives), -1)
    for j in range(negatives):
        bound = unknown - wanted + j
        at = np.minimum((numbers[:, j] * (bound + 1)).astype(np.int64), bound)
        at = np.where((pick[:, :j] == at[:, None]).any(1), bound, at)
        pick[:, j] = np.where(j < wanted, at, -1)
    negative = np.empty_like(pick)
    for index in range(cohort.n_clients):
        free = np.ones(n_rows, dtype=np.bool_)
        free[columns[starts[index] : starts[index + 1]]] = False
        pool = np.flatnonzero(free)
        if len(pool):
            mine = slice(int(offsets[index]), int(offsets[index + 1]))
            negative[mine] = pool[pick[mine]]
    there = np.concatenate([np.ones((len(client), 1), np.bool_), pick >= 0], axis=1)
    item = np.concatenate([items[:, None], negative], axis=1)
    target = np.zeros(item.shape, np.float32)
    target[:, 0] = 1
    owner = np.broadcast_to(client[:, None], item.shape)
    return owner[there], item[there], target[there], numbers[:, negatives:][there]
