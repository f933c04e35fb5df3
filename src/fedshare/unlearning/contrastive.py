"""Contrastive unlearning: fold in what is still shared, pull affected nodes to it, push them from what was withdrawn.

The mechanism of FedShare (Qu et al., arXiv 2603.11610, 2026) as this project understands it; see
docs/concepts/method.md, "Unlearning". For withdrawn pairs W, with no retrained model in sight:

1. W leaves the share set and its graph. Who shares nothing any more gets back the row that an untrained server has.
2. For every node n at an end of W: n+ = snapshots over the retained edges, n- = snapshots over the withdrawn edges
   alone, the node's own row left out, and the objective

       ranking loss on retained edges + strength * CE([<z_n, n+>, <z_n, n->] / temperature, 0)

3. Fold-in: the user rows of all others in W start afresh and descend on it, items fixed. Then item rows join in small
   steps, a few at least, and on until a stopping test ends it: the devices concerned find that W outscores their
   never-shared pairs by no more than chance. Beyond that point one would forget too much, which also tells that
   something was there. Where fewer than ``min_cohort`` people withdraw something, nobody is asked.
4. The item-item part is computed from the retained pairs, which is exact. Snapshots and optimiser moments of the
   affected rows are overwritten.
5. Erased pairs leave the devices too: the person's private vector is fitted again without them, and a few ordinary
   rounds let the item table forget what devices had told it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.algorithms.fedshare.encoder import GlobalView
from fedshare.algorithms.fedshare.server_objective import ServerObjective
from fedshare.errors import BadOption
from fedshare.federation.orders import Probe, Program, Refit, ask
from fedshare.federation.payload import Payload
from fedshare.models.graph import SharedGraph
from fedshare.models.lightgcn import propagate
from fedshare.models.ragged import Ragged
from fedshare.models.table import Table
from fedshare.models.vectors import unit
from fedshare.options import above, at_least, whole
from fedshare.progress import Progress
from fedshare.rng import stream
from fedshare.training.algorithm import ServerState
from fedshare.training.history import History, Snapshot
from fedshare.training.loop import more_rounds
from fedshare.training.server_run import ServerRun
from fedshare.unlearning.withdrawal import Withdrawal

__all__ = ["ContrastiveUnlearning"]


@dataclass(frozen=True, kw_only=True)
class ContrastiveUnlearning:
    """Options of contrastive unlearning."""

    name: ClassVar[str] = "contrastive"

    steps: int = 50
    "Contrastive steps on user and item rows, at most."
    least_steps: int = 3
    "Minimum steps before the stopping test may end the loop: item rows have learned from the withdrawn pairs as well."
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
            whole(name, getattr(self, name))
        for name in ("temperature", "learning_rate", "item_learning_rate"):
            above(name, getattr(self, name), 0)
        at_least("strength", self.strength, 0)

    def unlearn(self, run: ServerRun, withdrawal: Withdrawal, told: Progress | None = None) -> Program[ServerRun]:
        """The run without the withdrawn pairs.

        Raises:
            BadOption: The run's algorithm keeps no tables of shared pairs.
        """
        algorithm = run.algorithm
        if not isinstance(algorithm, FedShare):
            raise BadOption(
                f"method: contrastive unlearning needs a fedshare run, got one of '{algorithm.name}'. Use "
                "ExactUnlearning() for shared-ease, or Retrain()."
            )
        after = run.on(withdrawal.after)
        if len(withdrawal):
            after = yield from _OnServer(self, algorithm, run, withdrawal).program()
        if withdrawal.erases:
            after = yield from self._on_devices(algorithm, after, told)
        return after

    def _on_devices(self, algorithm: FedShare, run: ServerRun, told: Progress | None) -> Program[ServerRun]:
        """Who erased something fits their private vector again; then the item table settles."""
        payload = algorithm.publish(run.state, run.side()).published()
        yield from ask(Refit(payload=payload, task=algorithm.task(), seed=run.seed, steps=run.rounds))
        return (yield from more_rounds(run, self.erase_rounds, told)) if self.erase_rounds else run


class _OnServer:
    """What the server does, step by step; it reads shared pairs, retained and withdrawn, and its own tables."""

    def __init__(
        self, options: ContrastiveUnlearning, algorithm: FedShare, run: ServerRun, withdrawal: Withdrawal
    ) -> None:
        self.options = options
        self.algorithm = algorithm
        self.run = run
        self.withdrawal = withdrawal
        self.before = run.side()
        self.after = run.on(withdrawal.after).side()

    def program(self) -> Program[ServerRun]:
        graph = self.after.graph
        withdrawn = self._withdrawn_edges()
        affected = withdrawn.counts.nonzero().squeeze(1)
        still = affected[graph.user_degree[affected] > 0]
        items = withdrawn.column_counts.nonzero().squeeze(1)
        state = self._reset_users(self.run.state, affected)
        if len(still):
            state = self._fold_in(state, graph, withdrawn, still)
        state = yield from self._contrast(state, graph, withdrawn, still, items)
        history = self._rewrite(self.run.history, state, affected, items)
        return replace(self.run.on(self.withdrawal.after), state=state, history=history)

    def _strengths(self, withdrawn: Ragged) -> tuple[Float[Tensor, " users"], Float[Tensor, " items"]]:
        """Weight of the contrast for each user and item: what the withdrawn part of it weighed in the server's loss."""
        before = self.before.graph
        weights = self.algorithm.server_objective.pair_weights(before)
        scale = self.options.strength * self.algorithm.server_weight
        user_part = withdrawn.counts / before.user_degree.clamp(min=1)
        item_part = withdrawn.column_counts / before.item_degree.clamp(min=1)
        item_weights = torch.zeros_like(before.item_degree).index_add(0, before.edges.columns, weights)
        return scale * user_part * before.edges.sum(weights), scale * item_part * item_weights

    def _withdrawn_edges(self) -> Ragged:
        counts = np.bincount(self.withdrawal.user, minlength=self.before.n_users)
        offsets = np.concatenate([[0], counts.cumsum()])
        return Ragged.from_numpy(offsets, self.withdrawal.item, self.before.n_items, self.before.device)

    def _reset_users(self, state: ServerState, affected: Tensor) -> ServerState:
        """Rows as an untrained server has them; moments gone."""
        untrained = self.algorithm.start(self.before).tables["users"]
        return state.with_tables(users=state.tables["users"].replace_rows(affected, untrained.select(affected)))

    def _fold_in(self, state: ServerState, graph: SharedGraph, withdrawn: Ragged, still: Tensor) -> ServerState:
        """Fit the fresh user rows, items fixed, on what their owners still share and against what they withdrew."""
        objective, edges, weights, negatives = self._retained_ranking(graph, still)
        near, far = self._anchors(graph)[0][still], self._anchors(SharedGraph(withdrawn))[0][still]
        strength = self._strengths(withdrawn)[0][still]
        users, items = state.tables["users"], state.tables["items"].values
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
        return state.with_tables(users=users.with_values(still, rows.values))

    def _contrast(
        self, state: ServerState, graph: SharedGraph, withdrawn: Ragged, still: Tensor, items: Tensor
    ) -> Program[ServerState]:
        """The contrastive steps on user rows ``still`` and item rows ``items``."""
        objective, edges, weights, negatives = self._retained_ranking(graph, still)
        near, far = self._anchors(graph), self._anchors(SharedGraph(withdrawn))
        of_users, of_items = self._strengths(withdrawn)
        for_users, for_items = of_users[still], of_items[items]
        users_table, items_table = state.tables["users"], state.tables["items"]
        user_rows = Table.of(users_table.values[still])
        item_rows = Table.of(items_table.values[items])
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
            if number >= self.options.least_steps and not (yield from self._should_continue(view, still)):
                break
            loss = self._push(view.items[items], near[1][items], far[1][items], for_items)
            if len(still):
                loss = loss + objective.ranking(view.users[still], view.items, edges, weights, negatives)
                loss = loss + self._push(view.users[still], near[0][still], far[0][still], for_users)
            by_users, by_items = torch.autograd.grad(loss, (free_users, free_items), allow_unused=True)
            if by_users is not None:
                user_rows = user_rows.descend(by_users, self.options.learning_rate)
            item_rows = item_rows.descend(by_items, self.options.item_learning_rate)
        return state.with_tables(
            users=users_table.with_values(still, user_rows.values),
            items=items_table.with_values(items, item_rows.values),
        )

    def _should_continue(self, view: GlobalView, still: Tensor) -> Program[bool]:
        """The stopping test: whether withdrawn pairs outscore never-shared ones by more than chance explains.

        Each device of the request compares the two under its own new global view, and only a sum leaves the devices.
        With nobody to ask, or too few, there is no telling, and what was done so far has to do.
        """
        if not len(still) or self.withdrawal.n_people < self.run.min_cohort:
            return False
        affected = torch.zeros(self.before.n_users, dtype=torch.bool, device=still.device)
        affected[torch.from_numpy(self.withdrawal.user.astype(np.int64)).to(still.device)] = True
        answer = yield from ask(
            Probe(
                payload=Payload(
                    tables={"items": view.items.detach()},
                    personal={"view": view.users.detach() * affected.unsqueeze(1)},  # nobody else's view leaves
                    recipients=affected,
                )
            )
        )
        if answer is None:
            return False
        chance = math.sqrt(1 / 12 / answer.n_pairs)  # standard error of the mean of as many uniform numbers
        return answer.total / answer.n_pairs > 0.5 + chance

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
        drawn = stream(self.run.seed, "unlearning-negatives").permutation(graph.edges.n_columns)
        return objective, edges, weights, torch.from_numpy(drawn[: objective.negatives]).to(still.device)

    def _anchors(self, graph: SharedGraph) -> tuple[Tensor, Tensor]:
        """Mean over the snapshots of what a graph's neighbours say, the node itself left out; users and items."""
        layers = max(1, self.algorithm.layers)
        sharers = self.before.graph.user_degree.nonzero().squeeze(1)
        user_sum = torch.zeros_like(self.run.state.tables["users"].values)
        item_sum = torch.zeros_like(self.run.state.tables["items"].values)
        for snapshot in self.run.history.snapshots:
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
        self, history: History, state: ServerState, affected: Tensor, items: Integer[Tensor, " items"]
    ) -> History:
        """Snapshots in which no affected row is older than this request."""
        before = self.before.graph.user_degree.nonzero().squeeze(1)
        after = self.after.graph.user_degree.nonzero().squeeze(1)
        version = self.withdrawal.after.version(self.run.catalogue.ids)
        rewritten = []
        for snapshot in history.snapshots:
            users = snapshot.full_users(before, self.before.n_users)
            users[affected] = state.tables["users"].values[affected]
            kept_items = snapshot.items.clone()
            kept_items[items] = state.tables["items"].values[items].half()
            rewritten.append(Snapshot(snapshot.round, version, kept_items, users[after].half()))
        return History(tuple(rewritten))
