"""FedNCF: one network for everybody, and a user vector that stays on its device.

Perifanis and Efraimidis, "Federated Neural Collaborative Filtering", Knowledge-Based Systems 2022, arXiv 2106.04405;
its MLP branch. Of the user vector ``u`` and the item vector ``v_i``, ``dim`` numbers each, a network with ReLUs makes
one logit. Item vectors ``(n_items, dim)`` and network are published: weights ``w0, w1, ...`` ``(inputs, outputs)`` and
biases ``b0, b1, ...``. In a round a device goes once through its known items and fresh negatives in batches, with a
step of binary cross-entropy on everything, user vector included. It uploads how the network and the item vectors that
occur changed, and the server adds the mean of the changes over everybody in the round. Nothing that people share is
read: this is a federation without sharing, like ``FedMF``.

What differs from the paper:

- Its secure sum is not run; like every algorithm here the server sees sums over a cohort only.
- Plain descent with a rate for each kind of parameter; rates and start were chosen on MovieLens-100K.
- Neither its GMF branch nor the two branches together; all devices take part unless told otherwise.
- Negatives are items that the device does not know. Who draws them outside *all* interactions of a person, the
  held-out ones too, never pushes down what is tested.
- An item that did not occur on a device counts as unchanged there.
- A device recommends from what was published last, not from its own copies after its last round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fedshare.algorithms.pfedrec import Examples
from fedshare.errors import NotMeasured
from fedshare.federation.orders import Aggregate
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import Cohort, CohortUpdate, DeviceCode, TrainingTask
from fedshare.federation.transforms import Clip, Transform
from fedshare.federation.uploads import Dense, Rows, Uploads
from fedshare.models.ragged import Ragged
from fedshare.models.scorer import Scorer
from fedshare.models.table import Table
from fedshare.options import above, not_empty, whole
from fedshare.rng import stream
from fedshare.training.algorithm import Choice, ServerState
from fedshare.training.server_side import ServerSide

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FedNCF", "FedNCFTask", "NetworkScorer"]


@dataclass(frozen=True, kw_only=True)
class FedNCF:
    """Hyperparameters of FedNCF; pass it to :func:`fedshare.train`.

    Example:
        >>> FedNCF(embedding_size=16, layers=(16, 8)).transforms
        ()
    """

    name: ClassVar[str] = "fedncf"
    closed_form: ClassVar[bool] = False
    central: ClassVar[bool] = False
    choice: ClassVar[type[Choice] | None] = None

    embedding_size: int = 32
    layers: tuple[int, ...] = (32, 16, 8)
    "Hidden widths of the network, whose input is user vector and item vector side by side."
    learning_rate: float = 0.5
    "Step on the network."
    user_scale: float = 80.0
    "User vectors take steps of learning_rate * user_scale."
    item_scale: float = 80.0
    "Item vectors take steps of learning_rate * n_items * item_scale: a mean over everybody moves them little."
    init_scale: float = 0.1
    "Standard deviation of all vectors at the start."
    batch_size: int = 256
    "Known items and negatives in a step."
    negatives: int = 4
    "Per known item, drawn anew in every round."
    participation: float = 1.0
    "Fraction of the devices in a round."
    clip_norm: float | None = None
    "Bound on the norm of a device's upload; None for no bound."

    def __post_init__(self) -> None:
        not_empty("layers", self.layers)
        for width in self.layers:
            whole("layers", width, 1)
        for name in ("embedding_size", "batch_size", "negatives"):
            whole(name, getattr(self, name), 1)
        for name in ("learning_rate", "user_scale", "item_scale", "init_scale"):
            above(name, getattr(self, name), 0)
        above("participation", self.participation, 0, at_most=1)
        _ = self.transforms  # checks its option

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """What bounds an upload."""
        return () if self.clip_norm is None else (Clip(self.clip_norm),)

    def task(self) -> FedNCFTask:
        """What devices run."""
        return FedNCFTask(
            embedding_size=self.embedding_size,
            learning_rate=self.learning_rate,
            user_scale=self.user_scale,
            item_scale=self.item_scale,
            init_scale=self.init_scale,
            batch_size=self.batch_size,
            negatives=self.negatives,
        )

    def start(self, server: ServerSide) -> ServerState:
        """Random item vectors, and layers as ``torch.nn.Linear`` starts them: uniform, bounded by 1 / sqrt(inputs)."""
        size, device = self.embedding_size, server.device
        items = Table.random(server.n_items, size, server.seed, "fedncf-items", device=device, scale=self.init_scale)
        network = {}
        for layer, (inputs, outputs) in enumerate(pairwise((2 * size, *self.layers, 1))):
            bound = inputs**-0.5
            drawn = stream(server.seed, self.name, "layer", layer).uniform(-bound, bound, (inputs + 1, outputs))
            both = torch.from_numpy(drawn.astype(np.float32)).to(device)
            network[f"w{layer}"], network[f"b{layer}"] = both[:-1].clone(), both[-1].clone()
        return ServerState(tables={"items": items}, arrays=network)

    def publish(self, state: ServerState, server: ServerSide) -> Payload:
        """Item vectors and the network."""
        return Payload(tables={"items": state.tables["items"].values}, arrays=state.arrays)

    def update(self, state: ServerState, aggregate: Aggregate | None, server: ServerSide, number: int) -> ServerState:
        """Add the mean change over everybody in the round."""
        assert aggregate is not None
        items = state.tables["items"].values + aggregate.tables["items"] / aggregate.n_people
        network = {name: each + aggregate.arrays[name] / aggregate.n_people for name, each in state.arrays.items()}
        return replace(state.with_tables(items=Table.of(items)), arrays=network)

    def release(self, state: ServerState, server: ServerSide) -> Payload:
        """Item vectors and the network."""
        return self.publish(state, server)

    def server_scorer(self, state: ServerState, released: Payload, server: ServerSide) -> Scorer:
        """There is none: the server has no vector of anybody."""
        raise NotMeasured(
            "fedncf: the server holds no user vectors, so it has no scores. Attack a FedShare run instead."
        )


# -- on devices -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FedNCFTask(TrainingTask):
    """What a device runs. Private array: ``user`` ``(n_clients, dim)``."""

    name: ClassVar[str] = "fedncf"
    downloads_everything: ClassVar[bool] = True

    embedding_size: int
    learning_rate: float
    user_scale: float
    item_scale: float
    init_scale: float
    batch_size: int
    negatives: int

    def start(self, n_clients: int, payload: Payload, seed: int) -> dict[str, Tensor]:
        """Random user vectors."""
        device = str(payload.tables["items"].device)
        size, scale = self.embedding_size, self.init_scale
        return {"user": Table.random(n_clients, size, seed, "fedncf-users", device=device, scale=scale).values}

    def train(self, cohort: Cohort) -> CohortUpdate:
        """One pass over known items and fresh negatives."""
        table, n = cohort.tables["items"], cohort.n_clients
        examples = self.examples(cohort)
        rate, user_rate = self.learning_rate, self.learning_rate * self.user_scale
        item_rate = self.learning_rate * len(table) * self.item_scale
        user = cohort.private["user"][examples.order]
        network = {name: each.expand(n, *each.shape).clone() for name, each in cohort.arrays.items()}
        before = table[examples.pattern.columns]
        rows = torch.cat([before, before.new_zeros(1, table.shape[1])])  # the last one takes the padding
        loss = before.new_zeros(n)
        for step in examples.steps:
            mine = {"user": user, **network}
            leaves = {name: each[: step.n_clients].detach().requires_grad_() for name, each in mine.items()}
            vectors = rows[step.slots].requires_grad_()  # (clients, batch, dim)
            with torch.enable_grad():
                each_loss = step.loss(_logits(leaves["user"], vectors, leaves))
            on_rows, *slopes = torch.autograd.grad(each_loss.sum(), [vectors, *leaves.values()])
            loss[: step.n_clients] += each_loss.detach()
            rows.index_add_(0, step.slots.flatten(), on_rows.flatten(0, 1), alpha=-item_rate)
            for (name, each), slope in zip(mine.items(), slopes, strict=True):
                each[: step.n_clients] -= (user_rate if name == "user" else rate) * slope
        return CohortUpdate(
            private={"user": examples.in_order(user)},
            uploads=Uploads.of(
                tables={"items": Rows(examples.pattern, rows[:-1] - before)},
                arrays={name: Dense(examples.in_order(network[name]) - each) for name, each in cohort.arrays.items()},
            ),
            loss=examples.in_order(loss) / examples.n_steps,
        )

    def examples(self, cohort: Cohort) -> Examples:
        """What is trained on in this round."""
        return Examples.of(cohort, self.name, self.negatives, self.batch_size)

    def scorer(self, released: Payload, private: Mapping[str, Tensor], known: Ragged) -> Scorer:
        """Own user vectors with what was published last."""
        return NetworkScorer(private["user"], released.tables["items"], released.arrays)


@dataclass(frozen=True, eq=False)
class NetworkScorer(DeviceCode):
    """User vectors and items through one network."""

    users: Float[Tensor, "users dim"]
    items: Float[Tensor, "items dim"]
    network: Mapping[str, Tensor]

    @property
    def n_users(self) -> int:
        return len(self.users)

    @property
    def n_items(self) -> int:
        return len(self.items)

    def scores(self, users: NDArray[np.intp]) -> NDArray[np.float32]:
        """Logits ``(len(users), n_items)``; see :class:`fedshare.models.scorer.Scorer`."""
        network = {name: each.unsqueeze(0) for name, each in self.network.items()}
        scores = np.empty((len(users), self.n_items), np.float32)
        for place, user in enumerate(np.asarray(users).tolist()):  # one by one: its hidden layers are items x width
            with torch.no_grad():
                logits = _logits(self.users[user : user + 1], self.items.unsqueeze(0), network)
            scores[place] = logits[0].cpu().numpy()
        return scores


def _logits(
    users: Float[Tensor, "clients dim"], items: Float[Tensor, "clients batch dim"], network: Mapping[str, Tensor]
) -> Float[Tensor, "clients batch"]:
    """Logits of each device's items under its own network, ``(clients, ...)``; the user's half of layer 0 once."""
    dim, n_layers = users.shape[1], len([name for name in network if name.startswith("w")])
    first = network["w0"]
    mine = torch.bmm(users.unsqueeze(1), first[:, :dim]) + network["b0"].unsqueeze(1)
    hidden = torch.baddbmm(mine, items, first[:, dim:])
    for layer in range(1, n_layers):
        hidden = torch.baddbmm(network[f"b{layer}"].unsqueeze(1), hidden.relu(), network[f"w{layer}"])
    return hidden.squeeze(2)
