"""The device's work against autograd of the loss as the module's docstring writes it, one device at a time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedshare.federation.tasks import Cohort
from fedshare.algorithms.fedshare.task import FedShareTask, fit_private, local_view, unit
from fedshare.models.ragged import Ragged
from fedshare.models.table import Table

KNOWN = [[0, 3, 5], [1], [], [2, 0, 4, 6], [5, 1]]
PSEUDO = [[1, 2], [0, 3, 6, 4], [], [5], [0, 2, 3]]
HAS_VIEW = [1.0, 0.0, 1.0, 1.0, 0.0]
SIZE = 4

TASK = FedShareTask(
    learning_rate=0.05,
    temperature=0.3,
    ego_weight=0.7,
    contrast=0.2,
    activity=0.5,
    local_epochs=1,
    clip_norm=None,
    ranking="softmax",
)


def pattern(rows: list[list[int]]) -> Ragged:
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Ragged.from_numpy(offsets, np.array([c for row in rows for c in row], dtype=np.int32), 7)


def numbers(*shape: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


@pytest.fixture
def cohort() -> Cohort:
    has_view = torch.tensor(HAS_VIEW)
    return Cohort(
        known=pattern(KNOWN),
        pseudo=pattern(PSEUDO),
        items=unit(numbers(7, SIZE, seed=0)),
        private=Table.of(numbers(5, SIZE, seed=1)),
        global_views=unit(numbers(5, SIZE, seed=2)) * has_view.unsqueeze(1),
        has_view=has_view,
    )


def written_loss(task: FedShareTask, cohort: Cohort, user: int, private: torch.Tensor, items: torch.Tensor):
    """The formula of the docstring; ``private`` ``(d,)`` and ``items`` ``(7, d)`` in float64."""
    known, pseudo = KNOWN[user], PSEUDO[user]
    n = len(known)
    raw = private + sum((task.ego_weight / math.sqrt(n) * items[i] for i in known), torch.zeros(SIZE).double())
    h = raw / raw.norm()
    against = [h @ items[j] / task.temperature for j in pseudo]
    loss = torch.zeros((), dtype=torch.float64)
    if n == 0:
        return loss * private.sum()
    for place, i in enumerate(known):
        mine = h @ items[i] / task.temperature
        if task.ranking == "softmax":
            loss = loss + n**-task.activity * -torch.log_softmax(torch.stack([mine, *against]), 0)[0]
        elif pseudo:
            loss = loss + n**-task.activity * -torch.nn.functional.logsigmoid(mine - against[place % len(pseudo)])
    if HAS_VIEW[user]:
        own = h @ cohort.global_views[user].double() / task.temperature
        nce = -torch.log_softmax(torch.stack([own, *against]), 0)[0]
        loss = loss + task.contrast * n ** (1 - task.activity) * nce
    return loss


def written_gradients(task: FedShareTask, cohort: Cohort, user: int, private: torch.Tensor):
    """Loss, gradient by the private vector, gradient by the item rows: that device's upload."""
    p, z = private.double().requires_grad_(), cohort.items.double().requires_grad_()
    loss = written_loss(task, cohort, user, p, z)
    by_p, by_z = torch.autograd.grad(loss, (p, z), allow_unused=True)
    zero = torch.zeros_like
    return float(loss.detach()), zero(p) if by_p is None else by_p, zero(z) if by_z is None else by_z


TASKS = {
    "softmax": TASK,
    "bpr": replace(TASK, ranking="bpr"),
    "bpr alone": replace(TASK, ranking="bpr", contrast=0.0),
    "no contrast": replace(TASK, contrast=0.0),
    "no ego": replace(TASK, ego_weight=0.0),
    "even activity": replace(TASK, activity=0.0),
    "activity 1": replace(TASK, activity=1.0),
}


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> FedShareTask:
    return TASKS[request.param]


def test_gradients_are_those_of_the_written_loss(task: FedShareTask, cohort: Cohort):
    done = task._pass(cohort, cohort.private.values)
    upload = torch.zeros(7, SIZE, dtype=torch.float64)
    for user in range(5):
        loss, by_private, by_items = written_gradients(task, cohort, user, cohort.private.values[user])
        assert float(done.loss[user]) == pytest.approx(loss, abs=1e-5)
        torch.testing.assert_close(done.private[user].double(), by_private, atol=1e-5, rtol=1e-4)
        upload += by_items
    torch.testing.assert_close(task(cohort).gradient.double(), upload, atol=1e-5, rtol=1e-4)


def test_norms_are_those_of_the_uploads(task: FedShareTask, cohort: Cohort):
    norms = task._pass(cohort, cohort.private.values).norms(cohort)
    for user in range(5):
        _, _, upload = written_gradients(task, cohort, user, cohort.private.values[user])
        assert float(norms[user]) == pytest.approx(float(upload.norm()), abs=1e-5)


@pytest.mark.parametrize("clip_norm", [0.05, 0.5, 1.5, 100.0])
def test_uploads_are_clipped_device_by_device(task: FedShareTask, cohort: Cohort, clip_norm: float):
    total = torch.zeros(7, SIZE, dtype=torch.float64)
    for user in range(5):
        _, _, upload = written_gradients(task, cohort, user, cohort.private.values[user])
        clipped = upload * min(1.0, clip_norm / max(float(upload.norm()), 1e-12))
        alone = replace(task, clip_norm=clip_norm)(one(cohort, user)).gradient
        assert float(alone.norm()) <= clip_norm * (1 + 1e-5)
        torch.testing.assert_close(alone.double(), clipped, atol=1e-5, rtol=1e-4)
        total += clipped
    together = replace(task, clip_norm=clip_norm)(cohort).gradient
    torch.testing.assert_close(together.double(), total, atol=1e-5, rtol=1e-4)


def test_clipping_leaves_the_private_vector_alone(task: FedShareTask, cohort: Cohort):
    clipped = replace(task, clip_norm=0.01)(cohort)
    assert torch.equal(clipped.private.values, task(cohort).private.values)


def one(cohort: Cohort, user: int) -> Cohort:
    chosen = torch.tensor([user])
    return Cohort(
        cohort.known.select(chosen),
        cohort.pseudo.select(chosen),
        cohort.items,
        cohort.private.select(chosen),
        cohort.global_views[chosen],
        cohort.has_view[chosen],
    )


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_local_epochs_are_adam_on_the_private_vector(task: FedShareTask, cohort: Cohort, epochs: int):
    """The upload is the gradient at the last pass, and the vector has moved ``epochs`` times."""
    update = replace(task, local_epochs=epochs)(cohort)
    upload = torch.zeros(7, SIZE, dtype=torch.float64)
    for user in range(5):
        private, by_items = Table.of(cohort.private.values[user : user + 1]), torch.zeros(7, SIZE).double()
        for _ in range(epochs):
            _, by_private, by_items = written_gradients(task, cohort, user, private.values[0])
            private = private.descend(by_private.float().unsqueeze(0), task.learning_rate)
        upload += by_items
        torch.testing.assert_close(update.private.values[user], private.values[0], atol=2e-4, rtol=1e-3)
    assert update.private.steps.tolist() == [epochs] * 5
    torch.testing.assert_close(update.gradient.double(), upload, atol=1e-3, rtol=1e-3)


def test_a_device_that_knows_nothing_stays_as_it_is(task: FedShareTask, cohort: Cohort):
    update = task(one(cohort, 2))
    assert torch.equal(update.private.values, cohort.private.values[2:3])
    assert not update.gradient.any()
    assert float(update.loss[0]) == 0


def test_who_has_no_view_does_not_see_what_stands_in_its_place(cohort: Cohort):
    nonsense = cohort.global_views.clone()
    nonsense[1] = 7.0
    changed = replace(cohort, global_views=nonsense)
    assert torch.equal(TASK(changed).private.values, TASK(cohort).private.values)
    assert torch.equal(TASK(changed).gradient, TASK(cohort).gradient)


def test_the_cohort_is_not_changed(task: FedShareTask, cohort: Cohort):
    items, values = cohort.items.clone(), cohort.private.values.clone()
    task(cohort)
    assert torch.equal(items, cohort.items)
    assert torch.equal(values, cohort.private.values)


def test_the_loss_falls(task: FedShareTask, cohort: Cohort):
    private = fit_private(task, cohort.known, cohort.pseudo, cohort.items, cohort.private, steps=40)
    blind = replace(cohort, has_view=torch.zeros(5), global_views=torch.zeros(5, SIZE))
    assert float(task(replace(blind, private=private)).loss.sum()) < float(task(blind).loss.sum())


def test_fit_private_of_no_steps_is_the_start(cohort: Cohort):
    assert fit_private(TASK, cohort.known, cohort.pseudo, cohort.items, cohort.private, 0) is cohort.private


def test_the_local_view_is_one_hop_over_the_ego_graph(cohort: Cohort):
    view = local_view(cohort.private.values, cohort.items, cohort.known, 0.7)
    for user, known in enumerate(KNOWN):
        raw = cohort.private.values[user].double()
        for i in known:
            raw = raw + 0.7 / math.sqrt(len(known)) * cohort.items[i].double()
        torch.testing.assert_close(view[user].double(), raw / raw.norm(), atol=1e-6, rtol=1e-5)


def test_unit_rows():
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert unit(rows).tolist() == [pytest.approx([0.6, 0.8]), [0.0, 0.0]]
