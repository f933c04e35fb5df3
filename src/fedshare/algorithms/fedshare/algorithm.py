"""FedShare: federated recommendation with personalised data sharing.

After Qu et al., "Federated Learning and Unlearning for Recommendation with Personalized Data Sharing", arXiv 2603.11610
(2026). Of that paper only the description is public to us; losses, mixing and hyperparameters are this project's own
realisation, described in docs/concepts/method.md, and no figure here is the paper's.

A round: the server encodes its tables over the graph of shared pairs and publishes unit vectors; devices rank their own
items above pseudo-items, align their local view with their own global view and return gradients; the server adds its
own loss on shared pairs and takes one step. On the way validation clients choose how much weight the item-item part of
the global view deserves. With nothing shared every server term vanishes and what remains is ``FedMF``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch

from fedshare.algorithms.fedshare.encoder import Encoder, GlobalView, LightGCNEncoder
from fedshare.algorithms.fedshare.item_item import ItemItem, ItemItemChoice
from fedshare.algorithms.fedshare.server_objective import ServerObjective
from fedshare.algorithms.fedshare.task import FedShareTask
from fedshare.algorithms.published_weights import unpacked
from fedshare.algorithms.scorers import SharedScorer
from fedshare.errors import BadOption
from fedshare.federation.orders import Aggregate, Program
from fedshare.federation.payload import Payload
from fedshare.federation.transforms import Clip, Noise, Quantise, Transform
from fedshare.models.graph import SharedGraph
from fedshare.models.scorer import Scorer
from fedshare.models.table import Table
from fedshare.options import above, at_least, one_of, whole, within
from fedshare.sharing.holdout import Holdout
from fedshare.training.algorithm import Choice, ServerState
from fedshare.training.server_side import ServerSide

__all__ = ["FedShare"]

_ROUNDS_WITHOUT = 0.4
"Part of the rounds in which validation clients hold something out, for the choice of the item-item part."


@dataclass(frozen=True, kw_only=True)
class FedShare:
    """Hyperparameters of FedShare; pass it to :func:`fedshare.train`.

    Example:
        >>> FedShare(embedding_size=32, layers=1).name
        'fedshare'
    """

    name: ClassVar[str] = "fedshare"
    closed_form: ClassVar[bool] = False
    central: ClassVar[bool] = False
    choice: ClassVar[type[Choice] | None] = ItemItemChoice

    embedding_size: int = 64
    "Length of every vector."
    layers: int = 2
    "Hops over the graph of shared pairs."
    learning_rate: float = 0.05
    "Step on private vectors and on the server's user table."
    item_learning_rate: float = 0.02
    temperature: float = 0.15
    "Of every softmax; scores are cosines."
    ranking: Literal["softmax", "bpr"] = "softmax"
    ego_weight: float = 1.0
    "Weight of the device's own history in its local view."
    activity: float = 0.5
    "A person with n items weighs n ** (1 - activity)."
    contrast: float = 0.05
    "Weight of both contrasts, device's and server's; above 0.1 they harm."
    server_weight: float = 0.1
    "Weight of the server's ranking loss on shared pairs."
    user_shrinkage: float = 5.0
    "Shared items at which a person's pairs have half their weight on the server."
    item_shrinkage: float = 10.0
    "Sharers at which an item's graph representation has half its weight."
    graph_weight: float = 0.5
    "Weight of the graph for an item that everybody shares."
    negatives: int = 1000
    "Items against which the server ranks in a round."
    pseudo_items: int = 1000
    "Fixed pseudo-items of a device, at least; as many as the catalogue allows."
    pseudo_ratio: float = 4.0
    "Pseudo-items per known item, at least."
    participation: float = 1.0
    "Fraction of the devices in a round."
    local_epochs: int = 1
    "Steps on the private vector in a round."
    clip_norm: float | None = 10.0
    "Bound on the norm of a device's upload; None for no bound."
    quantise_bits: int | None = None
    "Bits of an uploaded number, 2 to 24; None for floats of 32."
    noise_multiplier: float = 0.0
    "Standard deviation of local noise in multiples of clip_norm."
    item_item: ItemItem | None = field(default_factory=ItemItem)
    "The item-item part of the global view; None leaves the graph part alone."

    def __post_init__(self) -> None:
        for name, least in (("embedding_size", 1), ("layers", 0), ("negatives", 1), ("pseudo_items", 0)):
            whole(name, getattr(self, name), least)
        whole("local_epochs", self.local_epochs, 1)
        for name in ("learning_rate", "item_learning_rate", "user_shrinkage", "item_shrinkage"):
            above(name, getattr(self, name), 0)
        for name in ("ego_weight", "contrast", "server_weight", "pseudo_ratio"):
            at_least(name, getattr(self, name), 0)
        at_least("temperature", self.temperature, 0.03, hint="Below, exponentials vanish.")
        for name in ("activity", "graph_weight"):
            within(name, getattr(self, name), 0, 1)
        above("participation", self.participation, 0, at_most=1)
        one_of("ranking", self.ranking, ("softmax", "bpr"))
        _ = self.transforms  # checks their options

    @property
    def encoder(self) -> Encoder:
        """The graph part of the global view."""
        return LightGCNEncoder(layers=self.layers, graph_weight=self.graph_weight, item_shrinkage=self.item_shrinkage)

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """What bounds, rounds and blurs an upload, in this order."""
        if self.clip_norm is None:
            if self.noise_multiplier != 0:
                raise BadOption(f"noise_multiplier: got {self.noise_multiplier}, expected 0 without a clip_norm.")
            if self.quantise_bits is not None:
                raise BadOption(f"quantise_bits: got {self.quantise_bits}, expected None without a clip_norm.")
            return ()
        chain: list[Transform] = [Clip(self.clip_norm)]
        if self.quantise_bits is not None:
            chain.append(Quantise(self.quantise_bits))
        return (*chain, Noise(self.noise_multiplier))

    def task(self) -> FedShareTask:
        """What devices run."""
        return FedShareTask(
            embedding_size=self.embedding_size,
            learning_rate=self.learning_rate,
            temperature=self.temperature,
            ego_weight=self.ego_weight,
            contrast=self.contrast,
            activity=self.activity,
            local_epochs=self.local_epochs,
            ranking=self.ranking,
            pseudo_items=self.pseudo_items,
            pseudo_ratio=self.pseudo_ratio,
        )

    @property
    def server_objective(self) -> ServerObjective:
        """What the server learns from shared pairs."""
        return ServerObjective(
            server_weight=self.server_weight,
            contrast=self.contrast,
            temperature=self.temperature,
            activity=self.activity,
            user_shrinkage=self.user_shrinkage,
            item_shrinkage=self.item_shrinkage,
            negatives=self.negatives,
        )

    # -- the three steps --------------------------------------------------------------------------------------------

    def start(self, server: ServerSide) -> ServerState:
        """Random tables."""
        size, device = self.embedding_size, server.device
        return ServerState(
            tables={
                "items": Table.random(server.n_items, size, server.seed, "item-table", device=device),
                "users": Table.random(server.n_users, size, server.seed, "user-table", device=device),
            }
        )

    def publish(self, state: ServerState, server: ServerSide) -> Payload:
        """Unit item vectors; each sharer's own global view."""
        view = self.encode(state, server.graph)
        if server.graph.is_empty:
            return Payload(tables={"items": view.items})
        return Payload(
            tables={"items": view.items}, personal={"view": view.users}, recipients=server.graph.user_degree > 0
        )

    def update(self, state: ServerState, aggregate: Aggregate | None, server: ServerSide, number: int) -> ServerState:
        """Carry the devices' gradient through the encoder, add the server's own loss on shared pairs, take a step."""
        assert aggregate is not None
        # a cohort stands for everybody: its sum is scaled up, or the server's own loss would gain weight
        gradient = aggregate.tables["items"] / self.participation
        graph, users, items = server.graph, state.tables["users"], state.tables["items"]
        free_users = users.values.clone().requires_grad_()
        free_items = items.values.clone().requires_grad_()
        view = self.encoder(free_users, free_items, graph)
        objective = (view.items * gradient).sum()  # its derivative is the gradient, carried through the encoder
        if not graph.is_empty:
            table = free_items / free_items.norm(dim=1, keepdim=True).clamp(min=1e-8)
            objective = objective + self.server_objective(view, table, graph, server.seed, number)
        by_users, by_items = torch.autograd.grad(objective, (free_users, free_items), allow_unused=True)
        state = state.with_tables(items=items.descend(by_items, self.item_learning_rate))
        if by_users is None:
            return state
        sharers = graph.user_degree > 0
        return state.with_tables(users=users.descend(by_users, self.learning_rate).where(sharers, users))

    def release(self, state: ServerState, server: ServerSide) -> Payload:
        """Unit item vectors, and the item-item weights if they were given a weight."""
        items, chosen = self.encode(state, server.graph).items, state.chosen
        if self.item_item is None or not isinstance(chosen, ItemItemChoice):
            return Payload(tables={"items": items})
        if chosen.weight == 0 or server.graph.is_empty:
            return Payload(tables={"items": items})
        weights = self.item_item.weights(server, chosen)
        return Payload(tables={"items": items}, arrays=weights, numbers={"item_item_weight": chosen.weight})

    # -- the choice of the item-item part ---------------------------------------------------------------------------

    def holdout(self, number: int, server: ServerSide) -> Holdout | None:
        """Validation clients hold something out of the first rounds; the others train on everything."""
        if self.item_item is None or server.graph.is_empty or number > self._chooses_after(server):
            return None
        return self.item_item.holdout

    def select(self, state: ServerState, server: ServerSide, number: int) -> Program[ServerState]:
        """Let validation clients choose the item-item part, unless an earlier run did."""
        options = self.item_item
        if options is None or server.graph.is_empty or number != self._chooses_after(server):
            return state
        if state.chosen is not None:
            return state
        side = server.without(options.holdout)
        items = self.encode(state, side.graph).items
        chosen = yield from options.choose(items, self.task(), side)
        return replace(state, chosen=chosen)

    def _chooses_after(self, server: ServerSide) -> int:
        return max(1, round(_ROUNDS_WITHOUT * server.rounds))

    # -- what the server could say ----------------------------------------------------------------------------------

    def server_scorer(self, state: ServerState, released: Payload, server: ServerSide) -> Scorer:
        """Global views against published items, plus the item-item part applied to the shared history."""
        view = self.encode(state, server.graph)
        weight = released.numbers.get("item_item_weight", 0.0)
        part = (unpacked(released.arrays, "item_item", server.n_items).to(server.device), weight) if weight else None
        return SharedScorer(view.users, view.items, server.graph, part)

    def encode(self, state: ServerState, graph: SharedGraph) -> GlobalView:
        """The graph part of the global view, without gradients."""
        with torch.no_grad():
            return self.encoder(state.tables["users"].values, state.tables["items"].values, graph)
