"""Propagation against a dense adjacency matrix, written as the paper writes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedshare.models.graph import SharedGraph
from fedshare.models.lightgcn import propagate
from fedshare.models.ragged import Ragged
from fedshare.sharing.views import ServerView

EDGES = [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (3, 2)]  # user 2 and item 3 have none


@pytest.fixture
def graph() -> SharedGraph:
    user, item = np.array(EDGES, dtype=np.int32).T
    return SharedGraph.of(ServerView(n_users=4, n_items=4, user=user, item=item, user_ids=("a", "b", "d")))


def dense(users: torch.Tensor, items: torch.Tensor, layers: int) -> tuple[torch.Tensor, torch.Tensor]:
    """He et al., eqs. 3-8, on the whole ``(8, 8)`` adjacency matrix in float64."""
    adjacency = torch.zeros(8, 8, dtype=torch.float64)
    for u, i in EDGES:
        adjacency[u, 4 + i] = adjacency[4 + i, u] = 1
    degree = adjacency.sum(1)
    scale = torch.where(degree > 0, degree.clamp(min=1) ** -0.5, torch.zeros(()).double())
    normal = scale[:, None] * adjacency * scale[None, :]
    hops = [torch.cat([users, items]).double()]
    for _ in range(layers):
        hops.append(normal @ hops[-1])
    mean = torch.stack(hops).mean(0)
    return mean[:4], mean[4:]


def tables() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(3)
    return tuple(torch.from_numpy(rng.normal(size=(4, 3)).astype(np.float32)) for _ in range(2))  # type: ignore[return-value]


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_propagation_is_that_of_the_dense_matrix(graph: SharedGraph, layers: int):
    for mine, twin in zip(propagate(graph, *tables(), layers), dense(*tables(), layers), strict=True):
        torch.testing.assert_close(mine.double(), twin, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_so_is_its_gradient(graph: SharedGraph, layers: int):
    mine, twin = [each.requires_grad_() for each in tables()], [each.double().requires_grad_() for each in tables()]
    up = [each.double() for each in tables()]
    for out, give in zip(propagate(graph, mine[0], mine[1], layers), up, strict=True):
        (out * give.float()).sum().backward(retain_graph=True)
    sum((out * give).sum() for out, give in zip(dense(twin[0], twin[1], layers), up, strict=True)).backward()  # type: ignore[union-attr]
    for a, b in zip(mine, twin, strict=True):
        assert a.grad is not None
        assert b.grad is not None
        torch.testing.assert_close(a.grad.double(), b.grad, atol=1e-5, rtol=1e-5)


def test_gradient_through_one_side_only(graph: SharedGraph):
    users, items = (each.requires_grad_() for each in tables())
    propagate(graph, users, items, 2)[1].square().sum().backward()
    assert users.grad is not None
    assert bool(users.grad[2].eq(0).all())  # user 2 has no edge, so no item hears of them


def test_who_shares_nothing_comes_back_alone(graph: SharedGraph):
    users, items = tables()
    out = propagate(graph, users, items, 2)
    assert torch.equal(out[0][2], users[2] / 3)
    assert torch.equal(out[1][3], items[3] / 3)


def test_a_graph_without_edges():
    empty = SharedGraph(Ragged.from_numpy(np.zeros(5, np.int64), np.empty(0, np.int32), 4))
    users, items = tables()
    assert empty.is_empty
    for mine, table in zip(propagate(empty, users, items, 2), (users, items), strict=True):
        assert torch.equal(mine, table / 3)


def test_weights_are_one_over_the_root_of_both_degrees(graph: SharedGraph):
    degree_u, degree_i = {0: 2, 1: 3, 3: 1}, {0: 1, 1: 2, 2: 3}
    assert graph.weights.tolist() == pytest.approx([(degree_u[u] * degree_i[i]) ** -0.5 for u, i in EDGES])
    assert graph.user_degree.tolist() == [2, 3, 0, 1]
    assert graph.item_degree.tolist() == [1, 2, 3, 0]
