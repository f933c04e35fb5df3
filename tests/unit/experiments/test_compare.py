"""Comparisons: the rows' form, what is written, and going on after an interruption."""

from __future__ import annotations

import csv
import json
from functools import partial

import pytest

from fedshare.algorithms.popularity import Popularity, Random
from fedshare.data.splits import Split, random_split
from fedshare.data.synthetic import two_taste_world
from fedshare.errors import BadOption, CohortTooSmall
from fedshare.experiments import compare as module
from fedshare.experiments.comparison import Comparison
from fedshare.experiments.rows import Row
from fedshare.sharing.policy import ShareFraction, ShareNothing, ShareUsers
from fedshare.testing.synthetic import FEW, small_fedshare

SHARES = (ShareNothing(), ShareUsers(0.5))

compare = partial(module.compare, min_cohort=FEW)


@pytest.fixture
def data() -> dict[str, Split]:
    return {"tastes": random_split(two_taste_world(16, 24), 0.2)}


@pytest.fixture
def trainings(monkeypatch):
    """Names of the algorithms that were trained."""
    seen: list[str] = []
    real = module.train

    def counted(algorithm, *args, **kwargs):
        seen.append(algorithm.name)
        return real(algorithm, *args, **kwargs)

    monkeypatch.setattr(module, "train", counted)
    return seen


def test_one_row_for_each_combination(data):
    told: list[tuple[int, int, str]] = []
    found = compare(
        data,
        [small_fedshare(), Popularity()],
        SHARES,
        seeds=2,
        rounds=2,
        ks=(5, 10),
        progress=lambda *a: told.append(a),
    )
    rows = found.to_dict()["rows"]
    assert len(rows) == 2 * 2 * 2
    assert all(set(row) == Row.__required_keys__ for row in rows)
    assert [(row["algorithm"], row["share"], row["seed"]) for row in rows[:4]] == [
        ("fedshare", "none", 0),
        ("fedshare", "none", 1),
        ("fedshare", "users:0.5", 0),
        ("fedshare", "users:0.5", 1),
    ]
    assert {"recall@5", "ndcg@10", "hr@10", "mrr@5"} <= rows[0]["metrics"].keys()
    assert rows[0]["sharers"] == {}
    assert rows[2]["sharers"].keys() == rows[2]["non_sharers"].keys() == rows[2]["metrics"].keys()
    assert rows[0]["bytes_up_per_client"] > 0
    assert rows[-1]["bytes_up_per_client"] == 0  # popularity moves nothing
    json.dumps(rows)
    done = [done for done, _, _ in told]
    assert done == sorted(done)
    assert told[-1] == (16, 16, "done")


def test_the_first_seed_can_be_chosen(data):
    rows = compare(data, [Random()], SHARES[:1], seeds=2, seed=3, rounds=1).rows
    assert [row["seed"] for row in rows] == [3, 4]


def test_finished_rows_survive_an_interruption(data, tmp_path, trainings, monkeypatch):
    def stop(done, total, what):
        if "seed 1" in what and done > 2:
            raise KeyboardInterrupt

    arguments = {"seeds": 2, "rounds": 2, "folder": tmp_path / "new"}
    with pytest.raises(KeyboardInterrupt):
        compare(data, [small_fedshare()], SHARES, progress=stop, **arguments)
    assert len((tmp_path / "new" / "rows.jsonl").read_text().splitlines()) == 1
    trainings.clear()
    again = compare(data, [small_fedshare()], SHARES, **arguments)
    assert len(trainings) == 3
    assert len(again.rows) == 4
    trainings.clear()
    assert compare(data, [small_fedshare()], SHARES, **arguments).rows == again.rows
    assert trainings == []


@pytest.mark.parametrize(
    "other",
    [{"rounds": 3}, {"ks": (7,)}, {"seed": 5}],
    ids=["rounds", "ks", "seed"],
)
def test_rows_of_other_settings_are_left_alone(data, tmp_path, trainings, other):
    arguments = {"seeds": 1, "rounds": 2, "folder": tmp_path}
    compare(data, [Random()], SHARES, **arguments)
    compare(data, [Random()], SHARES, **(arguments | other))
    assert len(trainings) == 4
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 4


def test_options_and_data_are_settings_too(data, tmp_path, trainings):
    compare(data, [small_fedshare()], SHARES[:1], rounds=1, folder=tmp_path)
    compare(data, [small_fedshare(layers=0)], SHARES[:1], rounds=1, folder=tmp_path)
    compare({"tastes": random_split(two_taste_world(16, 24, seed=1))}, [small_fedshare()], SHARES[:1], folder=tmp_path)
    assert len(trainings) == 3


def test_a_torn_line_costs_one_row(data, tmp_path, trainings):
    arguments = {"rounds": 1, "folder": tmp_path}
    compare(data, [Random()], SHARES, **arguments)
    file = tmp_path / "rows.jsonl"
    file.write_text(file.read_text()[:-40])
    trainings.clear()
    assert len(compare(data, [Random()], SHARES, **arguments).rows) == 2
    assert len(trainings) == 1
    trainings.clear()
    compare(data, [Random()], SHARES, **arguments)
    assert trainings == []


def test_it_is_written_as_table_json_and_picture(data, tmp_path):
    found = compare(data, [Random(), Popularity()], (*SHARES, ShareFraction(1)), seeds=2, rounds=1)
    found.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "comparison.csv",
        "comparison.json",
        "comparison.png",
        "comparison.svg",
    ]
    assert json.loads((tmp_path / "comparison.json").read_text()) == found.to_dict()
    with (tmp_path / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert float(rows[0]["ndcg@20"]) == found.rows[0]["metrics"]["ndcg@20"]
    assert rows[0]["sharers.ndcg@20"] == ""
    assert {row["min_cohort"] for row in rows} == {str(FEW)}
    svg = (tmp_path / "comparison.svg").read_text()
    assert "people who share nothing" in svg
    assert "NDCG@20" in svg
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_the_summary_has_means_and_deviations():
    def row(seed: int, ndcg: float) -> Row:
        metrics = {"ndcg@10": ndcg, "recall@10": 0.5}
        return {
            "data": "d",
            "algorithm": "a",
            "share": "0.5",
            "seed": seed,
            "min_cohort": 2,
            "metrics": metrics,
            "sharers": metrics,
            "non_sharers": {},
            "cpu_s": 1.5,
            "wall_s": 1.5,
            "peak_mib": None,
            "bytes_up_per_client": 0.0,
            "bytes_down_per_client": 0.0,
        }

    lines = Comparison((row(0, 0.1), row(1, 0.3))).summary().splitlines()
    assert lines[0].split() == [
        "data",
        "algorithm",
        "share",
        "seeds",
        "recall@10",
        "ndcg@10",
        *["sharers", "others", "CPU", "s"],
    ]
    assert (
        lines[1] == "d     a          0.5    2      0.5000 +- 0.0000  0.2000 +- 0.1414  0.2000 +- 0.1414  -       1.5"
    )


@pytest.mark.parametrize(
    ("algorithms", "shares", "seeds", "message"),
    [
        ([], SHARES, 1, "algorithms: got none"),
        ([Random()], [], 1, "shares: got none"),
        ([Random()], SHARES, 0, "seeds: got 0"),
        ([Random(), Random()], SHARES, 1, "got 'random' twice"),
        ([Random()], [ShareFraction(0.5), ShareFraction(0.5)], 1, "got '0.5' twice"),
    ],
)
def test_what_cannot_be_compared(data, algorithms, shares, seeds, message):
    with pytest.raises(BadOption, match=message):
        compare(data, algorithms, shares, seeds=seeds, rounds=1)


def test_few_people_are_refused_by_default(data):
    with pytest.raises(CohortTooSmall, match="--min-cohort"):
        module.compare(data, [small_fedshare()], SHARES[:1], rounds=1)
