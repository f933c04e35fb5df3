"""What runs in the server's process: it is given a copy of ``RUN/server``, a pipe, and nothing else.

It answers with what it did, and with every sentinel that it can find in its own files, in what crossed the pipe, and in
its memory.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedshare.federation.metering import Metered
from fedshare.federation.orders import carry_out
from fedshare.storage.published_folder import save_published
from fedshare.storage.server_folder import load_server, save_server
from fedshare.transport.codec import Notice, decode
from fedshare.transport.pipe import RemoteDevices
from fedshare.unlearning.registry import method
from fedshare.unlearning.withdrawal import Withdrawal


class Recorded:
    """A pipe that keeps what crossed."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.crossed: list[bytes] = []

    def send_bytes(self, buf: bytes, /) -> None:
        self.crossed.append(bytes(buf))
        self._pipe.send_bytes(buf)

    def recv_bytes(self) -> bytes:
        self.crossed.append(self._pipe.recv_bytes())
        return self.crossed[-1]


def main(folder: Path, pipe: Connection, results: Connection, name: str, options: dict[str, Any], leak: bool) -> None:
    """Load, publish, unlearn, save, load again, verify, list versions; then look for what must not be here."""
    recorded = Recorded(pipe)
    run = load_server(folder / "server")
    save_published(run.release(), run.catalogue, folder / "published")
    notice = decode(recorded.recv_bytes())
    assert isinstance(notice, Notice)
    withdrawal = Withdrawal.of(run.view, notice.user.numpy(), notice.item.numpy(), erases=notice.erases)
    devices = Metered(RemoteDevices(recorded))
    after = carry_out(method(name, options).unlearn(run, withdrawal), devices, run.min_cohort)
    save_server(after, folder / "after")
    again = load_server(folder / "after")
    verified = None
    if after.certificate is not None:
        from fedshare.algorithms.shared_ease.verification import verify_server

        verified = not verify_server(again).failed
    pipe.close()
    told = {
        "rounds": devices.rounds,
        "versions": [tuple(version) for version in again.versions()],
        "verified": verified,
        "crossed": len(recorded.crossed),
    }
    results.send(told)
    # only now does this process learn what to look for; it came as bytes, in reverse, so that none of it is here yet
    sentinels = [each[::-1] for each in results.recv()]
    kept = [sentinels[0] * 2] if leak else []
    found = {
        "files": search(sentinels, (each.read_bytes() for each in folder.rglob("*") if each.is_file())),
        "messages": search(sentinels, recorded.crossed),
        "memory": search(sentinels, memory(skip=(sentinels, *sentinels, results))),
    }
    results.send(found)
    del kept


def search(sentinels: Sequence[bytes], places: Iterable[bytes]) -> list[str]:
    """The sentinels that occur, in hex."""
    found: set[str] = set()
    for place in places:
        found |= {each.hex() for each in sentinels if each in place}
    return sorted(found)


def memory(skip: tuple[object, ...]) -> Iterator[bytes]:
    """Every string, number and array that can be reached in this process, as bytes."""
    ignored = {id(each) for each in skip}
    seen: set[int] = set()
    stack: list[object] = [each for each in gc.get_objects() if id(each) not in ignored]
    ignored |= {id(stack), id(seen), id(ignored)}
    while stack:
        each = stack.pop()
        if id(each) in seen or id(each) in ignored:
            continue
        seen.add(id(each))
        yield from _bytes_of(each)
        if isinstance(each, dict | list | tuple | set | frozenset) or gc.is_tracked(each):
            stack.extend(more for more in gc.get_referents(each) if id(more) not in seen)


def _bytes_of(value: object) -> Iterator[bytes]:
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes | bytearray):
        yield bytes(value)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, torch.Tensor) and value.layout is torch.strided:
        yield (
            value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b""
        )
    elif isinstance(value, int) and not isinstance(value, bool) and 2**31 < value < 2**63:
        yield value.to_bytes(8, "little")
