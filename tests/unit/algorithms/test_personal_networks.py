"""PFedRec and FedNCF: what is one's own on a device is a score function, or the input of a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedshare.algorithms.fedncf import FedNCF
from fedshare.algorithms.pfedrec import Examples, PFedRec
from fedshare.data.synthetic import two_taste_world
from fedshare.errors import BadOption, NotMeasured
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import Cohort
from fedshare.federation.transforms import Clip
from fedshare.federation.uploads import Dense, Rows
from fedshare.models.ragged import Ragged
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import ShareEverything, ShareFraction
from fedshare.simulation.engines import Batched, Sequential
from fedshare.testing.contracts import AlgorithmContract
from fedshare.testing.synthetic import small_ledger
from fedshare.testing.synthetic import train_small as train
from fedshare.training.algorithm import Algorithm
from fedshare.training.server_side import Catalogue, ServerSide

SMALL_PFEDREC = PFedRec(embedding_size=8, learning_rate=0.1, item_scale=2.0, batch_size=16)
SMALL_FEDNCF = FedNCF(embedding_size=8, layers=(8, 4), item_scale=1.0, user_scale=2.0, batch_size=16)
SMALL = {
    "pfedrec": SMALL_PFEDREC,
    "pfedrec, own items": replace(SMALL_PFEDREC, keep_items=True),
    "fedncf": SMALL_FEDNCF,
}


class TestPFedRec(AlgorithmContract):
    algorithm = SMALL_PFEDREC
    has_server_scorer = False

    def test_the_server_has_no_scores(self) -> None:
        with pytest.raises(NotMeasured, match="no score functions"):
            self._run().server_scorer()


class TestPFedRecOwnItems(AlgorithmContract):
    algorithm = replace(SMALL_PFEDREC, keep_items=True, participation=0.5, clip_norm=5.0)
    has_server_scorer = False


class TestFedNCF(AlgorithmContract):
    algorithm = SMALL_FEDNCF
    has_server_scorer = False

    def test_the_server_has_no_scores(self) -> None:
        with pytest.raises(NotMeasured, match="no user vectors"):
            self._run().server_scorer()


class TestFedNCFClipped(AlgorithmContract):
    algorithm = replace(SMALL_FEDNCF, participation=0.5, clip_norm=1.0)
    has_server_scorer = False


@pytest.mark.parametrize("name", SMALL)
def test_engines_agree(name: str):
    one_by_one = train(SMALL[name], small_ledger(), rounds=2, seed=1, engine=Sequential())
    for engine in (Batched(), Batched(clients_per_step=5)):
        mine = train(SMALL[name], small_ledger(), rounds=2, seed=1, engine=engine)
        pairs = [
            (
                mine.server.state.tables["items"].tensors("items"),
                one_by_one.server.state.tables["items"].tensors("items"),
            ),
            (mine.server.state.arrays, one_by_one.server.state.arrays),
            (mine.devices.private, one_by_one.devices.private),
        ]
        for ours, reference in pairs:
            assert set(ours) == set(reference)
            for part, values in ours.items():
                torch.testing.assert_close(values, reference[part], atol=1e-5, rtol=0)
        assert mine.cost.bytes_up_per_client == one_by_one.cost.bytes_up_per_client
        assert mine.cost.bytes_down_per_client == one_by_one.cost.bytes_down_per_client


@pytest.mark.parametrize(
    "algorithm",
    [
        PFedRec(embedding_size=8, learning_rate=0.1, item_scale=5.0),
        PFedRec(embedding_size=8, learning_rate=0.1, item_scale=5.0, keep_items=True),
        FedNCF(embedding_size=8, layers=(8, 4), user_scale=20.0, item_scale=20.0),
    ],
    ids=list(SMALL),
)
def test_a_withheld_item_of_the_own_taste_ranks_in_the_upper_half(algorithm: Algorithm):
    """Even users like even items: so does whoever learned it, of items that the person does not have."""
    known = two_taste_world(24, 20, liked_share=0.9, seed=3)
    run = train(algorithm, share(known, ShareFraction(0.5)), rounds=100, seed=1)
    scores = run.device_scorer().scores(np.arange(24))
    for user in range(24):
        withheld = np.setdiff1d(np.arange(user % 2, 20, 2), known.items_of(user))
        assert len(withheld) == 1
        assert (scores[user] > scores[user, withheld[0]]).sum() < 10


@pytest.mark.parametrize("name", SMALL)
def test_what_is_shared_changes_nothing(name: str):
    known = small_ledger().known
    ledgers = (Ledger(known), share(known, ShareEverything()))
    nothing, everything = (train(SMALL[name], each, seed=1, rounds=2) for each in ledgers)
    people = np.arange(known.n_users)
    assert np.array_equal(nothing.device_scorer().scores(people), everything.device_scorer().scores(people))


# -- what a device trains on ----------------------------------------------------------------------------------------


def cohort_of_four(tables: dict[str, Tensor], arrays: dict[str, Tensor], private: dict[str, Tensor]) -> Cohort:
    """Four people who know 3, 0, 12 and 1 of 15 items."""
    known = Ragged(torch.tensor([0, 3, 3, 15, 16]), torch.tensor([1, 4, 9, *range(2, 14), 7]), 15)
    nothing = Ragged(torch.zeros(5, dtype=torch.int64), torch.zeros(0, dtype=torch.int32), 15)
    names = ("a", "b", "c", "d")
    return Cohort(known, nothing, tables, arrays, {}, torch.zeros(4), private, names, seed=3, round=2)


def examples_of(examples: Examples, client: int) -> list[tuple[Tensor, Tensor]]:
    """The batches of one device: items and targets."""
    row = examples.order.tolist().index(client)
    steps = [each for each in examples.steps if row < each.n_clients]
    real = [each.weights[row] > 0 for each in steps]
    columns = examples.pattern.columns
    return [
        (columns[step.slots[row][keep]].long(), step.targets[row][keep]) for step, keep in zip(steps, real, strict=True)
    ]


def test_examples_are_known_items_and_distinct_unknown_ones():
    cohort = cohort_of_four({}, {}, {})
    examples = Examples.of(cohort, "test", 4, 8)
    for client in range(4):
        batches = examples_of(examples, client)
        mine = cohort.known.columns[cohort.known.owners == client].tolist()
        n_negatives = min(4, 15 - len(mine)) * len(mine)  # whoever knows 12 of 15 has 3 to draw from
        items = torch.cat([torch.zeros(0).long(), *(each for each, _ in batches)])
        targets = torch.cat([torch.zeros(0), *(each for _, each in batches)])
        assert sorted(items[targets == 1].tolist()) == mine
        negatives = items[targets == 0].tolist()
        assert len(negatives) == n_negatives
        assert not set(negatives) & set(mine)
        assert max([0, *(negatives.count(each) for each in set(negatives))]) <= len(mine)
        assert [len(each) for each, _ in batches[:-1]] == [8] * (len(batches) - 1)
        assert [int(examples.n_steps[client])] == [max(1, len(batches))]
        occur = examples.pattern.columns[examples.pattern.owners == client].tolist()
        assert occur == sorted(set(items.tolist()))


def test_excluded_items_are_no_negatives():
    cohort = cohort_of_four({}, {}, {})
    spared = Ragged(torch.tensor([0, 2, 2, 3, 14]), torch.tensor([0, 2, 0, *range(7), *range(8, 12)]), 15)
    examples = Examples.of(cohort, "test", 4, 8, excluded=spared)
    for client in range(4):
        barred = set(spared.columns[spared.owners == client].tolist())
        assert not barred & {int(item) for items, _ in examples_of(examples, client) for item in items}


def test_whoever_knows_everything_has_no_negatives():
    everything = Ragged(torch.tensor([0, 3]), torch.tensor([0, 1, 2]), 3)
    nothing = Ragged(torch.zeros(2, dtype=torch.int64), torch.zeros(0, dtype=torch.int32), 3)
    examples = Examples.of(Cohort(everything, nothing, {}, {}, {}, torch.zeros(1), {}, ("a",)), "test", 4, 8)
    ((items, targets),) = examples_of(examples, 0)
    assert sorted(items.tolist()) == [0, 1, 2]
    assert targets.tolist() == [1, 1, 1]


# -- against plain torch --------------------------------------------------------------------------------------------


def _table(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def _close(mine: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(mine, expected.detach(), atol=1e-5, rtol=1e-5)


def test_a_device_of_pfedrec_does_what_plain_torch_does():
    task = PFedRec(embedding_size=5, learning_rate=0.1, item_scale=0.5, batch_size=8, keep_items=True).task()
    items = _table(0, 15, 5)
    private = task.start(4, Payload(tables={"items": items}), seed=1) | {"weight": _table(1, 4, 5)}
    cohort = cohort_of_four({"items": items}, {}, private)
    update, examples = task.train(cohort), task.examples(cohort)
    uploaded = update.uploads.tables["items"]
    assert isinstance(uploaded, Rows)
    for client in range(4):
        table, score = nn.Embedding(15, 5), nn.Linear(5, 1)
        with torch.no_grad():
            table.weight.copy_(items)
            score.weight.copy_(private["weight"][client : client + 1])
            score.bias.copy_(private["bias"][client])
        for_score = torch.optim.SGD(score.parameters(), 0.1)
        for_items = torch.optim.SGD(table.parameters(), 0.1 * 15 * 0.5)
        for batch, targets in examples_of(examples, client):
            for each in (for_score, for_items):  # first the score function, then the items
                each.zero_grad()
                nn.functional.binary_cross_entropy(score(table(batch)).sigmoid().squeeze(1), targets).backward()
                each.step()
        _close(update.private["weight"][client], score.weight[0])
        _close(update.private["bias"][client], score.bias)
        _close(update.private["items"][client], table.weight)
        occur = uploaded.pattern.columns[uploaded.pattern.owners == client].long()
        _close(uploaded.of_device(client), (table.weight - items)[occur])
        alone = task.scorer(Payload(tables={"items": items}), update.private, cohort.known)
        _close(torch.from_numpy(alone.scores(np.array([client])))[0], score(table.weight).squeeze(1))


def test_a_device_of_fedncf_does_what_plain_torch_does():
    mine = FedNCF(embedding_size=5, layers=(6, 4), init_scale=1.0, user_scale=2.0, item_scale=0.1, batch_size=8)
    task, items = mine.task(), _table(0, 15, 5)
    side = ServerSide(small_ledger().server_view(), Catalogue((), ()), seed=1, rounds=1)
    network = dict(mine.start(side).arrays)
    private = task.start(4, Payload(tables={"items": items}), seed=1)
    cohort = cohort_of_four({"items": items}, network, private)
    update, examples = task.train(cohort), task.examples(cohort)
    uploaded = update.uploads.tables["items"]
    assert isinstance(uploaded, Rows)
    for client in range(4):
        user, table = nn.Embedding(1, 5), nn.Embedding(15, 5)
        linear = [nn.Linear(10, 6), nn.Linear(6, 4), nn.Linear(4, 1)]
        with torch.no_grad():
            user.weight.copy_(private["user"][client : client + 1])
            table.weight.copy_(items)
            for layer, each in enumerate(linear):
                each.weight.copy_(network[f"w{layer}"].T)
                each.bias.copy_(network[f"b{layer}"])
        stack = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])

        def logits(batch: Tensor, user=user, table=table, stack=stack) -> Tensor:
            return stack(torch.cat([user.weight.expand(len(batch), -1), table(batch)], dim=1)).squeeze(1)

        groups = [
            {"params": stack.parameters(), "lr": 0.5},
            {"params": user.parameters(), "lr": 0.5 * 2.0},
            {"params": table.parameters(), "lr": 0.5 * 15 * 0.1},
        ]
        optimiser = torch.optim.SGD(groups, lr=1.0)
        for batch, targets in examples_of(examples, client):
            optimiser.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(logits(batch), targets).backward()
            optimiser.step()
        _close(update.private["user"][client], user.weight[0])
        occur = uploaded.pattern.columns[uploaded.pattern.owners == client].long()
        _close(uploaded.of_device(client), (table.weight - items)[occur])
        for layer, each in enumerate(linear):
            for name, after in ((f"w{layer}", each.weight.T), (f"b{layer}", each.bias)):
                part = update.uploads.arrays[name]
                assert isinstance(part, Dense)
                _close(part.of_device(client), after - network[name])
        own = {name: each + update.uploads.arrays[name].of_device(client) for name, each in network.items()}  # type: ignore[attr-defined]
        released = Payload(tables={"items": table.weight.detach()}, arrays=own)
        scorer = task.scorer(released, update.private, cohort.known)
        _close(torch.from_numpy(scorer.scores(np.array([client])))[0], logits(torch.arange(15)))


# -- options --------------------------------------------------------------------------------------------------------


def test_uploads_are_bounded_where_asked():
    assert PFedRec().transforms == FedNCF().transforms == ()
    assert PFedRec(clip_norm=2.0).transforms == FedNCF(clip_norm=2.0).transforms == (Clip(2.0),)


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        *((kind, option, 0) for kind in (PFedRec, FedNCF) for option in ("embedding_size", "batch_size", "negatives")),
        *((kind, option, 0.0) for kind in (PFedRec, FedNCF) for option in ("learning_rate", "item_scale")),
        *((kind, "participation", 1.5) for kind in (PFedRec, FedNCF)),
        *((kind, "clip_norm", -1.0) for kind in (PFedRec, FedNCF)),
        (FedNCF, "user_scale", 0.0),
        (FedNCF, "init_scale", -1.0),
    ],
)
def test_a_bad_option_is_named_with_its_value(kind: type, option: str, value: float):
    with pytest.raises(BadOption, match=f"{option}: got {value}"):
        kind(**{option: value})


@pytest.mark.parametrize(("layers", "shown"), [((), "none"), ((8, 0), "0")])
def test_a_network_without_width_is_refused(layers: tuple[int, ...], shown: str):
    with pytest.raises(BadOption, match=f"layers: got {shown}"):
        FedNCF(layers=layers)
