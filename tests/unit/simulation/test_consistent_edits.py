"""What loading refuses although every digest fits: values, tensors and tables that are not those of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from fedshare.algorithms.registry import ALGORITHMS
from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.errors import DamagedRun, MissingFile, RunError
from fedshare.simulation.run import Run
from fedshare.storage import layouts
from fedshare.testing.folders import edit, reseal
from fedshare.testing.synthetic import small_fedshare, small_ledger, train_small


@pytest.fixture
def folder(small_run: Run, tmp_path: Path) -> Path:
    small_run.save(tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def exact(tmp_path: Path) -> Path:
    train_small(SharedEASE(), small_ledger()).save(tmp_path / "run")
    return tmp_path / "run"


def set_value(folder: Path, file: str, path: str, value: Any) -> None:
    content = json.loads((folder / file).read_text())
    *way, last = path.split("/")
    place = content
    for each in way:
        place = place[each]
    place[last] = value
    edit(folder / file, content)


def refused(folder: Path, match: str) -> None:
    with pytest.raises(DamagedRun, match=match) as failure:
        Run.load(folder)
    assert len(str(failure.value)) < 800


EDITS = [
    ("server/manifest.json", "algorithm/options/learning_rate", 0.2),
    ("server/manifest.json", "finished", False),
    ("server/manifest.json", "certificate", {"a": 1}),
    ("published/manifest.json", "numbers/item_item_weight", 5.0),
    ("devices/manifest.json", "ledger/seed", 3),
    ("run.json", "method", "exact"),
    ("run.json", "cost/cpu_s", 0.0),
]


@pytest.mark.parametrize(("file", "path", "value"), EDITS)
def test_an_edited_value_is_refused_by_the_manifests_own_digest(folder: Path, file: str, path: str, value: Any):
    set_value(folder, file, path, value)
    refused(folder, "is not what was written")


VALUES = [
    ("server/manifest.json", "algorithm/options/learning_rate", -1.0, "learning_rate"),
    ("server/manifest.json", "algorithm/options/learning_rate", "0.1", "learning_rate"),
    ("server/manifest.json", "algorithm/options/embedding_size", 9, "shape"),
    ("server/manifest.json", "algorithm/options/embedding_size", 10**12, "shape"),
    ("server/manifest.json", "algorithm/options/layers", True, "layers"),
    ("server/manifest.json", "algorithm/options/item_item", {"regs": 3}, "item_item"),
    ("server/manifest.json", "algorithm/options/contrast", 0.3, "what devices run"),
    ("server/manifest.json", "finished", 1, "finished"),
    ("server/manifest.json", "round", 2, "do not agree"),
    ("server/manifest.json", "rounds", 10**9, "do not agree"),
    ("server/manifest.json", "rounds", 0, "rounds is 0"),
    ("server/manifest.json", "n_users", 13, "shape|users"),
    ("server/manifest.json", "n_items", 29, "rows"),
    ("server/manifest.json", "min_cohort", 0, "min_cohort"),
    ("server/manifest.json", "min_cohort", 3, "min_cohort"),
    ("server/manifest.json", "has_times", False, "columns"),
    ("server/manifest.json", "chosen/reg", 0, "reg"),
    ("server/manifest.json", "chosen/weight", -1.0, "weight"),
    ("server/manifest.json", "chosen/neighbours", 1.5, "neighbours"),
    ("server/manifest.json", "snapshots", [], "not expected"),
    ("server/manifest.json", "share_set", None, "disagree"),
    ("server/manifest.json", "keep", {"name": "everything"}, "keep"),
    ("published/manifest.json", "numbers/item_item_weight", -1.0, "above 0"),
    ("published/manifest.json", "numbers/item_item_weight", 1e9, "item-item weight"),
    ("published/manifest.json", "numbers/ridge", 1.0, "ridge"),
    ("published/manifest.json", "numbers", {}, "missing|not expected"),
    ("published/manifest.json", "n_items", 31, "rows"),
    ("devices/manifest.json", "task/name", "root", "task"),
    ("devices/manifest.json", "task/values/embedding_size", 4, "shape"),
    ("devices/manifest.json", "ledger/position", 1, "disagree"),
    ("devices/manifest.json", "ledger/seed", -1, "seed"),
    ("devices/manifest.json", "data/n_users", 10**10, "rows"),
    ("devices/manifest.json", "test", {"has_times": True, "has_ratings": True}, "disagree"),
    ("run.json", "cost/rounds", -1, "rounds"),
    ("run.json", "cost/peak_mib", "much", "peak_mib"),
    ("run.json", "method", ["train"], "method"),
]


@pytest.mark.parametrize(("file", "path", "value", "said"), VALUES)
def test_a_value_that_cannot_be_is_refused_though_digests_fit(
    folder: Path, file: str, path: str, value: Any, said: str
):
    set_value(folder, file, path, value)
    reseal(folder)
    refused(folder, said)


def change_tensor(file: Path, name: str, change: Callable[[torch.Tensor], torch.Tensor] | None) -> None:
    tensors = {key: each.clone() for key, each in load_file(file).items()}
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors.get(name, torch.zeros(1))).contiguous().clone()
    save_file(tensors, file)


def with_number(number: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(each: torch.Tensor) -> torch.Tensor:
        each.reshape(-1)[-1] = number
        return each

    return change


TENSORS = [
    ("server/state.safetensors", "table.items.values", with_number(float("nan")), "finite"),
    ("server/state.safetensors", "table.users.second", with_number(-1.0), "0 or more"),
    ("server/state.safetensors", "table.users.steps", with_number(-1), "0 or more"),
    ("server/state.safetensors", "table.users.values", lambda each: each[:-1], "shape"),
    ("server/state.safetensors", "table.users.values", lambda each: each.double(), "float64"),
    ("server/state.safetensors", "array.stowaway", lambda each: each, "not expected"),
    ("server/state.safetensors", "table.users.first", None, "missing"),
    ("server/snapshots.safetensors", "0.users", lambda each: each[:-1], "shape"),
    ("server/snapshots.safetensors", "0.items", with_number(float("inf")), "finite"),
    ("published/model.safetensors", "table.items", lambda each: each[:, :-1], "shape"),
    ("published/model.safetensors", "array.item_item.items", with_number(30), "column 30"),
    ("published/model.safetensors", "array.item_item.items", with_number(-1), "0 or more"),
    ("published/model.safetensors", "array.item_item.items", lambda each: each.flip(0), "out of order"),
    ("published/model.safetensors", "array.item_item.counts", with_number(2**31 - 1), "no matrix"),
    ("published/model.safetensors", "array.item_item.values", lambda each: each[:-1], "no matrix"),
    ("devices/private.safetensors", "vector.values", with_number(float("nan")), "finite"),
    ("devices/private.safetensors", "vector.values", lambda each: each[:-1], "shape"),
    ("devices/personal.safetensors", "view", lambda each: each, "not expected"),
]


@pytest.mark.parametrize(("file", "name", "change", "said"), TENSORS)
def test_a_tensor_that_cannot_be_is_refused_though_digests_fit(
    folder: Path, file: str, name: str, change: Callable[[torch.Tensor], torch.Tensor] | None, said: str
):
    change_tensor(folder / file, name, change)
    reseal(folder)
    refused(folder, said)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("kept.inverse", lambda each: each * 0, "diagonal"),
        ("kept.inverse", lambda each: each[:-1], "shape"),
        ("kept.inverse", None, "missing"),
        ("kept.gram.values", with_number(0), "1 or more"),
        ("kept.gram.offsets", with_number(1), "no matrix"),
        ("array.weights.values", with_number(float("nan")), "finite"),
    ],
)
def test_a_closed_form_that_cannot_be_is_refused(exact: Path, name: str, change: Any, said: str):
    change_tensor(exact / "server/state.safetensors", name, change)
    reseal(exact)
    refused(exact, said)


def last_row(table: pl.DataFrame, **values: Any) -> pl.DataFrame:
    last = table.tail(1).with_columns(**{name: pl.lit(each).cast(table[name].dtype) for name, each in values.items()})
    return pl.concat([table.head(len(table) - 1), last])


TABLES = [
    ("server/shared.parquet", lambda table: last_row(table, item=-1), "item indices"),
    ("server/shared.parquet", lambda table: last_row(table, user=14), "user indices"),
    ("server/shared.parquet", lambda table: pl.concat([table, table.tail(1)]), "repeated"),
    ("server/shared.parquet", lambda table: table.with_columns(pl.col("user").cast(pl.Int64)), "columns"),
    ("server/sharers.parquet", lambda table: last_row(table, user_id="u00"), "twice"),
    ("server/sharers.parquet", lambda table: last_row(table, user_id="nobody"), "disagree"),
    ("server/catalogue.parquet", lambda table: last_row(table, item_id=" "), "empty"),
    ("server/catalogue.parquet", lambda table: last_row(table, title="another"), "catalogue"),
    ("published/catalogue.parquet", lambda table: table.head(3), "rows"),
    ("devices/people.parquet", lambda table: last_row(table, user_id=None), "gaps"),
    ("devices/people.parquet", lambda table: last_row(table, user_id="nobody"), "disagree|not in the data"),
    ("devices/interactions.parquet", lambda table: last_row(table, item=30), "indices"),
    ("devices/interactions.parquet", lambda table: last_row(table, timestamp=-1), "negative"),
    ("devices/interactions.parquet", lambda table: table.head(5), "disagree|no interaction"),
    ("devices/events.parquet", lambda table: last_row(table, kind="steal"), "kind"),
    ("devices/events.parquet", lambda table: table.head(3), "disagree"),
    ("devices/events.parquet", lambda table: table[np.zeros(3_000_000, dtype=np.int64)], "rows"),
    (
        "devices/events.parquet",
        lambda table: pl.concat(
            [last_row(table, reason="x" * 10_000)] + 30 * [last_row(table, reason="x" * 1_000_000).tail(1)]
        ),
        "bytes of text",
    ),
]


@pytest.mark.parametrize(("file", "change", "said"), TABLES)
def test_a_table_that_cannot_be_is_refused_though_digests_fit(
    folder: Path, file: str, change: Callable[[pl.DataFrame], pl.DataFrame], said: str
):
    change(pl.read_parquet(folder / file)).write_parquet(folder / file)
    reseal(folder)
    refused(folder, said)


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def link(file: Path) -> None:
    file.rename(file.parents[2] / "aside")
    file.symlink_to(file.parents[2] / "aside")


def inner_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("make", [fifo, link, inner_folder])
@pytest.mark.parametrize("name", ["server/manifest.json", "devices/private.safetensors", "published/catalogue.parquet"])
def test_what_is_no_file_is_refused(folder: Path, make: Callable[[Path], None], name: str):
    make(folder / name)
    refused(folder, "regular file")


def test_a_side_that_is_a_link_is_refused(folder: Path):
    (folder / "devices").rename(folder.parent / "aside")
    (folder / "devices").symlink_to(folder.parent / "aside")
    refused(folder, "is no folder")


def test_a_stranger_beside_the_three_folders_is_refused(folder: Path):
    (folder / "old run").mkdir()
    refused(folder, "does not belong there")


def test_a_file_of_another_size_is_refused_before_it_is_read(folder: Path):
    os.truncate(folder / "server" / "state.safetensors", 2**42)  # a hole of 4 TiB
    refused(folder, "is not what was written")


def test_a_run_whose_name_is_a_link_loads(folder: Path):
    (folder.parent / "latest").symlink_to(folder)
    assert Run.load(folder.parent / "latest").finished
    with pytest.raises(MissingFile):
        Run.load(folder.parent / "nowhere")


def test_a_model_that_has_diverged_is_not_written(small_run: Run, tmp_path: Path):
    table = small_run.server.state.tables["items"]
    table.values[0, 0], kept = float("nan"), table.values[0, 0].clone()
    try:
        with pytest.raises(RunError, match=r"diverged.*learning_rate"):
            small_run.save(tmp_path / "run")
    finally:
        table.values[0, 0] = kept
    assert list(tmp_path.iterdir()) == []


def test_every_algorithm_has_a_layout_and_every_option_a_type_that_is_checked():
    from fedshare.storage.schema import check_values

    assert set(layouts._STATES) == set(ALGORITHMS)
    for row in ALGORITHMS.values():
        for cls in (row.cls, row.task, row.cls.choice):
            if cls is not None:
                with pytest.raises(DamagedRun):
                    check_values(cls, {"surely no option": 1}, "options")
    assert small_fedshare().name in layouts.KEEPS_SNAPSHOTS
