"""FedShare: federated recommendation with personalised data sharing.

After Qu et al., "Federated Learning and Unlearning for Recommendation with Personalized Data Sharing", arXiv 2603.11610
(2026). Of that paper only the description is public to us; losses, mixing and hyperparameters are this project's own
realisation, described in docs/concepts/method.md, and no figure here is the paper's.

A round: the server encodes its tables over the graph of shared pairs and publishes unit vectors; devices rank their own
items above pseudo-items, align their local view with their own global view and return gradients; the server adds its
own loss on shared pairs and takes one step. After the last round devices learn how much weight the item-item part of
the global view deserves. With nothing shared every server term vanishes and what remains is ``FedMF``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from fedshare.errors import BadOption
from fedshare.federation.clients import Clients, ClientStore
from fedshare.federation.cohorts import Published, sample_cohort
from fedshare.federation.engines import RoundRequest
from fedshare.federation.messages import weights_bytes
from fedshare.learning.algorithm import RoundInfo, ServerState, State, World
from fedshare.learning.device import DeviceTask, local_view
from fedshare.learning.global_view import Encoder, GlobalView, LightGCNEncoder
from fedshare.learning.item_item import ItemItem
from fedshare.learning.judges import Judges
from fedshare.learning.scorers import LocalScorer, SharedScorer
from fedshare.learning.server import ServerObjective
from fedshare.models.graph import SharedGraph
from fedshare.models.ragged import Ragged
from fedshare.models.scorer import Scorer
from fedshare.models.table import Table

__all__ = ["FedShare"]


@dataclass(frozen=True, kw_only=True)
class FedShare:
    """Hyperparameters of FedShare; pass it to :func:`fedshare.train`.

    Example:
        >>> FedShare(embedding_size=32, layers=1).name
        'fedshare'
    """

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
    user_evidence: float = 5.0
    "Shared items at which a person's pairs have half their weight on the server."
    item_evidence: float = 10.0
    "Sharers at which an item's graph representation has half its weight."
    graph_share: float = 0.5
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
    noise_multiplier: float = 0.0
    "Standard deviation of local noise in multiples of clip_norm."
    item_item: ItemItem | None = field(default_factory=ItemItem)
    "The item-item part of the global view; None leaves the graph part alone."

    def __post_init__(self) -> None:
        whole = {"embedding_size": 1, "layers": 0, "negatives": 1, "pseudo_items": 0, "local_epochs": 1}
        for name, least in whole.items():
            _check(name, getattr(self, name), getattr(self, name) >= least, f"{least} or more")
        for name in ("learning_rate", "item_learning_rate", "temperature", "user_evidence", "item_evidence"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "a number above 0")
        for name in ("ego_weight", "contrast", "server_weight", "pseudo_ratio", "noise_multiplier"):
            _check(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        _check("temperature", self.temperature, self.temperature >= 0.03, "0.03 or more: below, exponentials vanish")
        for name in ("activity", "graph_share"):
            _check(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "0 to 1")
        _check("participation", self.participation, 0 < self.participation <= 1, "above 0 and at most 1")
        _check("ranking", self.ranking, self.ranking in ("softmax", "bpr"), "'softmax' or 'bpr'")
        bounded = self.clip_norm is not None and self.clip_norm > 0
        _check("clip_norm", self.clip_norm, self.clip_norm is None or bounded, "a number above 0, or None")
        _check(
            "noise_multiplier", self.noise_multiplier, bounded or self.noise_multiplier == 0, "0 without a clip_norm"
        )

    @property
    def name(self) -> str:
        return "fedshare"

    @property
    def in_one_round(self) -> bool:
        return False

    @property
    def keeps_snapshots(self) -> bool:
        return True

    @property
    def encoder(self) -> Encoder:
        """The graph part of the global view."""
        return LightGCNEncoder(layers=self.layers, graph_share=self.graph_share, item_evidence=self.item_evidence)

    @property
    def device_task(self) -> DeviceTask:
        """What devices run."""
        return DeviceTask(
            learning_rate=self.learning_rate,
            temperature=self.temperature,
            ego_weight=self.ego_weight,
            contrast=self.contrast,
            activity=self.activity,
            local_epochs=self.local_epochs,
            clip_norm=self.clip_norm,
            ranking=self.ranking,
        )

    @property
    def server_objective(self) -> ServerObjective:
        """What the server learns from shared pairs."""
        return ServerObjective(
            server_weight=self.server_weight,
            contrast=self.contrast,
            temperature=self.temperature,
            activity=self.activity,
            user_evidence=self.user_evidence,
            item_evidence=self.item_evidence,
            negatives=self.negatives,
        )

    _rounds_without = 0.4
    "Part of the rounds in which judges keep some interactions out, for the choice of the item-item part."

    def start(self, world: World) -> State:
        """Random tables. A person's private and global vectors start apart."""
        size, device = self.embedding_size, world.device
        server = ServerState(
            tables={
                "items": Table.random(world.n_items, size, world.seed, "item-table", device=device),
                "users": Table.random(world.n_users, size, world.seed, "user-table", device=device),
            }
        )
        private = Table.random(world.n_users, size, world.seed, "private-vectors", device=device)
        return State(server, ClientStore(private))

    def step(self, state: State, world: World, round_number: int) -> tuple[State, RoundInfo]:
        """One round: publish, local work, server step.

        Judges keep a few interactions out of the first rounds, and then choose the item-item part by them; the other
        rounds train on everything, so that little is lost.
        """
        chooses_after = max(1, round(self._rounds_without * world.rounds))
        if self.item_item is None or world.graph.is_empty or round_number > chooses_after:
            return self.step_on(world.graph, self.clients(world), state, world, round_number)
        graph, clients = self._training_graph(world), self._training_clients(world)
        state, info = self.step_on(graph, clients, state, world, round_number)
        if round_number < chooses_after:
            return state, info
        state, downloaded = self._choose(self.item_item, state, world)
        return state, replace(info, bytes_down=info.bytes_down + downloaded)

    def step_on(
        self, graph: SharedGraph, clients: Clients, state: State, world: World, round_number: int
    ) -> tuple[State, RoundInfo]:
        """One round in which the server knows this graph and devices train on this."""
        if state.clients is None:
            raise BadOption("state: got one without devices, expected the state of a federated run.")
        view = self.encode(state.server, graph)
        local = world.engine.run(
            RoundRequest(
                task=self.device_task,
                clients=clients,
                store=state.clients,
                users=sample_cohort(world.n_users, self.participation, world.seed, round_number),
                published=self.published(view, graph),
                seed=world.seed,
                round_number=round_number,
                noise_scale=self.noise_multiplier * (self.clip_norm or 0.0),
            )
        )
        # a cohort stands for everybody: its sum is scaled up, or the server's own loss would gain weight
        server = self._server_step(state.server, local.gradient / self.participation, graph, world.seed, round_number)
        info = RoundInfo(local.loss, local.bytes_up, local.bytes_down)
        return State(server, local.store, round_number), info

    def finish(self, state: State, world: World) -> State:
        """Compute the item-item part: it belongs to the model, so to what training costs."""
        self._item_item_part(state.server, world)
        return state

    def _choose(self, options: ItemItem, state: State, world: World) -> tuple[State, int]:
        """Let people's devices choose the weight of the item-item part, unless an earlier run did.

        Returns:
            The state with what was chosen, and the bytes of all weights that devices download, to judge and to use.
        """
        judged = 0
        if "item_item_weight" not in state.server.numbers:
            state, judged = self._judged(options, state, world)
        part = self._item_item_part(state.server, world)
        used = 0 if part is None else weights_bytes(int(part[0].count_nonzero()), world.n_items)
        return state, judged + world.n_users * used

    def _judged(self, options: ItemItem, state: State, world: World) -> tuple[State, int]:
        assert state.clients is not None
        clients = self._training_clients(world)
        items = self.encode(state.server, self._training_graph(world)).items
        views = local_view(state.clients.vectors, items, clients.known, self.ego_weight)
        judges = self._judges(options, world)
        numbers, downloaded = options.calibrate(judges, clients, views, items, world)
        return replace(state, server=state.server.with_numbers(**numbers)), downloaded * len(judges.users)

    def device_scorer(self, state: State, world: World) -> Scorer:
        """Local view against published items, plus the weighed item-item part applied to the device's own history."""
        return self.device_scorer_on(world.graph, state, world)

    def device_scorer_on(self, graph: SharedGraph, state: State, world: World) -> Scorer:
        """What devices recommend when the server knows this graph."""
        if state.clients is None:
            raise BadOption("state: got one without devices, expected the state of a federated run.")
        items = self.encode(state.server, graph).items
        users = local_view(state.clients.vectors, items, world.histories, self.ego_weight)
        return LocalScorer(users, items, world.histories, self._item_item_part(state.server, world))

    def server_scorer(self, state: State, world: World) -> Scorer:
        """Global views against published items, plus the item-item part applied to the shared history."""
        view = self.encode(state.server, world.graph)
        return SharedScorer(view.users, view.items, world.graph, self._item_item_part(state.server, world))

    def clients(self, world: World) -> Clients:
        """The devices with all they know, and their pseudo-items."""
        return world.clients(self.pseudo_items, self.pseudo_ratio)

    def _training_clients(self, world: World) -> Clients:
        """The devices with what they train on until the choice: what they keep out is among their pseudo-items.

        So they move the same rows in all rounds, and judges compare like with like. Were it no pseudo-item, it alone
        would not have been pushed away, and vectors would seem to know it.
        """
        options, everything = self.item_item, self.clients(world)
        if options is None or world.graph.is_empty:
            return everything

        def build() -> Clients:
            judges = self._judges(options, world)
            return Clients(judges.training, everything.pseudo.union(judges.held_out), everything.user_ids)

        return world.once(("training clients", self.pseudo_items, self.pseudo_ratio, options), build)

    def _training_graph(self, world: World) -> SharedGraph:
        """Shared pairs but for those kept out: what trains the tables must not have seen what judges judge by."""
        options = self.item_item
        if options is None or world.graph.is_empty:
            return world.graph

        def build() -> SharedGraph:
            pairs = self._judges(options, world).others_shared(world.server_view)
            return SharedGraph(Ragged.from_numpy(*pairs, world.n_items, world.device))

        return world.once(("training graph", options), build)

    def _judges(self, options: ItemItem, world: World) -> Judges:
        return world.once(("judges", options), lambda: options.draw_judges(world))

    def encode(self, server: ServerState, graph: SharedGraph) -> GlobalView:
        """The graph part of the global view, without gradients."""
        with torch.no_grad():
            return self.encoder(server.tables["users"].values, server.tables["items"].values, graph)

    def published(self, view: GlobalView, graph: SharedGraph) -> Published:
        """What devices may download."""
        if graph.is_empty:
            return Published(view.items)
        return Published(view.items, view.users, graph.user_degree > 0)

    def _server_step(
        self, server: ServerState, gradient: Tensor, graph: SharedGraph, seed: int, round_number: int
    ) -> ServerState:
        users, items = server.tables["users"], server.tables["items"]
        free_users = users.values.clone().requires_grad_()
        free_items = items.values.clone().requires_grad_()
        view = self.encoder(free_users, free_items, graph)
        objective = (
            view.items * gradient
        ).sum()  # its derivative is the devices' gradient, carried through the encoder
        if not graph.is_empty:
            table = free_items / free_items.norm(dim=1, keepdim=True).clamp(min=1e-8)
            objective = objective + self.server_objective(view, table, graph, seed, round_number)
        by_users, by_items = torch.autograd.grad(objective, (free_users, free_items), allow_unused=True)
        server = server.with_tables(items=items.descend(by_items, self.item_learning_rate))
        if by_users is None:
            return server
        sharers = graph.user_degree > 0
        return server.with_tables(users=users.descend(by_users, self.learning_rate).where(sharers, users))

    def _item_item_part(self, server: ServerState, world: World) -> tuple[Tensor, float] | None:
        weight = server.numbers.get("item_item_weight", 0.0)
        if self.item_item is None or weight == 0 or world.graph.is_empty:
            return None
        return self.item_item.weights(world, server.numbers), weight


def _check(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise BadOption(f"{name}: got {value!r}, expected {expected}.")
