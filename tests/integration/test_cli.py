"""The command line on a small data set: what every command prints, writes and answers with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from cli_calls import FEW, TRAINING, Call, tensors

from fedshare.data.interactions import Interactions
from fedshare.evaluation.evaluate import evaluate
from fedshare.simulation.run import Run
from fedshare.storage.published_folder import load_published
from fedshare.storage.server_folder import load_server
from fedshare.training.history import parse_keeping

COMMANDS = (
    *("demo", "data", "train", "recommend", "shares", "unshare", "erase", "withdraw", "audit", "verify", "compare"),
)


# -- the program ----------------------------------------------------------------------------------------------------


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from fedshare.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'polars', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f" {command} " in done.stdout for command in COMMANDS)


def test_without_a_command_there_is_help(fedshare: Call) -> None:
    answer = fedshare()
    assert answer.status == 0
    assert "Usage: " in answer.stdout


def test_version(fedshare: Call) -> None:
    from importlib.metadata import version

    assert fedshare("--version").stdout == f"fedshare {version('fedshare')}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_common_options(fedshare: Call, command: str) -> None:
    answer = fedshare(command, "--help")
    assert answer.status == 0
    assert all(option in answer.stdout for option in ("--json", "--seed", "--threads", "--quiet"))


# -- data -----------------------------------------------------------------------------------------------------------


def test_data_describes_a_file(fedshare: Call, data: Path) -> None:
    content = fedshare("data", data, "--json").json
    assert (content["n_users"], content["n_items"], content["n_pairs"]) == (30, 24, 270)
    assert content["density"] == 270 / (30 * 24)
    assert content["split"] == {"kind": "time", "n_known": 210, "n_test": 60, "n_test_users": 30}
    assert content["time_range"]["first"].startswith("2020-09-13")
    assert content["licence"] is None
    assert "30" in fedshare("data", data).stdout


def test_data_of_the_embedded_set_names_its_licence(fedshare: Call) -> None:
    answer = fedshare("data", "online-retail")
    assert "4,334" in answer.stdout
    assert "CC BY 4.0" in answer.stdout
    assert answer.stderr == ""


def test_data_takes_columns_and_filters(fedshare: Call, tmp_path: Path) -> None:
    table = tmp_path / "stars.csv"
    table.write_text("who,what,liked\n" + "".join(f"u{n % 4},i{n % 6},{1 + n % 5}\n" for n in range(24)))
    columns = ("--user", "who", "--item", "what", "--rating", "liked")
    content = fedshare("data", table, *columns, "--min-rating", 2, "--k-core", 2, "--json").json
    assert content["has_ratings"]
    assert content["time_range"] is None
    assert content["split"]["kind"] == "random"


def test_data_too_thin_for_a_split_is_shown_nevertheless(fedshare: Call, tmp_path: Path) -> None:
    table = tmp_path / "thin.csv"
    table.write_text("user,item,time\na,x,1\nb,y,2\n")
    assert fedshare("data", table, "--json").json["split"]["kind"] == "none"


# -- train and recommend --------------------------------------------------------------------------------------------


def test_train_prints_a_row_of_figures_and_writes_a_run(fedshare: Call, data: Path, tmp_path: Path) -> None:
    answer = fedshare("train", data, *TRAINING, "--seed", 3, "--out", tmp_path / "run", "--json")
    assert answer.status == 0
    assert answer.stderr == ""
    row = answer.json
    assert (row["data"], row["algorithm"], row["share"], row["seed"]) == ("tiny", "fedshare", "0.5", 3)
    assert {"recall@20", "ndcg@20", "hr@20", "mrr@20"} <= set(row["metrics"])
    assert {"sharers", "non_sharers", "cpu_s", "wall_s", "peak_mib"} <= set(row)
    assert row["min_cohort"] == 2
    assert row["bytes_up_per_client"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]  # no checkpoint, no draft is left

    run = Run.load(tmp_path / "run")
    assert run.algorithm.name == "fedshare"
    assert run.test is not None
    assert evaluate(run, run.test).metrics == pytest.approx(row["metrics"])


def test_train_prints_a_table_for_people(fedshare: Call, data: Path, tmp_path: Path) -> None:
    answer = fedshare("train", data, *TRAINING, "--out", tmp_path / "run")
    assert "recall@20" in answer.stdout
    assert "everybody" in answer.stdout


@pytest.mark.parametrize("algorithm", ["fedmf", "lightgcn", "popularity", "random"])
def test_train_knows_the_other_algorithms(fedshare: Call, data: Path, tmp_path: Path, algorithm: str) -> None:
    words = ("train", data, *FEW, "--share", "all", "--rounds", 1, "--algorithm", algorithm)
    answer = fedshare(*words, "--out", tmp_path / "run", "--json")
    assert answer.status == 0, answer.stderr
    assert answer.json["algorithm"] == algorithm


def test_small_cohorts_are_named_wherever_a_run_is_written(fedshare: Call, data: Path, tmp_path: Path) -> None:
    named = "min_cohort: 2, below the default of 100"
    run, after, gone = (tmp_path / name for name in ("run", "after", "gone"))
    assert named in fedshare("train", data, *TRAINING, "--out", run).stdout
    assert named in fedshare("unshare", run, "--user", "u03", "--all", "--out", after).stdout
    assert named in fedshare("erase", after, "--user", "u04", "--all", "--out", gone).stdout
    words = ("erase", after, "--user", "u04", "--all", "--out", gone, "--force", "--json")
    assert fedshare(*words).json["min_cohort"] == 2
    for side in ("server", "devices"):
        assert json.loads((gone / side / "manifest.json").read_text())["min_cohort"] == 2


def test_many_people_need_no_word_about_cohorts(fedshare: Call, many_people: Path, tmp_path: Path) -> None:
    words = ("train", many_people, "--share", "0.5", "--rounds", 2, "--option", "pseudo_items=5")
    answer = fedshare(*words, "--out", tmp_path / "run")
    assert answer.status == 0, answer.stderr
    assert "min_cohort" not in answer.stdout
    assert fedshare(*words, "--out", tmp_path / "run", "--force", "--json").json["min_cohort"] == 100


@pytest.mark.parametrize(("keep", "rounds"), [("nothing", []), ("snapshots:3", [1, 3, 4]), ("snapshots", [1, 2, 3, 4])])
def test_train_keeps_what_it_is_told(fedshare: Call, data: Path, tmp_path: Path, keep: str, rounds: list[int]) -> None:
    words = ("train", data, *TRAINING, "--rounds", 4, "--keep", keep, "--out", tmp_path / "run", "--json")
    kept = fedshare(*words).json["kept_bytes"]["server"]
    assert (kept > 0) == bool(rounds)
    run = Run.load(tmp_path / "run")
    assert [each.round for each in run.server.history.snapshots] == rounds
    assert run.server.keep == parse_keeping(keep)
    words = ("unshare", tmp_path / "run", "--user", "u03", "--all", "--out", tmp_path / "after")
    assert fedshare(*words).status == 0
    after = Run.load(tmp_path / "after")
    assert [each.round for each in after.server.history.snapshots] == rounds
    assert all(each.version == after.ledger.version for each in after.server.history.snapshots)


def test_a_run_has_three_folders_and_a_word_about_itself(run: Path) -> None:
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert files == {
        "run.json",
        *(f"server/{name}" for name in ("manifest.json", "state.safetensors", "snapshots.safetensors")),
        *(f"server/{name}.parquet" for name in ("catalogue", "shared", "sharers")),
        *(f"published/{name}" for name in ("manifest.json", "model.safetensors", "catalogue.parquet")),
        *(f"devices/{name}" for name in ("manifest.json", "private.safetensors", "personal.safetensors")),
        *(f"devices/{name}.parquet" for name in ("people", "interactions", "events", "test")),
    }
    assert json.loads((run / "run.json").read_text())["method"] == "train"


def test_train_without_a_test_part_says_so(fedshare: Call, data: Path, tmp_path: Path) -> None:
    words = ("train", data, *TRAINING, "--split", "none", "--out", tmp_path / "run")
    assert "no figures" in fedshare(*words).stdout
    assert Run.load(tmp_path / "run").test is None
    assert fedshare(*words, "--force", "--json").json["metrics"] is None


def test_train_takes_a_mixture_file_and_options_of_all_types(fedshare: Call, data: Path, tmp_path: Path) -> None:
    mixture = tmp_path / "mixture.toml"
    mixture.write_text('[[groups]]\nfraction = 0.5\nshare = 1.0\nwho = "most_active"\n')
    options = ("clip_norm=none", "ranking=bpr", "item_item.k=5", "item_item.regs=10,20", "local_epochs=2")
    given = [word for option in options for word in ("--option", option)]
    words = ("train", data, *FEW, "--share", mixture, "--rounds", 1, "--option", "pseudo_items=5", *given)
    answer = fedshare(*words, "--out", tmp_path / "run", "--json")
    assert answer.status == 0, answer.stderr
    assert answer.json["n_sharing_users"] == 15
    algorithm = Run.load(tmp_path / "run").algorithm
    assert vars(algorithm)["clip_norm"] is None
    assert vars(algorithm)["item_item"].regs == (10.0, 20.0)


def test_same_seed_same_run(fedshare: Call, data: Path, run: Path, tmp_path: Path) -> None:
    fedshare("train", data, *TRAINING, "--out", tmp_path / "again")
    assert tensors(tmp_path / "again") == tensors(run)


def test_recommend_prints_titles_in_order(fedshare: Call, run: Path) -> None:
    answer = fedshare("recommend", run, "--user", "u03", "-k", 3, "--json")
    listed = answer.json["recommendations"]
    assert len(listed) == 3
    assert [each["score"] for each in listed] == sorted((each["score"] for each in listed), reverse=True)
    lines = fedshare("recommend", run, "--user", "u03", "-k", 3).stdout.splitlines()
    assert [line.split()[1] for line in lines] == [each["item"] for each in listed]
    known = fedshare("shares", run, "--user", "u03", "--json").json
    assert not {each["item"] for each in listed} & {each["item"] for each in known["shared"] + known["private"]}


def test_people_get_recommendations_when_the_server_is_gone(fedshare: Call, run: Path, tmp_path: Path) -> None:
    words = ("--user", "u03", "-k", 5)
    before = fedshare("recommend", run, *words)
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "server")
    after = fedshare("recommend", tmp_path / "run", *words)
    assert (after.status, after.stderr) == (0, "")
    assert after.stdout == before.stdout


def test_a_server_needs_nothing_of_devices(run: Path, tmp_path: Path) -> None:
    """With its own folder alone it publishes, to the bit, what stands in ``published``."""
    shutil.copytree(run / "server", tmp_path / "server")
    server, (published, catalogue) = load_server(tmp_path / "server"), load_published(run / "published")
    released = server.release().published()
    assert server.catalogue == catalogue
    assert dict(released.numbers) == dict(published.numbers)
    for mine, theirs in ((released.tables, published.tables), (released.arrays, published.arrays)):
        assert set(mine) == set(theirs)
        assert all(torch.equal(each, theirs[name]) for name, each in mine.items())


def test_recommend_prints_titles_where_there_are_any(fedshare: Call, tmp_path: Path, world: Interactions) -> None:
    import polars as pl

    folder = tmp_path / "shop"
    folder.mkdir()
    users, items = (
        [v.id(i) for i in index.tolist()] for v, index in ((world.users, world.user), (world.items, world.item))
    )
    pl.DataFrame({"user_id": users, "item_id": items}).write_parquet(folder / "interactions.parquet")
    titles = [f"[b]Tea pot[/b] {item}" for item in world.items]  # no markup of ours
    pl.DataFrame({"item_id": list(world.items), "title": titles}).write_parquet(folder / "items.parquet")
    fedshare("train", folder, *TRAINING, "--out", tmp_path / "run")
    answer = fedshare("recommend", tmp_path / "run", "--user", "u03", "-k", 1)
    assert answer.stdout.split(maxsplit=2)[2].startswith("[b]Tea pot[/b] i")


# -- sharing --------------------------------------------------------------------------------------------------------


def test_shares_of_one_person(fedshare: Call, run: Path) -> None:
    content = fedshare("shares", run, "--user", "u03", "--json").json
    assert (len(content["shared"]), len(content["private"]), content["erased"]) == (4, 3, [])
    assert "shares 4 of 7 items" in fedshare("shares", run, "--user", "u03").stdout


def test_shares_of_everybody(fedshare: Call, run: Path) -> None:
    content = fedshare("shares", run, "--json").json
    assert (content["n_users"], content["n_sharers"], content["n_shared"]) == (30, 30, 120)
    assert len(content["users"]) == 30
    assert "and 10 more" in fedshare("shares", run).stdout


def test_unshare_named_items(fedshare: Call, run: Path, tmp_path: Path) -> None:
    shared = [each["item"] for each in fedshare("shares", run, "--user", "u03", "--json").json["shared"]]
    out = tmp_path / "after"
    answer = fedshare("unshare", run, "--user", "u03", "--items", ",".join(shared[:2]), "--out", out, "--json")
    assert answer.status == 0, answer.stderr
    content = answer.json
    assert [pair["item"] for pair in content["request"]["pairs"]] == shared[:2]
    assert {pair["now"] for pair in content["request"]["pairs"]} == {"private"}
    assert content["method"] == "contrastive"
    now = fedshare("shares", out, "--user", "u03", "--json").json
    assert [each["item"] for each in now["shared"]] == shared[2:]
    assert now["held_back"] == shared[:2]
    assert len(fedshare("shares", run, "--user", "u03", "--json").json["shared"]) == len(shared)  # RUN stays


def test_unshare_moves_the_sliders_of_several_people(fedshare: Call, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "after"
    answer = fedshare("unshare", run, "--user", "u03", "--user", "u07", "--to", 0.2, "--out", out)
    assert "of 2 users" in answer.stdout
    assert f"fedshare audit {run} {out}" in answer.stdout
    for user in ("u03", "u07"):
        assert len(fedshare("shares", out, "--user", user, "--json").json["shared"]) == round(0.2 * 7)


def test_erase_everything(fedshare: Call, run: Path, tmp_path: Path) -> None:
    answer = fedshare("erase", run, "--user", "u05", "--all", "--out", tmp_path / "after", "--json")
    assert answer.json["request"]["n_erased"] == 7
    now = fedshare("shares", tmp_path / "after", "--user", "u05", "--json").json
    assert (now["shared"], now["private"], len(now["erased"])) == ([], [], 7)


@pytest.mark.parametrize("method", ["retrain", "drop-only", "fine-tune"])
def test_the_other_methods(fedshare: Call, run: Path, tmp_path: Path, method: str) -> None:
    words = ("unshare", run, "--user", "u03", "--all", "--method", method, "--out", tmp_path / "after", "--json")
    assert fedshare(*words).json["method"] == method


def test_options_of_a_method(fedshare: Call, run: Path, tmp_path: Path) -> None:
    words = ("unshare", run, "--user", "u03", "--all", "--out", tmp_path / "after", "--option", "steps=1")
    assert fedshare(*words).status == 0


# -- audit ----------------------------------------------------------------------------------------------------------


def test_audit_passes_retraining_itself(fedshare: Call, run: Path, retrained: Path, tmp_path: Path) -> None:
    report = tmp_path / "audit.json"
    answer = fedshare("audit", run, retrained, "--json", "--report", report)
    assert answer.status == 0, answer.stderr
    content = answer.json
    assert content == json.loads(report.read_text())
    assert content["passed"] is True
    auc = content["forget"]["membership_auc"]
    assert auc["after"] == auc["reference"]
    assert {"before", "after", "reference"} == set(content["utility"]["ndcg@20"])
    assert {"unlearn_cpu_s", "retrain_cpu_s", "kept_bytes"} <= set(content["cost"])
    assert content["request"] == {"n_pairs": 8, "n_users": 2, "n_erased": 0}


def test_audit_works_when_the_data_has_moved(fedshare: Call, data: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.csv"
    moved.write_bytes(data.read_bytes())
    fedshare("train", moved, *TRAINING, "--out", tmp_path / "a")
    fedshare("unshare", tmp_path / "a", "--user", "u03", "--all", "--out", tmp_path / "b")
    moved.unlink()
    content = fedshare("audit", tmp_path / "a", tmp_path / "b", "--json").json
    assert content["utility"]["recall@20"]["after"] is not None


def test_audit_fails_what_does_not_keep_the_policy(fedshare: Call, run: Path, unshared: Path) -> None:
    words = ("audit", run, unshared, "--max-cost-ratio", 1e-9)
    answer = fedshare(*words)
    assert answer.status == 1
    assert "verdict: FAILED" in answer.stdout
    assert answer.stderr.startswith("AuditFailed: ")
    answer = fedshare(*words, "--json")
    assert answer.status == 1
    assert answer.json["passed"] is False
    assert answer.json["breaches"][-1]["bound"] == "max_cost_ratio"
    assert answer.stderr == ""


def test_audit_against_a_saved_reference(fedshare: Call, run: Path, unshared: Path, retrained: Path) -> None:
    content = fedshare("audit", run, unshared, "--reference", retrained, "--max-forget-gap", 1, "--json").json
    assert content["runs"]["reference"] == str(retrained)
    assert content["forget"]["membership_auc"]["reference"] is not None


def test_audit_without_a_reference_judges_nothing(fedshare: Call, run: Path, unshared: Path) -> None:
    answer = fedshare("audit", run, unshared, "--reference", "none", "--json")
    assert answer.status == 0
    assert answer.json["passed"] is None
    assert answer.json["forget"]["membership_auc"]["reference"] is None


def test_audit_measures_a_noise_floor(fedshare: Call, run: Path, unshared: Path, retrained: Path) -> None:
    words = ("audit", run, unshared, "--reference", retrained, "--noise", 1, "--seed", 9, "--json")
    assert fedshare(*words).json["forget"]["noise_floor_ratio"] is not None


def test_audit_of_several_requests_in_a_row(fedshare: Call, run: Path, unshared: Path, tmp_path: Path) -> None:
    fedshare("erase", unshared, "--user", "u05", "--all", "--out", tmp_path / "later")
    content = fedshare("audit", run, tmp_path / "later", "--reference", "none", "--json").json
    assert content["request"] == {"n_pairs": 15, "n_users": 3, "n_erased": 7}


# -- demo -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Demonstrated:
    """What the real demo gives, without its minutes."""

    passed: bool
    report_path: Path = Path("report.html")

    def to_dict(self) -> dict[str, object]:
        return {"seed": 4}

    def summary(self) -> str:
        return "audit: as it came out"


@pytest.mark.parametrize(("passed", "status"), [(True, 0), (False, 1)])
def test_demo_prints_its_summary_and_answers_with_its_verdict(
    fedshare: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: bool, status: int
) -> None:
    calls = []

    def run_demo(out: Path, *, seed: int, rounds: int, progress: Callable[[int, int, str], None]) -> Demonstrated:
        calls.append((out, seed, rounds))
        progress(1, 2, "training")
        return Demonstrated(passed)

    monkeypatch.setattr("fedshare.demo.run.run_demo", run_demo)
    words = ("demo", "--out", tmp_path, "--seed", 4, "--rounds", 7)
    answer = fedshare(*words)
    assert (answer.status, answer.stdout, answer.stderr) == (status, "audit: as it came out\n", "")
    assert fedshare(*words, "--json").json == {"report": "report.html", "seed": 4}
    assert calls == [(tmp_path, 4, 7)] * 2


# -- compare --------------------------------------------------------------------------------------------------------


def test_compare_writes_a_row_for_each_combination(fedshare: Call, many_people: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    words = ("compare", many_people, "--algorithms", "popularity,fedshare", "--share", "0,users:0.5", "--seeds", 2)
    words = (*words, "--rounds", 1, "--option", "pseudo_items=5", "--out", out)
    rows = fedshare(*words, "--json").json["rows"]
    combinations = [(row["data"], row["algorithm"], row["share"], row["seed"]) for row in rows]
    assert combinations == [
        ("many", algorithm, share, seed)
        for algorithm in ("popularity", "fedshare")
        for share in ("0", "users:0.5")
        for seed in (0, 1)
    ]
    costs = {"cpu_s", "wall_s", "peak_mib", "bytes_up_per_client", "bytes_down_per_client"}
    assert all({"metrics", "sharers", "non_sharers"} | costs <= set(row) for row in rows)
    assert all({"recall@20", "ndcg@20"} <= set(row["metrics"]) for row in rows)
    assert {".csv", ".json", ".png", ".svg"} <= {path.suffix for path in out.iterdir()}
    assert json.loads((out / "comparison.json").read_text())["rows"] == rows
    assert fedshare(*words, "--json").json["rows"] == rows  # measured once, CPU seconds and all
    assert "recall@20" in fedshare(*words).stdout
