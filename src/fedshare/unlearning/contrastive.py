"""Contrastive unlearning: fold in what is still shared, pull affected nodes to it, push them from what was withdrawn.

The mechanism of FedShare (Qu et al., arXiv 2603.11610, 2026) as this project understands it; see
docs/concepts/method.md, "Unlearning". For withdrawn pairs W, with no retrained model in sight:

1. W leaves the share set and its graph. Who shares nothing any more gets back the row that an untrained server has.
2. For every node n at an end of W: n+ = snapshots over the retained edges, n- = snapshots over the withdrawn edges
   alone, the node's own row left out, and the objective

       ranking loss on retained edges + strength * CE([<z_n, n+>, <z_n, n->] / temperature, 0)

3. Fold-in: the user rows of all others in W start afresh and descend on it, items fixed. Then item rows join in small
   steps, a few at least, and on until the devices concerned find that W outscores their never-shared pairs by no more
   than chance: beyond that point one would forget too much, which also tells that something was there.
4. The item-item part is computed from the retained pairs, which is exact. Snapshots and optimiser moments of the
   affected rows are overwritten.
5. Erased pairs leave the devices too: the person's private vector is fitted again without them, and a few ordinary
   rounds let the item table forget what devices had told it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from fedshare.errors import BadOption
from fedshare.evaluation.membership import Comparison, compare_on_server, outscored
from fedshare.evaluation.pairs import Pairs
from fedshare.federation.clients import ClientStore
from fedshare.learning.algorithm import ServerState, State
from fedshare.learning.device import fit_private, unit
from fedshare.learning.fedshare import FedShare
from fedshare.learning.global_view import GlobalView
from fedshare.learning.run import Run
from fedshare.learning.snapshots import Snapshot, Snapshots
from fedshare.models.graph import SharedGraph
from fedshare.models.lightgcn import propagate
from fedshare.models.ragged import Ragged
from fedshare.models.table import Table
from fedshare.rng import stream
from fedshare.sharing.request import Request
from fedshare.unlearning.fine_tune import more_rounds
from fedshare.unlearning.unlearner import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.learning.server import ServerObjective

__all__ = ["ContrastiveUnlearning"]


@dataclass(frozen=True, kw_only=True)
class ContrastiveUnlearning:
    """Options of contrastive unlearning."""

    steps: int = 50
    "Contrastive steps on user and item rows, at most."
    least_steps: int = 3
    "Of these, taken whatever the witness says: item rows have learned from the withdrawn pairs as well."
    fold_in_steps: int = 20
    temperature: float = 0.2
    "Of the contrast, above 0; lower weighs the nearer snapshots more."
    strength: float = 0.2
    """Weight of the contrast, in multiples of what the withdrawn part of a node weighed in the server's loss: what was
    learned harder is pushed harder, and who takes back little is pushed little."""
    learning_rate: float = 0.02
    "Step on user rows."
    item_learning_rate: float = 0.002
    "Step on item rows; small, since most of what an item has learned is other people's."
    erase_rounds: int = 2
    "Ordinary rounds after an erasure."

    def __post_init__(self) -> None:
        for name in ("steps", "least_steps", "fold_in_steps", "erase_rounds"):
            if getattr(self, name) < 0:
                raise BadOption(f"{name}: got {getattr(self, name)}, expected 0 or more.")
        for name in ("temperature", "learning_rate", "item_learning_rate"):
            if not getattr(self, name) > 0:
                raise BadOption(f"{name}: got {getattr(self, name)}, expected a number above 0.")
        if self.strength < 0:
            raise BadOption(f"strength: got {self.strength}, expected 0 or more.")

    @property
    def name(self) -> str:
        return "contrastive"

    def __call__(self, run: Run, request: Request, progress: Progress | None = None) -> Run:
        """The run without the request's pairs.

        Raises:
            BadOption: The run's algorithm keeps no tables of shared pairs.
        """
        algorithm = run.algorithm
        if not isinstance(algorithm, FedShare):
            raise BadOption(
                f"method: contrastive unlearning needs a fedshare run, got one of '{algorithm.name}'. Use "
                "ExactUnlearning() for shared-ease, or Retrain()."
            )
        if len(request) == 0:
            return run.on(request.after)
        after = run.on(request.after)
        if request.n_withdrawn_from_server:
            after = _ServerUnlearning(self, algorithm, run, after, request).carry_out()
        if bool(request.erased.any()):
            after = self._on_devices(algorithm, after, request, progress)
        algorithm.server_scorer(
            after.state, after.world
        )  # computes the item-item part: a cost of unlearning, not of use
        return after

    def _on_devices(self, algorithm: FedShare, run: Run, request: Request, progress: Progress | None) -> Run:
        """Fit the private vectors of who erased something again; then let the item table settle."""
        if run.state.clients is None:
            return run
        users = torch.from_numpy(np.unique(request.user[request.erased]).astype(np.int64)).to(run.world.device)
        items = algorithm.encode(run.state.server, run.world.graph).items
        untrained = algorithm.start(run.world).clients
        assert untrained is not None
        clients = algorithm.clients(run.world).select(users)
        start = untrained.table.select(users)
        fitted = fit_private(algorithm.device_task, clients.known, clients.pseudo, items, start, steps=run.rounds)
        store = ClientStore(run.state.clients.table.replace_rows(users, fitted))
        run = replace(run, state=replace(run.state, clients=store))
        return more_rounds(run, self.erase_rounds, progress) if self.erase_rounds else run


@dataclass(frozen=True, eq=False)
class _ServerUnlearning:
    """What the server does, step by step; it reads shared pairs, retained and withdrawn, and its own tables."""

    options: ContrastiveUnlearning
    algorithm: FedShare
    before: Run
    after: Run
    request: Request

    def carry_out(self) -> Run:
        graph, device = self.after.world.graph, self.after.world.device
        withdrawn = self._withdrawn_edges()
        affected = withdrawn.counts.nonzero().squeeze(1)
        still = affected[graph.user_degree[affected] > 0]
        items = withdrawn.column_counts.nonzero().squeeze(1)
        server = self._reset_users(self.before.state.server, affected)
        if len(still):
            server = self._fold_in(server, graph, withdrawn, still)
        server = self._contrast(server, graph, withdrawn, still, items)
        snapshots = self._rewrite(self.before.snapshots, server, affected, items, device)
        return replace(
            self.after, state=State(server, self.before.state.clients, self.before.state.round), snapshots=snapshots
        )

    def _strengths(self, withdrawn: Ragged) -> tuple[Float[Tensor, " users"], Float[Tensor, " items"]]:
        """Weight of the contrast for each user and item: what the withdrawn part of it weighed in the server's loss."""
        before = self.before.world.graph
        weights = self.algorithm.server_objective.pair_weights(before)
        scale = self.options.strength * self.algorithm.server_weight
        user_part = withdrawn.counts / before.user_degree.clamp(min=1)
        item_part = withdrawn.column_counts / before.item_degree.clamp(min=1)
        item_weights = torch.zeros_like(before.item_degree).index_add(0, before.edges.columns, weights)
        return scale * user_part * before.edges.sum(weights), scale * item_part * item_weights

    def _withdrawn_edges(self) -> Ragged:
        user, item = self.request.withdrawn_from_server
        counts = np.bincount(user, minlength=self.before.world.n_users)
        order = np.lexsort((item, user))
        offsets = np.concatenate([[0], counts.cumsum()])
        return Ragged.from_numpy(offsets, item[order], self.before.world.n_items, self.before.world.device)

    def _reset_users(self, server: ServerState, affected: Tensor) -> ServerState:
        """Rows as an untrained server has them; moments gone."""
        untrained = self.algorithm.start(self.before.world).server.tables["users"]
        return server.with_tables(users=server.tables["users"].replace_rows(affected, untrained.select(affected)))

    def _fold_in(self, server: ServerState, graph: SharedGraph, withdrawn: Ragged, still: Tensor) -> ServerState:
        """Fit the fresh user rows, items fixed, on what their owners still share and against what they withdrew."""
        objective, edges, weights, negatives = self._retained_ranking(graph, still)
        near, far = self._anchors(graph)[0][still], self._anchors(SharedGraph(withdrawn))[0][still]
        strength = self._strengths(withdrawn)[0][still]
        users, items = server.tables["users"], server.tables["items"].values
        rows = users.select(still)
        with torch.no_grad():  # fresh rows tell the graph next to nothing: the rest of it is encoded once
            item_views = self.algorithm.encoder(users.values, items, graph).items
            user_views = self.algorithm.encoder.of_rows(users.values, items, graph, still)
        for _ in range(self.options.fold_in_steps):
            free = rows.values.clone().requires_grad_()
            views = user_views(free)
            loss = objective.ranking(views, item_views, edges, weights, negatives)
            loss = loss + self._push(views, near, far, strength)
            rows = rows.descend(torch.autograd.grad(loss, free)[0], 2 * self.algorithm.learning_rate)
        return server.with_tables(users=users.with_values(still, rows.values))

    def _contrast(
        self, server: ServerState, graph: SharedGraph, withdrawn: Ragged, still: Tensor, items: Tensor
    ) -> ServerState:
        """The contrastive steps on user rows ``still`` and item rows ``items``."""
        objective, edges, weights, negatives = self._retained_ranking(graph, still)
        near, far = self._anchors(graph), self._anchors(SharedGraph(withdrawn))
        of_users, of_items = self._strengths(withdrawn)
        for_users, for_items = of_users[still], of_items[items]
        users_table, items_table = server.tables["users"], server.tables["items"]
        user_rows = Table.of(users_table.values[still])
        item_rows = Table.of(items_table.values[items])
        witness = _Witness(compare_on_server(self.request))
        for number in range(self.options.steps):
            free_users, free_items = (
                user_rows.values.clone().requires_grad_(),
                item_rows.values.clone().requires_grad_(),
            )
            view = self.algorithm.encoder(
                users_table.values.index_put((still,), free_users),
                items_table.values.index_put((items,), free_items),
                graph,
            )
            with torch.no_grad():
                if number >= self.options.least_steps and not (len(still) and witness.still_outscore(view)):
                    break
            loss = self._push(view.items[items], near[1][items], far[1][items], for_items)
            if len(still):
                loss = loss + objective.ranking(view.users[still], view.items, edges, weights, negatives)
                loss = loss + self._push(view.users[still], near[0][still], far[0][still], for_users)
            by_users, by_items = torch.autograd.grad(loss, (free_users, free_items), allow_unused=True)
            if by_users is not None:
                user_rows = user_rows.descend(by_users, self.options.learning_rate)
            item_rows = item_rows.descend(by_items, self.options.item_learning_rate)
        return server.with_tables(
            users=users_table.with_values(still, user_rows.values),
            items=items_table.with_values(items, item_rows.values),
        )

    def _retained_ranking(
        self, graph: SharedGraph, still: Tensor
    ) -> tuple[ServerObjective, Ragged, Float[Tensor, " edges"], Tensor]:
        """The server's own ranking loss, on the retained pairs of some users."""
        objective = self.algorithm.server_objective
        all_weights = objective.pair_weights(graph)
        edges = graph.edges.select(still)
        chosen = torch.zeros(graph.edges.n_owners, dtype=torch.bool, device=still.device)
        chosen[still] = True
        weights = all_weights[chosen[graph.edges.owners]]  # ``still`` ascends, as owners do
        drawn = stream(self.before.seed, "unlearning-negatives").permutation(graph.edges.n_columns)
        return objective, edges, weights, torch.from_numpy(drawn[: objective.negatives]).to(still.device)

    def _anchors(self, graph: SharedGraph) -> tuple[Tensor, Tensor]:
        """Mean over the snapshots of what a graph's neighbours say, the node itself left out; users and items."""
        layers = max(1, self.algorithm.layers)
        sharers = self.before.world.graph.user_degree.nonzero().squeeze(1)
        user_sum = torch.zeros_like(self.before.state.server.tables["users"].values)
        item_sum = torch.zeros_like(self.before.state.server.tables["items"].values)
        for snapshot in self.before.snapshots.kept:
            users, items = snapshot.full_users(sharers, len(user_sum)), snapshot.items.float()
            far_users, far_items = propagate(graph, users, items, layers)
            user_sum += unit((layers + 1) * far_users - users)
            item_sum += unit((layers + 1) * far_items - items)
        return unit(user_sum), unit(item_sum)

    def _push(
        self,
        nodes: Float[Tensor, "nodes dim"],
        near: Float[Tensor, "nodes dim"],
        far: Float[Tensor, "nodes dim"],
        strength: Float[Tensor, " nodes"],
    ) -> Float[Tensor, ""]:
        """CE([<z, n+>, <z, n->] / temperature, 0), weighed and summed over nodes."""
        margin = ((nodes * far).sum(1) - (nodes * near).sum(1)) / self.options.temperature
        return (strength * torch.nn.functional.softplus(margin)).sum()

    def _rewrite(
        self, snapshots: Snapshots, server: ServerState, affected: Tensor, items: Integer[Tensor, " items"], device: str
    ) -> Snapshots:
        """Snapshots in which no affected row is older than this request."""
        before = self.before.world.graph.user_degree.nonzero().squeeze(1)
        after = self.after.world.graph.user_degree.nonzero().squeeze(1)
        version = self.after.world.server_view.version
        rewritten = []
        for snapshot in snapshots.kept:
            users = snapshot.full_users(before, self.before.world.n_users)
            users[affected] = server.tables["users"].values[affected]
            kept_items = snapshot.items.clone()
            kept_items[items] = server.tables["items"].values[items].half()
            rewritten.append(Snapshot(snapshot.round, version, kept_items, users[after].half()))
        return Snapshots(tuple(rewritten))


@dataclass(frozen=True, eq=False)
class _Witness:
    """What the devices of the request tell the server while it unlearns: whether withdrawn pairs still stand out.

    Each device compares, under its own new global view, its withdrawn pairs with pairs that it never shared, and only
    sums of these comparisons leave the devices.
    """

    comparison: Comparison

    def still_outscore(self, view: GlobalView) -> bool:
        """Whether withdrawn pairs outscore never-shared ones by more than chance explains.

        With nothing to compare there is no telling, and the fold-in has to do.
        """
        strata = self.comparison.strata
        if not strata:
            return False
        withdrawn, others = (self._scores(view, pairs) for pairs in (self.comparison.withdrawn, self.comparison.others))
        each = np.concatenate([outscored(withdrawn[s.withdrawn], others[s.others]) for s in strata])
        chance = np.sqrt(1 / 12 / len(each))  # standard error of the mean of as many uniform numbers
        return bool(each.mean() > 0.5 + chance)

    def _scores(self, view: GlobalView, pairs: Pairs) -> NDArray[np.float64]:
        user, item = (torch.tensor(each, dtype=torch.long, device=view.items.device) for each in pairs)
        return (view.users[user] * view.items[item]).sum(1).double().cpu().numpy()
