"""Run folders that something happened to, by chance or on purpose, and what the library makes of them.

:func:`mutate` changes one thing in a folder: bytes, whole files, values of a manifest, tensors, tables. Half of the
time all digests are made to fit afterwards, as somebody would who knows how. :func:`outcome_of` loads the folder and
does with it what people do. Whatever goes wrong has to be one of the library's own errors.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from safetensors.torch import load_file, save_file

from fedshare.algorithms.fedmf import FedMF
from fedshare.algorithms.pfedrec import PFedRec
from fedshare.algorithms.popularity import Popularity
from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.errors import FedShareError, NotMeasured
from fedshare.evaluation.evaluate import evaluate
from fedshare.sharing.ledger import share
from fedshare.sharing.policy import ShareFraction
from fedshare.simulation.run import Run
from fedshare.simulation.train import resume
from fedshare.simulation.unlearn import unlearn
from fedshare.testing.folders import reseal
from fedshare.testing.synthetic import small_fedshare, small_ledger, train_small
from fedshare.unlearning.registry import method, suited_to

__all__ = ["Mutation", "make_runs", "mutate", "outcome_of"]

Draw = np.random.Generator


class Mutation(NamedTuple):
    """What was done to a folder."""

    kind: str
    what: str
    resealed: bool


class _Stop(Exception):
    pass


def make_runs(folder: Path) -> list[Path]:
    """Small runs of several algorithms, one with a test, and a checkpoint, written into a folder."""
    known = small_ledger().known
    held = np.arange(known.n_pairs) % 6 == 0
    ledger, test = share(known.select(~held), ShareFraction(0.5)), known.select(held)
    algorithms = {
        "fedshare": small_fedshare(),
        "shared-ease": SharedEASE(regs=(50.0,), popularity_penalties=(0.0,), neighbours=(12,)),
        "fedmf": FedMF(embedding_size=4, pseudo_items=10),
        "pfedrec": PFedRec(embedding_size=4),
        "popularity": Popularity(),
    }
    for name, algorithm in algorithms.items():
        train_small(algorithm, ledger, rounds=3, test=test).save(folder / name)

    def stop(number: int, *_: object) -> None:
        if number == 2:
            raise _Stop

    with suppress(_Stop):
        train_small(
            small_fedshare(), ledger, rounds=4, checkpoint=folder / "checkpoint", checkpoint_every=2, progress=stop
        )
    return [*(folder / name for name in algorithms), folder / "checkpoint"]


def mutate(run: Path, other: Path, draw: Draw) -> Mutation:
    """Change one thing in a run folder.

    Args:
        run: A folder of the test's own.
        other: Another run, to take things from; it is left as it is.
        draw: Where chance comes from.
    """
    kind = str(draw.choice(list(_KINDS)))
    what = _KINDS[kind](run, other, draw)
    resealed = bool(draw.random() < 0.5)
    if resealed:
        reseal(run)
    return Mutation(kind, what, resealed)


def outcome_of(run: Path, elsewhere: Path) -> str:
    """What loading a folder and working with it comes to: ``works``, or the name of an error and where it came from.

    Args:
        run: The folder.
        elsewhere: A free name to save to.

    Raises:
        Exception: Anything that is not the library's own; there must be none.
    """
    at = "load"
    try:
        loaded = Run.load(run)
        if not loaded.finished:
            at = "resume"
            if loaded.rounds > 20:
                return "works"  # training for longer is what it was asked for
            loaded = resume(run)
        people = loaded.known.users.ids
        at = "recommend"
        for user in (people[0], people[-1]):
            loaded.recommend(user)
        at = "evaluate"
        if loaded.test is not None and len(loaded.test):
            evaluate(loaded, loaded.test)
        at = "server scorer"
        _scores(loaded)
        at = "unlearn"
        after = _withdrawn(loaded)
        at = "save"
        after.save(elsewhere)
        at = "load again"
        Run.load(elsewhere)
    except FedShareError as error:
        if len(str(error)) > 1000:
            raise AssertionError(f"a message of {len(str(error))} characters: {str(error)[:200]}") from error
        return f"{type(error).__name__} at {at}"
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)
    return "works"


def _scores(run: Run) -> None:
    with suppress(NotMeasured):  # the server has nothing to say
        run.server_scorer().scores(np.arange(min(2, run.known.n_users)))


def _withdrawn(run: Run) -> Run:
    sharers = run.ledger.sharers()
    if not sharers:
        return run
    items = run.ledger.shared_items(sharers[0])[:1]
    _, request = run.ledger.unshare(sharers[0], items)
    return unlearn(run, request, method=method(suited_to(run.algorithm), {}))


# -- what can happen to a folder ---------------------------------------------------------------------------------------


def _file(run: Path, draw: Draw, ending: str = "") -> Path:
    files = sorted(each for each in run.rglob(f"*{ending}") if each.is_file())
    return files[int(draw.integers(len(files)))]


def _flip(run: Path, other: Path, draw: Draw) -> str:
    file = _file(run, draw)
    content = bytearray(file.read_bytes())
    for place in draw.integers(0, max(1, len(content)), size=int(draw.integers(1, 9))).tolist():
        content[place : place + 1] = bytes([int(draw.integers(256))])
    file.write_bytes(bytes(content))
    return file.name


def _cut(run: Path, other: Path, draw: Draw) -> str:
    file = _file(run, draw)
    content = file.read_bytes()
    place = int(draw.integers(len(content)))
    file.write_bytes(
        [content[:place], content + bytes(place), content[place:], b"", content[:place] * 2][int(draw.integers(5))]
    )
    return file.name


def _move(run: Path, other: Path, draw: Draw) -> str:
    file, choice = _file(run, draw), int(draw.integers(6))
    if choice == 0:
        file.unlink()
    elif choice == 1:
        shutil.copy(file, file.with_name("stowaway.bin"))
    elif choice == 2:
        second = _file(run, draw)
        one, two = file.read_bytes(), second.read_bytes()
        file.write_bytes(two)
        second.write_bytes(one)
    elif choice == 3:
        source = other / file.relative_to(run)
        if source.is_file():
            shutil.copy(source, file)
    elif choice == 4:
        side = ("server", "published", "devices")[int(draw.integers(3))]
        shutil.rmtree(run / side)
        shutil.copytree(other / side, run / side)
    else:
        shutil.rmtree(run / ("server", "published", "devices")[int(draw.integers(3))])
    return f"{file.name}, {choice}"


def _no_file(run: Path, other: Path, draw: Draw) -> str:
    file, choice = _file(run, draw), int(draw.integers(5))
    copy = run.with_name(f"{run.name}.aside")
    shutil.copy(file, copy)
    file.unlink()
    if choice == 0:
        file.symlink_to(copy)
    elif choice == 1:
        os.mkfifo(file)
    elif choice == 2:
        file.mkdir()
    elif choice == 3:
        file.symlink_to(file.name)  # to itself
    else:
        shutil.copy(copy, file)
        file.chmod(0)
    return f"{file.name}, {choice}"


def _json(run: Path, other: Path, draw: Draw) -> str:
    file = _file(run, draw, ".json")
    content = json.loads(file.read_text())
    place, parent = _leaf(content, draw)
    if isinstance(parent, dict) and draw.random() < 0.15:
        del parent[place]
    elif isinstance(parent, dict) and draw.random() < 0.1:
        parent["unheard of"] = _HOSTILE[int(draw.integers(len(_HOSTILE)))]
    else:
        old = parent[place]
        parent[place] = _near(old, draw) if draw.random() < 0.4 else _HOSTILE[int(draw.integers(len(_HOSTILE)))]
    text = json.dumps(content)
    file.write_text(text)
    return f"{file.parent.name}/{file.name}: {place}"


def _text(run: Path, other: Path, draw: Draw) -> str:
    file = _file(run, draw, ".json")
    texts = [
        "",
        "null",
        "[]",
        "[" * 100_000,
        '{"a":' * 5000,
        '{"format": 3, "format": 3}',
        "\ufeff{}",
        "{}" + " " * 2**23,
    ]
    choice = int(draw.integers(len(texts)))
    file.write_text(texts[choice])
    return f"{file.parent.name}/{file.name}: {choice}"


def _leaf(content: Any, draw: Draw) -> tuple[Any, Any]:
    while True:
        places = list(content) if isinstance(content, dict) else list(range(len(content)))
        place = places[int(draw.integers(len(places)))]
        inside = content[place]
        if not isinstance(inside, dict | list) or not inside or draw.random() < 0.15:
            return place, content
        content = inside


def _near(old: Any, draw: Draw) -> Any:
    if isinstance(old, bool):
        return not old
    if isinstance(old, int):
        return old + int(draw.integers(-2, 3))
    if isinstance(old, float):
        return old * float(draw.choice([-1.0, 0.5, 2.0, 1e6]))
    return old[::-1] if isinstance(old, str | list) else old


_HOSTILE: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2,
    10**9,
    2**31,
    2**63,
    10**40,
    -0.5,
    1e-300,
    1e300,
    float("nan"),
    float("inf"),
    "",
    "x",
    "0" * 64,
    "../../etc/passwd",
    "x" * 100_000,
    "\ud800",
    [],
    [1],
    [[[[]]]],
    {},
    {"a": {"b": 1}},
]


def _tensor(run: Path, other: Path, draw: Draw) -> str:
    file = _file(run, draw, ".safetensors")
    tensors = {name: each.clone() for name, each in load_file(file).items()}
    if not tensors:
        save_file({"extra": torch.zeros(3)}, file)
        return f"{file.name}: extra"
    name = sorted(tensors)[int(draw.integers(len(tensors)))]
    choice = int(draw.integers(len(_TENSORS)))
    _TENSORS[choice](tensors, name, draw)
    save_file({key: each.contiguous().clone() for key, each in tensors.items()}, file)
    return f"{file.name}: {name}, {choice}"


Tensors = dict[str, torch.Tensor]


def _one_number(value: float) -> Callable[[Tensors, str, Draw], None]:
    def change(tensors: Tensors, name: str, draw: Draw) -> None:
        flat = tensors[name].reshape(-1)
        if len(flat):
            whole = 1 if flat.dtype == torch.bool else int(np.clip(np.nan_to_num(value), -(2**31), 2**31 - 1))
            bounded = value if flat.is_floating_point() else whole
            flat[int(draw.integers(len(flat)))] = bounded

    return change


def _replaced(make: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Tensors, str, Draw], None]:
    def change(tensors: Tensors, name: str, draw: Draw) -> None:
        tensors[name] = make(tensors[name])

    return change


_TENSORS: list[Callable[[Tensors, str, Draw], None]] = [
    _one_number(float("nan")),
    _one_number(float("inf")),
    _one_number(-1.0),
    _one_number(-(2.0**31)),
    _one_number(2.0**31),
    _one_number(1e30),
    _one_number(0.0),
    _one_number(3.0),
    _replaced(lambda each: each[:-1]),
    _replaced(lambda each: torch.cat([each, each[:1]])),
    _replaced(lambda each: each[:0]),
    _replaced(lambda each: each.reshape(-1)),
    _replaced(lambda each: each.t() if each.dim() == 2 else each.unsqueeze(0)),
    _replaced(lambda each: each.double()),
    _replaced(lambda each: each.to(torch.int64)),
    _replaced(lambda each: each.to(torch.bool)),
    _replaced(lambda each: each.flip(0)),
    _replaced(lambda each: torch.tensor(1.0)),
    _replaced(lambda each: each * 0),
    _replaced(lambda each: -each if each.dtype != torch.bool else ~each),
    lambda tensors, name, draw: tensors.update({"stowaway": torch.zeros(3)}),
    lambda tensors, name, draw: tensors.update({f"{name}.more": tensors[name]}),
    lambda tensors, name, draw: tensors.update({"renamed": tensors.pop(name)}),
    lambda tensors, name, draw: tensors.__delitem__(name),
]


def _header(run: Path, other: Path, draw: Draw) -> str:
    """A header that claims more than there is."""
    file, choice = _file(run, draw, ".safetensors"), int(draw.integers(4))
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    if choice == 0:
        file.write_bytes((2**40).to_bytes(8, "little") + content[8:])
        return f"{file.name}: long header"
    header = json.loads(content[8 : 8 + length])
    names = [name for name in header if name != "__metadata__"] or ["x"]
    each = header.setdefault(names[0], {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})
    if choice == 1:
        each["shape"] = [2**40, 2**20]
    elif choice == 2:
        each["data_offsets"] = [0, 2**50]
    else:
        each["shape"], each["data_offsets"] = [2**38], [0, 2**40]
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    return f"{file.name}: {choice}"


def _table(run: Path, other: Path, draw: Draw) -> str:
    file = _file(run, draw, ".parquet")
    table = pl.read_parquet(file)
    column = table.columns[int(draw.integers(len(table.columns)))]
    choice = int(draw.integers(len(_TABLES)))
    _TABLES[choice](table, column, draw).write_parquet(file)
    return f"{file.name}: {column}, {choice}"


def _with(table: pl.DataFrame, column: str, value: Any, draw: Draw) -> pl.DataFrame:
    values = table[column].to_list()
    if isinstance(table[column].dtype, pl.List):
        value = None if value is None else [value]
    if values:
        values[int(draw.integers(len(values)))] = (
            value if not isinstance(values[0], str) or value is None else str(value)
        )
    return table.with_columns(pl.Series(column, values, dtype=table[column].dtype, strict=False))


def _as(table: pl.DataFrame, column: str, kind: pl.DataType) -> pl.DataFrame:
    """A column of another kind; a list of that kind where it holds lists."""
    kind = pl.List(kind) if isinstance(table[column].dtype, pl.List) else kind
    return table.with_columns(pl.col(column).cast(kind, strict=False))


Tables = Callable[[pl.DataFrame, str, Draw], pl.DataFrame]
_TABLES: list[Tables] = [
    lambda table, column, draw: table.head(max(0, len(table) - 1)),
    lambda table, column, draw: pl.concat([table, table.tail(1)]),
    lambda table, column, draw: table.head(0),
    lambda table, column, draw: table.reverse(),
    lambda table, column, draw: table.drop(column),
    lambda table, column, draw: table.rename({column: "renamed"}),
    lambda table, column, draw: table.with_columns(pl.col(column).alias("extra")),
    lambda table, column, draw: _as(table, column, pl.String()),
    lambda table, column, draw: table.with_columns(pl.lit(None).cast(table[column].dtype).alias(column)),
    lambda table, column, draw: _as(table, column, pl.Float64()),
    lambda table, column, draw: _with(table, column, None, draw),
    lambda table, column, draw: _with(table, column, -1, draw),
    lambda table, column, draw: _with(table, column, 0, draw),
    lambda table, column, draw: _with(table, column, 2**31 - 1, draw),
    lambda table, column, draw: _with(table, column, "x" * 10_000, draw),
    lambda table, column, draw: _with(table, column, "", draw),
    lambda table, column, draw: table.with_columns(pl.col(column).shuffle(seed=1)),
    lambda table, column, draw: pl.DataFrame({column: np.zeros(3_000_000, dtype=np.int32)}),
    lambda table, column, draw: (
        pl.DataFrame({each: [table[each][0]] * 300_000 for each in table.columns}, schema=table.schema)
        if len(table)
        else table
    ),
]

_KINDS: dict[str, Callable[[Path, Path, Draw], str]] = {
    "bytes": _flip,
    "length": _cut,
    "files": _move,
    "no file": _no_file,
    "values": _json,
    "more values": _json,
    "text": _text,
    "tensors": _tensor,
    "more tensors": _tensor,
    "header": _header,
    "tables": _table,
    "more tables": _table,
}
