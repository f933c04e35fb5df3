"""The unsafe log of single uploads: what it holds adds up to what the server was sent, and no disk ever sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fedshare.errors import BadOption
from fedshare.federation.orders import carry_out
from fedshare.federation.uploads import Part, Rows, Uploads
from fedshare.simulation.engines import Batched, Engine, LocalRound, LocalWork, Sequential, sample_cohort
from fedshare.simulation.population import Population
from fedshare.simulation.run import Run
from fedshare.simulation.train import catalogue_of
from fedshare.simulation.update_log import UnsafeUpdateLog, UpdateLog
from fedshare.testing.synthetic import FEW, run_bytes, same_run, small_fedshare, small_ledger, train_small
from fedshare.training.history import Nothing
from fedshare.training.loop import round_of
from fedshare.training.server_side import ServerSide

ENGINES = [Sequential(), Batched(), Batched(clients_per_step=5)]
OPTIONS = [
    {},
    {"participation": 0.5, "noise_multiplier": 0.1},
    {"quantise_bits": 6, "clip_norm": 1.0, "noise_multiplier": 0.1},
]


class Sent:
    """An engine that keeps what goes to the server."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.rounds: list[LocalRound] = []

    def run(self, work: LocalWork) -> LocalRound:
        self.rounds.append(self.engine.run(work))
        return self.rounds[-1]


def logged(engine: Engine, **options: object) -> tuple[Run, UpdateLog, list[LocalRound]]:
    sent = Sent(engine)
    algorithm = small_fedshare(**options)
    run = train_small(algorithm, small_ledger(), rounds=3, seed=1, engine=sent, keep=UnsafeUpdateLog())
    assert run.update_log is not None
    return run, run.update_log, sent.rounds


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("options", OPTIONS)
def test_uploads_of_a_round_add_up_to_what_the_server_was_sent(engine: Engine, options: dict[str, float]):
    _, log, rounds = logged(engine, **options)
    assert {each.round for each in log.entries} == {1, 2, 3}
    for number, sent in enumerate(rounds, 1):
        total = torch.zeros_like(sent.tables["items"])
        for each in log.entries:
            if each.round == number:
                total.index_add_(0, each.rows["items"], each.values["items"])
        torch.testing.assert_close(total, sent.tables["items"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_single_uploads_are_the_same_on_every_engine(engine: Engine):
    _, log, _ = logged(engine, **OPTIONS[2])
    _, reference, _ = logged(Sequential(), **OPTIONS[2])
    step = 1.0 / 31  # a number on the edge of the grid may fall on either side
    assert [(each.round, each.user) for each in log.entries] == [(each.round, each.user) for each in reference.entries]
    for mine, other in zip(log.entries, reference.entries, strict=True):
        assert torch.equal(mine.rows["items"].long(), other.rows["items"].long())
        apart = (mine.values["items"] - other.values["items"]).abs()
        assert float(apart.max()) <= step + 1e-5
        assert float((apart > 1e-5).float().mean()) < 0.01


def test_everybody_who_takes_part_is_in_it_once_a_round():
    run, log, _ = logged(Batched(clients_per_step=4), participation=0.5)
    ids = run.known.users.ids
    for number in (1, 2, 3):
        asked = [ids[user] for user in sample_cohort(14, 0.5, 1, number).tolist()]
        assert [each.user for each in log.entries if each.round == number] == asked
    assert [each.round for each in log.of("u00")] == [each.round for each in log.entries if each.user == "u00"]
    assert log.of("nobody") == []


def test_rows_are_item_numbers_of_the_device():
    run, log, _ = logged(Sequential(), item_item=None)
    for each in log.entries:
        rows = each.rows["items"].tolist()
        known = run.ledger.device_view(each.user).items.tolist()
        assert rows == sorted(set(rows))
        assert set(known) <= set(rows)
        assert each.values["items"].shape == (len(rows), 8)


class Listener:
    """Is shown what a server without a secure sum would see."""

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def saw(self, round_number: int, names: list[str], uploads: Uploads) -> None:
        assert len(names) == len(uploads.norms())
        self.parts += uploads.parts.values()


@pytest.mark.parametrize("engine", ENGINES)
def test_whoever_listens_is_shown_every_number_by_item(engine: Engine):
    listener, ledger = Listener(), small_ledger()
    algorithm = small_fedshare(item_item=None)
    side = ServerSide(ledger.server_view(), catalogue_of(ledger), seed=1, rounds=1)
    devices = Population(ledger, engine=engine, min_cohort=FEW, observer=listener)
    carry_out(round_of(algorithm, algorithm.start(side), side, 1), devices, FEW)
    assert listener.parts
    for part in listener.parts:
        assert isinstance(part, Rows)
        assert part.pattern.n_columns == ledger.known.n_items
        assert len(part.values) == part.pattern.n_slots


@pytest.mark.parametrize("engine", ENGINES)
def test_listening_changes_nothing_that_is_learned(engine: Engine):
    run, log, _ = logged(engine)
    plain = train_small(small_fedshare(), small_ledger(), rounds=3, seed=1, engine=engine, keep=Nothing())
    assert run_bytes(run).keys() == run_bytes(plain).keys()
    for name, table in plain.server.state.tables.items():
        torch.testing.assert_close(run.server.state.tables[name].values, table.values, atol=1e-5, rtol=0)
    assert (run.server.keep, run.kept_bytes) == (Nothing(), 0)
    assert log.nbytes == sum(each.nbytes for each in log.entries) > 0


def test_it_is_never_written_to_disk(tmp_path: Path):
    run, _, _ = logged(Batched())
    with pytest.raises(BadOption, match=r"single uploads.*without_update_log"):
        run.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    run.without_update_log().save(tmp_path / "run")
    back = Run.load(tmp_path / "run")
    assert back.update_log is None
    assert same_run(back, run)
    with pytest.raises(BadOption, match="never written to disk"):
        train_small(small_fedshare(), small_ledger(), keep=UnsafeUpdateLog(), checkpoint=tmp_path / "checkpoint")
    assert not (tmp_path / "checkpoint").exists()


def test_nobody_has_one_without_asking_by_name():
    assert train_small(small_fedshare(), small_ledger(), rounds=1).update_log is None
