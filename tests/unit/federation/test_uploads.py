"""Parts of uploads against loops over single devices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedshare.federation.transforms import Clip, Noise, Quantise, Whose, apply_chain
from fedshare.federation.uploads import Dense, Part, Rows, Uploads
from fedshare.models.ragged import Ragged
from fedshare.simulation.engines import Batched, Engine, LocalRound, LocalWork, Sequential
from fedshare.simulation.engines.batched import cohort_of
from fedshare.testing.synthetic import small_fedshare, small_ledger, train_small

ROWS = [[0, 2, 5], [], [1, 2], [5]]
SHAPES = [(), (3,), (2, 2)]
FACTORS = [0.5, 3.0, 0.0, -1.0]


def drawn(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))


def pattern() -> Ragged:
    return Ragged(torch.tensor([0, 3, 3, 5, 6]), torch.tensor([i for row in ROWS for i in row]), 7)


def single(part: Part, device: int) -> np.ndarray:
    """One device's upload as a whole array."""
    written = part.written_out()
    if isinstance(written, Dense):
        return written.values[device].double().numpy()
    start = sum(map(len, ROWS[:device]))
    whole = np.zeros((7, *written.values.shape[1:]))
    for place, item in enumerate(ROWS[device]):
        whole[item] = written.values[start + place].numpy()
    return whole


@pytest.fixture(params=[("rows", shape) for shape in SHAPES] + [("dense", shape) for shape in SHAPES], ids=str)
def part(request: pytest.FixtureRequest) -> Part:
    kind, shape = request.param
    return Rows(pattern(), drawn(6, *shape)) if kind == "rows" else Dense(drawn(4, *shape))


def close(mine: torch.Tensor, expected: np.ndarray | list[float]) -> None:
    np.testing.assert_allclose(mine.numpy(), expected, atol=1e-5)


def test_a_total_is_the_loop(part: Part):
    assert isinstance(part, Part)
    close(part.total(), sum((single(part, device) for device in range(4)), np.zeros(())))


def test_squared_norms_are_those_of_single_devices(part: Part):
    close(part.squared_norms(), [float((single(part, device) ** 2).sum()) for device in range(4)])


def test_each_device_has_its_own_factor(part: Part):
    scaled = part.scaled(torch.tensor(FACTORS))
    for device, factor in enumerate(FACTORS):
        np.testing.assert_allclose(single(scaled, device), factor * single(part, device), atol=1e-6)


def test_written_out_is_the_same(part: Part):
    assert torch.equal(part.written_out().total(), part.total())
    assert part.written_out().written_out() is part.written_out()


def test_values_of_a_device_are_its_own_in_the_order_of_its_rows(part: Part):
    written = part.written_out()
    for device in range(4):
        whole = single(part, device)
        expected = whole if isinstance(written, Dense) else whole[ROWS[device]]
        np.testing.assert_array_equal(written.of_device(device).numpy(), expected.astype(np.float32))


def test_devices_can_be_changed_one_by_one(part: Part):
    changed = part.written_out().map_devices(lambda device, values: values * FACTORS[device])
    close(changed.total(), sum((FACTORS[d] * single(part, d) for d in range(4)), np.zeros(())))


def test_a_part_is_not_changed_by_what_is_asked_of_it(part: Part):
    before = part.written_out().values.clone()
    part.total().add_(1.0)
    part.scaled(torch.tensor(FACTORS)).total()
    part.written_out().map_devices(lambda _, values: values + 1)
    assert torch.equal(part.written_out().values, before)


def test_a_sum_does_not_depend_on_the_order_of_devices():
    values, order = drawn(6, 3), [2, 0, 3, 1]
    mine = Rows(pattern(), values)
    other = Rows(pattern().select(torch.tensor(order)), torch.cat([mine.of_device(device) for device in order]))
    close(other.total(), mine.total().double().numpy())


def test_nobody_uploads_nothing():
    nobody = Rows(Ragged(torch.tensor([0]), torch.zeros(0, dtype=torch.int32), 7), torch.zeros(0, 3))
    assert torch.equal(nobody.total(), torch.zeros(7, 3))
    assert nobody.map_devices(lambda _, values: values + 1).total().sum() == 0


def test_norms_are_those_of_whole_uploads():
    rows, dense = Rows(pattern(), drawn(6, 3)), Dense(drawn(4, 2))
    both = Uploads.of(tables={"items": rows}, arrays={"net": dense})
    expected = [np.hypot(np.linalg.norm(single(rows, d)), np.linalg.norm(single(dense, d))) for d in range(4)]
    close(both.norms(), expected)
    close(Uploads.of(arrays={"net": dense}).norms(), [float(np.linalg.norm(single(dense, d))) for d in range(4)])
    close(both.scaled(torch.tensor(FACTORS)).norms(), [abs(f) * n for f, n in zip(FACTORS, expected, strict=True)])
    assert set(both.parts) == set(both.written_out().parts) == {"items", "net"}


# -- what a task uploads, which is not written out -------------------------------------------------------------------


class Summing:
    """An engine that adds uploads up in both ways: as they are, and written out."""

    def __init__(self, chain: tuple[Clip | Quantise | Noise, ...]) -> None:
        self.chain = chain
        self.compared = 0

    def run(self, work: LocalWork) -> LocalRound:
        clients, order = work.clients, work.order
        cohort = cohort_of(clients, work.users, order.payload, work.private, order.seed, order.number)
        whose = Whose(order.seed, order.number, list(clients.user_ids))
        uploads = apply_chain(self.chain, order.task.train(cohort).uploads, whose)
        for name, part in uploads.tables.items():
            written = uploads.written_out().tables[name]
            torch.testing.assert_close(written.total(), part.total(), atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(written.squared_norms(), part.squared_norms(), atol=1e-4, rtol=1e-4)
            self.compared += 1
        return Batched().run(work)


@pytest.mark.parametrize(
    "chain", [(), (Clip(0.5),), (Clip(0.5), Noise(0.3)), (Clip(0.5), Quantise(7)), (Clip(0.5), Quantise(7), Noise(0.3))]
)
def test_sums_are_the_same_written_out(chain: tuple[Clip | Quantise | Noise, ...]):
    engine = Summing(chain)
    train_small(small_fedshare(), small_ledger(), rounds=2, seed=1, engine=engine)
    assert engine.compared == 2


@pytest.mark.parametrize("options", [{}, {"noise_multiplier": 0.2}, {"noise_multiplier": 0.2, "participation": 0.5}])
@pytest.mark.parametrize("engine", [Batched(), Batched(clients_per_step=3)])
def test_quantised_rounds_are_the_same_on_every_engine(engine: Engine, options: dict[str, float]):
    ledger, algorithm = small_ledger(), small_fedshare(quantise_bits=6, clip_norm=1.0, **options)
    mine, reference = (
        train_small(algorithm, ledger, rounds=3, seed=1, engine=each).server.state.tables["items"].values
        for each in (engine, Sequential())
    )
    torch.testing.assert_close(mine, reference, atol=1e-5, rtol=0)
