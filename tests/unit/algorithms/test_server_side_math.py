"""What the server computes of shared pairs, against plain loops in float64: encoder, loss, and the step of a round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.algorithms.fedshare.encoder import GlobalView, LightGCNEncoder
from fedshare.algorithms.fedshare.server_objective import ServerObjective
from fedshare.federation.orders import Aggregate
from fedshare.models.table import FIRST_DECAY, Table
from fedshare.models.vectors import unit
from fedshare.rng import stream
from fedshare.sharing.views import ServerView
from fedshare.training.algorithm import ServerState
from fedshare.training.server_side import Catalogue, ServerSide

SHARED = [[0, 2, 5], [1, 2], [], [2, 3, 4, 5], [5]]  # user 2 shares nothing, nobody shares item 6
N_USERS, N_ITEMS, DIM = 5, 7, 4
USER_DEGREE = [len(items) for items in SHARED]
ITEM_DEGREE = [sum(i in items for items in SHARED) for i in range(N_ITEMS)]
PAIRS = [(u, i) for u, items in enumerate(SHARED) for i in items]

OBJECTIVE = ServerObjective(
    server_weight=0.7,
    contrast=0.3,
    temperature=0.4,
    activity=0.5,
    user_shrinkage=5.0,
    item_shrinkage=2.0,
    negatives=5,
    contrast_items=4,
)
FEDSHARE = FedShare(
    embedding_size=DIM,
    layers=2,
    temperature=0.4,
    contrast=0.3,
    server_weight=0.7,
    user_shrinkage=5.0,
    item_shrinkage=2.0,
    negatives=5,
    item_item=None,
)


@pytest.fixture
def server() -> ServerSide:
    user, item = np.array(PAIRS, dtype=np.int32).T
    names = tuple(f"u{u}" for u in range(N_USERS) if SHARED[u])
    view = ServerView(n_users=N_USERS, n_items=N_ITEMS, user=user, item=item, timestamp=None, user_ids=names)
    catalogue = Catalogue(tuple(f"i{i}" for i in range(N_ITEMS)), (None,) * N_ITEMS)
    return ServerSide(view, catalogue, seed=3, rounds=5)


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


USERS, ITEMS, GRADIENT = numbers(N_USERS, DIM, seed=0), numbers(N_ITEMS, DIM, seed=1), numbers(N_ITEMS, DIM, seed=2)


# -- the slow twins -------------------------------------------------------------------------------------------------


def slow_propagation(users: Tensor, items: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    hops = [(users, items)]
    for _ in range(layers):
        from_users, from_items = hops[-1]
        to_users, to_items = [torch.zeros(DIM).double()] * N_USERS, [torch.zeros(DIM).double()] * N_ITEMS
        for u, i in PAIRS:
            norm = (USER_DEGREE[u] * ITEM_DEGREE[i]) ** 0.5
            to_users[u] = to_users[u] + from_items[i] / norm
            to_items[i] = to_items[i] + from_users[u] / norm
        hops.append((torch.stack(to_users), torch.stack(to_items)))
    return torch.stack([u for u, _ in hops]).mean(0), torch.stack([i for _, i in hops]).mean(0)


def slow_view(users: Tensor, items: Tensor, encoder: LightGCNEncoder) -> GlobalView:
    graph_users, graph_items = slow_propagation(users, items, encoder.layers)
    mixed = []
    for i in range(N_ITEMS):
        a = encoder.graph_weight * ITEM_DEGREE[i] / (ITEM_DEGREE[i] + encoder.item_shrinkage)
        mixed.append((1 - a) * items[i] + a * graph_items[i])
    return GlobalView(unit(graph_users), unit(torch.stack(mixed)), unit(graph_items))


def slow_weight(objective: ServerObjective, u: int, i: int) -> float:
    per_user = USER_DEGREE[u] ** -objective.activity * USER_DEGREE[u] / (USER_DEGREE[u] + objective.user_shrinkage)
    return per_user * ITEM_DEGREE[i] / (ITEM_DEGREE[i] + objective.item_shrinkage)


def slow_ranking(
    objective: ServerObjective, users: Tensor, items: Tensor, weights: list[float], negatives: list[int]
) -> Tensor:
    loss = torch.zeros(()).double()
    for (u, i), weight in zip(PAIRS, weights, strict=True):
        against = [users[u] @ items[j] / objective.temperature for j in negatives if j not in SHARED[u]]
        own = users[u] @ items[i] / objective.temperature
        loss = loss - weight * (own - torch.logsumexp(torch.stack([own, *against]), 0))
    return loss


def slow_contrast(objective: ServerObjective, graph_items: Tensor, table: Tensor, some: list[int]) -> Tensor:
    loss = torch.zeros(()).double()
    for i in some:
        logits = torch.stack([graph_items[i] @ table[j] / objective.temperature for j in some])
        loss = loss + ITEM_DEGREE[i] ** 0.5 * (torch.logsumexp(logits, 0) - logits[some.index(i)])
    return loss


def slow_objective(objective: ServerObjective, view: GlobalView, table: Tensor, seed: int, number: int) -> Tensor:
    drawn = stream(seed, "server-negatives", number).permutation(N_ITEMS).tolist()[: objective.negatives]
    weights = [slow_weight(objective, u, i) for u, i in PAIRS]
    ranking = slow_ranking(objective, view.users, view.items, weights, drawn)
    contrast = slow_contrast(objective, view.graph_items, table, drawn[: objective.contrast_items])
    return objective.server_weight * ranking + objective.contrast * contrast


def near(mine: Tensor, twin: Tensor) -> None:
    torch.testing.assert_close(mine.double(), twin.double(), atol=2e-5, rtol=2e-5)


# -- encoder --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_the_encoder_is_the_loop(server: ServerSide, layers: int):
    encoder = LightGCNEncoder(layers=layers, graph_weight=0.6, item_shrinkage=2.0)
    mine, twin = encoder(USERS, ITEMS, server.graph), slow_view(USERS.double(), ITEMS.double(), encoder)
    near(mine.users, twin.users)
    near(mine.items, twin.items)
    near(mine.graph_items, twin.graph_items)


def test_an_item_nobody_shares_is_its_own_row(server: ServerSide):
    view = LightGCNEncoder()(USERS, ITEMS, server.graph)
    near(view.items[6], unit(ITEMS)[6])
    assert not torch.allclose(view.items[2], unit(ITEMS)[2], atol=1e-2)


def test_without_a_graph_vectors_are_the_tables(server: ServerSide):
    view = LightGCNEncoder()(USERS, ITEMS, server.nothing_shared().graph)
    assert torch.equal(view.items, unit(ITEMS))
    assert torch.equal(view.users, unit(USERS))


def test_views_of_rows_are_the_encoders_where_neighbours_hear_nothing_of_them(server: ServerSide):
    """With one hop a user hears of items alone, so nothing is lost by holding the rest fixed."""
    encoder, rows, own = LightGCNEncoder(layers=1), torch.tensor([0, 3]), numbers(2, DIM, seed=5)
    whole = encoder(USERS.index_put((rows,), own), ITEMS, server.graph).users[rows]
    near(encoder.of_rows(USERS, ITEMS, server.graph, rows)(own), whole)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_views_of_rows_are_the_loop(server: ServerSide, layers: int):
    encoder, rows, own = LightGCNEncoder(layers=layers), torch.tensor([1, 3, 4]), numbers(3, DIM, seed=5)
    silent = USERS.double().clone()
    silent[rows] = 0
    fixed = slow_propagation(silent, ITEMS.double(), layers)[0][rows]
    near(encoder.of_rows(USERS, ITEMS, server.graph, rows)(own), unit(fixed + own.double() / (layers + 1)))


# -- the server's loss ----------------------------------------------------------------------------------------------


def test_pair_weights_are_the_formula(server: ServerSide):
    weights = OBJECTIVE.pair_weights(server.graph).tolist()
    assert weights == pytest.approx([slow_weight(OBJECTIVE, u, i) for u, i in PAIRS])


@pytest.mark.parametrize("negatives", [[6], [2, 5, 0], [4, 6, 1, 2, 5, 3, 0]])
def test_ranking_is_the_loop_and_own_items_are_no_negatives(server: ServerSide, negatives: list[int]):
    users, items, weights = unit(USERS), unit(ITEMS), numbers(len(PAIRS), seed=6).abs()
    mine = OBJECTIVE.ranking(users, items, server.graph.edges, weights, torch.tensor(negatives))
    near(mine, slow_ranking(OBJECTIVE, users.double(), items.double(), weights.tolist(), negatives))


def test_own_items_alone_are_no_negatives(server: ServerSide):
    """Users 0, 1 and 3 share item 2, so it costs them nothing; user 4 does not."""
    per_pair = torch.eye(len(PAIRS))
    costs = [
        float(OBJECTIVE.ranking(unit(USERS), unit(ITEMS), server.graph.edges, each, torch.tensor([2])))
        for each in per_pair
    ]
    assert [cost > 1e-4 for cost in costs] == [u == 4 for u, _ in PAIRS]


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("changed", [{}, {"contrast": 0.0}, {"server_weight": 0.0}, {"negatives": 100}])
def test_the_loss_is_the_loop(server: ServerSide, changed: dict[str, float], number: int):
    objective, encoder = replace(OBJECTIVE, **changed), LightGCNEncoder()  # type: ignore[arg-type]
    mine = objective(encoder(USERS, ITEMS, server.graph), unit(ITEMS), server.graph, 3, number)
    view = slow_view(USERS.double(), ITEMS.double(), encoder)
    near(mine, slow_objective(objective, view, unit(ITEMS.double()), 3, number))


# -- the step of a round --------------------------------------------------------------------------------------------


def stepped(algorithm: FedShare, server: ServerSide, gradient: Tensor, number: int = 1) -> ServerState:
    state = ServerState(tables={"items": Table.of(ITEMS), "users": Table.of(USERS)})
    return algorithm.update(state, Aggregate(n_people=5, min_cohort=1, tables={"items": gradient}), server, number)


def bits(state: ServerState) -> dict[str, bytes]:
    tables = [(name, table.tensors(name)) for name, table in state.tables.items()]
    return {part: each.numpy().tobytes() for _, parts in tables for part, each in parts.items()}


def test_half_of_the_devices_count_for_all(server: ServerSide):
    half = stepped(replace(FEDSHARE, participation=0.5), server, GRADIENT)
    assert bits(half) == bits(stepped(FEDSHARE, server, 2 * GRADIENT))
    assert bits(half) != bits(stepped(FEDSHARE, server, GRADIENT))


def test_the_step_goes_down_the_slope_of_devices_and_server_together(server: ServerSide):
    """A fresh table's first moment is a fixed part of its gradient, so the gradient can be read off it."""
    users, items = USERS.double().requires_grad_(), ITEMS.double().requires_grad_()
    view = slow_view(users, items, LightGCNEncoder(layers=2, graph_weight=0.5, item_shrinkage=2.0))
    own = slow_objective(replace(OBJECTIVE, contrast_items=512), view, unit(items), server.seed, 1)
    by_users, by_items = torch.autograd.grad((view.items * GRADIENT).sum() + own, (users, items))
    by_users[2] = 0  # who shares nothing stays as they are
    after = stepped(FEDSHARE, server, GRADIENT)
    near(after.tables["items"].first / (1 - FIRST_DECAY), by_items)
    near(after.tables["users"].first / (1 - FIRST_DECAY), by_users)


def test_who_shares_nothing_keeps_their_row(server: ServerSide):
    after = stepped(FEDSHARE, server, GRADIENT).tables["users"]
    assert torch.equal(after.values[2], USERS[2])
    assert after.steps.tolist() == [1, 1, 0, 1, 1]


def test_with_nothing_shared_the_step_is_the_devices_alone(server: ServerSide):
    items = ITEMS.clone().requires_grad_()
    (expected,) = torch.autograd.grad((unit(items) * GRADIENT).sum(), items)
    after = stepped(FEDSHARE, server.nothing_shared(), GRADIENT)
    assert torch.equal(after.tables["items"].first, Table.of(ITEMS).descend(expected, 0.02).first)
    assert torch.equal(after.tables["users"].values, USERS)
