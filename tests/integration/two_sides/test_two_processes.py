"""The server stands alone: another process has a copy of ``RUN/server`` and a pipe to devices, and that is enough.

Sentinels are planted in everything that is private: 64-bit times of private pairs, ids of people who share nothing, and
private vectors. The server's process looks for them in its files, in what crossed, and in its memory.
"""

from __future__ import annotations

import multiprocessing
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.data.interactions import Interactions
from fedshare.federation.orders import Devices
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.request import Request
from fedshare.sharing.state import State
from fedshare.simulation.run import Run
from fedshare.simulation.run_folder import load_device_run
from fedshare.simulation.unlearn import unlearn
from fedshare.storage.server_folder import load_server
from fedshare.testing.synthetic import small_fedshare, small_ledger, tensors_in, train_small
from fedshare.training.algorithm import Algorithm
from fedshare.transport.codec import Notice, encode
from fedshare.transport.pipe import serve
from fedshare.unlearning.registry import method

from . import server_process

FEDSHARE = small_fedshare()
EASE = SharedEASE(regs=(4.0,), popularity_penalties=(0.2,), neighbours=(7,))


class Planted(NamedTuple):
    """A run, and the bytes that must not be found on the server."""

    run: Run
    sentinels: list[bytes]


def plant(algorithm: Algorithm) -> Planted:
    """Train on people of whom two share nothing, then mark all that is private."""
    ledger = small_ledger(0.5)
    for user in ("u03", "u11"):
        ledger, _ = ledger.unshare(user, everything=True)
    known, private = ledger.known, ledger.state == State.PRIVATE
    assert known.timestamp is not None
    times = known.timestamp.copy()
    times[private] = 0x5EED_0000_1234_0000 + 7 * np.flatnonzero(private)
    silent = {known.users.index(user): f"nobody-{user}-5eed0aa55a" for user in ("u03", "u11")}
    marked = Interactions.from_arrays(
        [silent.get(user, known.users.ids[user]) for user in known.user.tolist()],
        [known.items.ids[item] for item in known.item.tolist()],
        timestamp=times,
    )
    shared = {u: ledger.shared_items(u) for u in ledger.sharers()}
    again = Ledger(marked)
    for user, items in shared.items():
        again = again.share(user, items)
    run = train_small(algorithm, again, rounds=3, seed=1)
    rows = run.devices.private.get("vector.values", torch.empty(0))
    texts = [name.encode() for name in silent.values()]
    numbers = [int(each).to_bytes(8, order) for each in times[private] for order in ("little", "big")]  # type: ignore[arg-type]
    decimals = [str(int(each)).encode() for each in times[private]]
    vectors = [row.to(kind).numpy().tobytes() for row in rows for kind in (torch.float32, torch.float16, torch.float64)]
    return Planted(run, [*texts, *numbers, *decimals, *vectors])


def requested(run: Run, erases: bool) -> Request:
    """Three people take back half; one of them may erase a shared and a private pair as well."""
    ledger = run.ledger
    for user in run.ledger.sharers()[:3]:
        ledger, _ = ledger.unshare(user, to=ledger.share_of(user) / 2)
    if erases:
        user = ledger.sharers()[0]
        ledger, _ = ledger.erase(user, [ledger.shared_items(user)[0], ledger.private_items(user)[0]])
    return Request(run.ledger, ledger)


def across(
    planted: Planted, request: Request, folder: Path, name: str, options: dict[str, Any], *, leak: bool = False
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Carry a request out with the server in a process of its own."""
    planted.run.save(folder / "run")
    shutil.copytree(folder / "run" / "server", folder / "alone" / "server")
    devices = load_device_run(folder / "run").population(request.after, request=request)
    context = multiprocessing.get_context("spawn")
    (mine, its), (mine_too, its_too) = context.Pipe(), context.Pipe()
    process = context.Process(
        target=server_process.main, args=(folder / "alone", its, its_too, name, options, leak), daemon=True
    )
    process.start()
    its.close()
    its_too.close()
    user, item = request.withdrawn_from_server
    mine.send_bytes(
        encode(
            Notice(
                user=torch.from_numpy(user.astype(np.int64)),
                item=torch.from_numpy(item.astype(np.int64)),
                erases=bool(request.erased.any()),
            )
        )
    )
    serve(devices, mine)
    told = mine_too.recv()
    private = [row.numpy().tobytes() for row in devices.private.get("vector.values", torch.empty(0))]
    mine_too.send([each[::-1] for each in [*planted.sentinels, *private]])
    found = mine_too.recv()
    process.join(timeout=60)
    assert process.exitcode == 0
    return told, found


CASES = [
    ("contrastive", {"steps": 6}, FEDSHARE, False),
    ("contrastive", {"steps": 4, "erase_rounds": 2}, FEDSHARE, True),
    ("retrain", {}, FEDSHARE, False),
    ("exact", {}, EASE, True),
]


@pytest.mark.parametrize(("name", "options", "algorithm", "erases"), CASES, ids=lambda each: str(each)[:12])
def test_a_server_alone_unlearns_as_it_does_beside_the_devices(
    tmp_path: Path, name: str, options: dict[str, Any], algorithm: Algorithm, erases: bool
):
    planted = plant(algorithm)
    request = requested(planted.run, erases)
    told, found = across(planted, request, tmp_path, name, options)
    beside = unlearn(planted.run, request, method=method(name, options))
    alone = load_server(tmp_path / "alone" / "after")
    here, there = (
        dict(tensors_in((beside.server.state, beside.server.history))),
        dict(tensors_in((alone.state, alone.history))),
    )
    assert here.keys() == there.keys()
    assert all(torch.equal(each, there[path]) for path, each in here.items())
    assert alone.share_set == request.after.version
    assert told["versions"] == [tuple(version) for version in beside.server.versions()]
    assert told["verified"] is (True if algorithm is EASE else None)
    assert told["rounds"] == beside.cost.rounds
    assert found == {"files": [], "messages": [], "memory": []}


def test_the_search_finds_what_is_there(tmp_path: Path):
    planted = plant(FEDSHARE)
    _, found = across(planted, requested(planted.run, False), tmp_path, "drop-only", {}, leak=True)
    assert found["memory"]
    devices = [each.read_bytes() for each in (tmp_path / "run" / "devices").iterdir()]
    vectors = planted.sentinels[-3:]
    assert server_process.search(vectors[:1], devices), "private vectors are on devices, as they are"


def test_a_server_that_asks_too_few_people_is_refused_across_the_pipe(tmp_path: Path):
    from multiprocessing import Pipe
    from threading import Thread

    from fedshare.errors import CohortTooSmall
    from fedshare.federation.orders import carry_out
    from fedshare.training.loop import more_rounds
    from fedshare.transport.pipe import RemoteDevices

    run = train_small(FEDSHARE, small_ledger(), rounds=1, seed=1)
    devices: Devices = replace(run.devices, min_cohort=50).population()
    here, there = Pipe()
    thread = Thread(target=serve, args=(devices, there), daemon=True)
    thread.start()
    with pytest.raises(CohortTooSmall, match="14 people, expected 50"):
        carry_out(more_rounds(run.server, 1), RemoteDevices(here), run.min_cohort)
    here.close()
    thread.join(timeout=10)
    assert not thread.is_alive()
