"""The demo end to end, on a world small enough to train in moments."""

from __future__ import annotations

import json

import pytest
from figure_types import mismatches

from fedshare.data.synthetic import two_taste_world
from fedshare.demo.figures import DemoFigures
from fedshare.demo.result import DemoResult
from fedshare.demo.run import run_demo
from fedshare.errors import BadOption

ROUNDS = 4


@pytest.fixture(scope="module")
def told() -> list[tuple[int, int, str]]:
    return []


@pytest.fixture(scope="module")
def result(tmp_path_factory, told) -> DemoResult:
    world = two_taste_world(48, 120, liked_share=0.6, noise=0.05, seed=3)
    out = tmp_path_factory.mktemp("demo") / "report"
    return run_demo(
        out, seed=1, rounds=ROUNDS, min_cohort=2, interactions=world, progress=lambda *each: told.append(each)
    )


def test_it_writes_the_figures_and_the_page(result):
    assert sorted(path.name for path in result.out.iterdir()) == ["report.html", "report.json"]
    assert json.loads((result.out / "report.json").read_text(encoding="utf-8")) == json.loads(
        json.dumps(result.to_dict())
    )
    assert result.report_path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_figures_are_what_their_types_say(result):
    assert list(mismatches(result.to_dict(), DemoFigures)) == []


def test_a_figure_that_is_missing_is_noticed(result):
    figures = json.loads((result.out / "report.json").read_text(encoding="utf-8"))
    del figures["withdrawal"]["audit"]["forget"]["membership_auc"]["after"]
    figures["curve"]["points"][0]["share"] = "none"
    found = list(mismatches(figures, DemoFigures))
    assert len(found) == 2
    assert found[0] == "figures.curve.points[0].share: got 'none', expected <class 'float'>"
    assert found[1].startswith("figures.withdrawal.audit.forget.membership_auc: got ['before', 'reference']")


def test_every_part_has_its_figures(result):
    figures = result.to_dict()
    assert [point["share"] for point in figures["curve"]["points"]] == [0.0, 0.1, 0.3, 0.5, 1.0]
    assert figures["curve"]["points"][0]["sharers"] is None
    assert figures["curve"]["points"][-1]["non_sharers"] is None
    assert [each["name"] for each in figures["curve"]["references"]] == ["random", "popularity", "lightgcn"]
    part = figures["withdrawal"]
    assert part["request"]["n_users"] == 2  # 5 % of 48
    assert part["verdict"]["passed"] in (True, False)
    assert set(part["scores"]["models"]) == {"before", "dropped", "after", "reference"}
    assert 0 < part["costs"]["kept_bytes"] <= 2 * part["costs"]["model_bytes"]
    assert part["costs"]["federaser_bytes"] > part["costs"]["fru_bytes"] > 0
    assert part["audit"]["forget"]["noise_floor_ratio"] is not None
    exact = figures["exact"]
    assert exact["identical"] is True
    assert exact["verification"]["verified"] is True
    assert exact["n_bytes"] > 0
    story = figures["story"]
    assert [len(story["lists"][name]) for name in ("before", "sharing", "after")] == [10, 10, 10]
    assert story["n_withdrawn"] == story["n_known"] >= 20


def test_the_summary_names_what_was_found(result):
    summary = result.summary()
    for expected in (
        "people who share",
        "exact path: unlearned byte for byte",
        "Central LightGCN",
        "membership AUC",
        "audit: ",
        str(result.report_path),
    ):
        assert expected in summary


def test_progress_goes_up_to_the_end(result, told):
    done = [each[0] for each in told]
    assert done == sorted(done)
    assert told[-1] == (told[0][1], told[0][1], "done")
    assert told[-2][0] < told[-2][1]  # the last part begins before the end


@pytest.mark.parametrize(("option", "value"), [("rounds", 0), ("seed", -1)])
def test_wrong_options_write_nothing(tmp_path, option, value):
    with pytest.raises(BadOption, match=option):
        run_demo(tmp_path / "out", **{option: value})
    assert not (tmp_path / "out").exists()
