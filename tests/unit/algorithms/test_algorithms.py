"""Every algorithm keeps to the contract, and learns what there is to learn."""

from __future__ import annotations

import numpy as np
import pytest

from fedshare.algorithms.fedmf import FedMF
from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.algorithms.fedshare.item_item import ItemItem
from fedshare.algorithms.lightgcn import LightGCN
from fedshare.algorithms.popularity import Popularity, Random
from fedshare.algorithms.registry import ALGORITHMS, algorithm, options_of
from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.data.synthetic import random_world, two_taste_world
from fedshare.errors import BadOption, NotMeasured, TooSmall, UnknownUser
from fedshare.federation.transforms import Clip, Noise, Quantise
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import ShareEverything, ShareFraction
from fedshare.simulation.run import Run
from fedshare.testing.contracts import AlgorithmContract
from fedshare.testing.synthetic import small_fedshare, small_ledger
from fedshare.testing.synthetic import train_small as train
from fedshare.training.algorithm import Algorithm


class TestFedShare(AlgorithmContract):
    algorithm = small_fedshare()


class TestFedShareNoItemItem(AlgorithmContract):
    algorithm = small_fedshare(item_item=None, participation=0.5, noise_multiplier=0.1)


class TestFedMF(AlgorithmContract):
    algorithm = FedMF(embedding_size=8, pseudo_items=10, pseudo_ratio=1.0)
    has_server_scorer = False

    def test_the_server_has_no_scores(self) -> None:
        with pytest.raises(NotMeasured, match="no user vectors"):
            self._run().server_scorer()


class TestLightGCN(AlgorithmContract):
    algorithm = LightGCN(embedding_size=8, negatives=16)


class TestSharedEASE(AlgorithmContract):
    algorithm = SharedEASE()


class TestSharedEASEWithContributions(AlgorithmContract):
    algorithm = SharedEASE(regs=(2.0,), popularity_penalties=(0.1,), neighbours=(6,), private_contributions=True)


class TestPopularity(AlgorithmContract):
    algorithm = Popularity()


class TestRandom(AlgorithmContract):
    algorithm = Random()


LEARNERS = {
    "fedshare": small_fedshare(item_item=None),
    "fedshare with item-item": small_fedshare(item_item=ItemItem()),
    "fedmf": FedMF(embedding_size=8, pseudo_items=10, pseudo_ratio=1.0, learning_rate=0.1),
    "lightgcn": LightGCN(embedding_size=8, negatives=20),
    "shared-ease": SharedEASE(regs=(5.0,), popularity_penalties=(0.0,), neighbours=(20,)),
    "shared-ease, chosen by validation clients": SharedEASE(),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_a_withheld_item_of_the_own_taste_ranks_in_the_upper_half(name: str):
    """Even users like even items: so does whoever learned it, of items that the person does not have."""
    known = two_taste_world(24, 20, liked_share=0.9, seed=3)
    run = train(LEARNERS[name], share(known, ShareFraction(0.5)), rounds=20, seed=1)
    scores = run.device_scorer().scores(np.arange(24))
    for user in range(24):
        withheld = np.setdiff1d(np.arange(user % 2, 20, 2), known.items_of(user))
        assert len(withheld) == 1
        rank = (scores[user] > scores[user, withheld[0]]).sum()
        assert rank < 10


def test_what_is_popular_is_what_is_shared():
    ledger = small_ledger(0.5)
    view, scores = ledger.server_view(), train(Popularity(), ledger).server_scorer().scores(np.array([0, 5]))
    assert scores[0].tolist() == np.bincount(view.item, minlength=30).tolist()
    assert scores[0].tolist() == scores[1].tolist()


def test_chance_is_another_order_for_everybody():
    scores = train(Random(), small_ledger(), seed=1).device_scorer().scores(np.arange(14))
    assert len({tuple(np.argsort(row)) for row in scores}) == 14


@pytest.mark.parametrize("name", ALGORITHMS)
def test_options_come_back_from_plain_values(name: str):
    mine = algorithm(name)
    assert isinstance(mine, Algorithm)
    assert mine.name == name
    assert algorithm(name, options_of(mine)) == mine


def test_nested_options_come_back_from_json_lists():
    mine = FedShare(item_item=ItemItem(regs=(1.0, 2.0), k=5))
    options = options_of(mine)
    options["item_item"] = {k: list(v) if isinstance(v, tuple) else v for k, v in options["item_item"].items()}
    assert algorithm("fedshare", options) == mine
    assert algorithm("fedshare", {"item_item": None}) == FedShare(item_item=None)


def test_an_algorithm_or_option_that_is_not_there():
    with pytest.raises(BadOption, match="got 'pinsage', expected one of fedshare, shared-ease, fedmf"):
        algorithm("pinsage")
    with pytest.raises(BadOption, match="'hops'"):
        algorithm("lightgcn", {"hops": 3})
    with pytest.raises(BadOption, match="'hops'"):
        algorithm("fedshare", {"item_item": {"hops": 3}})


BAD = [
    (FedShare, "embedding_size", 0),
    (FedShare, "layers", -1),
    (FedShare, "learning_rate", 0.0),
    (FedShare, "learning_rate", float("nan")),
    (FedShare, "item_learning_rate", -0.1),
    (FedShare, "temperature", 0.0),
    (FedShare, "ego_weight", -1.0),
    (FedShare, "activity", 1.5),
    (FedShare, "contrast", -0.1),
    (FedShare, "server_weight", -0.1),
    (FedShare, "user_shrinkage", 0.0),
    (FedShare, "item_shrinkage", -2.0),
    (FedShare, "graph_weight", 1.1),
    (FedShare, "negatives", 0),
    (FedShare, "pseudo_items", -1),
    (FedShare, "pseudo_ratio", -0.5),
    (FedShare, "participation", 0.0),
    (FedShare, "participation", 1.2),
    (FedShare, "local_epochs", 0),
    (FedShare, "clip_norm", 0.0),
    (FedShare, "noise_multiplier", -1.0),
    (FedMF, "embedding_size", 0),
    (FedMF, "participation", 2.0),
    (FedMF, "clip_norm", -1.0),
    (LightGCN, "embedding_size", 0),
    (LightGCN, "layers", -1),
    (LightGCN, "learning_rate", 0.0),
    (LightGCN, "temperature", -1.0),
    (LightGCN, "activity", 2.0),
    (LightGCN, "negatives", 0),
    (SharedEASE, "validation_clients", 1),
    (SharedEASE, "held_out", 0.0),
    (SharedEASE, "held_out", 0.6),
    (SharedEASE, "selection_items", 1),
    (SharedEASE, "inverse_items", -1),
    (SharedEASE, "k", 0),
    (ItemItem, "validation_clients", 1),
    (FedShare, "quantise_bits", 1),
    (FedShare, "quantise_bits", 25),
]
BAD_LISTS = [
    (SharedEASE, "regs", (), "none"),
    (SharedEASE, "regs", (50.0, 0.0), "0.0"),
    (SharedEASE, "popularity_penalties", (), "none"),
    (SharedEASE, "popularity_penalties", (-0.1,), "-0.1"),
    (SharedEASE, "neighbours", (), "none"),
    (SharedEASE, "neighbours", (0,), "0"),
    (ItemItem, "neighbours", (), "none"),
    (ItemItem, "regs", (), "none"),
    (ItemItem, "regs", (0.0, 1.0), "0.0"),
    (ItemItem, "popularity_penalties", (0.5,), "(0.5,)"),
    (ItemItem, "popularity_penalties", (0.5, -0.5), "-0.5"),
    (ItemItem, "weights_tried", (), "none"),
    (ItemItem, "weights_tried", (0.5, -0.5), "-0.5"),
]


@pytest.mark.parametrize(("kind", "option", "value", "shown"), [*((*each, str(each[-1])) for each in BAD), *BAD_LISTS])
def test_a_bad_option_is_named_with_its_value(kind: type, option: str, value: object, shown: str):
    with pytest.raises(BadOption) as caught:
        kind(**{option: value})
    assert str(caught.value).startswith(f"{option}: got {shown}, expected")


def test_a_ranking_that_is_not_there():
    mine = FedShare()
    object.__setattr__(mine, "ranking", "hinge")  # built so, the type check of the tests would speak first
    with pytest.raises(BadOption, match="ranking: got 'hinge', expected one of softmax, bpr"):
        mine.__post_init__()


def test_half_a_neighbour():
    mine = SharedEASE()
    object.__setattr__(mine, "neighbours", (2.5,))
    with pytest.raises(BadOption, match=r"neighbours: got 2\.5, expected a whole number"):
        mine.__post_init__()


@pytest.mark.parametrize(
    ("option", "value"),
    [("held_out", 0.0), ("held_out", 0.6), ("k", 0), ("max_items", -1)],
)
def test_a_bad_option_of_the_validation_clients_is_named(option: str, value: object):
    with pytest.raises(BadOption, match=f"{option}: got"):
        ItemItem(**{option: value})  # type: ignore[arg-type]


def test_noise_and_a_grid_need_a_bound():
    with pytest.raises(BadOption, match=r"noise_multiplier: got 0\.5, .*[Ww]ithout a clip_norm"):
        FedShare(clip_norm=None, noise_multiplier=0.5)
    with pytest.raises(BadOption, match=r"quantise_bits: got 8, .*clip_norm"):
        FedShare(clip_norm=None, quantise_bits=8)
    assert FedShare(clip_norm=None).transforms == ()


@pytest.mark.parametrize("kind", [FedShare, FedMF])
def test_uploads_are_clipped_then_quantised_then_blurred(kind: type[FedShare] | type[FedMF]):
    mine = kind(clip_norm=2.0, quantise_bits=6, noise_multiplier=0.5)
    assert mine.transforms == (Clip(2.0), Quantise(6), Noise(0.5))


@pytest.mark.parametrize(
    ("option", "value"),
    [("rounds", 0), ("seed", -1), ("min_cohort", 0), ("checkpoint_every", 0), ("device", "abacus")],
)
def test_a_bad_option_of_training_is_named_with_its_value(option: str, value: object):
    with pytest.raises(BadOption, match=f"{option}: got '?{value}"):
        train(small_fedshare(), small_ledger(), **{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("n_users", "n_items"), [(1, 5), (5, 1)])
def test_one_person_or_one_item_is_too_little(n_users: int, n_items: int):
    known = random_world(0, n_users, n_items, 5)
    with pytest.raises(TooSmall, match=f"got {n_users} and {n_items}"):
        train(small_fedshare(), share(known, ShareEverything()))


def test_recommendations_are_new_items_best_first(small_run: Run):
    ledger = small_run.ledger
    for user in ledger.users():
        best = small_run.recommend(user, k=6)
        have = set(ledger.shared_items(user)) | set(ledger.private_items(user))
        assert not have & {each.item for each in best}
        assert [each.score for each in best] == sorted((each.score for each in best), reverse=True)
        assert best[0].title == ledger.known.title(best[0].item)
        assert len(str(best).splitlines()) == 6


def test_a_list_is_as_long_as_the_catalogue_at_most(small_run: Run):
    user = small_run.ledger.users()[0]
    have = len(small_run.ledger.device_view(user))
    assert len(small_run.recommend(user, k=1000)) == small_run.known.n_items - have


def test_recommendations_for_nobody_or_of_nothing(small_run: Run):
    with pytest.raises(UnknownUser, match="nobody"):
        small_run.recommend("nobody")
    with pytest.raises(BadOption, match="k: got 0"):
        small_run.recommend("u00", k=0)


def test_progress_is_told_of_every_round():
    told: list[tuple[int, int]] = []
    train(small_fedshare(), small_ledger(), rounds=3, progress=lambda n, of, info: told.append((n, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_closed_form_takes_one_round():
    assert train(Popularity(), small_ledger(), rounds=50).rounds == 1


def test_numbers_stay_numbers_at_the_lowest_temperature():
    run = train(small_fedshare(temperature=0.03), Ledger(small_ledger().known), rounds=3)
    assert np.isfinite(run.device_scorer().scores(np.arange(14))).all()


def test_lower_temperatures_are_refused():
    with pytest.raises(BadOption, match=r"temperature: got 0\.01"):
        small_fedshare(temperature=0.01)
