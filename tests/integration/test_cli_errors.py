"""Wrong use and bad input: exit status 2, one named line, nothing half-written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_calls import FEW, TRAINING, Answer, Call, tensors


def refused(answer: Answer, name: str, *texts: str) -> None:
    """The call ended with status 2 and a line that names the error; nothing went to stdout."""
    assert answer.status == 2, answer
    assert answer.stderr.startswith(f"{name}: "), answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""
    for text in texts:
        assert text in answer.stderr


def table(tmp_path: Path, text: str, name: str = "data.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


GOOD = "".join(f"u{n % 5},i{n % 7},{n},3\n" for n in range(35))


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("", "EmptyData", "empty"),
        ("user,item,time,rating\n", "EmptyData", "no row"),
        ("who,what\na,b\n", "MissingColumn", "'who', 'what'"),
        ("user,item\na,x\na,y\n", "TooSmall", "one user"),
        ("user,item\na,x\nb,x\n", "TooSmall", "one item"),
        (f"user,item,time,rating\n{GOOD}u1,i1,9,nan\n", "BadData", "rating"),
        (f"user,item,time,rating\n{GOOD}u1,i1,-9,3\n", "BadData", "got -9"),
        ("user,item\na,x\n,y\nb,z\n", "BadData", "user"),
    ],
)
def test_data_that_is_none(fedshare: Call, tmp_path: Path, text: str, name: str, said: str) -> None:
    path = table(tmp_path, text)
    refused(fedshare("data", path), name, said)
    refused(fedshare("train", path, *TRAINING, "--out", tmp_path / "run"), name)
    assert [each.name for each in tmp_path.iterdir()] == ["data.csv"]


@pytest.mark.parametrize(
    ("words", "name", "said"),
    [
        (("nowhere.csv",), "UnknownDataset", "nowhere.csv"),
        (("DATA", "--user", "nobody"), "MissingColumn", "nobody"),
        (("DATA", "--rating", "stars"), "MissingColumn", "stars"),
        (("DATA", "--min-rating", 3), "MissingColumn", "min_rating"),
        (("DATA", "--k-core", 99), "EmptyData", "k = 99"),
        (("DATA", "--k-core", 0), "BadOption", "k: got 0"),
        (("DATA", "--split", "weekly"), "BadOption", "weekly"),
        (("DATA", "--split", "canonical"), "MissingColumn", "canonical"),
        (("DATA", "--threads", 0), "BadOption", "threads"),
    ],
)
def test_options_of_data(fedshare: Call, data: Path, words: tuple[object, ...], name: str, said: str) -> None:
    refused(fedshare("data", *(data if word == "DATA" else word for word in words)), name, said)


@pytest.mark.parametrize(
    ("words", "name", "said"),
    [
        (("--share", "1.5"), "BadShare", "1.5"),
        (("--share", "-0.1"), "BadShare", "-0.1"),
        (("--share", "nan"), "BadShare", "nan"),
        (("--share", "users:2"), "BadShare", "users:2"),
        (("--share", "some"), "BadShare", "some"),
        (("--share", "mixture.toml"), "MissingFile", "mixture.toml"),
        (("--rounds", "0"), "BadOption", "rounds: got 0"),
        (("--seed", "-1"), "BadOption", "seed"),
        (("--algorithm", "magic"), "BadOption", "magic"),
        (("--embedding-size", "0"), "BadOption", "embedding_size"),
        (("--option", "speed=9"), "BadOption", "speed"),
        (("--option", "layers=two"), "BadOption", "a whole number"),
        (("--option", "layers"), "BadOption", "KEY=VALUE"),
        (("--option", "ranking=best"), "BadOption", "softmax or bpr"),
        (("--option", "item_item.regs=a,b"), "BadOption", "numbers with commas"),
        (("--option", "layers.deep=1"), "BadOption", "layers"),
        (("--option", "temperature=0"), "BadOption", "temperature"),
        (("--device", "abacus"), "BadOption", "abacus"),
        (("--checkpoint-every", "0"), "BadOption", "checkpoint_every"),
        (("--resume",), "MissingFile", "no checkpoint"),
        (("--min-cohort", "0"), "BadOption", "min_cohort: got 0"),
        (("--min-cohort", "31"), "CohortTooSmall", "30 people"),
        (("--keep", "everything"), "BadOption", "nothing, snapshots or snapshots:N"),
        (("--keep", "snapshots:some"), "BadOption", "snapshots:some"),
        (("--keep", "unsafe-update-log"), "BadOption", "unsafe-update-log"),
    ],
)
def test_options_of_train(
    fedshare: Call, data: Path, tmp_path: Path, words: tuple[str, ...], name: str, said: str
) -> None:
    usual = ("--share", "0.5", "--rounds", "1", "--option", "pseudo_items=5", *FEW)
    refused(fedshare("train", data, *usual, "--out", tmp_path / "run", *words), name, said)
    assert list(tmp_path.iterdir()) == []


def test_an_option_of_another_algorithm(fedshare: Call, data: Path, tmp_path: Path) -> None:
    words = ("train", data, "--share", "all", "--algorithm", "popularity", "--embedding-size", 8)
    refused(fedshare(*words, "--out", tmp_path / "run"), "BadOption", "popularity has no such option")


def test_train_says_what_is_missing(fedshare: Call, data: Path, tmp_path: Path) -> None:
    refused(fedshare("train", data, "--out", tmp_path / "run"), "BadOption", "--share")
    refused(fedshare("train", "--share", "0.5", "--out", tmp_path / "run"), "BadOption", "DATA")


def test_nobody_with_test_pairs(fedshare: Call, tmp_path: Path) -> None:
    path = table(tmp_path, "user,item,time\n" + "".join(f"u{n},i{m},{n + m}\n" for n in range(3) for m in range(3)))
    refused(fedshare("train", path, *TRAINING, "--out", tmp_path / "run"), "EmptyData", "--split none")


def test_a_user_without_test_pairs_is_left_out_and_counted(fedshare: Call, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text(data.read_text() + "newcomer,i00,1600000000\n")
    answer = fedshare("train", path, *TRAINING, "--out", tmp_path / "run", "--json")
    assert answer.json["n_test_users"] == 30
    assert fedshare("recommend", tmp_path / "run", "--user", "newcomer").status == 0


def test_a_place_that_is_taken(fedshare: Call, data: Path, run: Path, tmp_path: Path) -> None:
    before = tensors(run) | {"run.json": (run / "run.json").read_bytes()}
    refused(fedshare("train", data, *TRAINING, "--out", run), "OutputExists", "--force")
    refused(fedshare("unshare", run, "--user", "u03", "--all", "--out", run), "OutputExists", "--force")
    assert tensors(run) | {"run.json": (run / "run.json").read_bytes()} == before
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")
    answer = fedshare("train", data, *TRAINING, "--out", tmp_path / "thesis", "--force")
    refused(answer, "OutputExists", "is no run")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "precious"
    (tmp_path / "file").write_text("")
    refused(fedshare("train", data, *TRAINING, "--out", tmp_path / "file" / "run"), "BadOption", "cannot be written")


def test_force_replaces_a_run(fedshare: Call, data: Path, tmp_path: Path) -> None:
    words = ("train", data, *TRAINING, "--out", tmp_path / "run")
    assert fedshare(*words).status == 0
    assert fedshare(*words, "--seed", 5, "--force", "--json").json["seed"] == 5
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("words", "name", "said"),
    [
        (("recommend", "RUN", "--user", "eve"), "UnknownUser", "'eve'"),
        (("recommend", "RUN", "--user", "u03", "-k", "0"), "BadOption", "k: got 0"),
        (("recommend", "nowhere", "--user", "u03"), "MissingFile", "nowhere"),
        (("shares", "RUN", "--user", "eve"), "UnknownUser", "'eve'"),
        (("unshare", "RUN", "--user", "eve", "--all"), "UnknownUser", "'eve'"),
        (("unshare", "RUN", "--user", "u03", "--items", "nothing"), "UnknownItem", "'nothing'"),
        (("unshare", "RUN", "--user", "u03", "--items", ","), "EmptyRequest", "no item"),
        (("unshare", "RUN", "--user", "u03", "--items", "OTHERS"), "NotKnown", "no interaction"),
        (("unshare", "RUN", "--user", "u03", "--items", "ALL_OWN"), "NotShared", "does not share"),
        (("unshare", "RUN", "--user", "u03", "--to", "0.9"), "BadRequest", "more shared than now"),
        (("unshare", "RUN", "--user", "u03", "--to", "1.5"), "BadShare", "1.5"),
        (("unshare", "RUN", "--user", "u03", "--to", "nan"), "BadShare", "nan"),
        (("unshare", "RUN", "--user", "u03"), "BadRequest", "exactly one of --items, --to, --all"),
        (("unshare", "RUN", "--user", "u03", "--all", "--to", "0"), "BadRequest", "--to and --all"),
        (("unshare", "RUN", "--user", "u03", "--user", "u04", "--items", "i01"), "BadRequest", "one user"),
        (("unshare", "RUN", "--user", "u03", "--all", "--method", "magic"), "BadOption", "magic"),
        (("unshare", "RUN", "--user", "u03", "--all", "--option", "steps=-1"), "BadOption", "steps"),
        (("unshare", "RUN", "--user", "u03", "--all", "--option", "speed=1"), "BadOption", "speed"),
        (("erase", "RUN", "--user", "u03"), "BadRequest", "exactly one of --items, --all"),
        (("erase", "RUN", "--user", "u03", "--items", "OTHERS"), "NotKnown", "no interaction"),
        (("unshare", "UNSHARED", "--user", "u03", "--all"), "NotShared", "shares nothing"),
        (("unshare", "UNSHARED", "--user", "u03", "--items", "OWN"), "NotShared", "0 items shared"),
    ],
)
def test_requests_that_cannot_be(
    fedshare: Call, run: Path, unshared: Path, tmp_path: Path, words: tuple[str, ...], name: str, said: str
) -> None:
    listed = fedshare("shares", run, "--user", "u03", "--json").json
    own = [each["item"] for each in listed["shared"] + listed["private"]]
    others = sorted({f"i{number:02}" for number in range(24)} - set(own))
    stands_for = {
        "RUN": str(run),
        "UNSHARED": str(unshared),
        "OTHERS": others[0],
        "OWN": own[0],
        "ALL_OWN": ",".join(own),
    }
    place = ("--out", str(tmp_path / "after")) if words[0] in ("unshare", "erase") else ()
    refused(fedshare(*(stands_for.get(word, word) for word in words), *place), name, said)
    assert list(tmp_path.iterdir()) == []


def test_erasing_twice(fedshare: Call, run: Path, tmp_path: Path) -> None:
    item = fedshare("shares", run, "--user", "u03", "--json").json["private"][0]["item"]
    first = ("erase", run, "--user", "u03", "--items", item, "--out", tmp_path / "once")
    assert fedshare(*first).status == 0
    for command in ("erase", "unshare"):
        again = (command, tmp_path / "once", "--user", "u03", "--items", item, "--out", tmp_path / "twice")
        refused(fedshare(*again), "AlreadyErased", item)
    assert [path.name for path in tmp_path.iterdir()] == ["once"]


def test_contrastive_unlearning_of_another_algorithm(fedshare: Call, data: Path, tmp_path: Path) -> None:
    fedshare("train", data, "--share", "all", "--algorithm", "popularity", "--out", tmp_path / "run")
    words = ("unshare", tmp_path / "run", "--user", "u03", "--all", "--out", tmp_path / "after")
    refused(
        fedshare(*words, "--method", "contrastive"), "BadOption", "needs a fedshare run", "'popularity'", "Retrain()"
    )
    refused(fedshare(*words, "--method", "exact"), "BadOption", "needs a shared-ease run", "'popularity'", "Retrain()")
    assert list(tmp_path.iterdir()) == [tmp_path / "run"]
    assert fedshare(*words, "--json").json["method"] == "retrain"  # it suits every algorithm


@pytest.mark.parametrize(
    ("words", "name", "said"),
    [
        (("RUN", "RUN"), "RequestMismatch", "nothing was withdrawn"),
        (("UNSHARED", "RUN"), "RequestMismatch", "Swap them"),
        (("RUN", "OTHER"), "RequestMismatch", "does not go on"),
        (("RUN", "nowhere"), "MissingFile", "nowhere"),
        (("RUN", "UNSHARED", "--reference", "RUN"), "RequestMismatch", "not shared and erased"),
        (("RUN", "UNSHARED", "--reference", "UNSHARED"), "RequestMismatch", "is the audited run itself"),
        (("RUN", "UNSHARED", "--reference", "OTHER"), "RequestMismatch", "other seed"),
        (("RUN", "UNSHARED", "--reference", "none", "--max-forget-gap", "0.1"), "BadOption", "--max-forget-gap"),
        (("RUN", "UNSHARED", "--max-forget-gap", "2"), "BadOption", "max_forget_gap"),
        (("RUN", "UNSHARED", "--max-cost-ratio", "0"), "BadOption", "max_cost_ratio"),
        (("RUN", "UNSHARED", "--noise", "-1"), "BadOption", "noise"),
        (("RUN", "UNSHARED", "--reference", "RETRAINED", "--noise", "1", "--seed", "0"), "BadOption", "other seeds"),
        (("RUN", "UNSHARED", "--report", "RUN"), "OutputExists", "is a folder"),
    ],
)
def test_audits_that_cannot_be(
    fedshare: Call,
    data: Path,
    run: Path,
    unshared: Path,
    retrained: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    name: str,
    said: str,
) -> None:
    stands_for = {"RUN": run, "UNSHARED": unshared, "RETRAINED": retrained, "OTHER": tmp_path / "other"}
    if "OTHER" in words:
        fedshare("train", data, *TRAINING, "--seed", 8, "--out", tmp_path / "other")
    refused(fedshare("audit", *(stands_for.get(word, word) for word in words)), name, said)


def test_a_report_that_is_there(fedshare: Call, run: Path, unshared: Path, tmp_path: Path) -> None:
    report = tmp_path / "audit.json"
    report.write_text("mine")
    words = ("audit", run, unshared, "--reference", "none", "--report", report)
    refused(fedshare(*words), "OutputExists", "--force")
    assert report.read_text() == "mine"
    assert fedshare(*words, "--force").status == 0
    assert json.loads(report.read_text())["passed"] is None


# -- saved runs -----------------------------------------------------------------------------------------------------


def test_a_damaged_run(fedshare: Call, run: Path, tmp_path: Path) -> None:
    for name in (
        "devices/test.parquet",
        "published/model.safetensors",
        "server/state.safetensors",
        "server/shared.parquet",
    ):
        copy = tmp_path / name.replace("/", "-")
        side, file = name.split("/")
        command = "recommend" if side in ("devices", "published") else "shares"  # who recommends reads no server
        shutil.copytree(run, copy)
        (copy / name).write_bytes(b"not what was written")
        refused(fedshare(command, copy, "--user", "u03"), "DamagedRun", f"/{side}'", f"{file} is not what was written")
        (copy / name).unlink()
        refused(fedshare(command, copy, "--user", "u03"), "DamagedRun", f"{file} is missing")


def test_two_sides_that_do_not_belong_together(fedshare: Call, run: Path, unshared: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "server")
    shutil.copytree(unshared / "server", tmp_path / "run" / "server")
    refused(fedshare("shares", tmp_path / "run"), "DamagedRun", "server and devices disagree")


MANIFESTS = ("run.json", "server/manifest.json", "published/manifest.json", "devices/manifest.json")


@pytest.mark.parametrize("name", MANIFESTS)
@pytest.mark.parametrize(("written", "error", "said"), [(99, "NewerRun", "Upgrade"), (1, "OldRun", "Train again")])
def test_a_run_of_another_format(
    fedshare: Call, run: Path, tmp_path: Path, name: str, written: int, error: str, said: str
) -> None:
    shutil.copytree(run, tmp_path / "run")
    manifest = tmp_path / "run" / name
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": written}))
    refused(fedshare("shares", tmp_path / "run"), error, f"format {written}", said)
    if not name.startswith("server"):
        refused(fedshare("recommend", tmp_path / "run", "--user", "u03"), error, said)


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    """A folder as it was before the two sides were apart."""
    (tmp_path / "old" / "server").mkdir(parents=True)
    (tmp_path / "old" / "manifest.json").write_text(json.dumps({"format": 1, "files": {}}))
    (tmp_path / "old" / "server" / "state.safetensors").write_bytes(b"")
    return tmp_path / "old"


@pytest.mark.parametrize(
    "words",
    [
        ("recommend", "OLD", "--user", "u03"),
        ("shares", "OLD"),
        ("unshare", "OLD", "--user", "u03", "--all", "--out", "AFTER"),
        ("erase", "OLD", "--user", "u03", "--all", "--out", "AFTER"),
        ("audit", "OLD", "OLD"),
        ("verify", "OLD"),
    ],
)
def test_old_runs_are_refused_by_every_command(fedshare: Call, old_run: Path, words: tuple[str, ...]) -> None:
    stands_for = {"OLD": old_run, "AFTER": old_run.with_name("after")}
    answer = fedshare(*(stands_for.get(word, word) for word in words))
    refused(answer, "OldRun", "format 1", "Train again")
    assert not old_run.with_name("after").exists()


def test_an_old_run_can_be_replaced(fedshare: Call, data: Path, old_run: Path) -> None:
    words = ("train", data, *TRAINING, "--out", old_run)
    refused(fedshare(*words), "OutputExists", "--force")
    assert fedshare(*words, "--force").status == 0
    assert fedshare("recommend", old_run, "--user", "u03").status == 0
    assert not (old_run / "manifest.json").exists()


# -- too few people -------------------------------------------------------------------------------------------------


def test_a_tiny_data_set_is_refused_and_told_how_to_go_on(fedshare: Call, data: Path, tmp_path: Path) -> None:
    words = ("train", data, "--share", "0.5", "--rounds", 2, "--out", tmp_path / "run")
    refused(fedshare(*words), "CohortTooSmall", "30 people, expected 100 or more", "--min-cohort 30", "min_cohort=30")
    assert list(tmp_path.iterdir()) == []
    answer = fedshare(*words, "--json")
    assert (answer.status, answer.json["error"]["type"]) == (2, "CohortTooSmall")
    assert fedshare(*words, "--min-cohort", 30).status == 0


def test_a_run_stays_at_the_cohort_it_was_trained_with(fedshare: Call, data: Path, tmp_path: Path) -> None:
    """Unlearning asks no fewer people than training did."""
    words = ("train", data, "--share", "0.5", "--rounds", 2, "--min-cohort", 30, "--out", tmp_path / "run")
    assert fedshare(*words).status == 0
    words = ("unshare", tmp_path / "run", "--user", "u03", "--all", "--out", tmp_path / "after", "--json")
    assert fedshare(*words).json["min_cohort"] == 30
    manifest = json.loads((tmp_path / "after" / "server" / "manifest.json").read_text())
    assert manifest["min_cohort"] == 30


def test_half_of_the_people_are_too_few_as_well(fedshare: Call, data: Path, tmp_path: Path) -> None:
    words = ("train", data, *TRAINING, "--min-cohort", 30, "--option", "participation=0.5", "--out", tmp_path / "run")
    refused(fedshare(*words), "CohortTooSmall", "15 people, expected 30 or more")
    assert list(tmp_path.iterdir()) == []


def test_contributions_of_too_few_people_are_refused(fedshare: Call, data: Path, tmp_path: Path) -> None:
    words = ("train", data, "--share", "none", "--algorithm", "shared-ease", "--option", "private_contributions=true")
    refused(fedshare(*words, "--out", tmp_path / "run"), "CohortTooSmall", "private contributions", "--min-cohort 30")
    assert list(tmp_path.iterdir()) == []


def test_a_comparison_of_too_few_people_is_refused(fedshare: Call, data: Path, tmp_path: Path) -> None:
    words = ("compare", data, "--rounds", 1, "--share", "0.5", "--out", tmp_path / "table")
    refused(fedshare(*words), "CohortTooSmall", "30 people")


# -- the form of errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("data", "nowhere.csv"), "UnknownDataset"),
        (("train", "--json"), "MissingParameter"),
        (("data",), "MissingParameter"),
        (("recommend", "x", "--user", "a", "-k", "many"), "BadParameter"),
        (("data", "x", "--nonsense"), "NoSuchOption"),
        (("dance",), "UsageError"),
    ],
)
def test_errors_as_json_are_one_object_on_stdout(fedshare: Call, words: tuple[str, ...], name: str) -> None:
    answer = fedshare(*words) if "--json" in words else fedshare(*words, "--json")
    assert answer.status == 2
    assert set(answer.json) == {"error"}
    assert answer.json["error"]["type"] == name
    assert answer.json["error"]["message"] in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_folder_that_cannot_be_read_is_no_bug(fedshare: Call, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    answer = fedshare("data", tmp_path / "folder.csv")
    assert answer.status == 2
    assert "Traceback" not in answer.stderr


def test_a_bug_is_told_from_a_failed_audit(fedshare: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("fedshare.data.load.load", broken)
    answer = fedshare("data", "online-retail", "--json")
    assert answer.status == 70
    assert answer.json["error"]["type"] == "ZeroDivisionError"
    assert "Traceback" in answer.stderr


@pytest.mark.parametrize(
    ("words", "name", "said"),
    [
        (("--algorithms", "magic"), "BadOption", "magic"),
        (("--algorithms", "fedmf,fedmf"), "BadOption", "twice"),
        (("--algorithms", ","), "BadOption", "algorithms: got none"),
        (("--share", "0,1.5"), "BadShare", "1.5"),
        (("--seeds", "0"), "BadOption", "seeds: got 0"),
        (("--rounds", "0"), "BadOption", "rounds: got 0"),
        (("--option", "speed=9"), "BadOption", "none of fedshare has it"),
        (("--split", "none"), "BadOption", "test pairs"),
        (("DATA",), "BadOption", "two called 'tiny'"),
        (("nowhere.csv",), "UnknownDataset", "nowhere.csv"),
    ],
)
def test_options_of_compare(
    fedshare: Call, data: Path, tmp_path: Path, words: tuple[str, ...], name: str, said: str
) -> None:
    given = [data if word == "DATA" else word for word in words]
    refused(fedshare("compare", data, *given, "--out", tmp_path / "out"), name, said)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be(fedshare: Call, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused(fedshare("compare", data, "--out", tmp_path / "file"), "OutputExists", "is a file")
    refused(fedshare("demo", "--out", tmp_path / "file"), "OutputExists", "is a file")
    assert (tmp_path / "file").read_text() == "mine"
