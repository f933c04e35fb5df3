"""Lists for people: what they leave out, what they fall back on, and many of them in a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fedshare.algorithms.popularity import Popularity
from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.algorithms.shared_ease.solution import EaseChoice
from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.errors import BadOption, OutputExists, UnknownItem, UnknownUser
from fedshare.evaluation import evaluate
from fedshare.evaluation import pairs as pairs_module
from fedshare.federation.payload import POPULARITY
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import ShareEverything, ShareNothing
from fedshare.simulation.run import Recommendations, Run
from fedshare.simulation.train import train
from fedshare.testing.synthetic import small_fedshare, small_ledger, train_small

EASE = SharedEASE(regs=(4.0,), popularity_penalties=(0.2,), neighbours=(7,))


def with_vocabularies(known: Interactions, people: int = 0, items: int = 0) -> Interactions:
    """The same pairs, with people and items beside them who have no interaction."""
    return replace(
        known,
        users=Vocabulary("user", (*known.users.ids, *(f"v{n}" for n in range(people)))),
        items=Vocabulary("item", (*known.items.ids, *(f"0new{n}" for n in range(items)))),
        titles={},
    )


def ids(best: tuple) -> list[str]:
    return [each.item for each in best]


def part(run: Run, name: str, values: Iterable[str]) -> Recommendations:
    """A list with ``among`` or with ``exclude``."""
    return run.recommend("u00", among=values) if name == "among" else run.recommend("u00", exclude=values)


@pytest.fixture(scope="module")
def grown() -> Run:
    """A run with two people and two items that have no interaction."""
    ledger = share(with_vocabularies(small_ledger().known, 2, 2), ShareEverything())
    return train_small(small_fedshare(), ledger, rounds=3, seed=1)


# -- leaving out ----------------------------------------------------------------------------------------------------


def test_leaving_items_out_never_changes_the_order_of_the_others(small_run: Run):
    whole = ids(small_run.recommend("u00", k=100))
    for seed in range(20):
        some = set(np.random.default_rng(seed).choice(small_run.known.items.ids, 9, replace=False).tolist())
        assert ids(small_run.recommend("u00", k=100, among=some)) == [item for item in whole if item in some]
        assert ids(small_run.recommend("u00", k=100, exclude=some)) == [item for item in whole if item not in some]
        kept = ids(small_run.recommend("u00", k=2, among=some, exclude=whole[:3]))
        assert kept == [item for item in whole if item in some and item not in whole[:3]][:2]


def test_the_first_of_a_part_are_as_many_as_asked_for(small_run: Run):
    whole = ids(small_run.recommend("u00", k=100))
    assert ids(small_run.recommend("u00", k=3, among=whole[5:])) == whole[5:8]


def test_among_nothing_there_is_nothing_and_a_word(small_run: Run):
    for empty in (small_run.recommend("u00", among=[]), small_run.recommend("u00", exclude=small_run.known.items.ids)):
        assert not empty
        assert str(empty) == "note: nothing is left to recommend"


@pytest.mark.parametrize("name", ["among", "exclude"])
def test_ids_that_are_no_items_are_named_shortly(small_run: Run, name: str):
    item = small_run.known.items.ids[0]
    with pytest.raises(UnknownItem, match=rf"^{name}: 2 of 3 ids are not items of the run, the first is 'no\\x1bne'"):
        part(small_run, name, ["no\x1bne", item, "x" * 100_000])
    with pytest.raises(BadOption, match=rf"^{name}: got '{item}', expected several ids"):
        part(small_run, name, item)


def test_a_category_stands_for_its_items(small_run: Run):
    first, second, third = small_run.known.items.ids[:3]
    ledger = small_run.ledger.observe(categories={first: "tea", second: "tea", third: "milk"})
    small_run = replace(small_run, devices=replace(small_run.devices, ledger=ledger))
    ids_of = [ids(small_run.recommend("u00", k=100, among=names)) for names in (["tea"], [first, second])]
    assert ids_of[0] == ids_of[1]
    assert not {first, second} & set(ids(small_run.recommend("u00", k=100, exclude=["tea"])))
    with pytest.raises(UnknownItem, match="neither items nor categories"):
        small_run.recommend("u00", among=["coffee"])


def test_a_retired_item_is_never_recommended_and_comes_back(small_run: Run):
    best = small_run.recommend("u00")[0].item
    ledger = small_run.ledger.retire([best])
    retired = replace(small_run, devices=replace(small_run.devices, ledger=ledger))
    assert best not in ids(retired.recommend("u00", k=100))
    assert not retired.recommend("u00", among=[best])
    assert ids(retired.recommend("u00", k=100)) == [id for id in ids(small_run.recommend("u00", k=100)) if id != best]
    back = replace(small_run, devices=replace(small_run.devices, ledger=ledger.restore_items([best])))
    assert ids(back.recommend("u00")) == ids(small_run.recommend("u00"))


def test_erased_items_come_again_only_when_asked_for(small_run: Run):
    gone = small_run.ledger.private_items("u00")[:2]
    ledger, _ = small_run.ledger.erase("u00", gone)
    run = replace(small_run, devices=replace(small_run.devices, ledger=ledger))
    assert not set(gone) & set(ids(run.recommend("u00", k=100)))
    assert set(gone) < set(ids(run.recommend("u00", k=100, again=True)))
    others = [item for item in ids(run.recommend("u00", k=100, again=True)) if item not in gone]
    assert others == ids(run.recommend("u00", k=100))


# -- thin evidence --------------------------------------------------------------------------------------------------


def most_shared(run: Run) -> np.ndarray:
    """How many people share each item, counted again."""
    ledger = run.ledger
    return np.bincount(ledger.server_view().item, minlength=ledger.known.n_items)


def test_what_is_published_counts_shared_pairs_and_follows_a_withdrawal(small_run: Run):
    published = small_run.devices.released.arrays[POPULARITY].numpy()
    assert published.tolist() == most_shared(small_run).tolist()
    assert 0 < published.sum() < len(small_run.known)


def test_somebody_without_any_interaction_gets_what_most_people_share(grown: Run):
    best = grown.recommend("v0", k=30)
    counts = most_shared(grown)
    assert [each.score for each in best] == sorted(counts[:30].tolist(), reverse=True)
    assert [counts[grown.known.items.index(each.item)] for each in best] == [each.score for each in best]
    assert best.note == "nothing is known of this person yet; the list is what most people share"
    assert str(best).splitlines()[-1] == f"note: {best.note}"
    assert ids(best) == ids(grown.recommend("v1", k=30))
    assert grown.recommend("u00").note == ""


def test_who_has_erased_everything_is_a_newcomer_again(small_run: Run):
    ledger, _ = small_run.ledger.erase("u00", everything=True)
    run = replace(small_run, devices=replace(small_run.devices, ledger=ledger))
    best = run.recommend("u00", k=100)
    assert best.note.startswith("nothing is known")
    assert not set(ledger.erased_items("u00")) & set(ids(best))


@pytest.mark.parametrize("algorithm", [small_fedshare(), EASE, Popularity()], ids=lambda each: each.name)
def test_an_item_that_nobody_has_stands_last(algorithm, grown: Run):
    run = grown if algorithm.name == "fedshare" else train_small(algorithm, grown.ledger)
    for user in ("u00", "v0"):
        whole = ids(run.recommend(user, k=1000))
        assert set(whole[-2:]) == {"0new0", "0new1"}
    result = evaluate(run, Interactions.from_arrays(["u00"], ["0new1"]), ks=(5, 100))
    assert result.metrics["recall@5"] == 0.0
    assert result.metrics["recall@100"] == 1.0
    assert (result.n_cold_items, result.n_cold_pairs) == (1, 1)


@pytest.mark.parametrize("shared", [ShareEverything(), ShareNothing()])
def test_without_a_signal_there_is_popularity_and_a_word(shared):
    known = Interactions.from_arrays([f"u{n // 4}" for n in range(40)], [f"i{n:02}" for n in range(40)])
    run = train_small(small_fedshare(), share(known, shared), rounds=2)
    best = run.recommend("u3", k=40)
    assert best.note.startswith("no item is known to two people")
    assert ids(best) != sorted(ids(best))  # not the alphabet
    assert ("what most people share" in best.note) == (shared == ShareEverything())


def test_where_the_model_says_the_same_of_everything_popularity_decides():
    run = train(EASE, share(small_ledger().known, ShareNothing()), min_cohort=2, chosen=EaseChoice(4.0, 0.2, 7))
    best = run.recommend("u00", k=5)
    assert best.note == (
        "the model says the same of everything new to this person; nobody shares anything that would tell what is "
        "popular, so the order means nothing"
    )
    shared = {POPULARITY: run.devices.released.arrays[POPULARITY] + 1}
    shared[POPULARITY][17] = 9
    arrays = {**run.devices.released.arrays, **shared}
    told = replace(run, devices=replace(run.devices, released=replace(run.devices.released, arrays=arrays)))
    assert told.recommend("u00", k=5)[0].item == told.known.items.id(17)
    assert "what most people share" in told.recommend("u00").note


def test_equal_scores_are_listed_by_popularity(small_run: Run):
    """SharedEASE gives many items a score of exactly 0."""
    run = train(EASE, small_ledger(0.3), min_cohort=2, chosen=EaseChoice(4.0, 0.2, 2))
    counts, level = most_shared(run), 0
    for user in run.ledger.users():
        best = run.recommend(user, k=100)
        for one, other in pairwise(best):
            if one.score == other.score:
                level += 1
                assert counts[run.known.items.index(one.item)] >= counts[run.known.items.index(other.item)]
    assert level > 50


def test_a_run_that_publishes_no_counts_recommends_as_well(small_run: Run):
    arrays = {name: each for name, each in small_run.devices.released.arrays.items() if name != POPULARITY}
    released = replace(small_run.devices.released, arrays=arrays)
    run = replace(small_run, devices=replace(small_run.devices, released=released))
    assert ids(run.recommend("u00")) == ids(small_run.recommend("u00"))


def test_evaluation_ranks_what_is_recommended(grown: Run):
    """Every person's list, newcomers' too, is the one that evaluate holds against the test pairs."""
    known = grown.known
    tests = {user: ids(grown.recommend(user, k=4))[3] for user in known.users}
    result = evaluate(grown, Interactions.from_arrays(list(tests), list(tests.values())), ks=(3, 4))
    assert result.per_user["mrr@4"].tolist() == [1 / 4] * known.n_users
    assert result.metrics["hr@3"] == 0.0


# -- many people ----------------------------------------------------------------------------------------------------


def test_lists_of_many_are_those_of_each(grown: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairs_module, "_SCORES_AT_ONCE", 100)  # three people at a time
    told: list[tuple[int, int]] = []
    lists = dict(grown.recommend_many(k=4, exclude=["i01"], progress=lambda n, of, what: told.append((n, of))))
    assert list(lists) == list(grown.known.users)
    assert all(ids(best) == ids(grown.recommend(user, k=4, exclude=["i01"])) for user, best in lists.items())
    assert lists["v0"].note
    assert told[-1] == (16, 16)
    assert len(told) == 6
    assert [user for user, _ in grown.recommend_many(["u03", "u01", "u03"])] == ["u01", "u03"]


def test_what_is_wrong_with_many_is_told_before_the_first_list(grown: Run):
    with pytest.raises(UnknownUser, match=r"^users: 1 of 2 ids are not in the run, the first is 'zoe'") as error:
        grown.recommend_many(["u01", "zoe"])
    assert "u01" not in str(error.value)
    with pytest.raises(BadOption, match=r"^k: got 0"):
        grown.recommend_many(k=0)
    with pytest.raises(BadOption, match=r"^users: got 'u01'"):
        grown.recommend_many("u01")


READERS = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".jsonl": pl.read_ndjson, ".NDJSON": pl.read_ndjson}


@pytest.mark.parametrize("suffix", READERS)
def test_a_file_has_a_row_for_each_item_of_each_list(
    suffix: str, grown: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pairs_module, "_SCORES_AT_ONCE", 100)
    file = tmp_path / f"lists{suffix}"
    written = grown.recommend_to(file, k=3)
    assert written == (16, 48, 2, 0)
    expected = [
        (user, rank, each.item, each.title, pytest.approx(each.score, rel=1e-5, abs=1e-6))
        for user, best in grown.recommend_many(k=3)
        for rank, each in enumerate(best, 1)
    ]
    table = READERS[suffix](file)
    assert table.columns == ["user", "rank", "item", "title", "score"]
    assert table.rows() == expected
    assert [each.name for each in tmp_path.iterdir()] == [file.name]  # no draft, no parts


@pytest.mark.parametrize("suffix", READERS)
def test_ids_come_back_as_they_were_whatever_they_look_like(suffix: str, tmp_path: Path):
    odd = ['=cmd("x")', "a,b", 'say "tea"', "two\nlines", "\tthé", "007", "-1", "@x", " padded "]
    users = [user for user in odd for _ in range(3)]
    items = [odd[(place + step) % len(odd)] for place in range(len(odd)) for step in range(3)]
    ledger = share(Interactions.from_arrays(users, items, titles={odd[0]: 'a "title", with\r\nall'}), ShareEverything())
    run = train_small(Popularity(), ledger)
    file = tmp_path / f"lists{suffix}"
    run.recommend_to(file, k=20)
    texts = {"user": pl.String, "item": pl.String}
    table = pl.read_csv(file, schema_overrides=texts) if suffix == ".csv" else READERS[suffix](file)
    assert set(table["user"]) == set(odd)
    assert set(table["item"]) == set(odd)
    assert 'a "title", with\r\nall' in set(table["title"])


@pytest.mark.parametrize("suffix", READERS)
def test_nobody_gives_an_empty_table(suffix: str, grown: Run, tmp_path: Path):
    file = tmp_path / f"lists{suffix}"
    assert grown.recommend_to(file, users=[]) == (0, 0, 0, 0)
    assert grown.recommend_to(file, users=["u00"], among=[], replace=True) == (1, 0, 0, 1)
    if suffix in (".parquet", ".csv"):
        assert READERS[suffix](file).columns == ["user", "rank", "item", "title", "score"]
    else:
        assert file.read_bytes() == b""


def test_a_file_is_whole_or_not_there(grown: Run, tmp_path: Path):
    def stop(done: int, total: int, what: str) -> None:
        raise KeyboardInterrupt

    for name in ("lists.parquet", "lists.csv"):
        with pytest.raises(KeyboardInterrupt):
            grown.recommend_to(tmp_path / name, progress=stop)
    assert list(tmp_path.iterdir()) == []
    taken = tmp_path / "lists.csv"
    taken.write_text("mine")
    with pytest.raises(OutputExists):
        grown.recommend_to(taken)
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(OutputExists):
        grown.recommend_to(tmp_path / "a.csv", replace=True)
    with pytest.raises(BadOption, match=r"suffix '\.xlsx', expected one of \.parquet"):
        grown.recommend_to(tmp_path / "lists.xlsx")
    assert taken.read_text() == "mine"


def test_lists_of_a_ledger_without_anything_are_empty_or_popular():
    known = with_vocabularies(small_ledger().known, 1, 1)
    run = train_small(Popularity(), Ledger(known))
    assert run.recommend("v0", k=2).note.startswith("nothing is known of this person yet; nobody shares anything")
