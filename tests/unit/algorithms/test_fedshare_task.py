"""The device's work against autograd of the loss as the module's docstring writes it, one device at a time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedshare.algorithms.fedshare.task import VECTOR, FedShareTask, local_view
from fedshare.federation.tasks import Cohort, CohortUpdate
from fedshare.federation.transforms import Clip, Whose, apply_chain
from fedshare.models.ragged import Ragged
from fedshare.models.table import Table
from fedshare.models.vectors import unit
from fedshare.testing.synthetic import small_fedshare, small_ledger, train_small

KNOWN = [[0, 3, 5], [1], [], [2, 0, 4, 6], [5, 1]]
PSEUDO = [[1, 2], [0, 3, 6, 4], [], [5], [0, 2, 3]]
HAS_VIEW = [1.0, 0.0, 1.0, 1.0, 0.0]
SIZE = 4

TASK = FedShareTask(
    embedding_size=SIZE,
    pseudo_items=0,
    pseudo_ratio=0.0,
    learning_rate=0.05,
    temperature=0.3,
    ego_weight=0.7,
    contrast=0.2,
    activity=0.5,
    local_epochs=1,
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
        tables={"items": unit(numbers(7, SIZE, seed=0))},
        arrays={},
        personal={"view": unit(numbers(5, SIZE, seed=2)) * has_view.unsqueeze(1)},
        received=has_view,
        private=Table.of(numbers(5, SIZE, seed=1)).tensors(VECTOR),
    )


def vectors(part: Cohort | CohortUpdate) -> Table:
    return Table.from_tensors(part.private, VECTOR)


def gradient(update: CohortUpdate) -> torch.Tensor:
    return update.uploads.tables["items"].total()


def clipped(update: CohortUpdate, norm: float) -> torch.Tensor:
    return apply_chain([Clip(norm)], update.uploads, Whose(0, 1, [])).tables["items"].total()


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
        own = h @ cohort.personal["view"][user].double() / task.temperature
        nce = -torch.log_softmax(torch.stack([own, *against]), 0)[0]
        loss = loss + task.contrast * n ** (1 - task.activity) * nce
    return loss


def written_gradients(task: FedShareTask, cohort: Cohort, user: int, private: torch.Tensor):
    """Loss, gradient by the private vector, gradient by the item rows: that device's upload."""
    p, z = private.double().requires_grad_(), cohort.tables["items"].double().requires_grad_()
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
    done = task._pass(cohort, vectors(cohort).values)
    upload = torch.zeros(7, SIZE, dtype=torch.float64)
    for user in range(5):
        loss, by_private, by_items = written_gradients(task, cohort, user, vectors(cohort).values[user])
        assert float(done.loss[user]) == pytest.approx(loss, abs=1e-5)
        torch.testing.assert_close(done.private[user].double(), by_private, atol=1e-5, rtol=1e-4)
        upload += by_items
    torch.testing.assert_close(gradient(task.train(cohort)).double(), upload, atol=1e-5, rtol=1e-4)


def test_norms_are_those_of_the_uploads(task: FedShareTask, cohort: Cohort):
    norms = task.train(cohort).uploads.norms()
    for user in range(5):
        _, _, upload = written_gradients(task, cohort, user, vectors(cohort).values[user])
        assert float(norms[user]) == pytest.approx(float(upload.norm()), abs=1e-5)


@pytest.mark.parametrize("clip_norm", [0.05, 0.5, 1.5, 100.0])
def test_uploads_are_clipped_device_by_device(task: FedShareTask, cohort: Cohort, clip_norm: float):
    total = torch.zeros(7, SIZE, dtype=torch.float64)
    for user in range(5):
        _, _, upload = written_gradients(task, cohort, user, vectors(cohort).values[user])
        bounded = upload * min(1.0, clip_norm / max(float(upload.norm()), 1e-12))
        alone = clipped(task.train(one(cohort, user)), clip_norm)
        assert float(alone.norm()) <= clip_norm * (1 + 1e-5)
        torch.testing.assert_close(alone.double(), bounded, atol=1e-5, rtol=1e-4)
        total += bounded
    together = clipped(task.train(cohort), clip_norm)
    torch.testing.assert_close(together.double(), total, atol=1e-5, rtol=1e-4)


def test_an_upload_written_out_is_the_same_upload(task: FedShareTask, cohort: Cohort):
    lazy = task.train(cohort).uploads.tables["items"]
    written = lazy.written_out()
    torch.testing.assert_close(written.total(), lazy.total(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(written.squared_norms(), lazy.squared_norms(), atol=1e-5, rtol=1e-4)
    halved = lazy.scaled(torch.full((5,), 0.5))
    torch.testing.assert_close(halved.written_out().total(), lazy.total() / 2, atol=1e-6, rtol=1e-5)
    for user in range(5):
        _, _, upload = written_gradients(task, cohort, user, vectors(cohort).values[user])
        rows = sorted(KNOWN[user] + PSEUDO[user])
        torch.testing.assert_close(written.of_device(user).double(), upload[rows], atol=1e-5, rtol=1e-4)


def test_clipping_leaves_the_private_vector_alone():
    bound, free = (train_small(small_fedshare(clip_norm=n), small_ledger(), rounds=1, seed=1) for n in (0.01, None))
    for name, rows in bound.devices.private.items():
        assert torch.equal(rows, free.devices.private[name])
    assert not torch.equal(*(run.server.state.tables["items"].first for run in (bound, free)))


def one(cohort: Cohort, user: int) -> Cohort:
    chosen = torch.tensor([user])
    return replace(
        cohort,
        known=cohort.known.select(chosen),
        pseudo=cohort.pseudo.select(chosen),
        personal={name: rows[chosen] for name, rows in cohort.personal.items()},
        received=cohort.received[chosen],
        private={name: rows[chosen] for name, rows in cohort.private.items()},
    )


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_local_epochs_are_adam_on_the_private_vector(task: FedShareTask, cohort: Cohort, epochs: int):
    """The upload is the gradient at the last pass, and the vector has moved ``epochs`` times."""
    update = replace(task, local_epochs=epochs).train(cohort)
    upload = torch.zeros(7, SIZE, dtype=torch.float64)
    for user in range(5):
        private, by_items = Table.of(vectors(cohort).values[user : user + 1]), torch.zeros(7, SIZE).double()
        for _ in range(epochs):
            _, by_private, by_items = written_gradients(task, cohort, user, private.values[0])
            private = private.descend(by_private.float().unsqueeze(0), task.learning_rate)
        upload += by_items
        torch.testing.assert_close(vectors(update).values[user], private.values[0], atol=2e-4, rtol=1e-3)
    assert vectors(update).steps.tolist() == [epochs] * 5
    torch.testing.assert_close(gradient(update).double(), upload, atol=1e-3, rtol=1e-3)


def test_a_device_that_knows_nothing_stays_as_it_is(task: FedShareTask, cohort: Cohort):
    update = task.train(one(cohort, 2))
    assert torch.equal(vectors(update).values, vectors(cohort).values[2:3])
    assert not gradient(update).any()
    assert float(update.loss[0]) == 0


def test_who_has_no_view_does_not_see_what_stands_in_its_place(cohort: Cohort):
    nonsense = cohort.personal["view"].clone()
    nonsense[1] = 7.0
    changed = replace(cohort, personal={"view": nonsense})
    assert torch.equal(vectors(TASK.train(changed)).values, vectors(TASK.train(cohort)).values)
    assert torch.equal(gradient(TASK.train(changed)), gradient(TASK.train(cohort)))


def test_the_cohort_is_not_changed(task: FedShareTask, cohort: Cohort):
    items, values = cohort.tables["items"].clone(), vectors(cohort).values.clone()
    task.train(cohort)
    assert torch.equal(items, cohort.tables["items"])
    assert torch.equal(values, vectors(cohort).values)


def test_the_loss_falls(task: FedShareTask, cohort: Cohort):
    fitted = task.refit(cohort, 40)
    blind = replace(cohort, received=torch.zeros(5), personal={"view": torch.zeros(5, SIZE)})
    assert float(task.train(blind.with_private(fitted)).loss.sum()) < float(task.train(blind).loss.sum())


def test_a_refit_sees_no_global_view(cohort: Cohort):
    elsewhere = replace(cohort, personal={"view": torch.ones(5, SIZE)})
    assert torch.equal(TASK.refit(cohort, 3)["vector.values"], TASK.refit(elsewhere, 3)["vector.values"])


def test_a_refit_of_no_steps_is_the_start(cohort: Cohort):
    fitted = TASK.refit(cohort, 0)
    assert set(fitted) == set(cohort.private)
    assert all(fitted[name] is rows for name, rows in cohort.private.items())


def test_the_local_view_is_one_hop_over_the_ego_graph(cohort: Cohort):
    view = local_view(vectors(cohort).values, cohort.tables["items"], cohort.known, 0.7)
    for user, known in enumerate(KNOWN):
        raw = vectors(cohort).values[user].double()
        for i in known:
            raw = raw + 0.7 / math.sqrt(len(known)) * cohort.tables["items"][i].double()
        torch.testing.assert_close(view[user].double(), raw / raw.norm(), atol=1e-6, rtol=1e-5)


def test_unit_rows():
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert unit(rows).tolist() == [pytest.approx([0.6, 0.8]), [0.0, 0.0]]
